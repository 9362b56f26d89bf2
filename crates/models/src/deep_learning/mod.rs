//! Era 4, 1989-2017: networks with many layers, and the data and machines to train them.

mod alexnet;
mod autoencoder;
pub mod cgan;
mod cnn;
mod cvae;
pub mod dcgan;
mod denoising_autoencoder;
mod features;
pub mod frechet;
pub mod gan;
mod gaussian;
mod lenet;
mod mlp;
mod resnet;
mod unet;
mod vae;
mod vgg;
pub mod wgan_gp;

pub use alexnet::AlexNet;
pub use autoencoder::Autoencoder;
pub use cnn::Cnn;
pub use cvae::ConditionalVae;
pub use denoising_autoencoder::{DenoisingAutoencoder, spoil};
pub use features::Features;
pub use gaussian::Gaussian;
pub use lenet::LeNet;
pub use mlp::Mlp;
pub use resnet::{ResNet, Shortcut, Stem};
pub use unet::{ResidualBlock, TimeEmbedding, UNet};
pub use vae::{Bound, Vae};
pub use vgg::Vgg;
