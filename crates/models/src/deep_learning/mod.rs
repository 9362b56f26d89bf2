//! Era 4, 1989-2017: networks with many layers, and the data and machines to train them.

mod alexnet;
mod autoencoder;
pub mod cgan;
mod cnn;
mod cvae;
pub mod dcgan;
mod denoising_autoencoder;
mod diagonal_gaussian;
pub mod frechet;
pub mod gan;
mod lenet;
mod mlp;
mod pixel_cnn;
mod resnet;
mod unet;
mod vae;
mod vgg;
pub mod video_gan;
mod vq_vae;
pub mod wgan_gp;

pub use alexnet::AlexNet;
pub use autoencoder::Autoencoder;
pub use cnn::Cnn;
pub use cvae::ConditionalVae;
pub use denoising_autoencoder::{DenoisingAutoencoder, spoil};
pub use diagonal_gaussian::DiagonalGaussian;
pub use lenet::LeNet;
pub use mlp::Mlp;
pub use pixel_cnn::PixelCnn;
pub use resnet::{ResNet, Shortcut, Stem};
pub use unet::{ResidualBlock, TimeEmbedding, UNet};
pub use vae::{Bound, Vae};
pub use vgg::Vgg;
pub use vq_vae::{Codebook, Coded, Quantized, VqVae};
