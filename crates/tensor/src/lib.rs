//! Tensors and the tape.
//!
//! A [`Tensor`] is a cheap handle on shared, strided numbers; operations on tracked tensors are recorded on
//! the tape, and [`Tensor::backward`] returns the gradients as a value.

#[cfg(test)]
mod checks;
pub mod count;
mod dtype;
mod error;
#[cfg(feature = "ndarray")]
mod ndarray;
mod nearest;
mod ops;
mod precision;
mod print;
mod rng;
mod shape;
mod tape;
mod tensor;

pub use eras_kernels::buffer::{PoolStats, clear_pool, pool_stats, set_pool_cap};
pub use eras_kernels::team::{set_threads, threads};

pub use dtype::{Dtype, Element};
pub use error::{Error, Result};
pub use nearest::nearest;
pub use ops::{AttentionOptions, Pairing, Resize, Window};
pub use ops::{ConvOptions, Interpolation, Operand, PadMode, Padding, PerAxis, Reduction};
pub use precision::matmul_precision;
pub use rng::{Rng, philox};
pub use shape::{Axes, Axis, Dims, INFER, MAX_RANK};
pub use tape::{CustomOp, Gradients, checkpoint, custom, grad, no_grad};
pub use tensor::{Device, Tensor};
