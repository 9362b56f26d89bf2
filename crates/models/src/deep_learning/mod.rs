//! Era 4, 1989-2017: networks with many layers, and the data and machines to train them.

mod alexnet;
mod cnn;
mod features;
mod mlp;
mod resnet;
mod unet;
mod vgg;

pub use alexnet::AlexNet;
pub use cnn::Cnn;
pub use features::Features;
pub use mlp::Mlp;
pub use resnet::{ResNet, Shortcut, Stem};
pub use unet::{ResidualBlock, TimeEmbedding, UNet};
pub use vgg::Vgg;
