//! Era 4, 1989-2017.

mod adversarial;
mod autoencoder;
mod cgan;
mod codes;
mod cvae;
mod dcgan;
mod denoising_autoencoder;
mod gan;
mod judge;
mod mlp;
mod principal;
mod sampling;
mod unet;
mod vae;
mod video_gan;
mod vq_vae;
mod wgan_gp;

pub use autoencoder::AutoencoderRecipe;
pub use cgan::CganRecipe;
pub use cvae::CvaeRecipe;
pub use dcgan::DcganRecipe;
pub use denoising_autoencoder::DenoisingAutoencoderRecipe;
pub use gan::GanRecipe;
pub use mlp::MlpRecipe;
pub use unet::UNetRecipe;
pub use vae::VaeRecipe;
pub use video_gan::VideoGanRecipe;
pub use vq_vae::VqVaeRecipe;
pub use wgan_gp::WganGpRecipe;
