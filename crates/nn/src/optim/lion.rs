//! Lion.

use super::{Elementwise, Number, Rule, Update};
use eras_kernels::optim::{self, lion};
use eras_tensor::Tensor;

/// Lion: steps of one size, by the sign of a mean gradient (Chen et al. 2023, arXiv:2302.06675).
///
/// ```text
/// u = β₁ m + (1−β₁) g        m = β₂ m + (1−β₂) g        w −= lr (sign(u) + weight_decay · w)
/// ```
///
/// As the paper's program, weight decay decoupled. The authors take `lr` 3 to 10 times smaller than for
/// [`AdamW`](super::AdamW), and `weight_decay` as many times larger. (Keras: `lr` 0.001. PyTorch has none.)
pub type Lion = Elementwise<LionRule>;

/// The rule of [`Lion`].
#[derive(Debug, Clone, PartialEq)]
pub struct LionRule {
    betas: (f64, f64),
}

impl Lion {
    /// With `betas` 0.9 and 0.99, no weight decay.
    ///
    /// # Panics
    /// If `lr` is negative or not a number.
    #[must_use]
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        let betas = (0.9, 0.99);
        Self::with_rule(LionRule { betas }, lr)
    }

    betas! {
        /// How much of the running mean is in the direction of a step, and how much of it is kept for the next.
    }
}

/// The authors': `lr` 0.0001.
impl Default for Lion {
    fn default() -> Self {
        Self::new(1e-4)
    }
}

impl Rule for LionRule {
    fn name(&self) -> &'static str {
        "lion"
    }

    fn states(&self) -> &[(&'static str, f64)] {
        &[("exp_avg", 0.0)]
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("betas", format!("[{:?}, {:?}]", self.betas.0, self.betas.1))]
    }

    fn decoupled(&self) -> bool {
        true
    }

    fn update<T: Number>(&self, at: &Update, w: &mut [T], g: &[T], states: &mut [Tensor]) {
        let c = optim::Lion {
            lr: T::of(at.lr),
            new1: T::of(1.0 - self.betas.0),
            new2: T::of(1.0 - self.betas.1),
            shrink: T::of(at.shrink()),
        };
        lion(w, g, states[0].as_mut_slice(), at.reading(), c);
    }

    fn definition(&self, at: &Update, w: &Tensor, g: &Tensor, states: &mut [Tensor]) -> Tensor {
        let (beta1, beta2) = self.betas;
        let direction = (&states[0] * beta1 + g * (1.0 - beta1)).sign();
        states[0] = &states[0] * beta2 + g * (1.0 - beta2);
        w * at.shrink() - direction * at.lr
    }
}
