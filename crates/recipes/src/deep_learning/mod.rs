//! Era 4, 1989-2017.

mod adversarial;
mod cgan;
mod dcgan;
mod gan;
mod judge;
mod mlp;
mod unet;
mod wgan_gp;

pub use cgan::CganRecipe;
pub use dcgan::DcganRecipe;
pub use gan::GanRecipe;
pub use mlp::MlpRecipe;
pub use unet::UNetRecipe;
pub use wgan_gp::WganGpRecipe;
