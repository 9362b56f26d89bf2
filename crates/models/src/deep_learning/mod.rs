//! Era 4, 1989-2017: networks with many layers, and the data and machines to train them.

mod autoencoder;
mod cvae;
mod denoising_autoencoder;
mod gaussian;
mod mlp;
mod pixel_cnn;
mod unet;
mod vae;
mod vq_vae;

pub use autoencoder::Autoencoder;
pub use cvae::ConditionalVae;
pub use denoising_autoencoder::{DenoisingAutoencoder, spoil};
pub use gaussian::Gaussian;
pub use mlp::Mlp;
pub use pixel_cnn::PixelCnn;
pub use unet::{ResidualBlock, TimeEmbedding, UNet};
pub use vae::{Bound, Vae};
pub use vq_vae::{Codebook, Coded, Quantized, VqVae};
