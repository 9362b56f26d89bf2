//! Era 4, 1989-2017.

mod mlp;
mod unet;

pub use mlp::MlpRecipe;
pub use unet::UNetRecipe;
