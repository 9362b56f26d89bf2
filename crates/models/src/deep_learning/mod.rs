//! Era 4, 1989-2017: networks with many layers, and the data and machines to train them.

mod mlp;
mod unet;

pub use mlp::Mlp;
pub use unet::{ResidualBlock, TimeEmbedding, UNet};
