//! The distance between distributions.

use eras_tensor::{Reduction, Tensor};

/// The Kullback-Leibler divergence of log-probabilities from probabilities, the mean over the first axis.
///
/// Shapes: log-probabilities `(N, ..)`, targets the same. This is the divergence of mathematics, PyTorch's
/// `reduction="batchmean"`; its default divides by the number of classes too.
///
/// ```
/// use eras::prelude::*;
///
/// let p = Tensor::from([[0.5f64, 0.5], [1.0, 0.0]]);
/// let q = Tensor::from([[0.5f64, 0.5], [0.25, 0.75]]);
/// let divergence = kl_div(&q.ln(), &p); // of q from p
/// assert!((divergence.item() - 4f64.ln() / 2.0).abs() < 1e-12);
/// ```
///
/// # Panics
/// If shapes or dtypes differ.
#[must_use]
#[track_caller]
pub fn kl_div(log_probabilities: &Tensor, targets: &Tensor) -> Tensor {
    let sum = log_probabilities.kl_div(targets, false, Reduction::Sum);
    sum * (1.0 / batch(log_probabilities))
}

/// As [`kl_div`], for targets that are log-probabilities too.
///
/// # Panics
/// If shapes or dtypes differ.
#[must_use]
#[track_caller]
pub fn kl_div_log_targets(log_probabilities: &Tensor, log_targets: &Tensor) -> Tensor {
    let sum = log_probabilities.kl_div(log_targets, true, Reduction::Sum);
    sum * (1.0 / batch(log_probabilities))
}

/// The number of distributions.
fn batch(x: &Tensor) -> f64 {
    x.shape().first().copied().unwrap_or(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_at_no_distance_from_itself() {
        let p = Tensor::from([[0.2f64, 0.3, 0.5], [0.1, 0.1, 0.8]]);
        assert!(kl_div(&p.ln(), &p).item().abs() < 1e-15);
        assert!(kl_div_log_targets(&p.ln(), &p.ln()).item().abs() < 1e-15);
    }
}
