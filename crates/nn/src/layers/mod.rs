//! Layers, one file each.

mod activation;
mod adaptive_pool;
mod batch_norm;
mod conv;
mod conv_transpose;
mod dense;
mod dropout;
mod embedding;
mod filter;
mod flatten;
mod global_pool;
mod group_norm;
mod identity;
mod instance_norm;
mod layer_norm;
mod linear;
mod maxout;
mod multi_head_attention;
mod pixel_shuffle;
mod pool;
mod reshape;
mod rms_norm;
mod rotary;
mod spectral_norm;
mod unfold;
mod upsample;
mod weight_norm;
mod weighted;

pub use activation::Activation;
pub use adaptive_pool::{AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d};
pub use adaptive_pool::{AdaptiveMaxPool, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d};
pub use batch_norm::BatchNorm;
pub use conv::{Conv, Conv1d, Conv2d, Conv3d};
pub use conv_transpose::{ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d};
pub use dense::Dense;
pub use dropout::{Dropout, Dropout2d};
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use global_pool::{GlobalAvgPool, GlobalMaxPool};
pub use group_norm::GroupNorm;
pub use identity::Identity;
pub use instance_norm::InstanceNorm;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use maxout::Maxout;
pub use multi_head_attention::{MultiHeadAttention, Projections};
pub use pixel_shuffle::{PixelShuffle, PixelUnshuffle};
pub use pool::{AvgPool, AvgPool1d, AvgPool2d, AvgPool3d};
pub use pool::{MaxPool, MaxPool1d, MaxPool2d, MaxPool3d};
pub use reshape::Reshape;
pub use rms_norm::RmsNorm;
pub use rotary::Rotary;
pub use spectral_norm::SpectralNorm;
pub use unfold::{Fold, Unfold};
pub use upsample::Upsample;
pub use weight_norm::WeightNorm;
pub use weighted::Weighted;

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
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Dense,
    Embedding,
    Flatten,
    Fold,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Identity,
    InstanceNorm,
    LayerNorm,
    Linear,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    Maxout,
    PixelShuffle,
    PixelUnshuffle,
    Reshape,
    RmsNorm,
    Unfold,
    Upsample
);
