//! Adam and AdamW.

use super::{Elementwise, Number, Rule, Update};
use eras_kernels::optim::{self, adam, amsgrad};
use eras_tensor::Tensor;

/// Adam (Kingma & Ba 2014, arXiv:1412.6980), with AMSGrad (Reddi et al. 2018, arXiv:1904.09237).
///
/// ```text
/// m = β₁ m + (1−β₁) g        v = β₂ v + (1−β₂) g²
/// w −= lr · m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + eps)         AMSGrad: the largest v so far in the place of v
/// ```
///
/// As PyTorch's `Adam`: weight decay is added to the gradient; see [`AdamW`] for the other way. Keras has `eps` 1e-7
/// and adds it before `v` is corrected for its bias.
pub type Adam = Elementwise<AdamRule<false>>;

/// Adam with decoupled weight decay (Loshchilov & Hutter 2017, arXiv:1711.05101): `w −= lr · weight_decay · w`
/// before the step of [`Adam`].
///
/// As PyTorch's `AdamW`, with `weight_decay` 0.01 by default. (Keras: 0.004, and `eps` 1e-7.)
pub type AdamW = Elementwise<AdamRule<true>>;

/// The rule of [`Adam`], and where `DECOUPLED` of [`AdamW`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdamRule<const DECOUPLED: bool> {
    betas: (f64, f64),
    eps: f64,
    amsgrad: bool,
}

impl Adam {
    /// With `betas` 0.9 and 0.999, `eps` 1e-8.
    ///
    /// # Panics
    /// If `lr` is negative or not a number.
    #[must_use]
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Self::with_rule(AdamRule::default(), lr)
    }
}

impl AdamW {
    /// With `betas` 0.9 and 0.999, `eps` 1e-8, `weight_decay` 0.01.
    ///
    /// # Panics
    /// If `lr` is negative or not a number.
    #[must_use]
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Self::with_rule(AdamRule::default(), lr).weight_decay(0.01)
    }
}

impl<const DECOUPLED: bool> Elementwise<AdamRule<DECOUPLED>> {
    betas! {
        /// How much of the running means of gradients and of their squares is kept from step to step.
    }

    settings! {
        /// Keeps the quotient finite.
        eps: f64 => 0.0..f64::INFINITY;
        /// Whether the denominator never shrinks.
        amsgrad: bool;
    }
}

/// `lr` 0.001, as in PyTorch and in Keras.
impl Default for Adam {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

/// `lr` 0.001, as in PyTorch and in Keras.
impl Default for AdamW {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl<const DECOUPLED: bool> Default for AdamRule<DECOUPLED> {
    fn default() -> Self {
        Self {
            betas: (0.9, 0.999),
            eps: 1e-8,
            amsgrad: false,
        }
    }
}

impl<const DECOUPLED: bool> Rule for AdamRule<DECOUPLED> {
    fn name(&self) -> &'static str {
        if DECOUPLED { "adamw" } else { "adam" }
    }

    fn states(&self) -> &[(&'static str, f64)] {
        if self.amsgrad {
            &[
                ("exp_avg", 0.0),
                ("exp_avg_sq", 0.0),
                ("max_exp_avg_sq", 0.0),
            ]
        } else {
            &[("exp_avg", 0.0), ("exp_avg_sq", 0.0)]
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("betas", format!("[{:?}, {:?}]", self.betas.0, self.betas.1)),
            ("eps", format!("{:?}", self.eps)),
            ("amsgrad", self.amsgrad.to_string()),
        ]
    }

    fn decoupled(&self) -> bool {
        DECOUPLED
    }

    fn update<T: Number>(&self, at: &Update, w: &mut [T], g: &[T], states: &mut [Tensor]) {
        let (beta1, beta2) = self.betas;
        let c = optim::Adam {
            lr: T::of(at.lr / bias(beta1, at.t)),
            new1: T::of(1.0 - beta1),
            beta2: T::of(beta2),
            new2: T::of(1.0 - beta2),
            debias: T::of(1.0 / bias(beta2, at.t).sqrt()),
            eps: T::of(self.eps),
            shrink: T::of(at.shrink()),
        };
        let read = at.reading();
        match states {
            [m, v] => adam(w, g, m.as_mut_slice(), v.as_mut_slice(), read, c),
            [m, v, top] => {
                let (m, v) = (m.as_mut_slice(), v.as_mut_slice());
                amsgrad(w, g, m, v, top.as_mut_slice(), read, c);
            }
            _ => unreachable!("two states or three"),
        }
    }

    fn definition(&self, at: &Update, w: &Tensor, g: &Tensor, states: &mut [Tensor]) -> Tensor {
        let [m, v, rest @ ..] = states else {
            unreachable!("two states or three")
        };
        let (beta1, beta2) = self.betas;
        *m = &*m * beta1 + g * (1.0 - beta1);
        *v = &*v * beta2 + g.sqr() * (1.0 - beta2);
        let mut v = &*v;
        if let [top] = rest {
            *top = &*top + (v - &*top).relu(); // the larger
            v = top;
        }
        let denominator = (v / bias(beta2, at.t)).sqrt() + self.eps;
        w * at.shrink() - &*m / bias(beta1, at.t) / denominator * at.lr
    }
}

/// What a running mean that began at 0 is too small by after `t` steps: `1 − βᵗ`.
pub(super) fn bias(beta: f64, t: u64) -> f64 {
    1.0 - beta.powf(t as f64)
}
