//! Deep learning in Rust, every era of it.

pub use eras_tensor::*;

/// Data sets, readers and loaders.
pub mod data {
    pub use eras_data::*;
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
    pub use crate::data::{Batch, Dataset, FashionMnist, Loader, Mnist, TensorDataset};
    pub use crate::nn::{Activation, BatchNorm, Dense, Dropout, Embedding, Flatten, GroupNorm};
    pub use crate::nn::{Adadelta, Adagrad, Adam, AdamW, Optimizer, RmsProp, Schedule, Sgd};
    pub use crate::nn::{
        BceWithLogits, CrossEntropy, bce_with_logits, cross_entropy, huber, kl_div,
    };
    pub use crate::nn::{Identity, Init, LayerNorm, Linear, RmsNorm, mae, mse, nll, smooth_l1};
    pub use crate::nn::{Layer, Mode, Module, Param, Sequential, summary};
    pub use crate::train::{Accuracy, EarlyStopping, Goal, Trainer};
    pub use crate::{CustomOp, checkpoint, custom};
    pub use crate::{Dtype, Gradients, INFER, PadMode, Reduction, Rng, Tensor, grad, no_grad};
}
