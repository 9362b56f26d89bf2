//! Places and orders: where the largest is, sorting, the best few, running sums.

use super::reduce::axes_last;
use super::want_float;
use crate::Tensor;
use crate::dtype::{Dtype, with_stored};
use crate::shape::{Axis, resolve};
use crate::tape::record;
use eras_kernels::cumulative::cumulative_sum;
use eras_kernels::{order, reduce};

/// What an order is taken of: 16-bit floats widened, truth values as numbers.
fn comparable(x: &Tensor) -> Tensor {
    let x = x.detach();
    if x.dtype().is_half() {
        x.to_dtype(Dtype::F32)
    } else {
        x
    }
}

impl Tensor {
    /// The index of the largest element along `axis`, which is dropped from the shape, as `i64`: the first of equals,
    /// or the first NaN. (Over all elements: `x.flatten(0, -1).argmax(0)`.)
    ///
    /// # Panics
    /// If the axis does not exist or there is nothing to choose from.
    #[must_use]
    #[track_caller]
    pub fn argmax(&self, axis: impl Axis) -> Self {
        let d = resolve("argmax", self.shape(), axis.number());
        self.arg_best("argmax", d, true).squeeze(d)
    }

    /// As [`argmax`](Self::argmax); the axis stays as a dimension of length 1.
    ///
    /// # Panics
    /// As `argmax` does.
    #[must_use]
    #[track_caller]
    pub fn argmax_keepdim(&self, axis: impl Axis) -> Self {
        let d = resolve("argmax", self.shape(), axis.number());
        self.arg_best("argmax", d, true)
    }

    /// The index of the smallest element along `axis`, which is dropped from the shape, as `i64`: the first of
    /// equals, or the first NaN.
    ///
    /// # Panics
    /// If the axis does not exist or there is nothing to choose from.
    #[must_use]
    #[track_caller]
    pub fn argmin(&self, axis: impl Axis) -> Self {
        let d = resolve("argmin", self.shape(), axis.number());
        self.arg_best("argmin", d, false).squeeze(d)
    }

    /// As [`argmin`](Self::argmin); the axis stays as a dimension of length 1.
    ///
    /// # Panics
    /// As `argmin` does.
    #[must_use]
    #[track_caller]
    pub fn argmin_keepdim(&self, axis: impl Axis) -> Self {
        let d = resolve("argmin", self.shape(), axis.number());
        self.arg_best("argmin", d, false)
    }

    #[track_caller]
    fn arg_best(&self, name: &str, d: usize, largest: bool) -> Self {
        let (n, dims) = (self.shape()[d], self.dims().with(d, 1));
        assert!(
            n > 0 || dims.contains(&0),
            "{name}: nothing to choose from along axis {d} of {:?}",
            self.shape()
        );
        let inner = self.shape()[d + 1..].iter().product();
        let x = comparable(self).in_line();
        with_stored!(x.dtype(), T => Self::build::<i64>(Dtype::I64, dims, |y| {
            if y.is_empty() {
            } else if largest {
                reduce::arg_best::<T>(y, x.data(), n, inner, #[inline(always)] |a, b| a > b);
            } else {
                reduce::arg_best::<T>(y, x.data(), n, inner, #[inline(always)] |a, b| a < b);
            }
        }))
    }

    /// The elements along `axis` in ascending (or `descending`) order, and their indices before (`i64`). Equal
    /// elements keep their order; NaN counts as the largest.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let (sorted, indices) = Tensor::from([3.0f32, 1.0, 2.0]).sort(0, false);
    /// assert_eq!(sorted.to_vec::<f32>(), [1.0, 2.0, 3.0]);
    /// assert_eq!(indices.to_vec::<i64>(), [1, 2, 0]);
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[must_use]
    #[track_caller]
    pub fn sort(&self, axis: impl Axis, descending: bool) -> (Self, Self) {
        let d = resolve("sort", self.shape(), axis.number());
        let indices = self.best_along(d, self.shape()[d], descending);
        (self.gather(d, &indices), indices)
    }

    /// The indices (`i64`) that [`sort`](Self::sort) the elements along `axis`.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[must_use]
    #[track_caller]
    pub fn argsort(&self, axis: impl Axis, descending: bool) -> Self {
        let d = resolve("argsort", self.shape(), axis.number());
        self.best_along(d, self.shape()[d], descending)
    }

    /// The `k` largest elements along `axis` in descending order, and their indices (`i64`). Of equal elements the
    /// first come first; NaN counts as the largest. (The smallest: `sort` and `narrow`.)
    ///
    /// # Panics
    /// If the axis does not exist or has fewer than `k` elements.
    #[must_use]
    #[track_caller]
    pub fn topk(&self, k: usize, axis: impl Axis) -> (Self, Self) {
        let d = resolve("topk", self.shape(), axis.number());
        assert!(
            k <= self.shape()[d],
            "topk: axis {d} of {:?} does not have {k} elements",
            self.shape()
        );
        let indices = self.best_along(d, k, true);
        (self.gather(d, &indices), indices)
    }

    /// The indices of the first `k` along dimension `d`, sorted.
    fn best_along(&self, d: usize, k: usize, descending: bool) -> Self {
        let to_end = axes_last(self, &[d]);
        let x = comparable(self).permuted_by(&to_end).in_line();
        let (n, last) = (self.shape()[d], self.rank() - 1);
        let y = with_stored!(x.dtype(), T => Self::build::<i64>(Dtype::I64, x.dims().with(last, k), |y| {
            order::best_rows::<T>(y, x.data(), n, k, descending);
        }));
        let mut back: Vec<usize> = (0..last).collect();
        back.insert(d, last);
        y.permuted_by(&back)
    }

    /// The sums of all elements up to each along `axis`. Floats are summed in `f64` and rounded once; whole numbers
    /// and truth values give `i64`.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[must_use]
    #[track_caller]
    pub fn cumsum(&self, axis: impl Axis) -> Self {
        let d = resolve("cumsum", self.shape(), axis.number());
        self.running_sum(d, false)
    }

    #[track_caller]
    fn running_sum(&self, d: usize, reverse: bool) -> Self {
        let (n, inner) = (self.shape()[d], self.shape()[d + 1..].iter().product());
        if !self.dtype().is_float() {
            let x = self.to_dtype(Dtype::I64).in_line();
            return Self::build::<i64>(Dtype::I64, x.dims(), |y| {
                cumulative_sum(y, x.data(), n, inner, reverse, 0, i64::wrapping_add, |s| s);
            });
        }
        want_float("cumsum", self);
        if let Some(y) = super::through_f32([self], |[x]| x.running_sum(d, reverse)) {
            return y;
        }
        let x = self.in_line();
        let y = if x.dtype() == Dtype::F32 {
            Self::build::<f32>(Dtype::F32, x.dims(), |y| {
                let add = |s: f64, x: f32| s + f64::from(x);
                cumulative_sum(y, x.data(), n, inner, reverse, 0.0, add, |s| s as f32);
            })
        } else {
            Self::build::<f64>(Dtype::F64, x.dims(), |y| {
                cumulative_sum(
                    y,
                    x.data(),
                    n,
                    inner,
                    reverse,
                    0.0,
                    |s, x: f64| s + x,
                    |s| s,
                );
            })
        };
        record("cumsum", y, [self], move |b| {
            [Some(b.dy.running_sum(d, !reverse))]
        })
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let place = |name: &'static str, f: fn(&Tensor, i32) -> Tensor| {
        Check::new(name)
            .orders(0)
            .case([normal([2, 3, 4], 1)], move |x| f(&x[0], 1))
            .case([normal([2, 3, 4], 1)], move |x| f(&x[0], -1))
            .case([normal([0, 3], 1)], move |x| f(&x[0], 1))
            .case([normal([30, 700], 1)], move |x| f(&x[0], 0))
            .case([Tensor::arange(7)], move |x| f(&x[0], 0))
    };
    vec![
        place("argmax", |x, d| x.argmax(d))
            .bad(
                "argmax: nothing to choose from along axis 0 of [0, 2]",
                || Tensor::zeros([0, 2]).argmax(0),
            )
            .bad("argmax: axis 2 does not exist", || {
                Tensor::zeros([0, 2]).argmax(2)
            }),
        place("argmax_keepdim", |x, d| x.argmax_keepdim(d))
            .bad("argmax: nothing to choose from", || {
                Tensor::zeros([0]).argmax_keepdim(0)
            }),
        place("argmin", |x, d| x.argmin(d)).bad("argmin: nothing to choose from", || {
            Tensor::zeros([0]).argmin(0)
        }),
        place("argmin_keepdim", |x, d| x.argmin_keepdim(d))
            .bad("argmin: axis 1 does not exist", || {
                Tensor::zeros([2]).argmin_keepdim(1)
            }),
        Check::new("sort")
            .case([normal([2, 3, 4], 1)], |x| x[0].sort(1, false).0)
            .case([normal([5, 40], 1)], |x| x[0].sort(-1, true).0)
            .case([normal([0, 3], 1)], |x| x[0].sort(0, false).0)
            .case([Tensor::from([3i64, 1, 2, 1])], |x| x[0].sort(0, false).1)
            .bad("sort: axis 1 does not exist in shape [2]", || {
                Tensor::zeros([2]).sort(1, false)
            }),
        place("argsort", |x, d| x.argsort(d, true)).bad("argsort: axis 1 does not exist", || {
            Tensor::zeros([2]).argsort(1, false)
        }),
        Check::new("topk")
            .case([normal([5, 40], 1)], |x| x[0].topk(3, 1).0)
            .case([normal([5, 4], 1)], |x| x[0].topk(2, 0).0)
            .case([normal([5, 4], 1)], |x| x[0].topk(0, 0).0)
            .bad("topk: axis 0 of [2] does not have 3 elements", || {
                Tensor::zeros([2]).topk(3, 0)
            }),
        Check::new("cumsum")
            .case([normal([2, 3, 4], 1)], |x| x[0].cumsum(1))
            .case([normal([20_000], 1)], |x| x[0].cumsum(0))
            .case([normal([3, 700], 1)], |x| x[0].cumsum(0))
            .case([normal([0, 3], 1)], |x| x[0].cumsum(0))
            .case([Tensor::arange(5)], |x| x[0].cumsum(0))
            .bad("cumsum: axis 1 does not exist", || {
                Tensor::zeros([2]).cumsum(1)
            }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_first() {
        let x = Tensor::from([[1.0f32, 9.0, 9.0], [4.0, f32::NAN, 4.0]]);
        assert_eq!(x.argmax(1).to_vec::<i64>(), [1, 1]);
        assert_eq!(x.argmin(1).to_vec::<i64>(), [0, 1]);
        assert_eq!(x.argmax(0).to_vec::<i64>(), [1, 1, 0]);
        assert_eq!(x.argmax_keepdim(1).shape(), [2, 1]);
    }

    #[test]
    fn the_gradient_of_sorted_numbers_goes_back_to_their_places() {
        let x = Tensor::from([[3.0f32, 1.0, 2.0]]).requires_grad();
        let (sorted, indices) = x.sort(1, true);
        assert_eq!(sorted.to_vec::<f32>(), [3.0, 2.0, 1.0]);
        assert_eq!(indices.to_vec::<i64>(), [0, 2, 1]);
        let weighed = sorted * Tensor::from([1.0f32, 10.0, 100.0]);
        assert_eq!(
            weighed.sum(..).backward()[&x].to_vec::<f32>(),
            [1.0, 100.0, 10.0]
        );
        let (best, places) = Tensor::from([[1i64, 5], [7, 5], [0, 6]]).topk(2, 0);
        assert_eq!(best.to_vec::<i64>(), [7, 6, 1, 5]);
        assert_eq!(places.to_vec::<i64>(), [1, 2, 0, 0]);
    }

    #[test]
    fn running_sums_and_their_gradient() {
        let x = Tensor::from([1.0f64, 2.0, 3.0]).requires_grad();
        let y = x.cumsum(0);
        assert_eq!(y.to_vec::<f64>(), [1.0, 3.0, 6.0]);
        assert_eq!(y.sum(..).backward()[&x].to_vec::<f64>(), [3.0, 2.0, 1.0]);
        assert_eq!(
            Tensor::from([true, false, true]).cumsum(0).to_vec::<i64>(),
            [1, 1, 2]
        );
    }
}
