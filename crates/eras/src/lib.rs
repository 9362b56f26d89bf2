//! Deep learning in Rust, every era of it.

pub use eras_tensor::*;

/// Data sets, readers and loaders.
pub mod data {
    pub use eras_data::*;
}

/// Weights as other programs store them: safetensors, PyTorch, NumPy.
pub mod formats {
    pub use eras_formats::*;
}

/// Models of every era.
pub mod models {
    pub use eras_models::*;
}

/// Layers, initializers, losses, optimizers, schedules.
pub mod nn {
    pub use eras_nn::*;
}

/// The trainer, metrics, callbacks and checkpoints.
pub mod train {
    pub use eras_train::*;
}

/// What most programs need: `use eras::prelude::*;`
pub mod prelude {
    pub use crate::data::{Batch, Cifar10, Dataset, FashionMnist, Loader, Mnist, TensorDataset};
    pub use crate::nn::WeightNorm;
    pub use crate::nn::{Activation, BatchNorm, Dense, Dropout, Embedding, Flatten, GroupNorm};
    pub use crate::nn::{Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lbfgs};
    pub use crate::nn::{AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d};
    pub use crate::nn::{AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d};
    pub use crate::nn::{AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d};
    pub use crate::nn::{
        BceWithLogits, CrossEntropy, Ctc, bce, bce_with_logits, cosine_loss, cosine_similarity,
        cross_entropy, ctc, dice, hinge, huber, kl_div, log_cosh, mape, msle, multi_margin,
        sigmoid_focal, softmax_focal, squared_hinge, triplet_margin,
    };
    pub use crate::nn::{Conv1d, Conv2d, Conv3d};
    pub use crate::nn::{ConvTranspose1d, ConvTranspose2d, ConvTranspose3d};
    pub use crate::nn::{Dropout2d, Fold, GlobalAvgPool, GlobalMaxPool, InstanceNorm};
    pub use crate::nn::{Identity, Init, LayerNorm, Linear, RmsNorm, mae, mse, nll, smooth_l1};
    pub use crate::nn::{Layer, Mode, Module, Param, Sequential, summary};
    pub use crate::nn::{Lion, Muon, Nadam, Optimizer, Radam, RmsProp, Rprop, Schedule, Sgd};
    pub use crate::nn::{MultiHeadAttention, Rotary};
    pub use crate::nn::{PixelShuffle, PixelUnshuffle, Reshape, SpectralNorm, Unfold, Upsample};
    pub use crate::train::{Accuracy, EarlyStopping, Goal, Trainer};
    pub use crate::{AttentionOptions, ConvOptions, Padding, Pairing, PerAxis};
    pub use crate::{CustomOp, checkpoint, custom};
    pub use crate::{
        Dtype, Gradients, INFER, Interpolation, PadMode, Reduction, Resize, Rng, Tensor, Window,
        grad, no_grad,
    };
}
