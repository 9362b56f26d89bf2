//! Layers, initializers, losses, optimizers, schedules.

// What `#[derive(Module)]` writes names `::eras::nn`: here that is this crate.
extern crate self as eras;
#[doc(hidden)]
pub mod nn {
    pub use crate::{Module, Path, Visitor, VisitorMut};
}

mod average;
mod init;
mod layer;
mod layers;
mod lora;
mod loss;
mod mode;
mod module;
pub mod optim;
mod param;
mod schedule;
mod state;
mod summary;
mod want;
mod watch;

pub use average::Average;
pub use eras_derive::Module;
pub use init::{Fan, Init, Shape, fans};
pub use layer::{Layer, Sequential};
pub use layers::{Activation, BatchNorm, Dense, Dropout, Dropout2d, Embedding, Flatten, Fold};
pub use layers::{AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d};
pub use layers::{AdaptiveMaxPool, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d};
pub use layers::{AvgPool, AvgPool1d, AvgPool2d, AvgPool3d};
pub use layers::{Conv, Conv1d, Conv2d, Conv3d};
pub use layers::{ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d};
pub use layers::{GlobalAvgPool, GlobalMaxPool, MaxPool, MaxPool1d, MaxPool2d, MaxPool3d};
pub use layers::{GroupNorm, Identity, InstanceNorm, LayerNorm, Linear, Maxout, RmsNorm};
pub use layers::{MultiHeadAttention, Projections, Rotary};
pub use layers::{PixelShuffle, PixelUnshuffle, Reshape, Unfold, Upsample};
pub use layers::{SpectralNorm, WeightNorm, Weighted};
pub use lora::Lora;
pub use loss::*;
pub use mode::Mode;
pub use module::{Module, Path, Visitor, VisitorMut};
pub use optim::{Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lbfgs, Lion, Muon};
pub use optim::{Nadam, Optimizer, Radam, RmsProp, Rprop, Sgd};
pub use optim::{clip_by_global_norm, clip_by_value, global_norm};
pub use param::{Buffer, Param};
pub use schedule::{Anneal, Fading, Schedule};
pub use state::{Buffers, Fitted};
pub use summary::{Row, StepCost, Summary, summary};
pub use watch::first_non_finite;
