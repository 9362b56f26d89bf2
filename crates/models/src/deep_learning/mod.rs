//! Era 4, 1989-2017: networks with many layers, and the data and machines to train them.

pub mod cgan;
pub mod dcgan;
mod frechet;
pub mod gan;
mod lenet;
mod mlp;
mod unet;
pub mod video_gan;
pub mod wgan_gp;

pub use frechet::Gaussian;
pub use lenet::LeNet;
pub use mlp::Mlp;
pub use unet::{ResidualBlock, TimeEmbedding, UNet};
