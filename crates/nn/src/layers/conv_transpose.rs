//! Transposed convolution over one, two or three axes of space.

use super::{Activation, Weighted, filter};
use crate::watch::Watch;
use crate::{Init, Module, Param};
use eras_tensor::{ConvOptions, PerAxis, Rng, Tensor};

/// Transposed convolution of sequences: `x (B, in, T)` to `(B, out, T')`. See [`ConvTranspose`].
///
/// ```
/// use eras::prelude::*;
///
/// let layer = ConvTranspose1d::new(4, 2, 4, &mut Rng::new(0)).stride(2).padding(1);
/// assert_eq!(layer.forward(&Tensor::ones([2, 4, 10])).shape(), [2, 2, 20]);
/// ```
pub type ConvTranspose1d = ConvTranspose<1>;

/// Transposed convolution of images: `x (B, in, H, W)` to `(B, out, H', W')`. See [`ConvTranspose`].
///
/// ```
/// use eras::prelude::*;
///
/// let layer = ConvTranspose2d::new(16, 3, 4, &mut Rng::new(0)).stride(2).padding(1);
/// assert_eq!(layer.forward(&Tensor::ones([2, 16, 7, 7])).shape(), [2, 3, 14, 14]);
/// ```
pub type ConvTranspose2d = ConvTranspose<2>;

/// Transposed convolution of volumes, or of images over time: `x (B, in, D, H, W)` to `(B, out, D', H', W')`. See
/// [`ConvTranspose`].
///
/// ```
/// use eras::prelude::*;
///
/// let layer = ConvTranspose3d::new(4, 1, [2, 4, 4], &mut Rng::new(0)).stride([1, 2, 2]);
/// assert_eq!(layer.forward(&Tensor::ones([1, 4, 3, 5, 5])).shape(), [1, 1, 4, 12, 12]);
/// ```
pub type ConvTranspose3d = ConvTranspose<3>;

/// Transposed convolution over `N` axes of space, with its activation: [`ConvTranspose1d`], [`ConvTranspose2d`],
/// [`ConvTranspose3d`]. What a convolution with a stride makes smaller, it makes larger.
///
/// Shapes: `x (B, in, *space)` to `(B, out, *space')`, where each axis of space has
/// `stride (n - 1) + dilation (k - 1) + 1 - padding + output_padding` places. Settings have PyTorch's names and defaults.
#[derive(Debug, Clone, Module)]
pub struct ConvTranspose<const N: usize> {
    /// `(in, out / groups, *kernel)`
    pub weight: Param,
    /// `(out)`
    pub bias: Option<Param>,
    /// How the filter moves.
    #[module(skip)]
    pub options: ConvOptions,
    /// What follows.
    pub activation: Activation,
}

impl<const N: usize> ConvTranspose<N> {
    /// A filter of the size `kernel`: one number for all axes of space, or one for each. Draws weight and bias from
    /// U(-1/√n, 1/√n) with n = out / groups · kernel, as PyTorch does.
    ///
    /// Stride 1, no padding, no activation.
    ///
    /// # Panics
    /// If `kernel` names another number of axes.
    #[must_use]
    #[track_caller]
    pub fn new(c_in: usize, c_out: usize, kernel: impl Into<PerAxis>, rng: &mut Rng) -> Self {
        let dims = filter::shape::<N>(Self::KIND, c_in, c_out, &kernel.into());
        let init = filter::init(dims);
        Self {
            weight: Param::new(&init.draw(dims, rng)),
            bias: Some(Param::new(&init.draw([c_out], rng))),
            options: ConvOptions::new(),
            activation: Activation::Identity,
        }
    }

    /// Lays the filter down this many elements apart: one number for all axes of space, or one for each.
    #[must_use]
    #[track_caller]
    pub fn stride(mut self, stride: impl Into<PerAxis>) -> Self {
        self.options = self.options.stride(stride);
        self
    }

    /// Cuts this many elements off the result in front of each axis of space and behind it.
    #[must_use]
    #[track_caller]
    pub fn padding(mut self, padding: impl Into<PerAxis>) -> Self {
        self.options = self.options.padding(padding);
        self
    }

    /// Cuts as many elements off that the result is as long as the input times the stride: Keras' `same`.
    #[must_use]
    pub fn padding_same(mut self) -> Self {
        self.options = self.options.padding_same();
        self
    }

    /// Makes the result this much longer at the end.
    #[must_use]
    #[track_caller]
    pub fn output_padding(mut self, output_padding: impl Into<PerAxis>) -> Self {
        self.options = self.options.output_padding(output_padding);
        self
    }

    /// Takes the elements of the filter this far apart.
    #[must_use]
    #[track_caller]
    pub fn dilation(mut self, dilation: impl Into<PerAxis>) -> Self {
        self.options = self.options.dilation(dilation);
        self
    }

    /// Cuts the channels into this many parts that do not see each other: the filter has fewer outputs, and weight and
    /// bias are as [`new`](Self::new) would have drawn them.
    ///
    /// # Panics
    /// If the groups do not divide the channels, or were set before.
    #[must_use]
    #[track_caller]
    pub fn groups(mut self, groups: usize) -> Self {
        let [d_in, depth] = [self.weight.shape()[0], self.weight.shape()[1]];
        filter::want_groups(Self::KIND, groups, self.options.groups, [d_in, depth]);
        filter::narrow(&mut self.weight, self.bias.as_mut(), depth / groups);
        self.options = self.options.groups(groups);
        self
    }

    /// Without bias.
    #[must_use]
    pub fn no_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    /// Draws the weight from `init`, for the groups set before; the bias begins at zero.
    #[must_use]
    #[track_caller]
    pub fn with_init(mut self, init: Init, rng: &mut Rng) -> Self {
        filter::draw(&mut self.weight, self.bias.as_mut(), init, rng);
        self
    }

    /// With ReLU.
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

    /// Maps `x (B, in, *space)` to `(B, out, *space')`.
    ///
    /// # Panics
    /// If `x` has not `in` channels or another number of axes, or the padding leaves nothing.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.forward_with(x, &self.weight)
    }

    const KIND: &'static str = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"][N - 1];
}

impl<const N: usize> Weighted for ConvTranspose<N> {
    fn weight(&self) -> &Param {
        &self.weight
    }
    fn weight_mut(&mut self) -> &mut Param {
        &mut self.weight
    }
    fn out_axis(&self) -> usize {
        1
    }
    #[track_caller]
    fn forward_with(&self, x: &Tensor, weight: &Tensor) -> Tensor {
        let watch = Watch::begin();
        let y = x.conv_transpose(weight, self.bias.as_deref(), &self.options);
        watch.end(Self::KIND, self, self.activation.of(&y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Conv2d;

    #[test]
    fn it_undoes_the_shape_of_a_convolution() {
        let rng = &mut Rng::new(0);
        let down = Conv2d::new(3, 6, 4, rng).stride(2).padding(1).groups(3);
        let up = ConvTranspose2d::new(6, 3, 4, rng)
            .stride(2)
            .padding(1)
            .groups(3);
        let x = Tensor::randn([2, 3, 8, 6], rng);
        assert_eq!(up.forward(&down.forward(&x)).shape(), x.shape());
        assert_eq!(up.weight.shape(), down.weight.shape());
    }

    #[test]
    fn the_range_of_the_weights_is_that_of_pytorch() {
        let layer = ConvTranspose2d::new(100, 4, 3, &mut Rng::new(0)).groups(2);
        assert_eq!(layer.weight.shape(), [100, 2, 3, 3]);
        let largest = layer.weight.abs().amax(..).item();
        let bound = 1.0 / (2.0f64 * 9.0).sqrt();
        assert!(largest <= bound && largest > 0.9 * bound, "{largest}");
    }
}
