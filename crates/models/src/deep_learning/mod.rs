//! Era 4, 1989-2017: networks with many layers, and the data and machines to train them.

mod autoencoder;
mod cvae;
mod denoising_autoencoder;
mod gaussian;
mod mlp;
mod unet;
mod vae;

pub use autoencoder::Autoencoder;
pub use cvae::ConditionalVae;
pub use denoising_autoencoder::{DenoisingAutoencoder, spoil};
pub use gaussian::Gaussian;
pub use mlp::Mlp;
pub use unet::{ResidualBlock, TimeEmbedding, UNet};
pub use vae::{Bound, Vae};
