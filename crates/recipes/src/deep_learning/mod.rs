//! Era 4, 1989-2017.

mod adversarial;
mod alexnet;
mod cgan;
mod dcgan;
mod degradation;
mod gan;
mod judge;
mod keras_cnn;
mod lenet;
mod mlp;
mod resnet;
mod unet;
mod vgg;
mod wgan_gp;

pub use alexnet::AlexNetRecipe;
pub use cgan::CganRecipe;
pub use dcgan::DcganRecipe;
pub use degradation::DegradationRecipe;
pub use gan::GanRecipe;
pub use keras_cnn::KerasCnnRecipe;
pub use lenet::LeNetRecipe;
pub use mlp::MlpRecipe;
pub use resnet::{ResNet18Recipe, ResNet20Recipe};
pub use unet::UNetRecipe;
pub use vgg::VggRecipe;
pub use wgan_gp::WganGpRecipe;
