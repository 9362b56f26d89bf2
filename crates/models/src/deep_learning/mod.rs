//! Era 4, 1989-2017: networks with many layers, and the data and machines to train them.

mod autoencoder;
pub mod cgan;
mod cvae;
pub mod dcgan;
mod denoising_autoencoder;
pub mod frechet;
pub mod gan;
mod gaussian;
mod lenet;
mod mlp;
mod unet;
mod vae;
pub mod wgan_gp;

pub use autoencoder::Autoencoder;
pub use cvae::ConditionalVae;
pub use denoising_autoencoder::{DenoisingAutoencoder, spoil};
pub use gaussian::Gaussian;
pub use lenet::LeNet;
pub use mlp::Mlp;
pub use unet::{ResidualBlock, TimeEmbedding, UNet};
pub use vae::{Bound, Vae};
