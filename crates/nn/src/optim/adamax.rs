//! Adamax.

use super::adam::bias;
use super::{Elementwise, Number, Rule, Update};
use eras_kernels::optim::{self, adamax};
use eras_tensor::Tensor;

/// Adamax: Adam that divides by the largest gradient of late (Kingma & Ba 2014, arXiv:1412.6980, section 7.1).
///
/// ```text
/// m = β₁ m + (1−β₁) g        u = max(β₂ u, |g| + eps)        w −= lr/(1−β₁ᵗ) · m / u
/// ```
///
/// As PyTorch's `Adamax`. Keras has `lr` 0.001 and adds `eps` 1e-7 to `u` where it divides.
pub type Adamax = Elementwise<AdamaxRule>;

/// The rule of [`Adamax`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdamaxRule {
    betas: (f64, f64),
    eps: f64,
}

impl Adamax {
    /// With `betas` 0.9 and 0.999, `eps` 1e-8.
    ///
    /// # Panics
    /// If `lr` is negative or not a number.
    #[must_use]
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        let rule = AdamaxRule {
            betas: (0.9, 0.999),
            eps: 1e-8,
        };
        Self::with_rule(rule, lr)
    }

    betas! {
        /// How much of the running mean of gradients and of their largest size is kept from step to step.
    }

    settings! {
        /// Keeps the quotient finite.
        eps: f64 => 0.0..f64::INFINITY;
    }
}

/// PyTorch's: `lr` 0.002. (Keras: 0.001.)
impl Default for Adamax {
    fn default() -> Self {
        Self::new(2e-3)
    }
}

impl Rule for AdamaxRule {
    fn name(&self) -> &'static str {
        "adamax"
    }

    fn states(&self) -> &[(&'static str, f64)] {
        &[("exp_avg", 0.0), ("exp_inf", 0.0)]
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("betas", format!("[{:?}, {:?}]", self.betas.0, self.betas.1)),
            ("eps", format!("{:?}", self.eps)),
        ]
    }

    fn update<T: Number>(&self, at: &Update, w: &mut [T], g: &[T], states: &mut [Tensor]) {
        let [m, u] = states else {
            unreachable!("two states")
        };
        let (beta1, beta2) = self.betas;
        let c = optim::Adamax {
            lr: T::of(at.lr / bias(beta1, at.t)),
            new1: T::of(1.0 - beta1),
            beta2: T::of(beta2),
            eps: T::of(self.eps),
        };
        adamax(w, g, m.as_mut_slice(), u.as_mut_slice(), at.reading(), c);
    }

    fn definition(&self, at: &Update, w: &Tensor, g: &Tensor, states: &mut [Tensor]) -> Tensor {
        let [m, u] = states else {
            unreachable!("two states")
        };
        let (beta1, beta2) = self.betas;
        *m = &*m * beta1 + g * (1.0 - beta1);
        *u = (&*u * beta2).maximum(&(g.abs() + self.eps));
        w - &*m / &*u * (at.lr / bias(beta1, at.t))
    }
}
