//! Instance norm.

use crate::watch::Watch;
use crate::{Module, Param};
use eras_tensor::Tensor;

/// Takes the mean over space off each channel of each example, and divides by its standard deviation (Ulyanov, Vedaldi &
/// Lempitsky 2016, arXiv:1607.08022): [`GroupNorm`](super::GroupNorm) with one channel in each group.
///
/// Shapes: `x (B, C, *space)`, unchanged.
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::randn([2, 3, 8, 8], &mut Rng::new(0)) * 5.0 + 2.0;
/// let y = InstanceNorm::new(3).forward(&x);
/// assert!(y.mean([2, 3]).abs().amax(..).item() < 1e-5);
/// ```
#[derive(Debug, Clone, Module)]
pub struct InstanceNorm {
    /// How many channels.
    pub channels: usize,
    /// `(C)`
    pub weight: Option<Param>,
    /// `(C)`
    pub bias: Option<Param>,
    /// Added to the variance.
    pub eps: f64,
}

impl InstanceNorm {
    /// Without weight and bias, `eps` 1e-5, and no running statistics: PyTorch's defaults.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        Self {
            channels,
            weight: None,
            bias: None,
            eps: 1e-5,
        }
    }

    /// With a weight, 1 at first, and a bias, 0 at first, for each channel.
    #[must_use]
    #[track_caller]
    pub fn affine(mut self) -> Self {
        self.weight = Some(Param::new(&Tensor::ones([self.channels])));
        self.bias = Some(Param::new(&Tensor::zeros([self.channels])));
        self
    }

    /// Adds `eps` to the variance.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// `x (B, C, *space)` with each channel of each example normalized.
    ///
    /// # Panics
    /// If the second axis of `x` is not `C`, or there is not more than one element in space.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let shape = x.shape();
        assert!(
            shape.len() >= 3
                && shape[1] == self.channels
                && shape[2..].iter().product::<usize>() > 1,
            "InstanceNorm: x must be (B, {}, *space) with more than one element in space, not {shape:?}",
            self.channels
        );
        let watch = Watch::begin();
        let (weight, bias) = (self.weight.as_deref(), self.bias.as_deref());
        let y = x.group_norm(self.channels, weight, bias, self.eps);
        watch.end("InstanceNorm", self, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::Rng;

    #[test]
    fn it_does_not_see_how_bright_an_example_is() {
        let x = Tensor::randn([2, 3, 5, 4], &mut Rng::new(0));
        let norm = InstanceNorm::new(3).affine().eps(0.0);
        let (a, b) = (norm.forward(&x), norm.forward(&(&x * 7.0 + 3.0)));
        assert!((a - b).abs().amax(..).item() < 1e-5);
        assert_eq!(
            (norm.count_params(), InstanceNorm::new(3).count_params()),
            (6, 0)
        );
    }

    #[test]
    #[should_panic(
        expected = "InstanceNorm: x must be (B, 3, *space) with more than one element in space, not [2, 3, 1]"
    )]
    fn one_element_has_no_variance() {
        let _y = InstanceNorm::new(3).forward(&Tensor::zeros([2, 3, 1]));
    }
}
