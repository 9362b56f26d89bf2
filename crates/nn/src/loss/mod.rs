//! Losses: how far predictions are from what was wanted, as one number.
//!
//! Each common call is a function of predictions and targets that takes the mean; options are builders
//! ([`CrossEntropy`], [`BceWithLogits`]) or arguments of the operations of the same names on tensors.

mod binary;
mod cross_entropy;
mod divergence;
mod regression;

pub use binary::{BceWithLogits, bce_with_logits};
pub use cross_entropy::{CrossEntropy, cross_entropy, nll};
pub use divergence::{kl_div, kl_div_log_targets};
pub use regression::{huber, mae, mse, smooth_l1};
