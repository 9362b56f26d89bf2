//! Average pooling.

use super::separable::mapped;
use super::window::{Window, adaptive};
use crate::Tensor;
use eras_kernels::separable::Sparse;
use eras_kernels::windows::Windows;

/// How many elements the average of each window divides by; with `padding`, those beside the axis count, too.
fn counts(windows: &Windows, with_padding: bool) -> Vec<f64> {
    let count = |o: usize| match *windows {
        Windows::Grid {
            len,
            kernel,
            stride,
            padding,
            dilation,
            ..
        } if with_padding => {
            let left = len + 2 * padding - o * stride;
            left.div_ceil(dilation).min(kernel)
        }
        _ => windows.taps(o).len(),
    };
    (0..windows.count()).map(|o| count(o) as f64).collect()
}

/// The average of each window.
#[track_caller]
fn pooled<const N: usize>(
    name: &'static str,
    x: &Tensor,
    windows: &[Windows; N],
    with_padding: bool,
) -> Tensor {
    let sides = windows.each_ref().map(|axis| axis.count());
    mapped(name, x, sides, || {
        let axis = |windows: &Windows| Sparse::sums(windows).over(counts(windows, with_padding));
        windows.each_ref().map(axis)
    })
}

impl Tensor {
    /// The average of each window over the last `N` axes, one, two or three.
    ///
    /// Shapes: `x (.., H, W)` to `(.., OH, OW)`, as with [`max_pool`](Self::max_pool).
    ///
    /// As in PyTorch, padding counts as zeros unless [`Window::no_padding_counted`] says otherwise; what a last window
    /// lacks behind the padding (see [`Window::ceil`]) never counts.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([2.0f32, 4.0, 6.0, 8.0]);
    /// assert_eq!(x.avg_pool([2]).to_vec::<f32>(), [3.0, 7.0]);
    /// let padded = Window::new([2]).padding([1]);
    /// assert_eq!(x.avg_pool(padded).to_vec::<f32>(), [1.0, 5.0, 4.0]);
    /// assert_eq!(x.avg_pool(padded.no_padding_counted()).to_vec::<f32>(), [2.0, 5.0, 8.0]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer axes, no window fits, the padding is more than half of a window, a window meets nothing but
    /// padding, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn avg_pool<const N: usize>(&self, window: impl Into<Window<N>>) -> Self {
        let window = window.into();
        let windows = window.over_elements("avg_pool", self);
        pooled("avg_pool", self, &windows, window.count_padding)
    }

    /// The average of each of so many bins along the last `N` axes: bin `o` of `n` goes from ⌊o H / n⌋ to
    /// ⌈(o + 1) H / n⌉, as in PyTorch.
    ///
    /// Shapes: `x (.., H, W)` to `(.., OH, OW)`.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([1.0f32, 5.0, 3.0, 0.0, 3.0]);
    /// assert_eq!(x.adaptive_avg_pool([2]).to_vec::<f32>(), [3.0, 2.0]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer axes, an axis without elements should have bins, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn adaptive_avg_pool<const N: usize>(&self, bins: [usize; N]) -> Self {
        let windows = adaptive("adaptive_avg_pool", self, bins);
        if bins == [1; N] {
            let axes: Vec<usize> = (self.rank() - N..self.rank()).collect();
            return self.mean_keepdim(axes);
        }
        pooled("adaptive_avg_pool", self, &windows, false)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use super::window::by_window;
    use crate::checks::{Check, normal};
    let mean = |x: &Tensor, d: usize| x.mean_keepdim(d);
    let mut check = Check::new("avg_pool");
    /// Samples of windows over the last axes. Where padding counts, it is there as zeros.
    macro_rules! samples {
        ($($shape:expr, $window:expr;)*) => { $(
            check = check
                .case([normal($shape, 1)], |x| x[0].avg_pool($window))
                .defined_by(move |x| {
                    let mut window = Window::from($window);
                    let mut x = x[0].clone();
                    if window.count_padding {
                        let widths = window.padding.map(|n| (n as isize, n as isize));
                        x = x.pad(&widths, crate::PadMode::Constant(0.0));
                        window.padding.fill(0);
                    }
                    by_window(&x, &window.over_elements("", &x), mean)
                });
        )* };
    }
    samples! {
        [2, 3, 4, 6], [2, 2];
        [2, 2, 7, 5], [3, 2];
        [1, 2, 9, 8], Window::new([3, 3]).stride([2, 2]).padding([1, 1]);
        [1, 2, 9, 8], Window::new([3, 3]).stride([2, 2]).padding([1, 1]).no_padding_counted();
        [2, 3, 24, 24], Window::new([5, 5]).stride([1, 1]).padding([2, 2]).no_padding_counted();
        [2, 6, 7], Window::new([3, 3]).stride([1, 1]).padding([1, 0]).dilation([2, 3]);
        [3, 2, 9], Window::new([2]).ceil();
        [2, 9, 9], Window::new([4, 3]).stride([3, 2]).padding([1, 1]).ceil().no_padding_counted();
        [2, 1, 5, 4, 6], [2, 2, 3];
        [2, 5, 4, 3], Window::new([3, 2, 2]).stride([1, 2, 1]).padding([1, 1, 1]);
        [0, 3, 4, 4], [2, 2];
        [5], [1];
        [70, 32, 32], [2, 2]; // more than a task
        [40, 21, 33], Window::new([3, 3]).stride([2, 1]);
    }
    let mut bins = Check::new("adaptive_avg_pool");
    macro_rules! bins {
        ($($shape:expr, $bins:expr;)*) => { $(
            bins = bins
                .case([normal($shape, 1)], |x| x[0].adaptive_avg_pool($bins))
                .defined_by(move |x| by_window(&x[0], &adaptive("", &x[0], $bins), mean));
        )* };
    }
    bins! {
        [2, 3, 6, 8], [3, 2];
        [2, 3, 7, 5], [3, 4];
        [3, 5], [7];
        [2, 4, 5, 6], [1, 1, 1];
        [2, 20, 20], [1, 1];
        [2, 3, 14, 14], [7, 7];
    }
    vec![
        check
            .bad("avg_pool: x [3] does not have 2 axes", || {
                Tensor::zeros([3]).avg_pool([2, 2])
            })
            .bad(
                "avg_pool: windows that span [4] do not fit into [3] with padding [0]",
                || Tensor::zeros([3]).avg_pool([4]),
            ),
        bins.bad(
            "adaptive_avg_pool: [3, 0] has no elements for [1, 2] bins",
            || Tensor::zeros([3, 0]).adaptive_avg_pool([1, 2]),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_window_beyond_the_padding_counts_what_is_there() {
        // PyTorch's rule: the second window begins at 2 and has the elements 3, 4 and one of padding, none behind it.
        let x = Tensor::from([1.0f32, 2.0, 3.0, 4.0]);
        let window = Window::new([4]).stride([3]).padding([1]).ceil();
        assert_eq!(x.avg_pool(window).to_vec::<f32>(), [6.0 / 4.0, 7.0 / 3.0]);
    }

    #[test]
    fn the_average_of_ones_is_one() {
        for n in 1..12 {
            let y = Tensor::ones([2, n, n]).avg_pool([n, n]);
            assert_eq!(y.to_vec::<f32>(), [1.0; 2]);
        }
    }
}
