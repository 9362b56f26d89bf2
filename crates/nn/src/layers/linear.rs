//! The affine map.

use super::{Activation, Weighted};
use crate::watch::Watch;
use crate::{Init, Module, Param};
use eras_tensor::{Rng, Tensor};

/// Affine map of the last axis, `y = x Wᵀ + b`.
///
/// Shapes: `x (.., in)` to `y (.., out)`.
///
/// ```
/// use eras::prelude::*;
///
/// let layer = Linear::new(3, 2, &mut Rng::new(0));
/// assert_eq!(layer.forward(&Tensor::zeros([4, 3])).shape(), [4, 2]);
/// ```
#[derive(Debug, Clone, Module)]
pub struct Linear {
    /// `(out, in)`
    pub weight: Param,
    /// `(out)`
    pub bias: Option<Param>,
}

impl Linear {
    /// Draws weight and bias from U(-1/√in, 1/√in), as PyTorch's `nn.Linear` does.
    #[must_use]
    #[track_caller]
    pub fn new(d_in: usize, d_out: usize, rng: &mut Rng) -> Self {
        let bound = 1.0 / (d_in.max(1) as f64).sqrt();
        let init = Init::uniform(-bound, bound);
        Self {
            weight: Param::new(&init.draw([d_out, d_in], rng)),
            bias: Some(Param::new(&init.draw([d_out], rng))),
        }
    }

    /// As [`new`](Self::new), without bias: `y = x Wᵀ`.
    #[must_use]
    #[track_caller]
    pub fn no_bias(d_in: usize, d_out: usize, rng: &mut Rng) -> Self {
        Self {
            bias: None,
            ..Self::new(d_in, d_out, rng)
        }
    }

    /// Draws the weight from `init`; the bias is zero.
    #[must_use]
    #[track_caller]
    pub fn with_init(d_in: usize, d_out: usize, init: Init, rng: &mut Rng) -> Self {
        Self {
            weight: Param::new(&init.draw([d_out, d_in], rng)),
            bias: Some(Param::new(&Tensor::zeros([d_out]))),
        }
    }

    /// Maps `x (.., in)` to `(.., out)`.
    ///
    /// # Panics
    /// If the last axis of `x` is not `in`.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.forward_with(x, &self.weight)
    }

    /// [`forward`](Self::forward) of `activation(x)`. What GELU gives is not kept for the backward pass but computed again,
    /// which halves the memory of hidden units.
    ///
    /// # Panics
    /// As `forward`.
    #[must_use]
    #[track_caller]
    pub fn forward_after(&self, activation: Activation, x: &Tensor) -> Tensor {
        let watch = Watch::begin();
        let (weight, bias) = (&self.weight, self.bias.as_deref());
        let y = match activation {
            Activation::Gelu => x.gelu_linear(weight, bias),
            Activation::GeluTanh => x.gelu_tanh_linear(weight, bias),
            other => return self.forward(&other.forward(x)),
        };
        watch.end("Linear", self, y)
    }
}

impl Weighted for Linear {
    fn weight(&self) -> &Param {
        &self.weight
    }
    fn weight_mut(&mut self) -> &mut Param {
        &mut self.weight
    }
    #[track_caller]
    fn forward_with(&self, x: &Tensor, weight: &Tensor) -> Tensor {
        let watch = Watch::begin();
        let y = x.linear(weight, self.bias.as_deref());
        watch.end("Linear", self, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "linear: x [4, 5] must end in 3 to meet weight [2, 3]")]
    fn a_wrong_last_axis_names_both_shapes() {
        let _y = Linear::new(3, 2, &mut Rng::new(0)).forward(&Tensor::zeros([4, 5]));
    }

    #[test]
    fn after_an_activation_is_the_layer_of_what_that_gives() {
        let rng = &mut Rng::new(0);
        let (layer, x) = (Linear::new(3, 2, rng), Tensor::randn([4, 3], rng));
        for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Tanh] {
            let y = layer.forward_after(activation, &x).to_vec::<f32>();
            assert_eq!(y, layer.forward(&activation.forward(&x)).to_vec::<f32>());
        }
    }

    #[test]
    fn without_bias_zero_stays_zero() {
        let layer = Linear::no_bias(3, 2, &mut Rng::new(0));
        assert_eq!(layer.count_params(), 6);
        assert_eq!(
            layer.forward(&Tensor::zeros([1, 3])).to_vec::<f32>(),
            [0.0, 0.0]
        );
        assert_ne!(
            layer.forward(&Tensor::ones([1, 3])).to_vec::<f32>(),
            [0.0, 0.0]
        );
    }
}
