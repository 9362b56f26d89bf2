//! Windows as columns, and columns as the sum of windows.

use super::window::{Window, last_axes, three};
use super::{through_f32, want_float};
use crate::Tensor;
use crate::dtype::{Dtype, with_float};
use crate::shape::Dims;
use crate::tape::record;
use eras_kernels::unfold;
use eras_kernels::windows::Windows;

/// The windows along the last axes of `(B, C, *space)`, and both shapes.
#[derive(Clone, Copy)]
struct Columns {
    axes: [Windows; 3],
    space: Dims,
    columns: Dims,
}

impl Columns {
    #[track_caller]
    fn new<const N: usize>(op: &str, space: Dims, window: &Window<N>) -> Self {
        let whole = Tensor::full(space, 0.0, Dtype::F32); // one number, seen as many
        let windows = window.over(op, &whole, [1; N]);
        let taps: usize = window.kernel.iter().product();
        let counts = windows.iter().map(Windows::count);
        let count = counts.fold(1, usize::saturating_mul);
        let rows = space[1].saturating_mul(taps);
        Self {
            axes: three(&windows, &Windows::each(1)),
            space,
            columns: [space[0], rows, count].into(),
        }
    }

    fn unfold(self, x: &Tensor) -> Tensor {
        let (line, outer) = (x.in_line(), self.space[0] * self.space[1]);
        let y = with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), self.columns, |y| {
            unfold::unfold(y, line.data(), outer, &self.axes);
        }));
        record("unfold", y, [x], move |b| [Some(self.fold(b.dy))])
    }

    fn fold(self, x: &Tensor) -> Tensor {
        let (line, outer) = (x.in_line(), self.space[0] * self.space[1]);
        let y = with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), self.space, |y| {
            unfold::fold(y, line.data(), outer, &self.axes);
        }));
        record("fold", y, [x], move |b| [Some(self.unfold(b.dy))])
    }
}

impl Tensor {
    /// Windows over the axes of space as columns, as PyTorch's `nn.Unfold` (im2col): with them a convolution is a matrix
    /// product. Windows are one apart unless a stride is given; padding is zeros.
    ///
    /// Shapes: `x (B, C, H, W)` to `(B, C KH KW, L)`, with one column for each of the L = OH OW windows; sequences and
    /// volumes accordingly.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([[[1.0f32, 2.0, 3.0]]]); // (1, 1, 3)
    /// assert_eq!(x.unfold([2]).to_vec::<f32>(), [1.0, 2.0, 2.0, 3.0]); // (1, 2, 2)
    /// let x = Tensor::zeros([8, 3, 10, 12]);
    /// assert_eq!(x.unfold(Window::new([3, 3]).padding(1).stride(2)).shape(), [8, 27, 30]);
    /// ```
    ///
    /// # Panics
    /// If `x` has not two axes more than a window, no window fits, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn unfold<const N: usize>(&self, window: impl Into<Window<N>>) -> Self {
        let _axes = last_axes::<N>("unfold", self);
        assert!(
            self.rank() == N + 2,
            "unfold: windows over {N} axes want x of rank {}, not {:?}",
            N + 2,
            self.shape()
        );
        let columns = Columns::new("unfold", self.dims(), &window.into());
        if let Some(y) = through_f32([self], |[x]| columns.unfold(x)) {
            return y;
        }
        columns.unfold(self)
    }

    /// Columns as the sum of the windows that they are, over axes of space of these lengths, as PyTorch's `nn.Fold`
    /// (col2im). What lies beside the axes is left out.
    ///
    /// Shapes: `x (B, C KH KW, L)` to `(B, C, H, W)`; sequences and volumes accordingly.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let columns = Tensor::from([[[1.0f32, 2.0], [2.0, 3.0]]]); // (1, 2, 2)
    /// assert_eq!(columns.fold([3], [2]).to_vec::<f32>(), [1.0, 4.0, 3.0]);
    /// ```
    ///
    /// # Panics
    /// If the shape of `x` is not that of the columns of such axes and windows, or for what
    /// [`unfold`](Self::unfold) panics for.
    #[must_use]
    #[track_caller]
    pub fn fold<const N: usize>(&self, space: [usize; N], window: impl Into<Window<N>>) -> Self {
        let window = window.into();
        want_float("fold", self);
        let taps = window
            .kernel
            .iter()
            .fold(1, |n: usize, k| n.saturating_mul(*k));
        assert!(
            self.rank() == 3 && taps > 0 && self.shape()[1].is_multiple_of(taps),
            "fold: windows of {:?} want x (B, C {taps}, L), not {:?}",
            window.kernel,
            self.shape()
        );
        let (batch, channels) = (self.shape()[0], self.shape()[1] / taps);
        let whole = [&[batch, channels], &space[..]].concat();
        let columns = Columns::new("fold", whole.into(), &window);
        assert!(
            self.dims() == columns.columns,
            "fold: space {space:?} has {} windows, but x {:?} has {}",
            columns.columns[2],
            self.shape(),
            self.shape()[2]
        );
        if let Some(y) = through_f32([self], |[x]| columns.fold(x)) {
            return y;
        }
        columns.fold(self)
    }
}

/// What unfolding means: the padded elements at the places of each element of the windows.
#[cfg(test)]
fn definition<const N: usize>(x: &Tensor, window: &Window<N>) -> Tensor {
    let widths = window.padding.map(|n| (n as isize, n as isize));
    let padded = x.pad(&widths, crate::PadMode::Constant(0.0));
    let stride = window.stride.unwrap_or([1; N]);
    let taps: usize = window.kernel.iter().product();
    let rows: Vec<Tensor> = (0..taps)
        .map(|tap| {
            let mut y = padded.clone();
            let mut rest = tap;
            for d in (0..N).rev() {
                let first = rest % window.kernel[d] * window.dilation[d];
                rest /= window.kernel[d];
                let span = (window.kernel[d] - 1) * window.dilation[d];
                let places: Vec<i64> = (0..y.shape()[2 + d] - span)
                    .step_by(stride[d])
                    .map(|at| (first + at) as i64)
                    .collect();
                y = y.index_select(2 + d, &Tensor::from(places));
            }
            y.flatten(2, -1) // (B, C, L)
        })
        .collect();
    Tensor::stack(&rows, 2).flatten(1, 2)
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let (mut unfold, mut fold) = (Check::new("unfold"), Check::new("fold"));
    macro_rules! samples {
        ($($shape:expr, $space:expr, $window:expr;)*) => { $(
            let x = normal($shape, 1);
            let columns = normal(x.unfold($window).shape(), 2);
            unfold = unfold
                .case([x], |x| x[0].unfold($window))
                .defined_by(move |x| definition(&x[0], &$window.into()));
            // The sum over the columns of products with others is that over space.
            fold = fold
                .case([columns.clone()], |x| x[0].fold($space, $window))
                .defined_by(move |x| {
                    let zero = Tensor::full($shape, 0.0, x[0].dtype()).requires_grad();
                    let y = definition(&zero, &$window.into());
                    crate::grad(&y, &[&zero], Some(&x[0])).remove(0)
                });
        )* };
    }
    samples! {
        [2, 3, 5], [5], [3];
        [2, 3, 5, 6], [5, 6], [2, 3];
        [2, 2, 7, 6], [7, 6], Window::new([3, 2]).stride([2, 1]).padding([1, 1]);
        [1, 2, 7, 9], [7, 9], Window::new([3, 3]).dilation([2, 3]).padding([2, 0]);
        [2, 1, 4, 5, 3], [4, 5, 3], Window::new([2, 3, 1]).padding([1, 0, 0]).stride([2, 1, 2]);
        [0, 2, 3, 3], [3, 3], [2, 2];
        [2, 1, 2, 3], [2, 3], Window::new([1, 2]).padding([3, 2]).stride(2);
        [3, 7, 20, 22], [20, 22], Window::new([3, 3]).padding(1);
    }
    vec![
        unfold
            .bad(
                "unfold: windows over 2 axes want x of rank 4, not [3, 4, 4]",
                || Tensor::zeros([3, 4, 4]).unfold([2, 2]),
            )
            .bad(
                "unfold: windows that span [5] do not fit into [3] with padding [0]",
                || Tensor::zeros([1, 1, 3]).unfold([5]),
            ),
        fold.bad(
            "fold: windows of [2, 2] want x (B, C 4, L), not [1, 6, 4]",
            || Tensor::zeros([1, 6, 4]).fold([3, 3], [2, 2]),
        )
        .bad(
            "fold: space [3, 3] has 4 windows, but x [1, 4, 5] has 5",
            || Tensor::zeros([1, 4, 5]).fold([3, 3], [2, 2]),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn a_convolution_is_a_product_with_columns() {
        let rng = &mut Rng::new(0);
        let (x, w) = (
            Tensor::randn_f64([2, 3, 6, 5], rng),
            Tensor::randn_f64([4, 3, 3, 3], rng),
        );
        let columns = x.unfold(Window::new([3, 3]).padding(1)); // (2, 27, 30)
        let y = w.reshape([4, 27]).matmul(&columns).reshape([2, 4, 6, 5]);
        let wanted = x.conv(&w, None, &crate::ConvOptions::new().padding(1));
        crate::checks::assert_close(&y, &wanted, 1e-12, 1e-12);
    }
}
