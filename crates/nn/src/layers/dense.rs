//! The affine map as Keras draws it, with its activation.

use super::{Activation, Linear, Weighted};
use crate::watch::Watch;
use crate::{Init, Module, Param, Path, Visitor, VisitorMut};
use eras_tensor::{Rng, Tensor};

/// Affine map of the last axis and activation, `y = f(x Wᵀ + b)`, as Keras' `Dense`.
///
/// Shapes: `x (.., in)` to `y (.., out)`. Parameters are named as those of [`Linear`]: `weight`, `bias`.
///
/// ```
/// use eras::prelude::*;
///
/// let layer = Dense::new(3, 2, &mut Rng::new(0)).relu();
/// let y = layer.forward(&Tensor::ones([4, 3]));
/// assert!(y.shape() == [4, 2] && y.to_vec::<f32>().iter().all(|y| *y >= 0.0));
/// ```
#[derive(Debug, Clone)]
pub struct Dense {
    /// The affine map.
    pub linear: Linear,
    /// What follows it.
    pub activation: Activation,
}

impl Dense {
    /// Draws the weight from Glorot's uniform distribution; the bias is zero. No activation.
    #[must_use]
    #[track_caller]
    pub fn new(d_in: usize, d_out: usize, rng: &mut Rng) -> Self {
        Self::with_init(d_in, d_out, Init::glorot_uniform(), rng)
    }

    /// Draws the weight from `init`; the bias is zero. No activation.
    #[must_use]
    #[track_caller]
    pub fn with_init(d_in: usize, d_out: usize, init: Init, rng: &mut Rng) -> Self {
        Self {
            linear: Linear::with_init(d_in, d_out, init, rng),
            activation: Activation::Identity,
        }
    }

    /// With ReLU, which is computed within the product.
    #[must_use]
    pub fn relu(self) -> Self {
        self.activation(Activation::Relu)
    }

    /// With `activation`.
    #[must_use]
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Maps `x (.., in)` to `(.., out)`.
    ///
    /// # Panics
    /// If the last axis of `x` is not `in`.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.forward_with(x, &self.linear.weight)
    }
}

impl Weighted for Dense {
    fn weight(&self) -> &Param {
        &self.linear.weight
    }
    fn weight_mut(&mut self) -> &mut Param {
        &mut self.linear.weight
    }
    #[track_caller]
    fn forward_with(&self, x: &Tensor, weight: &Tensor) -> Tensor {
        let bias = self.linear.bias.as_deref();
        let watch = Watch::begin();
        let y = match self.activation {
            Activation::Relu => x.linear_relu(weight, bias),
            activation => activation.of(&x.linear(weight, bias)),
        };
        watch.end("Dense", self, y)
    }
}

/// Parameters go by their own names, without `linear`.
impl Module for Dense {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        self.linear.visit(path, visitor);
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        self.linear.visit_mut(path, visitor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fused_activation_equals_the_one_behind() {
        let rng = &mut Rng::new(0);
        let plain = Dense::new(5, 7, rng);
        let x = Tensor::randn([3, 5], rng);
        let behind = plain.forward(&x).relu();
        assert_eq!(
            plain.clone().relu().forward(&x).to_vec::<f32>(),
            behind.to_vec::<f32>()
        );
        let tanh = plain.clone().activation(Activation::Tanh).forward(&x);
        assert_eq!(
            tanh.to_vec::<f32>(),
            plain.forward(&x).tanh().to_vec::<f32>()
        );
    }

    #[test]
    fn parameters_are_weight_and_bias_and_the_bias_begins_at_zero() {
        let params = Dense::new(5, 7, &mut Rng::new(0)).named_params();
        let names: Vec<&str> = params.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["weight", "bias"]);
        assert_eq!(params[1].1.to_vec::<f32>(), [0.0; 7]);
    }
}
