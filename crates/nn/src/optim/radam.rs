//! RAdam.

use super::adam::bias;
use super::{Elementwise, Number, Rule, Update};
use eras_kernels::optim::{self, adam};
use eras_tensor::Tensor;

/// RAdam: Adam that trusts its denominator only when it has seen enough (Liu et al. 2019, arXiv:1908.03265).
///
/// ```text
/// m = β₁ m + (1−β₁) g        v = β₂ v + (1−β₂) g²
/// ρ∞ = 2/(1−β₂) − 1          ρ = ρ∞ − 2 t β₂ᵗ/(1−β₂ᵗ)        r = √((ρ−4)(ρ−2) ρ∞ / ((ρ∞−4)(ρ∞−2) ρ))
/// w −= lr · m/(1−β₁ᵗ) · (ρ > 5 ? r √(1−β₂ᵗ) / (√v + eps) : 1)
/// ```
///
/// As PyTorch's `RAdam`. Keras has none.
pub type Radam = Elementwise<RadamRule>;

/// The rule of [`Radam`].
#[derive(Debug, Clone, PartialEq)]
pub struct RadamRule {
    betas: (f64, f64),
    eps: f64,
    decoupled_weight_decay: bool,
}

impl Radam {
    /// With `betas` 0.9 and 0.999, `eps` 1e-8.
    ///
    /// # Panics
    /// If `lr` is negative or not a number.
    #[must_use]
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        let rule = RadamRule {
            betas: (0.9, 0.999),
            eps: 1e-8,
            decoupled_weight_decay: false,
        };
        Self::with_rule(rule, lr)
    }

    betas! {
        /// How much of the running means of gradients and of their squares is kept from step to step.
    }

    settings! {
        /// Keeps the quotient finite.
        eps: f64 => 0.0..f64::INFINITY;
        /// Whether weight decay is taken off the weight, as [`AdamW`](super::AdamW) does and as the paper's code.
        decoupled_weight_decay: bool;
    }
}

/// PyTorch's: `lr` 0.001.
impl Default for Radam {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl RadamRule {
    /// What a step by the rule of Adam is multiplied by; `None` while the variance of its denominator is too large.
    fn rectified(&self, t: u64) -> Option<f64> {
        let beta2 = self.betas.1;
        let longest = 2.0 / (1.0 - beta2) - 1.0;
        let length = longest - 2.0 * t as f64 * beta2.powf(t as f64) / bias(beta2, t);
        let variance = |length: f64| (length - 4.0) * (length - 2.0) / length;
        (length > 5.0).then(|| (variance(length) / variance(longest) * bias(beta2, t)).sqrt())
    }
}

impl Rule for RadamRule {
    fn name(&self) -> &'static str {
        "radam"
    }

    fn states(&self) -> &[(&'static str, f64)] {
        &[("exp_avg", 0.0), ("exp_avg_sq", 0.0)]
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("betas", format!("[{:?}, {:?}]", self.betas.0, self.betas.1)),
            ("eps", format!("{:?}", self.eps)),
            (
                "decoupled_weight_decay",
                self.decoupled_weight_decay.to_string(),
            ),
        ]
    }

    fn decoupled(&self) -> bool {
        self.decoupled_weight_decay
    }

    fn update<T: Number>(&self, at: &Update, w: &mut [T], g: &[T], states: &mut [Tensor]) {
        let [m, v] = states else {
            unreachable!("two states")
        };
        let (beta1, beta2) = self.betas;
        let rectified = self.rectified(at.t);
        // A step without denominator is one whose denominator is 0 √v + 1.
        let (debias, eps) = rectified.map_or((0.0, 1.0), |_| (1.0, self.eps));
        let c = optim::Adam {
            lr: T::of(at.lr / bias(beta1, at.t) * rectified.unwrap_or(1.0)),
            new1: T::of(1.0 - beta1),
            beta2: T::of(beta2),
            new2: T::of(1.0 - beta2),
            debias: T::of(debias),
            eps: T::of(eps),
            shrink: T::of(at.shrink()),
        };
        adam(w, g, m.as_mut_slice(), v.as_mut_slice(), at.reading(), c);
    }

    fn definition(&self, at: &Update, w: &Tensor, g: &Tensor, states: &mut [Tensor]) -> Tensor {
        let [m, v] = states else {
            unreachable!("two states")
        };
        let (beta1, beta2) = self.betas;
        *m = &*m * beta1 + g * (1.0 - beta1);
        *v = &*v * beta2 + g.sqr() * (1.0 - beta2);
        let step = &*m / bias(beta1, at.t);
        let step = match self.rectified(at.t) {
            Some(factor) => step / (v.sqrt() + self.eps) * factor,
            None => step,
        };
        w * at.shrink() - step * at.lr
    }
}
