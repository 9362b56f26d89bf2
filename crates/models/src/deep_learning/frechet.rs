//! The Fréchet distance between two sets of points, each taken for a normal distribution: how far pictures that a network made
//! are from real ones, in the features of another network.
//!
//! Fréchet 1957; Dowson & Landau 1982, "The Fréchet distance between multivariate normal distributions"; Heusel et al. 2017,
//! arXiv:1706.08500, who measured it in Inception's features.
//!
//! ```text
//! d² = |μ₁ − μ₂|² + tr (Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)
//! ```
//!
//! The root's trace is that of `(Σ₁^½ Σ₂ Σ₁^½)^½`, which is symmetric: its eigenvalues are found exactly, in f64.

use crate::first_light::symmetric_eigen;
use eras_tensor::{Dtype, Tensor};

/// The normal distribution with the mean and the covariance of a set of points.
///
/// ```
/// use eras::models::deep_learning::frechet::Gaussian;
/// use eras::prelude::*;
///
/// let x = Tensor::randn([500, 3], &mut Rng::new(0));
/// let (here, there) = (Gaussian::of(&x), Gaussian::of(&(&x + 2.0)));
/// assert!((here.frechet_distance(&there) - 3.0 * 4.0).abs() < 1e-3);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussian {
    mean: Vec<f64>,
    /// `(F, F)`
    covariance: Vec<f64>,
}

impl Gaussian {
    /// Of points `x (N, F)`; the covariance is that of a sample, which divides by N − 1.
    ///
    /// # Panics
    /// If `x` is no matrix of floats, has fewer than two rows, or holds what is no number.
    #[must_use]
    #[track_caller]
    pub fn of(x: &Tensor) -> Self {
        let &[n, features] = x.shape() else {
            panic!("Gaussian: points {:?} must be (N, F)", x.shape());
        };
        assert!(n > 1, "Gaussian: wanted at least 2 points, got {n}");
        let x = x.detach().to_dtype(Dtype::F64);
        let mean = x.mean_keepdim(0);
        let centred = x - &mean;
        let covariance = centred.t().matmul(&centred) / (n - 1) as f64;
        let covariance = covariance.to_vec::<f64>();
        assert!(
            covariance.iter().all(|c| c.is_finite()),
            "Gaussian: found points that are no numbers, among {n} of {features} features"
        );
        Self {
            mean: mean.to_vec(),
            covariance,
        }
    }

    /// The squared Fréchet distance to `other`, 0 between equals.
    ///
    /// # Panics
    /// If they have different numbers of features.
    #[must_use]
    #[track_caller]
    pub fn frechet_distance(&self, other: &Self) -> f64 {
        let n = self.mean.len();
        assert!(
            other.mean.len() == n,
            "frechet_distance: {n} features here, {} there",
            other.mean.len()
        );
        let apart: f64 = self
            .mean
            .iter()
            .zip(&other.mean)
            .map(|(a, b)| (a - b).powi(2))
            .sum();
        let trace = |a: &[f64]| a.iter().step_by(n + 1).sum::<f64>();
        let root = Tensor::from_slice(&square_root(&self.covariance, n), [n, n]);
        let other_covariance = Tensor::from_slice(&other.covariance, [n, n]);
        let product = root.matmul(&other_covariance).matmul(&root);
        let (values, _) = symmetric_eigen(product.to_vec(), n);
        let trace_of_root: f64 = values.iter().map(|value| value.max(0.0).sqrt()).sum();
        let distance =
            apart + trace(&self.covariance) + trace(&other.covariance) - 2.0 * trace_of_root;
        distance.max(0.0) // what rounding left below is nothing
    }
}

/// The symmetric root of a symmetric matrix `(n, n)` without negative eigenvalues: `V √λ Vᵀ`.
fn square_root(a: &[f64], n: usize) -> Vec<f64> {
    let (values, vectors) = symmetric_eigen(a.to_vec(), n);
    let vectors = Tensor::from_slice(&vectors, [n, n]); // a row each
    let roots: Vec<f64> = values.iter().map(|value| value.max(0.0).sqrt()).collect();
    let scaled = &vectors * Tensor::from_slice(&roots, [n, 1]);
    vectors.t().matmul(&scaled).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::Rng;

    fn diagonal(mean: &[f64], variances: &[f64]) -> Gaussian {
        let n = mean.len();
        let mut covariance = vec![0.0; n * n];
        for (i, variance) in variances.iter().enumerate() {
            covariance[i * (n + 1)] = *variance;
        }
        Gaussian {
            mean: mean.to_vec(),
            covariance,
        }
    }

    #[test]
    fn independent_features_add_up() {
        // (μ₁ − μ₂)² + (σ₁ − σ₂)² each.
        let (a, b) = (
            diagonal(&[0.0, 1.0, 2.0], &[4.0, 9.0, 0.0]),
            diagonal(&[3.0, 1.0, 2.0], &[1.0, 16.0, 25.0]),
        );
        let wanted = 9.0 + 1.0 + 1.0 + 25.0;
        assert!((a.frechet_distance(&b) - wanted).abs() < 1e-12);
        assert!((b.frechet_distance(&a) - wanted).abs() < 1e-12);
    }

    #[test]
    fn turned_in_space_the_distance_stays() {
        let rng = &mut Rng::new(0);
        let (x, y) = (
            Tensor::randn_f64([300, 8], rng),
            Tensor::randn_f64([200, 8], rng).matmul(&Tensor::randn_f64([8, 8], rng)) + 1.0,
        );
        let turned = eras_nn::Init::orthogonal(1.0).draw([8, 8], rng);
        let turned = turned.to_dtype(Dtype::F64);
        let distance = |x: &Tensor, y: &Tensor| Gaussian::of(x).frechet_distance(&Gaussian::of(y));
        let (plain, after) = (
            distance(&x, &y),
            distance(&x.matmul(&turned), &y.matmul(&turned)),
        );
        // The matrix was drawn in f32: it is orthogonal to about 1e-7.
        assert!((plain - after).abs() < 1e-5 * plain, "{plain} and {after}");
        assert!(distance(&x, &x) < 1e-10);
    }

    #[test]
    fn the_root_times_itself_is_the_product_where_matrices_do_not_commute() {
        // tr (Σ₁ Σ₂)^½ of [[2, 1], [1, 2]] and [[1, 0], [0, 4]]: with eigenvalues λ of the product,
        // (√λ₁ + √λ₂)² = tr + 2 √det = 10 + 2 √12.
        let mut a = diagonal(&[0.0, 0.0], &[2.0, 2.0]);
        (a.covariance[1], a.covariance[2]) = (1.0, 1.0);
        let b = diagonal(&[0.0, 0.0], &[1.0, 4.0]);
        let wanted = 4.0 + 5.0 - 2.0 * (10.0 + 2.0 * 12f64.sqrt()).sqrt();
        assert!((a.frechet_distance(&b) - wanted).abs() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "frechet_distance: 1 features here, 2 there")]
    fn other_features_are_refused() {
        let _d = diagonal(&[0.0], &[1.0]).frechet_distance(&diagonal(&[0.0; 2], &[1.0; 2]));
    }
}
