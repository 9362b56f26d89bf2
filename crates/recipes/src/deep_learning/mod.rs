//! Era 4, 1989-2017.

mod adversarial;
mod alexnet;
mod autoencoder;
mod cgan;
mod codes;
mod cvae;
mod dcgan;
mod denoising_autoencoder;
mod gan;
mod judge;
mod keras_cnn;
mod lenet;
mod mlp;
mod principal;
mod resnet;
mod unet;
mod vae;
mod vgg;
mod vq_vae;
mod wgan_gp;

pub use alexnet::AlexNetRecipe;
pub use autoencoder::AutoencoderRecipe;
pub use cgan::CganRecipe;
pub use cvae::CvaeRecipe;
pub use dcgan::DcganRecipe;
pub use denoising_autoencoder::DenoisingAutoencoderRecipe;
pub use gan::GanRecipe;
pub use keras_cnn::KerasCnnRecipe;
pub use lenet::LeNetRecipe;
pub use mlp::MlpRecipe;
pub use resnet::{ResNet18Recipe, ResNet20Recipe};
pub use unet::UNetRecipe;
pub use vae::VaeRecipe;
pub use vgg::VggRecipe;
pub use vq_vae::VqVaeRecipe;
pub use wgan_gp::WganGpRecipe;
