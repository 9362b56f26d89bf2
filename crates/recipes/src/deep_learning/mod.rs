//! Era 4, 1989-2017.

mod adversarial;
mod cgan;
mod dcgan;
mod gan;
mod judge;
mod mlp;
mod wgan_gp;

pub use cgan::CganRecipe;
pub use dcgan::DcganRecipe;
pub use gan::GanRecipe;
pub use mlp::MlpRecipe;
pub use wgan_gp::WganGpRecipe;
