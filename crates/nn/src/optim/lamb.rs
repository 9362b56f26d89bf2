//! LAMB.

use super::adam::bias;
use super::clip::squares;
use super::{Elementwise, Number, Rule, Update};
use eras_kernels::optim::{self, Reading, adam, descend, read, sum_of_squares};
use eras_tensor::Tensor;

/// LAMB: Adam whose step is as long as the parameter allows, for very large batches (You et al. 2019,
/// arXiv:1904.00962).
///
/// ```text
/// m = β₁ m + (1−β₁) g        v = β₂ v + (1−β₂) g²
/// u = m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + eps) + weight_decay · w
/// w −= lr · ‖w‖/‖u‖ · u      of each parameter; where one of the norms is 0, without their quotient
/// ```
///
/// As the paper's algorithm 2, with its bounds on `‖w‖` left away. Keras: `lr` 0.001, `eps` 1e-7, and weight decay not
/// in `u`. PyTorch has none.
pub type Lamb = Elementwise<LambRule>;

/// The rule of [`Lamb`].
#[derive(Debug, Clone, PartialEq)]
pub struct LambRule {
    betas: (f64, f64),
    eps: f64,
}

impl Lamb {
    /// With `betas` 0.9 and 0.999, `eps` 1e-6, no weight decay.
    ///
    /// # Panics
    /// If `lr` is negative or not a number.
    #[must_use]
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        let rule = LambRule {
            betas: (0.9, 0.999),
            eps: 1e-6,
        };
        Self::with_rule(rule, lr)
    }

    betas! {
        /// How much of the running means of gradients and of their squares is kept from step to step.
    }

    settings! {
        /// Keeps the quotient finite.
        eps: f64 => 0.0..f64::INFINITY;
    }
}

/// `lr` 0.001, as in Keras.
impl Default for Lamb {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

/// How much longer than its direction a step is, by the squared norms of weights and direction.
fn trust(weight: f64, step: f64) -> f64 {
    if weight == 0.0 || step == 0.0 {
        1.0
    } else {
        (weight / step).sqrt()
    }
}

impl Rule for LambRule {
    fn name(&self) -> &'static str {
        "lamb"
    }

    fn states(&self) -> &[(&'static str, f64)] {
        &[("exp_avg", 0.0), ("exp_avg_sq", 0.0)]
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("betas", format!("[{:?}, {:?}]", self.betas.0, self.betas.1)),
            ("eps", format!("{:?}", self.eps)),
        ]
    }

    /// It is neither in the gradient nor before the step, but in the step.
    fn decoupled(&self) -> bool {
        true
    }

    fn update<T: Number>(&self, at: &Update, w: &mut [T], g: &[T], states: &mut [Tensor]) {
        let [m, v] = states else {
            unreachable!("two states")
        };
        let (beta1, beta2) = self.betas;
        // From zero one step of Adam backwards is the direction.
        let c = optim::Adam {
            lr: T::of(-1.0 / bias(beta1, at.t)),
            new1: T::of(1.0 - beta1),
            beta2: T::of(beta2),
            new2: T::of(1.0 - beta2),
            debias: T::of(1.0 / bias(beta2, at.t).sqrt()),
            eps: T::of(self.eps),
            shrink: T::ZERO,
        };
        let mut step = vec![T::ZERO; w.len()];
        let (m, v) = (m.as_mut_slice(), v.as_mut_slice());
        adam(&mut step, g, m, v, at.reading(), c);
        let plain = Reading {
            scale: T::ONE,
            clip: T::INFINITY,
            decay: T::ZERO,
        };
        if at.weight_decay != 0.0 {
            let decay = T::of(at.weight_decay);
            read(&mut step, w, Reading { decay, ..plain });
        }
        let trust = trust(sum_of_squares(w), sum_of_squares(&step));
        descend(w, &step, plain, T::of(at.lr * trust));
    }

    fn definition(&self, at: &Update, w: &Tensor, g: &Tensor, states: &mut [Tensor]) -> Tensor {
        let [m, v] = states else {
            unreachable!("two states")
        };
        let (beta1, beta2) = self.betas;
        *m = &*m * beta1 + g * (1.0 - beta1);
        *v = &*v * beta2 + g.sqr() * (1.0 - beta2);
        let denominator = (&*v / bias(beta2, at.t)).sqrt() + self.eps;
        let step = &*m / bias(beta1, at.t) / denominator + w * at.weight_decay;
        let trust = trust(squares(w), squares(&step));
        w - step * (at.lr * trust)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Optimizer, Param};

    #[test]
    fn a_step_is_as_long_as_the_rate_says_of_the_weight() {
        let mut w = Param::new(&Tensor::from([3.0f64, 4.0]));
        let before = w.detach();
        let loss = (&*w * &Tensor::from([1e-3f64, 7e5])).sum(..);
        Lamb::new(0.1).step(&mut w, &loss.backward());
        assert!((squares(&(&*w - before)).sqrt() - 0.5).abs() < 1e-12);
    }
}
