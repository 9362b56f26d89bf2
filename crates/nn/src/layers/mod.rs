//! Layers, one file each.

mod activation;
mod batch_norm;
mod conv;
mod conv_transpose;
mod dense;
mod dropout;
mod embedding;
mod filter;
mod flatten;
mod group_norm;
mod identity;
mod layer_norm;
mod linear;
mod maxout;
mod rms_norm;

pub use activation::Activation;
pub use batch_norm::BatchNorm;
pub use conv::{Conv, Conv1d, Conv2d, Conv3d};
pub use conv_transpose::{ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d};
pub use dense::Dense;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use group_norm::GroupNorm;
pub use identity::Identity;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use maxout::Maxout;
pub use rms_norm::RmsNorm;

use crate::{Layer, Mode};
use eras_tensor::Tensor;

/// Layers that do the same in training and evaluation.
macro_rules! of_any_mode {
    ($($layer:ty),*) => { $(
        impl Layer for $layer {
            #[track_caller]
            fn apply(&self, x: &Tensor, _mode: &Mode) -> Tensor {
                self.forward(x)
            }
        }
    )* };
}
of_any_mode!(
    Activation,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Dense,
    Embedding,
    Flatten,
    GroupNorm,
    Identity,
    LayerNorm,
    Linear,
    Maxout,
    RmsNorm
);
