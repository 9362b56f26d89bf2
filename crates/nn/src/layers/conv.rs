//! Convolution over one, two or three axes of space.

use super::{Activation, BatchNorm, filter};
use crate::watch::Watch;
use crate::{Init, Module, Param};
use eras_tensor::{ConvOptions, PerAxis, Rng, Tensor};

/// Convolution of sequences: `x (B, in, T)` to `(B, out, T')`. See [`Conv`].
///
/// ```
/// use eras::prelude::*;
///
/// let layer = Conv1d::new(4, 8, 3, &mut Rng::new(0)).padding_same();
/// assert_eq!(layer.forward(&Tensor::ones([2, 4, 10])).shape(), [2, 8, 10]);
/// ```
pub type Conv1d = Conv<1>;

/// Convolution of images: `x (B, in, H, W)` to `(B, out, H', W')`. See [`Conv`].
///
/// ```
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let layer = Conv2d::new(3, 16, 3, rng).stride(2).padding(1).relu();
/// assert_eq!(layer.forward(&Tensor::ones([2, 3, 8, 8])).shape(), [2, 16, 4, 4]);
/// let depthwise = Conv2d::new(16, 16, [5, 1], rng).groups(16).no_bias();
/// assert_eq!(depthwise.weight.shape(), [16, 1, 5, 1]);
/// ```
pub type Conv2d = Conv<2>;

/// Convolution of volumes, or of images over time: `x (B, in, D, H, W)` to `(B, out, D', H', W')`. See [`Conv`].
///
/// ```
/// use eras::prelude::*;
///
/// let layer = Conv3d::new(1, 4, [1, 3, 3], &mut Rng::new(0));
/// assert_eq!(layer.forward(&Tensor::ones([2, 1, 5, 8, 8])).shape(), [2, 4, 5, 6, 6]);
/// ```
pub type Conv3d = Conv<3>;

/// Convolution over `N` axes of space, with its activation: [`Conv1d`], [`Conv2d`], [`Conv3d`].
///
/// Shapes: `x (B, in, *space)` to `(B, out, *space')`, where each axis of space has
/// `(n + padding - dilation (k - 1) - 1) / stride + 1` places. Settings have PyTorch's names and defaults.
#[derive(Debug, Clone, Module)]
pub struct Conv<const N: usize> {
    /// `(out, in / groups, *kernel)`
    pub weight: Param,
    /// `(out)`
    pub bias: Option<Param>,
    /// How the filter moves.
    #[module(skip)]
    pub options: ConvOptions,
    /// What follows.
    pub activation: Activation,
}

impl<const N: usize> Conv<N> {
    /// A filter of the size `kernel`: one number for all axes of space, or one for each. Draws weight and bias from
    /// U(-1/√n, 1/√n), where n = in / groups · kernel inputs meet in an output, as PyTorch does.
    ///
    /// Stride 1, no padding (`valid`), no activation.
    ///
    /// # Panics
    /// If `kernel` names another number of axes.
    #[must_use]
    #[track_caller]
    pub fn new(c_in: usize, c_out: usize, kernel: impl Into<PerAxis>, rng: &mut Rng) -> Self {
        let dims = filter::shape::<N>(Self::KIND, c_out, c_in, &kernel.into());
        let init = filter::init(dims);
        Self {
            weight: Param::new(&init.draw(dims, rng)),
            bias: Some(Param::new(&init.draw([c_out], rng))),
            options: ConvOptions::new(),
            activation: Activation::Identity,
        }
    }

    /// Moves the filter by this many elements: one number for all axes of space, or one for each.
    #[must_use]
    #[track_caller]
    pub fn stride(mut self, stride: impl Into<PerAxis>) -> Self {
        self.options = self.options.stride(stride);
        self
    }

    /// Puts this many zeros in front of each axis of space and behind it.
    #[must_use]
    #[track_caller]
    pub fn padding(mut self, padding: impl Into<PerAxis>) -> Self {
        self.options = self.options.padding(padding);
        self
    }

    /// Puts as many zeros around that the output is as long as the input divided by the stride, rounded up: Keras' `same`.
    #[must_use]
    pub fn padding_same(mut self) -> Self {
        self.options = self.options.padding_same();
        self
    }

    /// Takes the elements of the filter this far apart.
    #[must_use]
    #[track_caller]
    pub fn dilation(mut self, dilation: impl Into<PerAxis>) -> Self {
        self.options = self.options.dilation(dilation);
        self
    }

    /// Cuts the channels into this many parts that do not see each other: the filter meets fewer inputs, and weight and
    /// bias are as [`new`](Self::new) would have drawn them. As many as there are channels is *depthwise*.
    ///
    /// # Panics
    /// If the groups do not divide the channels, or were set before.
    #[must_use]
    #[track_caller]
    pub fn groups(mut self, groups: usize) -> Self {
        let [out, depth] = [self.weight.shape()[0], self.weight.shape()[1]];
        filter::want_groups(Self::KIND, groups, self.options.groups, [depth, out]);
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

    /// With ReLU, which is computed within the convolution.
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

    /// Takes the batch norm that follows into weight and bias: what both make of `x` in evaluation, the convolution then
    /// makes alone. For a trained model that is only asked any more.
    ///
    /// ```text
    /// s = γ / √(σ² + eps)      γ (W x + b - μ) / √(σ² + eps) + β = (s W) x + s (b - μ) + β
    /// ```
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let (mut conv, norm) = (Conv2d::new(1, 2, 1, &mut Rng::new(0)).no_bias(), BatchNorm::new(2).eps(0.0));
    /// norm.running_mean.set(&Tensor::from([1.0f32, 0.0]));
    /// norm.running_var.set(&Tensor::from([4.0f32, 1.0]));
    /// conv.weight.set(&Tensor::from([6.0f32, 7.0]).reshape([2, 1, 1, 1]));
    /// conv.fold_norm(&norm);
    /// assert_eq!(conv.weight.to_vec::<f32>(), [3.0, 7.0]);
    /// assert_eq!(conv.bias.expect("the norm's").to_vec::<f32>(), [-0.5, 0.0]);
    /// ```
    ///
    /// # Panics
    /// If `norm` is of another number of channels, or an activation stands between them.
    #[track_caller]
    pub fn fold_norm(&mut self, norm: &BatchNorm) {
        let (out, channels) = (self.weight.shape()[0], norm.weight.len());
        assert!(
            out == channels,
            "{}: {out} channels come out, but the batch norm is of {channels}",
            Self::KIND
        );
        assert!(
            self.activation == Activation::Identity,
            "{}: a batch norm behind {:?} cannot be folded into what is before it",
            Self::KIND,
            self.activation
        );
        let scale = norm.weight.detach() * (norm.running_var.get() + norm.eps).rsqrt();
        let mut shift = norm.bias.detach() - norm.running_mean.get() * &scale;
        if let Some(bias) = &self.bias {
            shift = shift + bias.detach() * &scale;
        }
        let each = [&[out], &[1; N][..], &[1]].concat();
        self.weight = Param::new(&(self.weight.detach() * scale.reshape(each)));
        self.bias = Some(Param::new(&shift));
    }

    /// Maps `x (B, in, *space)` to `(B, out, *space')`.
    ///
    /// # Panics
    /// If `x` has not `in` channels or another number of axes, or the filter reaches over the padded input.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let (weight, bias) = (&self.weight, self.bias.as_deref());
        let watch = Watch::begin();
        let y = match self.activation {
            Activation::Relu => x.conv_relu(weight, bias, &self.options),
            activation => activation.of(&x.conv(weight, bias, &self.options)),
        };
        watch.end(Self::KIND, self, y)
    }

    const KIND: &'static str = ["Conv1d", "Conv2d", "Conv3d"][N - 1];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, summary};

    #[test]
    fn groups_leave_weights_as_they_would_be_drawn() {
        let rng = &mut Rng::new(0);
        let layer = Conv2d::new(8, 100, 3, rng).groups(4);
        assert_eq!(layer.weight.shape(), [100, 2, 3, 3]);
        let bound = 1.0 / (2.0f32 * 9.0).sqrt();
        for w in [&layer.weight, layer.bias.as_ref().expect("a bias")] {
            let largest = w.abs().amax(..).item() as f32;
            assert!(largest <= bound && largest > 0.9 * bound, "{largest}");
        }
    }

    #[test]
    fn the_fused_activation_equals_the_one_behind() {
        let rng = &mut Rng::new(0);
        let layer = Conv1d::new(3, 5, 3, rng).padding(1);
        let x = Tensor::randn([2, 3, 7], rng);
        let behind = layer.forward(&x).relu().to_vec::<f32>();
        assert_eq!(layer.relu().forward(&x).to_vec::<f32>(), behind);
    }

    #[test]
    fn a_summary_counts_each_product() {
        let layer = Conv2d::new(3, 8, 3, &mut Rng::new(0)).stride(2).padding(1);
        let summary = summary(&layer, [3, 8, 8]);
        let row = &summary.rows[0];
        assert_eq!((row.kind, &row.output[..]), ("Conv2d", &[8, 4, 4][..]));
        assert_eq!((row.params, row.flops), (8 * 27 + 8, 2 * 8 * 16 * 27));
    }

    #[test]
    fn a_folded_batch_norm_leaves_the_result_as_it_was() {
        let rng = &mut Rng::new(0);
        let mut norm = BatchNorm::new(6);
        let draw = |rng: &mut Rng| Tensor::uniform([6], 0.5, 1.5, rng);
        norm.running_mean.set(&draw(rng));
        norm.running_var.set(&draw(rng));
        norm.weight.set(&draw(rng));
        norm.bias.set(&draw(rng));
        let x = Tensor::randn([2, 4, 5, 5], rng);
        for conv in [
            Conv2d::new(4, 6, 3, rng).padding(1),
            Conv2d::new(4, 6, 3, rng).groups(2).no_bias(),
        ] {
            let wanted = norm.forward(&conv.forward(&x), &Mode::eval());
            let mut folded = conv.clone();
            folded.fold_norm(&norm);
            // Sums of at most 36 products of size 1 in another order: 36 roundings of 2⁻²⁴.
            let difference = (folded.forward(&x) - wanted).abs().amax(..).item();
            assert!(difference < 36.0 * 6e-8 * 4.0, "{difference}");
        }
    }

    #[test]
    #[should_panic(expected = "Conv2d: 8 channels come out, but the batch norm is of 4")]
    fn a_batch_norm_of_other_channels_is_refused() {
        Conv2d::new(4, 8, 3, &mut Rng::new(0)).fold_norm(&BatchNorm::new(4));
    }

    #[test]
    #[should_panic(expected = "Conv2d: a batch norm behind Relu cannot be folded")]
    fn a_batch_norm_behind_an_activation_is_refused() {
        let mut conv = Conv2d::new(4, 8, 3, &mut Rng::new(0)).relu();
        conv.fold_norm(&BatchNorm::new(8));
    }

    #[test]
    #[should_panic(expected = "Conv2d: kernel [3] names 1 axes of space, wanted 2")]
    fn a_kernel_of_another_space_is_refused() {
        let _layer = Conv2d::new(3, 8, [3], &mut Rng::new(0));
    }

    #[test]
    #[should_panic(expected = "Conv2d: 3 groups do not divide 4 channels in and 6 out")]
    fn groups_that_do_not_divide_are_refused() {
        let _layer = Conv2d::new(4, 6, 3, &mut Rng::new(0)).groups(3);
    }
}
