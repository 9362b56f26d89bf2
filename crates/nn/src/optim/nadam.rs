//! NAdam.

use super::adam::bias;
use super::{Elementwise, Number, Rule, Update};
use eras_kernels::optim::{self, nadam};
use eras_tensor::Tensor;

/// NAdam: Adam with Nesterov's look ahead (Dozat 2016, "Incorporating Nesterov Momentum into Adam").
///
/// ```text
/// m = β₁ m + (1−β₁) g        v = β₂ v + (1−β₂) g²        μₜ = β₁ (1 − 0.96^(t · momentum_decay) / 2)
/// w −= lr · (g (1−μₜ)/(1−μ₁⋯μₜ) + m μₜ₊₁/(1−μ₁⋯μₜ₊₁)) / (√(v/(1−β₂ᵗ)) + eps)
/// ```
///
/// As PyTorch's `NAdam`, whose state `mu_product` follows from the step and is not kept here. Keras has
/// `momentum_decay` 1, `lr` 0.001 and `eps` 1e-7.
pub type Nadam = Elementwise<NadamRule>;

/// The rule of [`Nadam`].
#[derive(Debug, Clone, PartialEq)]
pub struct NadamRule {
    betas: (f64, f64),
    eps: f64,
    momentum_decay: f64,
    decoupled_weight_decay: bool,
}

impl Nadam {
    /// With `betas` 0.9 and 0.999, `eps` 1e-8, `momentum_decay` 0.004.
    ///
    /// # Panics
    /// If `lr` is negative or not a number.
    #[must_use]
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        let rule = NadamRule {
            betas: (0.9, 0.999),
            eps: 1e-8,
            momentum_decay: 4e-3,
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
        /// How fast the momentum rises to its full size.
        momentum_decay: f64 => 0.0..f64::INFINITY;
        /// Whether weight decay is taken off the weight, as [`AdamW`](super::AdamW) does.
        decoupled_weight_decay: bool;
    }
}

/// PyTorch's: `lr` 0.002. (Keras: 0.001.)
impl Default for Nadam {
    fn default() -> Self {
        Self::new(2e-3)
    }
}

impl NadamRule {
    /// How much the gradient itself counts in step `t`, and how much its running mean.
    fn parts(&self, t: u64) -> (f64, f64) {
        let mu = |t: u64| self.betas.0 * (1.0 - 0.5 * 0.96f64.powf(t as f64 * self.momentum_decay));
        // A product this small changes no digit of 1 less it.
        let falling = (1..=t).try_fold(1.0, |product, t| {
            (product > 1e-17).then_some(product * mu(t))
        });
        let product = falling.unwrap_or(0.0);
        let next = mu(t + 1);
        (
            (1.0 - mu(t)) / (1.0 - product),
            next / (1.0 - product * next),
        )
    }
}

impl Rule for NadamRule {
    fn name(&self) -> &'static str {
        "nadam"
    }

    fn states(&self) -> &[(&'static str, f64)] {
        &[("exp_avg", 0.0), ("exp_avg_sq", 0.0)]
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("betas", format!("[{:?}, {:?}]", self.betas.0, self.betas.1)),
            ("eps", format!("{:?}", self.eps)),
            ("momentum_decay", format!("{:?}", self.momentum_decay)),
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
        let (now, mean) = self.parts(at.t);
        let c = optim::Adam {
            lr: T::of(at.lr * mean),
            new1: T::of(1.0 - beta1),
            beta2: T::of(beta2),
            new2: T::of(1.0 - beta2),
            debias: T::of(1.0 / bias(beta2, at.t).sqrt()),
            eps: T::of(self.eps),
            shrink: T::of(at.shrink()),
        };
        let (m, v) = (m.as_mut_slice(), v.as_mut_slice());
        nadam(w, g, m, v, at.reading(), c, T::of(at.lr * now));
    }

    fn definition(&self, at: &Update, w: &Tensor, g: &Tensor, states: &mut [Tensor]) -> Tensor {
        let [m, v] = states else {
            unreachable!("two states")
        };
        let (beta1, beta2) = self.betas;
        *m = &*m * beta1 + g * (1.0 - beta1);
        *v = &*v * beta2 + g.sqr() * (1.0 - beta2);
        let (now, mean) = self.parts(at.t);
        let denominator = (&*v / bias(beta2, at.t)).sqrt() + self.eps;
        w * at.shrink() - (g * now + &*m * mean) / denominator * at.lr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_steps_have_the_whole_momentum() {
        let (now, mean) = Nadam::default().rule.parts(1_000_000_000);
        assert!((now - 0.1).abs() < 1e-12 && (mean - 0.9).abs() < 1e-12);
    }
}
