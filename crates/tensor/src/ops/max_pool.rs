//! Max pooling.

use super::window::{Window, adaptive, three, with_last};
use crate::Tensor;
use crate::dtype::{Dtype, with_float};
use crate::shape::Dims;
use crate::tape::{record, tracked};
use eras_kernels::max_pool::{self, Volume};
use eras_kernels::windows::Windows;

/// Windows with more elements need more than a byte to say which was the largest.
const BYTE: usize = 256;

/// What was the largest of each window: the numbers of the elements within the windows, as a tensor of the shape of the
/// result.
#[derive(Clone)]
struct Taken {
    taps: Tensor,
    volume: Volume,
    /// Shapes before and after.
    x: Dims,
    y: Dims,
}

/// Runs `$body` with `$P` standing for the type in which taps are kept.
macro_rules! with_taps {
    ($taken:expr, $P:ident => $body:expr) => {
        match $taken.taps.dtype() {
            Dtype::U8 => {
                type $P = u8;
                $body
            }
            _ => {
                type $P = i64;
                $body
            }
        }
    };
}

impl Taken {
    /// What max pooling took, taken of another `x`.
    fn pick(&self, x: &Tensor) -> Tensor {
        let line = x.in_line();
        let y = with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), self.y, |y| {
            with_taps!(self, P => max_pool::pick(y, line.data(), self.taps.data::<P>(), &self.volume));
        }));
        let taken = self.clone();
        record("max_pool", y, [x], move |b| [Some(taken.put_back(b.dy))])
    }

    /// Zero but for what was taken, which gets the elements of `dy`.
    fn put_back(&self, dy: &Tensor) -> Tensor {
        let line = dy.in_line();
        let dx = with_float!(dy.dtype(), T => Tensor::build::<T>(dy.dtype(), self.x, |dx| {
            with_taps!(self, P => max_pool::backward(dx, line.data(), self.taps.data::<P>(), &self.volume));
        }));
        let taken = self.clone();
        record("max_pool", dx, [dy], move |b| [Some(taken.pick(b.dy))])
    }
}

/// The largest of each window; its gradient knows which that was, and needs no `x`.
#[track_caller]
fn pooled<const N: usize>(x: &Tensor, windows: &[Windows; N]) -> Tensor {
    if x.dtype().is_half() {
        return pooled(&x.to_dtype(Dtype::F32), windows).to_dtype(x.dtype());
    }
    let (x_dims, y_dims) = (x.dims(), with_last(x, windows.map(|axis| axis.count())));
    let volume = Volume {
        outer: x_dims[..x.rank() - N].iter().product(),
        axes: three(windows, &Windows::each(1)),
    };
    let line = x.in_line();
    let (is_tracked, fits) = (tracked(&[x]), volume.taps() <= BYTE);
    let mut taps = None;
    let y = with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), y_dims, |y| {
        let x = line.data();
        taps = match (is_tracked, fits) {
            (false, _) => {
                max_pool::forward(y, &mut vec![(); y.len()], x, &volume);
                None
            }
            (true, true) => Some(Tensor::build::<u8>(Dtype::U8, y_dims, |taps| {
                max_pool::forward(y, taps, x, &volume);
            })),
            (true, false) => Some(Tensor::build::<i64>(Dtype::I64, y_dims, |taps| {
                max_pool::forward(y, taps, x, &volume);
            })),
        };
    }));
    let Some(taps) = taps else {
        return y;
    };
    let taken = Taken {
        taps,
        volume,
        x: x_dims,
        y: y_dims,
    };
    record("max_pool", y, [x], move |b| [Some(taken.put_back(b.dy))])
}

impl Tensor {
    /// The largest element of each window over the last `N` axes, one, two or three.
    ///
    /// Shapes: `x (.., H, W)` to `(.., OH, OW)`, where OH is ⌊(H + 2 padding - span) / stride⌋ + 1 with windows that span
    /// (kernel - 1) dilation + 1; rounded up with [`Window::ceil`]. Windows lie one behind the other unless a stride is
    /// given.
    ///
    /// Padding never counts, NaN is the largest of all, and of several that are equal the first gets the gradient, as in
    /// PyTorch.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([[1.0f32, 5.0, 2.0, 0.0], [3.0, 4.0, 7.0, 6.0]]);
    /// assert_eq!(x.max_pool([2, 2]).to_vec::<f32>(), [5.0, 7.0]);
    /// assert_eq!(x.max_pool(Window::new([2]).stride([1])).to_vec::<f32>(), [5.0, 5.0, 2.0, 4.0, 7.0, 7.0]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer axes, no window fits, the padding is more than half of a window, a window meets nothing but
    /// padding, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn max_pool<const N: usize>(&self, window: impl Into<Window<N>>) -> Self {
        let window = window.into();
        let windows = window.over_elements("max_pool", self);
        pooled(self, &windows)
    }

    /// The largest element of each of so many bins along the last `N` axes: bin `o` of `n` goes from ⌊o H / n⌋ to
    /// ⌈(o + 1) H / n⌉, as in PyTorch.
    ///
    /// Shapes: `x (.., H, W)` to `(.., OH, OW)`.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([1.0f32, 5.0, 2.0, 0.0, 3.0]);
    /// assert_eq!(x.adaptive_max_pool([2]).to_vec::<f32>(), [5.0, 3.0]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer axes, an axis without elements should have bins, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn adaptive_max_pool<const N: usize>(&self, bins: [usize; N]) -> Self {
        let windows = adaptive("adaptive_max_pool", self, bins);
        pooled(self, &windows)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use super::window::by_window;
    use crate::checks::{Check, normal};
    let largest = |x: &Tensor, d: usize| x.amax_keepdim(d);
    let mut check = Check::new("max_pool");
    /// Samples of windows over the last axes.
    macro_rules! samples {
        ($($shape:expr, $window:expr;)*) => { $(
            check = check
                .case([normal($shape, 1)], |x| x[0].max_pool($window))
                .defined_by(move |x| {
                    let window = Window::from($window);
                    by_window(&x[0], &window.over_elements("", &x[0]), largest)
                });
        )* };
    }
    samples! {
        [2, 3, 4, 6], [2, 2];
        [2, 2, 7, 5], [3, 2];
        [1, 2, 9, 8], Window::new([3, 3]).stride([2, 2]).padding([1, 1]);
        [2, 6, 7], Window::new([3, 3]).stride([1, 1]).padding([1, 0]).dilation([2, 3]);
        [3, 2, 9], Window::new([2]).ceil();
        [2, 1, 5, 4, 6], [2, 2, 3];
        [2, 5, 4, 3], Window::new([3, 2, 2]).stride([1, 2, 1]).padding([1, 1, 1]);
        [1, 4, 4, 6], Window::new([2, 2, 2]);
        [0, 3, 4, 4], [2, 2];
        [5], [1];
        [70, 32, 32], [2, 2]; // more than a task
        [40, 21, 33], Window::new([3, 3]).stride([2, 1]);
        [2, 20, 20], [17, 18]; // more elements than a byte counts
    }
    let mut bins = Check::new("adaptive_max_pool");
    macro_rules! bins {
        ($($shape:expr, $bins:expr;)*) => { $(
            bins = bins
                .case([normal($shape, 1)], |x| x[0].adaptive_max_pool($bins))
                .defined_by(move |x| by_window(&x[0], &adaptive("", &x[0], $bins), largest));
        )* };
    }
    bins! {
        [2, 3, 6, 8], [3, 2];
        [2, 3, 7, 5], [3, 4];
        [3, 5], [7];
        [2, 4, 5, 6], [1, 1, 1];
        [2, 20, 20], [1, 1];
    }
    vec![
        check
            .bad("max_pool: x [3] does not have 2 axes", || {
                Tensor::zeros([3]).max_pool([2, 2])
            })
            .bad("max_pool: wants floats", || Tensor::arange(3).max_pool([2]))
            .bad(
                "max_pool: kernel, stride and dilation must be at least 1, but are [0], [0] and [1]",
                || Tensor::zeros([3]).max_pool([0]),
            )
            .bad(
                "max_pool: padding [1, 2] is more than half of the windows [3, 3]",
                || Tensor::zeros([9, 9]).max_pool(Window::new([3, 3]).padding([1, 2])),
            )
            .bad(
                "max_pool: windows that span [2, 5] do not fit into [3, 2] with padding [0, 1]",
                || Tensor::zeros([3, 2]).max_pool(Window::new([2, 5]).padding([0, 1])),
            )
            .bad("meets nothing but padding of [1]", || {
                Tensor::zeros([1]).max_pool(Window::new([2]).dilation([3]).padding([2]).stride([1]))
            }),
        bins.bad(
            "adaptive_max_pool: [3, 0] has no elements for [1, 2] bins",
            || Tensor::zeros([3, 0]).adaptive_max_pool([1, 2]),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_gets_the_gradient() {
        let x = Tensor::from([[2.0f32, 2.0, 1.0], [2.0, 0.0, 1.0]]).requires_grad();
        let y = x.max_pool(Window::new([2, 2]).stride([1, 1]));
        assert_eq!(y.to_vec::<f32>(), [2.0, 2.0]);
        let dy = Tensor::from([[10.0f32, 1.0]]);
        let dx = y.backward_with(&dy)[&x].to_vec::<f32>();
        assert_eq!(dx, [10.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn one_that_is_no_number_is_not_hidden() {
        let x = Tensor::from([f32::NAN, 9.0, f32::NEG_INFINITY, f32::NEG_INFINITY]).requires_grad();
        let y = x.max_pool([2]);
        let found = y.to_vec::<f32>();
        assert!(found[0].is_nan() && found[1] == f32::NEG_INFINITY);
        let dx = y.backward_with(&Tensor::ones([2]))[&x].to_vec::<f32>();
        assert_eq!(dx, [1.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn the_gradient_keeps_a_byte_for_each_window() {
        let x = Tensor::randn([4, 8, 16, 16], &mut crate::Rng::new(0)).requires_grad();
        let before = crate::count::bytes();
        let y = x.max_pool([2, 2]);
        // The result, a quarter of x in f32, and the bytes.
        assert_eq!(crate::count::bytes() - before, (4 + 1) * y.len() as i64);
    }
}
