//! Era 4, 1989-2017.

mod mlp;

pub use mlp::MlpRecipe;
