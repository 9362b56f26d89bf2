//! Windows that slide over the last axes.

use super::{PerAxis, want_float};
use crate::Tensor;
use crate::shape::Dims;
use eras_kernels::windows::Windows;

/// Windows that slide over the last `N` axes, as an argument of pooling and unfolding; the words are PyTorch's.
///
/// An array stands for windows of that size with nothing else set: `x.max_pool([2, 2])`.
///
/// ```
/// use eras::prelude::*;
///
/// let window = Window::new([3, 3]).stride(2).padding(1);
/// assert_eq!(Tensor::zeros([8, 64, 32, 32]).max_pool(window).shape(), [8, 64, 16, 16]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window<const N: usize> {
    /// How many elements a window has along each axis.
    pub kernel: [usize; N],
    /// From one window to the next; `None` for what is usual: as far as a window is long in pooling, 1 in unfolding.
    pub stride: Option<[usize; N]>,
    /// How far the first window begins before the axis, and the last may end behind it.
    pub padding: [usize; N],
    /// From one element of a window to the next.
    pub dilation: [usize; N],
    /// Whether a last window may be cut off at the end, where else it is left out.
    pub ceil: bool,
    /// Whether padding counts in an average. (It never counts as a maximum.)
    pub count_padding: bool,
}

impl<const N: usize> Window<N> {
    /// Windows of this size, not padded, of neighbouring elements.
    #[must_use]
    pub fn new(kernel: [usize; N]) -> Self {
        Self {
            kernel,
            stride: None,
            padding: [0; N],
            dilation: [1; N],
            ceil: false,
            count_padding: true,
        }
    }

    /// Each window this far from the one before: one number for all axes, or one for each.
    ///
    /// # Panics
    /// If numbers are given for another number of axes.
    #[must_use]
    #[track_caller]
    pub fn stride(mut self, stride: impl Into<PerAxis>) -> Self {
        self.stride = Some(stride.into().each("Window", "stride"));
        self
    }

    /// The first window begins this far before the axis: one number for all axes, or one for each.
    ///
    /// # Panics
    /// If numbers are given for another number of axes.
    #[must_use]
    #[track_caller]
    pub fn padding(mut self, padding: impl Into<PerAxis>) -> Self {
        self.padding = padding.into().each("Window", "padding");
        self
    }

    /// The elements of a window this far from each other: one number for all axes, or one for each.
    ///
    /// # Panics
    /// If numbers are given for another number of axes.
    #[must_use]
    #[track_caller]
    pub fn dilation(mut self, dilation: impl Into<PerAxis>) -> Self {
        self.dilation = dilation.into().each("Window", "dilation");
        self
    }

    /// With a last window that is cut off at the end.
    #[must_use]
    pub fn ceil(mut self) -> Self {
        self.ceil = true;
        self
    }

    /// Averages over what lies on the axes alone.
    #[must_use]
    pub fn no_padding_counted(mut self) -> Self {
        self.count_padding = false;
        self
    }

    /// The windows along each of the last `N` axes of `x`; `stride` is the usual one.
    #[track_caller]
    pub(super) fn over(&self, op: &str, x: &Tensor, stride: [usize; N]) -> [Windows; N] {
        let sides = last_axes::<N>(op, x);
        let stride = self.stride.unwrap_or(stride);
        let Self {
            kernel,
            padding,
            dilation,
            ..
        } = self;
        let positive = [kernel, &stride, dilation];
        assert!(
            positive.iter().all(|all| all.iter().all(|n| *n > 0)),
            "{op}: kernel, stride and dilation must be at least 1, but are {kernel:?}, {stride:?} and {dilation:?}"
        );
        let mut spans = [0; N];
        for d in 0..N {
            spans[d] = (kernel[d] - 1)
                .saturating_mul(dilation[d])
                .saturating_add(1);
        }
        let room = |d: usize| sides[d].saturating_add(padding[d].saturating_mul(2));
        assert!(
            (0..N).all(|d| spans[d] <= room(d) && room(d) < usize::MAX / 4),
            "{op}: windows that span {spans:?} do not fit into {sides:?} with padding {padding:?}"
        );
        let volume = kernel.iter().fold(1, |n: usize, k| n.saturating_mul(*k));
        assert!(
            volume < 1 << 60,
            "{op}: windows of {kernel:?} have more elements than can be counted"
        );
        let mut windows = [Windows::each(0); N];
        for d in 0..N {
            let more = room(d) - spans[d];
            let mut out = more / stride[d] + 1;
            // A window more, if it does not begin behind the axis.
            let cut = self.ceil && !more.is_multiple_of(stride[d]);
            if cut && out.saturating_mul(stride[d]) < sides[d] + padding[d] {
                out += 1;
            }
            windows[d] = Windows::Grid {
                len: sides[d],
                out,
                kernel: kernel[d],
                // From one window alone there is no next one.
                stride: if out == 1 { kernel[d] } else { stride[d] },
                padding: padding[d],
                dilation: dilation[d],
            };
        }
        windows
    }

    /// As [`over`](Self::over), for windows of which something must be taken.
    #[track_caller]
    pub(super) fn over_elements(&self, op: &str, x: &Tensor) -> [Windows; N] {
        let windows = self.over(op, x, self.kernel);
        let sides = last_axes::<N>(op, x);
        for d in 0..N {
            let span = (self.kernel[d] - 1) * self.dilation[d] + 1;
            assert!(
                self.padding[d] <= span / 2,
                "{op}: padding {:?} is more than half of the windows {:?}",
                self.padding,
                self.kernel
            );
            // Each window meets an element, unless it steps over them all: then none meets two.
            assert!(
                self.dilation[d] <= sides[d] || windows[d].met() == windows[d].count(),
                "{op}: a window of {self:?} meets nothing but padding of {sides:?}"
            );
        }
        windows
    }
}

impl<const N: usize> From<[usize; N]> for Window<N> {
    fn from(kernel: [usize; N]) -> Self {
        Self::new(kernel)
    }
}

/// The lengths of the last `N` axes.
#[track_caller]
pub(super) fn last_axes<const N: usize>(op: &str, x: &Tensor) -> [usize; N] {
    const {
        assert!(N >= 1 && N <= 3, "one, two or three axes");
    }
    want_float(op, x);
    let Some((_, sides)) = x.shape().split_last_chunk() else {
        panic!("{op}: x {:?} does not have {N} axes", x.shape());
    };
    *sides
}

/// So many bins along each of the last `N` axes.
#[track_caller]
pub(super) fn adaptive<const N: usize>(op: &str, x: &Tensor, bins: [usize; N]) -> [Windows; N] {
    let sides = last_axes::<N>(op, x);
    assert!(
        (0..N).all(|d| sides[d] > 0 || bins[d] == 0),
        "{op}: {sides:?} has no elements for {bins:?} bins"
    );
    std::array::from_fn(|d| Windows::bins(sides[d], bins[d]))
}

/// With other lengths of the last `N` axes.
pub(super) fn with_last<const N: usize>(x: &Tensor, sides: [usize; N]) -> Dims {
    let mut dims = x.dims();
    let first = dims.len() - N;
    dims.as_mut()[first..].copy_from_slice(&sides);
    dims
}

/// As the three axes of a volume: what is missing in front is done for one element after the other.
pub(super) fn three<const N: usize, T: Clone>(axes: &[T; N], one: &T) -> [T; 3] {
    std::array::from_fn(|i| match (i + N).checked_sub(3) {
        Some(d) => axes[d].clone(),
        None => one.clone(),
    })
}

/// `of` the elements in each window, axis after axis: what pooling means.
#[cfg(test)]
pub(super) fn by_window<const N: usize>(
    x: &Tensor,
    windows: &[Windows; N],
    of: impl Fn(&Tensor, usize) -> Tensor,
) -> Tensor {
    let first = x.rank() - N;
    (0..N).fold(x.clone(), |x, d| {
        let one = |o: usize| {
            let places = windows[d].taps(o).map(|t| windows[d].place(o, t) as i64);
            let places = Tensor::from(places.collect::<Vec<i64>>());
            of(&x.index_select(first + d, &places), first + d)
        };
        let all: Vec<Tensor> = (0..windows[d].count()).map(one).collect();
        Tensor::concat(&all, first + d)
    })
}
