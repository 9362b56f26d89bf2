//! Layers, one file each.

mod activation;
mod batch_norm;
mod dense;
mod dropout;
mod embedding;
mod flatten;
mod group_norm;
mod identity;
mod layer_norm;
mod linear;
mod rms_norm;

pub use activation::Activation;
pub use batch_norm::BatchNorm;
pub use dense::Dense;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use group_norm::GroupNorm;
pub use identity::Identity;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use rms_norm::RmsNorm;
