//! A Gaussian of independent numbers: what an encoder says of a code that it is not sure of.

use eras_tensor::{Dtype, Rng, Tensor};
use std::f64::consts::TAU;

/// `N(mean, e^log_var)`, each number by itself: both `(.., Z)`.
///
/// ```
/// use eras::models::deep_learning::DiagonalGaussian;
/// use eras::prelude::*;
///
/// let q = DiagonalGaussian { mean: Tensor::from([[1.0f32, -1.0]]), log_var: Tensor::zeros([1, 2]) };
/// // At the width of the standard normal distribution only the distance counts: (1 + 1) / 2.
/// assert_eq!(q.kl_to_standard().to_vec::<f32>(), [1.0]);
/// assert_eq!(q.sample(&mut Rng::new(0)).shape(), [1, 2]);
/// ```
#[derive(Debug, Clone)]
pub struct DiagonalGaussian {
    /// `(.., Z)`
    pub mean: Tensor,
    /// The logarithm of the variance: `(.., Z)`.
    pub log_var: Tensor,
}

impl DiagonalGaussian {
    /// From mean and log-variance side by side: `(.., 2 Z)`.
    ///
    /// # Panics
    /// If the last axis is odd.
    #[must_use]
    #[track_caller]
    pub fn from_halves(halves: &Tensor) -> Self {
        let width = halves.shape().last().copied().unwrap_or(1);
        assert!(
            width.is_multiple_of(2),
            "DiagonalGaussian: found {:?}, wanted mean and log-variance of the same width side by side",
            halves.shape()
        );
        Self {
            mean: halves.narrow(-1, 0, width / 2),
            log_var: halves.narrow(-1, width / 2, width / 2),
        }
    }

    /// The place that standard normal numbers `noise (.., Z)` have here: `mean + noise e^(log_var / 2)`, through which
    /// gradients flow to mean and variance.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[must_use]
    #[track_caller]
    pub fn at(&self, noise: &Tensor) -> Tensor {
        &self.mean + noise * (&self.log_var * 0.5).exp()
    }

    /// A sample: `(.., Z)`.
    #[must_use]
    pub fn sample(&self, rng: &mut Rng) -> Tensor {
        self.at(&normal(self.mean.shape(), self.mean.dtype(), rng))
    }

    /// The Kullback-Leibler divergence to `N(0, 1)`, in nats: `½ Σ (mean² + e^log_var − 1 − log_var)` over the last axis,
    /// `(..)`.
    #[must_use]
    pub fn kl_to_standard(&self) -> Tensor {
        (self.mean.sqr() + self.log_var.exp() - 1.0 - &self.log_var).sum(-1) * 0.5
    }

    /// `ln N(z; mean, e^log_var)` summed over the last axis: `(..)`.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[must_use]
    #[track_caller]
    pub fn log_density(&self, z: &Tensor) -> Tensor {
        let off = (z - &self.mean).sqr() * (-&self.log_var).exp();
        (off + &self.log_var + TAU.ln()).sum(-1) * -0.5
    }

    /// `ln N(z; 0, 1)` summed over the last axis: `(..)`.
    #[must_use]
    pub fn standard_log_density(z: &Tensor) -> Tensor {
        (z.sqr() + TAU.ln()).sum(-1) * -0.5
    }
}

/// Standard normal numbers.
pub(super) fn normal(shape: &[usize], dtype: Dtype, rng: &mut Rng) -> Tensor {
    match dtype {
        Dtype::F64 => Tensor::randn_f64(shape, rng),
        _ => Tensor::randn(shape, rng).to_dtype(dtype),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> DiagonalGaussian {
        DiagonalGaussian {
            mean: Tensor::from([[0.5f64, -1.0, 0.0], [2.0, 0.0, 0.1]]),
            log_var: Tensor::from([[0.0f64, -1.0, 0.7], [-0.2, 0.4, 0.0]]),
        }
    }

    #[test]
    fn the_divergence_is_the_mean_difference_of_the_log_densities() {
        let (q, rng) = (some(), &mut Rng::new(0));
        let mut sum = Tensor::zeros([2]).to_dtype(Dtype::F64);
        const DRAWN: usize = 40_000;
        for _ in 0..DRAWN / 1000 {
            let wide = DiagonalGaussian {
                mean: q.mean.unsqueeze(0).expand([1000, 2, 3]),
                log_var: q.log_var.unsqueeze(0).expand([1000, 2, 3]),
            };
            let z = wide.sample(rng);
            let each = q.log_density(&z) - DiagonalGaussian::standard_log_density(&z);
            sum = sum + each.sum(0);
        }
        // One sample deviates by about 2, so that five standard errors are 0.05.
        let off = sum / DRAWN as f64 - q.kl_to_standard();
        assert!(off.abs().amax(..).item() < 0.05, "{off:?}");
    }

    #[test]
    fn a_density_integrates_to_one() {
        let q = DiagonalGaussian {
            mean: Tensor::from([0.3f64]),
            log_var: Tensor::from([-0.8f64]),
        };
        // 2,000 steps over more than 12 standard deviations.
        let z = Tensor::linspace(-8.0, 8.0, 2001)
            .to_dtype(Dtype::F64)
            .unsqueeze(1);
        let sum = q.log_density(&z).exp().sum(..).item() * (16.0 / 2000.0);
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn halves_are_mean_and_log_variance_in_this_order() {
        let q = DiagonalGaussian::from_halves(&Tensor::from([[1.0f32, 2.0, 3.0, 4.0]]));
        assert_eq!(q.mean.to_vec::<f32>(), [1.0, 2.0]);
        assert_eq!(q.log_var.to_vec::<f32>(), [3.0, 4.0]);
    }

    #[test]
    #[should_panic(expected = "DiagonalGaussian: found [1, 3], wanted mean and log-variance")]
    fn an_odd_width_is_refused() {
        let _refused = DiagonalGaussian::from_halves(&Tensor::zeros([1, 3]));
    }
}
