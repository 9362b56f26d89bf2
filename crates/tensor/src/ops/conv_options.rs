//! How a filter moves: the settings of convolutions, and the shapes that follow from them.

use super::conv::Form;
use super::want_float;
use crate::Tensor;
use crate::shape::Dims;
use eras_kernels::conv::Shape;

/// A number for each axis of space, or one for all: made from `2`, `[2, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerAxis {
    /// The same for all axes.
    All(usize),
    /// One for each axis.
    Each(Dims),
}

impl From<usize> for PerAxis {
    fn from(n: usize) -> Self {
        Self::All(n)
    }
}
impl<const N: usize> From<[usize; N]> for PerAxis {
    #[track_caller]
    fn from(each: [usize; N]) -> Self {
        Self::Each(each.into())
    }
}
impl From<&[usize]> for PerAxis {
    #[track_caller]
    fn from(each: &[usize]) -> Self {
        Self::Each(each.into())
    }
}

impl PerAxis {
    /// The numbers of `N` axes; a message names `op` and `what` the numbers are.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// assert_eq!(PerAxis::from(2).each::<3>("conv", "stride"), [2, 2, 2]);
    /// assert_eq!(PerAxis::from([1, 2]).each("conv", "stride"), [1, 2]);
    /// ```
    ///
    /// # Panics
    /// If there is one for each of another number of axes.
    #[must_use]
    #[track_caller]
    pub fn each<const N: usize>(&self, op: &str, what: &str) -> [usize; N] {
        match self {
            Self::All(n) => [*n; N],
            Self::Each(each) => {
                let Ok(numbers) = (**each).try_into() else {
                    panic!(
                        "{op}: {what} {each:?} names {} axes of space, wanted {N}",
                        each.len()
                    )
                };
                numbers
            }
        }
    }

    /// The numbers of the last `axes` of three axes, and `missing` for those in front.
    #[track_caller]
    fn three(&self, op: &str, what: &str, axes: usize, missing: usize) -> [usize; 3] {
        let mut three = [missing; 3];
        match self {
            Self::All(n) => three[3 - axes..].fill(*n),
            Self::Each(each) => {
                assert!(
                    each.len() == axes,
                    "{op}: {what} {each:?} names {} axes of space, but x has {axes}",
                    each.len()
                );
                three[3 - axes..].copy_from_slice(each);
            }
        }
        three
    }
}

/// What stands around the input of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// As many zeros in front of and behind each axis. None at all is what Keras calls `valid`.
    Zeros {
        /// In front.
        before: PerAxis,
        /// Behind.
        after: PerAxis,
    },
    /// As many zeros as make the output `n / stride` long, rounded up; if they are odd, one more behind (Keras; PyTorch,
    /// which has this for stride 1 only, does the same there).
    Same,
}

/// The settings of [`Tensor::conv`] and [`Tensor::conv_transpose`], under PyTorch's names.
///
/// ```
/// use eras::prelude::*;
///
/// let options = ConvOptions::new().stride(2).padding([1, 0]);
/// let x = Tensor::ones([1, 1, 5, 5]);
/// assert_eq!(x.conv(&Tensor::ones([1, 1, 3, 3]), None, &options).shape(), [1, 1, 3, 2]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvOptions {
    /// From one place of the filter to the next one.
    pub stride: PerAxis,
    /// What stands around the input; in a transposed convolution, what is cut off around the result.
    pub padding: Padding,
    /// From one element of the filter to the next one.
    pub dilation: PerAxis,
    /// Parts of the channels that do not see each other.
    pub groups: usize,
    /// How much longer a transposed convolution makes its result at the end: with a stride, inputs of several lengths
    /// have outputs of the same.
    pub output_padding: PerAxis,
}

impl Default for ConvOptions {
    fn default() -> Self {
        Self {
            stride: PerAxis::All(1),
            padding: Padding::Zeros {
                before: PerAxis::All(0),
                after: PerAxis::All(0),
            },
            dilation: PerAxis::All(1),
            groups: 1,
            output_padding: PerAxis::All(0),
        }
    }
}

impl ConvOptions {
    /// Stride 1, no padding, dilation 1, one group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the filter by this many elements.
    #[must_use]
    #[track_caller]
    pub fn stride(mut self, stride: impl Into<PerAxis>) -> Self {
        self.stride = stride.into();
        self
    }

    /// Puts this many zeros in front of each axis, and behind it.
    #[must_use]
    #[track_caller]
    pub fn padding(self, padding: impl Into<PerAxis>) -> Self {
        let padding = padding.into();
        self.padding_uneven(padding, padding)
    }

    /// Puts `before` zeros in front of each axis and `after` behind it.
    #[must_use]
    #[track_caller]
    pub fn padding_uneven(mut self, before: impl Into<PerAxis>, after: impl Into<PerAxis>) -> Self {
        self.padding = Padding::Zeros {
            before: before.into(),
            after: after.into(),
        };
        self
    }

    /// Puts as many zeros around that the output is as long as the input, divided by the stride and rounded up.
    #[must_use]
    pub fn padding_same(mut self) -> Self {
        self.padding = Padding::Same;
        self
    }

    /// Takes the elements of the filter this far apart.
    #[must_use]
    #[track_caller]
    pub fn dilation(mut self, dilation: impl Into<PerAxis>) -> Self {
        self.dilation = dilation.into();
        self
    }

    /// Cuts the channels into this many parts that do not see each other; as many as there are channels is *depthwise*.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Makes the result of a transposed convolution this much longer.
    #[must_use]
    #[track_caller]
    pub fn output_padding(mut self, output_padding: impl Into<PerAxis>) -> Self {
        self.output_padding = output_padding.into();
        self
    }

    /// The form `T(x, w, y)` of which a convolution of `x` is the derivative by `y`.
    #[track_caller]
    pub(super) fn forward(
        &self,
        op: &str,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Form {
        let mut form = self.start(op, "(out, in / groups, *kernel)", x, weight);
        let (axes, groups) = (form.axes, self.groups);
        let (out, depth) = (weight.shape()[0], weight.shape()[1]);
        assert!(
            depth.checked_mul(groups) == Some(x.shape()[1]) && out.is_multiple_of(groups),
            "{op}: x {:?} cannot meet weight {:?} with groups {groups}: wanted {depth} channels in each group, and a \
             multiple of the groups out",
            x.shape(),
            weight.shape()
        );
        want_bias(op, bias, weight, out);
        (form.shape.c_in, form.shape.c_out) = (depth, out / groups);
        let (before, after) = self.zeros(op, axes);
        for i in 3 - axes..3 {
            let n = x.shape()[i + axes - 1];
            let (stride, span) = (form.shape.stride[i], form.span(op, i));
            form.shape.input[i] = n;
            if self.padding == Padding::Same {
                let places = n.div_ceil(stride);
                let reach = places.saturating_sub(1) * stride + span; // of which the first part is below n
                form.shape.before[i] = reach.saturating_sub(n) / 2;
                form.shape.output[i] = places;
                continue;
            }
            let whole = n.saturating_add(before[i]).saturating_add(after[i]);
            assert!(
                (span..MOST).contains(&whole),
                "{op}: the filter of weight {:?} spans {span} places, but x {:?} has {whole} with its padding",
                weight.shape(),
                x.shape()
            );
            form.shape.before[i] = before[i];
            form.shape.output[i] = (whole - span) / stride + 1;
        }
        form
    }

    /// The form `T(y, w, x)` of which a transposed convolution of `x` is the derivative by `y`.
    #[track_caller]
    pub(super) fn transposed(
        &self,
        op: &str,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Form {
        let mut form = self.start(op, "(in, out / groups, *kernel)", x, weight);
        let (axes, groups) = (form.axes, self.groups);
        let (channels, depth) = (weight.shape()[0], weight.shape()[1]);
        assert!(
            channels == x.shape()[1] && channels.is_multiple_of(groups),
            "{op}: x {:?} cannot meet weight {:?} with groups {groups}: wanted {channels} channels, a multiple of the groups",
            x.shape(),
            weight.shape()
        );
        want_bias(op, bias, weight, depth.saturating_mul(groups));
        (form.shape.c_in, form.shape.c_out) = (depth, channels / groups);
        let (before, after) = self.zeros(op, axes);
        let longer = self.output_padding.three(op, "output_padding", axes, 0);
        for i in 3 - axes..3 {
            let n = x.shape()[i + axes - 1];
            let (stride, span) = (form.shape.stride[i], form.span(op, i));
            form.shape.output[i] = n;
            if self.padding == Padding::Same {
                form.shape.before[i] = span.saturating_sub(stride) / 2;
                form.shape.input[i] = n.saturating_mul(stride);
                continue;
            }
            assert!(
                longer[i] == 0 || longer[i] < stride.max(form.shape.dilation[i]),
                "{op}: output_padding {} must be below the stride {stride} or the dilation {}",
                longer[i],
                form.shape.dilation[i]
            );
            let whole = n.saturating_sub(1).saturating_mul(stride);
            let whole = whole.saturating_add(span).saturating_add(longer[i]);
            let cut = before[i].saturating_add(after[i]);
            assert!(
                n > 0 && (cut.saturating_add(1)..MOST).contains(&whole),
                "{op}: x {:?} and weight {:?} make {whole} places, of which the padding cuts {cut}",
                x.shape(),
                weight.shape()
            );
            form.shape.before[i] = before[i];
            form.shape.input[i] = whole - cut;
        }
        form
    }

    /// What both have in common: checks, and the lengths that are given.
    #[track_caller]
    fn start(&self, op: &str, layout: &str, x: &Tensor, weight: &Tensor) -> Form {
        want_float(op, x);
        let (x_shape, w_shape) = (x.shape(), weight.shape());
        assert!(
            (3..=5).contains(&x_shape.len()),
            "{op}: x {x_shape:?} must be (B, C, *space) with 1 to 3 axes of space"
        );
        let axes = x_shape.len() - 2;
        assert!(
            w_shape.len() == x_shape.len() && w_shape[2..].iter().all(|k| *k > 0),
            "{op}: weight {w_shape:?} must be {layout} with {axes} axes of space, none of length 0, to meet x {x_shape:?}"
        );
        assert!(
            x.dtype() == weight.dtype(),
            "{op}: x {} meets weight {}; convert one with to_dtype",
            x.dtype(),
            weight.dtype()
        );
        assert!(self.groups > 0, "{op}: wanted at least 1 group, got 0");
        let mut kernel = [1; 3];
        kernel[3 - axes..].copy_from_slice(&w_shape[2..]);
        let stride = self.stride.three(op, "stride", axes, 1);
        let dilation = self.dilation.three(op, "dilation", axes, 1);
        assert!(
            stride.iter().chain(&dilation).all(|n| *n > 0),
            "{op}: stride {:?} and dilation {:?} must be at least 1",
            &stride[3 - axes..],
            &dilation[3 - axes..]
        );
        let shape = Shape {
            batch: x_shape[0],
            groups: self.groups,
            c_in: 0,
            c_out: 0,
            input: [1; 3],
            kernel,
            output: [1; 3],
            stride,
            dilation,
            before: [0; 3],
        };
        Form { shape, axes }
    }

    /// The padding that is given; none where it follows from the lengths.
    #[track_caller]
    fn zeros(&self, op: &str, axes: usize) -> ([usize; 3], [usize; 3]) {
        match self.padding {
            Padding::Zeros { before, after } => (
                before.three(op, "padding", axes, 0),
                after.three(op, "padding", axes, 0),
            ),
            Padding::Same => ([0; 3], [0; 3]),
        }
    }
}

/// Padded axes are shorter than this, so that places can be counted.
const MOST: usize = 1 << 60;

impl Form {
    /// How many elements the filter reaches over on an axis.
    #[track_caller]
    fn span(&self, op: &str, axis: usize) -> usize {
        let (k, dilation) = (self.shape.kernel[axis], self.shape.dilation[axis]);
        let span = (k - 1).saturating_mul(dilation).saturating_add(1);
        assert!(
            span < MOST,
            "{op}: a filter of length {k} with dilation {dilation} is too large"
        );
        span
    }
}

#[track_caller]
fn want_bias(op: &str, bias: Option<&Tensor>, weight: &Tensor, out: usize) {
    if let Some(bias) = bias {
        assert!(
            bias.shape() == [out] && bias.dtype() == weight.dtype(),
            "{op}: bias {} {:?} must be {} [{out}] to meet weight {:?}",
            bias.dtype(),
            bias.shape(),
            weight.dtype(),
            weight.shape()
        );
    }
}
