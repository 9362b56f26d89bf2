//! Rows and elements by index or by mask. Indices are whole numbers (`i64`) from 0 on; all are looked at before
//! anything is written.

use super::{through_f32, want_float};
use crate::Tensor;
use crate::dtype::{Dtype, with_float, with_stored};
use crate::shape::{Axis, Dims, broadcast, resolve};
use crate::tape::{record, record_onto};
use eras_kernels::{elementwise, index as kernel};
use std::fmt;

/// Panics unless `indices` are whole numbers from 0 to `limit` - 1; `place` says what they would leave.
#[track_caller]
fn check_indices(op: &str, indices: &Tensor, limit: usize, place: fmt::Arguments<'_>) {
    assert!(
        indices.dtype() == Dtype::I64,
        "{op}: wants i64 as indices, but the tensor of shape {:?} holds {}",
        indices.shape(),
        indices.dtype()
    );
    let all = indices.contiguous();
    let all = all.data::<i64>();
    // Without an early end, so that it vectorizes: a negative index is a large one without its sign.
    let leaves = |i: i64| i as u64 >= limit as u64;
    if !all.iter().fold(false, |any, &i| any | leaves(i)) {
        return;
    }
    let Some(mut p) = all.iter().position(|&i| leaves(i)) else {
        return;
    };
    let wrong = all[p];
    let mut at = indices.dims();
    for d in (0..at.len()).rev() {
        at.as_mut()[d] = p % indices.shape()[d];
        p /= indices.shape()[d];
    }
    panic!("{op}: index {wrong} at {at:?} leaves {place}");
}

/// The rows of `x` along dimension `d` at `indices`, which are checked and in line.
fn take_rows(name: &'static str, x: &Tensor, d: usize, indices: &Tensor) -> Tensor {
    let (whole, k) = (x.dims(), indices.len());
    let inner: usize = whole[d + 1..].iter().product();
    let from = x.in_line();
    let y = with_stored!(x.dtype(), T => Tensor::build::<T>(x.dtype(), whole.with(d, k), |y| {
        kernel::take_rows(y, from.data::<T>(), indices.data(), whole[d], inner);
    }));
    let indices = indices.clone();
    record(name, y, [x], move |b| {
        let zeros = Tensor::full(whole, 0.0, b.dy.dtype());
        [Some(add_rows(name, &zeros, d, &indices, b.dy))]
    })
}

/// `x` with the rows of `src` along dimension `d` added at `indices`, which are checked and in line.
fn add_rows(name: &'static str, x: &Tensor, d: usize, indices: &Tensor, src: &Tensor) -> Tensor {
    if let Some(y) = through_f32([x, src], |[x, src]| add_rows(name, x, d, indices, src)) {
        return y;
    }
    let whole = x.dims();
    let inner: usize = whole[d + 1..].iter().product();
    let from = src.in_line();
    let y = with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), whole, |y| {
        elementwise::copy_strided(y, &whole, x.view());
        kernel::add_rows(y, from.data(), indices.data(), whole[d], inner);
    }));
    let indices = indices.clone();
    record(name, y, [x, src], move |b| {
        [
            Some(b.dy.clone()),
            b.want(1, || take_rows(name, b.dy, d, &indices)),
        ]
    })
}

/// [`add_rows`] along dimension 0, into the memory of `x` where nobody else has it.
fn rows_onto(name: &'static str, mut x: Tensor, indices: &Tensor, src: &Tensor) -> Tensor {
    if !x.may_be_written_over(src) {
        return add_rows(name, &x, 0, indices, src);
    }
    let &[rows, width] = x.shape() else {
        unreachable!("the gradient of a table")
    };
    with_float!(x.dtype(), T => kernel::add_rows(
        x.as_mut_slice::<T>(), src.in_line().data(), indices.data(), rows, width,
    ));
    x
}

/// The `n` places that `at` names, as indices.
#[track_caller]
pub(super) fn places(n: usize, at: impl Fn(usize) -> usize) -> Tensor {
    Tensor::build::<i64>(Dtype::I64, [n].into(), |y| {
        (0..).zip(y).for_each(|(i, y)| *y = at(i) as i64)
    })
}

/// `x` cut to the first `dims` along every dimension but `but`.
pub(super) fn cut(x: &Tensor, dims: &[usize], but: Option<usize>) -> Tensor {
    (0..dims.len())
        .filter(|&d| Some(d) != but && x.shape()[d] != dims[d])
        .collect::<Vec<_>>()
        .into_iter()
        .fold(x.clone(), |x, d| x.narrow(d, 0, dims[d]))
}

#[track_caller]
fn check_mask(op: &str, x: &Tensor, mask: &Tensor) {
    assert!(
        mask.dtype() == Dtype::Bool,
        "{op}: wants truth values as mask, but the tensor of shape {:?} holds {}",
        mask.shape(),
        mask.dtype()
    );
    assert!(
        broadcast(x.shape(), mask.shape()) == Some(x.dims()),
        "{op}: mask {:?} does not broadcast to {:?}",
        mask.shape(),
        x.shape()
    );
}

impl Tensor {
    /// The slices at `indices (k)` along `axis`, in that order; one may be taken many times.
    ///
    /// Shapes: `(.., n, ..)` to `(.., k, ..)`.
    ///
    /// # Panics
    /// If the axis does not exist, or `indices` are not one row of whole numbers below `n`.
    #[must_use]
    #[track_caller]
    pub fn index_select(&self, axis: impl Axis, indices: &Self) -> Self {
        let d = resolve("index_select", self.shape(), axis.number());
        self.check_row_of_indices("index_select", d, indices);
        take_rows("index_select", self, d, &indices.contiguous())
    }

    /// This with the slices of `src (.., k, ..)` along `axis` added at `indices (k)`, in their order.
    ///
    /// # Panics
    /// If the axis does not exist, `indices` are not one row of whole numbers below `n`, or `src` does not have the
    /// shape of this with `k` along `axis`, or another dtype.
    #[must_use]
    #[track_caller]
    pub fn index_add(&self, axis: impl Axis, indices: &Self, src: &Self) -> Self {
        want_float("index_add", self);
        let d = resolve("index_add", self.shape(), axis.number());
        self.check_row_of_indices("index_add", d, indices);
        let wanted = self.dims().with(d, indices.len());
        assert!(
            src.dims() == wanted && src.dtype() == self.dtype(),
            "index_add: src is {} {:?}, wanted {} {wanted:?}",
            src.dtype(),
            src.shape(),
            self.dtype()
        );
        add_rows("index_add", self, d, &indices.contiguous(), src)
    }

    #[track_caller]
    fn check_row_of_indices(&self, op: &str, d: usize, indices: &Self) {
        assert!(
            indices.rank() == 1,
            "{op}: indices {:?} are not one row; see gather, or flatten them",
            indices.shape()
        );
        let (n, shape) = (self.shape()[d], self.shape());
        check_indices(op, indices, n, format_args!("axis {d} of {shape:?}"));
    }

    /// The rows of this table at `ids`.
    ///
    /// Shapes: this is `(V, C)`, `ids` of any shape `(..)`, the result `(.., C)`. The row `padding`, if given, gets
    /// no gradient.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let table = Tensor::from([[0.0f32, 0.5], [1.0, 1.5], [2.0, 2.5]]);
    /// let y = table.embedding(&Tensor::from([2i64, 0]), None);
    /// assert_eq!(y.to_vec::<f32>(), [2.0, 2.5, 0.0, 0.5]);
    /// ```
    ///
    /// # Panics
    /// If this is no table, or an id or the padding is not below `V`.
    #[must_use]
    #[track_caller]
    pub fn embedding(&self, ids: &Self, padding: Option<usize>) -> Self {
        let [rows, width] = *self.shape() else {
            panic!("embedding: {:?} is no table; wanted (V, C)", self.shape());
        };
        check_indices(
            "embedding",
            ids,
            rows,
            format_args!("the {rows} rows of [{rows}, {width}]"),
        );
        assert!(
            padding.is_none_or(|padding| padding < rows),
            "embedding: padding {} leaves the {rows} rows of [{rows}, {width}]",
            padding.unwrap_or_default()
        );
        let flat = ids.contiguous().reshape([ids.len()]);
        let y = take_rows("embedding", &self.detach(), 0, &flat);
        let table = self.dims();
        let y = record_onto("embedding", y, self, move |b, so_far| {
            let sum = so_far.unwrap_or_else(|| Self::full(table, 0.0, b.dy.dtype()));
            let dy = match padding {
                Some(padding) => b.dy.masked_fill(&flat.eq(padding as i32).unsqueeze(1), 0.0),
                None => b.dy.clone(),
            };
            rows_onto("embedding", sum, &flat, &dy)
        });
        y.reshape([ids.shape(), &[width]].concat())
    }

    /// For each place of `indices` the element at that place, but with the index along `axis`.
    ///
    /// In two dimensions, along axis 1: `y[i][j] = x[i][indices[i][j]]`. Along the other axes `indices` may be
    /// shorter than this.
    ///
    /// # Panics
    /// If the ranks differ, `indices` are longer along another axis, or an index is not below the length of `axis`.
    #[must_use]
    #[track_caller]
    #[doc(alias = "take_along_axis")]
    pub fn gather(&self, axis: impl Axis, indices: &Self) -> Self {
        let d = resolve("gather", self.shape(), axis.number());
        self.check_places("gather", d, indices);
        self.gathered(d, indices)
    }

    /// [`gather`](Self::gather) by indices that are known to be right.
    pub(super) fn gathered(&self, d: usize, indices: &Self) -> Self {
        let x = cut(self, indices.shape(), Some(d));
        let dims = indices.dims();
        let y = with_stored!(x.dtype(), T => Self::build::<T>(x.dtype(), dims, |y| {
            kernel::gather(y, &dims, x.view(), indices.view(), d);
        }));
        let (whole, indices) = (x.dims(), indices.clone());
        record("gather", y, [&x], move |b| {
            let zeros = Self::full(whole, 0.0, b.dy.dtype());
            [Some(zeros.scattered(d, &indices, b.dy))]
        })
    }

    /// This with the elements of `src` added, each at its own place but with the index along `axis`, in their order.
    ///
    /// In two dimensions, along axis 1: `y[i][indices[i][j]] += src[i][j]`. `src` may be longer than `indices`: what
    /// is over is left out.
    ///
    /// # Panics
    /// If the ranks or dtypes differ, `indices` are longer than `src`, or than this along another axis, or an index
    /// is not below the length of `axis`.
    #[must_use]
    #[track_caller]
    pub fn scatter_add(&self, axis: impl Axis, indices: &Self, src: &Self) -> Self {
        want_float("scatter_add", self);
        let d = resolve("scatter_add", self.shape(), axis.number());
        self.check_places("scatter_add", d, indices);
        self.check_source("scatter_add", indices, src);
        self.scattered(d, indices, &cut(src, indices.shape(), None))
    }

    /// [`scatter_add`](Self::scatter_add) by indices that are known to be right, of the shape of `src`.
    fn scattered(&self, d: usize, indices: &Self, src: &Self) -> Self {
        if let Some(y) = through_f32([self, src], |[x, src]| x.scattered(d, indices, src)) {
            return y;
        }
        let (whole, dims) = (self.dims(), indices.dims());
        let y = with_float!(self.dtype(), T => Self::build::<T>(self.dtype(), whole, |y| {
            elementwise::copy_strided(y, &whole, self.view());
            kernel::scatter_add(y, &whole, &dims, src.view(), indices.view(), d);
        }));
        let indices = indices.clone();
        record("scatter_add", y, [self, src], move |b| {
            [Some(b.dy.clone()), b.want(1, || b.dy.gathered(d, &indices))]
        })
    }

    #[track_caller]
    pub(super) fn check_places(&self, op: &str, d: usize, indices: &Self) {
        let (x, i) = (self.shape(), indices.shape());
        let fits = x.len() == i.len() && (0..x.len()).all(|e| e == d || i[e] <= x[e]);
        assert!(
            fits,
            "{op}: indices {i:?} do not fit {x:?}: wanted the same rank, and no longer but along axis {d}"
        );
        check_indices(op, indices, x[d], format_args!("axis {d} of {x:?}"));
    }

    /// `value` where `mask` holds, else this. The mask broadcasts.
    ///
    /// # Panics
    /// If `mask` does not hold truth values or does not broadcast to this shape.
    #[must_use]
    #[track_caller]
    pub fn masked_fill(&self, mask: &Self, value: f64) -> Self {
        check_mask("masked_fill", self, mask);
        let dims = self.dims();
        let mask = mask.expand(dims);
        let filler = Self::full([], value, self.dtype());
        let y = with_stored!(self.dtype(), T => Self::build::<T>(self.dtype(), dims, |y| {
            let filler = filler.data::<T>()[0];
            elementwise::zip_views(y, &dims, self.view::<T>(), mask.view(), #[inline(always)] move |x, m: u8| {
                if m == 0 { x } else { filler }
            });
        }));
        if !self.dtype().is_float() {
            return y;
        }
        record("masked_fill", y, [self], move |b| {
            [Some(b.dy.masked_fill(&mask, 0.0))]
        })
    }

    /// The elements where `mask` holds, in a row. The mask broadcasts.
    ///
    /// # Panics
    /// If `mask` does not hold truth values or does not broadcast to this shape.
    #[must_use]
    #[track_caller]
    pub fn masked_select(&self, mask: &Self) -> Self {
        check_mask("masked_select", self, mask);
        let mask = mask.expand(self.dims()).contiguous();
        let chosen: Vec<i64> = (0..)
            .zip(mask.data::<u8>())
            .filter_map(|(i, m)| (*m != 0).then_some(i))
            .collect();
        take_rows(
            "masked_select",
            &self.reshape([self.len()]),
            0,
            &chosen.into(),
        )
    }

    /// For each of these classes a row of `n` numbers in `f32`, 1 at the class and 0 elsewhere.
    ///
    /// Shapes: `(..)` to `(.., n)`.
    ///
    /// # Panics
    /// If these are not whole numbers below `n`.
    #[must_use]
    #[track_caller]
    pub fn one_hot(&self, n: usize) -> Self {
        check_indices("one_hot", self, n, format_args!("the {n} classes"));
        let classes = self.contiguous();
        let dims = Dims::from([self.shape(), &[n]].concat());
        Self::build::<f32>(Dtype::F32, dims, |y| {
            y.fill(0.0);
            for (row, &class) in classes.data::<i64>().iter().enumerate() {
                y[row * n + class as usize] = 1.0;
            }
        })
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let whole = |n: usize, below: usize, shape: &[usize]| {
        let numbers: Vec<i64> = (0..n).map(|i| (i * i * 7 % below) as i64).collect();
        Tensor::from_slice(&numbers, shape)
    };
    let mask = |x: &Tensor| x.gt(0.0);
    vec![
        Check::new("index_select")
            .case([normal([5, 4], 1), whole(7, 5, &[7])], |x| {
                x[0].index_select(0, &x[1])
            })
            .case([normal([3, 5, 2], 1), whole(4, 5, &[4])], |x| {
                x[0].index_select(1, &x[1])
            })
            .case([normal([3, 5], 1), whole(4, 5, &[4])], |x| {
                x[0].index_select(-1, &x[1])
            })
            .case([normal([3, 5], 1), whole(0, 1, &[0])], |x| {
                x[0].index_select(0, &x[1])
            })
            .case([normal([40, 130], 1), whole(300, 40, &[300])], |x| {
                x[0].index_select(0, &x[1])
            })
            .bad(
                "index_select: index 3 at [1] leaves axis 0 of [3, 2]",
                || Tensor::zeros([3, 2]).index_select(0, &Tensor::from([0i64, 3])),
            )
            .bad("index_select: index -1 at [0] leaves axis 1", || {
                Tensor::zeros([3, 2]).index_select(1, &Tensor::from([-1i64]))
            })
            .bad("index_select: indices [1, 1] are not one row", || {
                Tensor::zeros([3]).index_select(0, &Tensor::from([[0i64]]))
            })
            .bad("index_select: wants i64 as indices", || {
                Tensor::zeros([3]).index_select(0, &Tensor::zeros([1]))
            }),
        Check::new("index_add")
            .case(
                [normal([5, 4], 1), whole(7, 5, &[7]), normal([7, 4], 2)],
                |x| x[0].index_add(0, &x[1], &x[2]),
            )
            .case(
                [normal([3, 5], 1), whole(4, 5, &[4]), normal([3, 4], 2)],
                |x| x[0].index_add(1, &x[1], &x[2]),
            )
            .case(
                [
                    normal([9, 200], 1),
                    whole(100, 9, &[100]),
                    normal([100, 200], 2),
                ],
                |x| x[0].index_add(0, &x[1], &x[2]),
            )
            .bad("index_add: src is f32 [3], wanted f32 [2]", || {
                let at = Tensor::from([0i64, 1]);
                Tensor::zeros([3]).index_add(0, &at, &Tensor::zeros([3]))
            })
            .bad("index_add: index 3 at [0] leaves axis 0 of [3]", || {
                Tensor::zeros([3]).index_add(0, &Tensor::from([3i64]), &Tensor::zeros([1]))
            }),
        Check::new("embedding")
            .case([normal([5, 4], 1), whole(6, 5, &[2, 3])], |x| {
                x[0].embedding(&x[1], None)
            })
            .case([normal([5, 1], 1), whole(1, 5, &[])], |x| {
                x[0].embedding(&x[1], None)
            })
            .case([normal([5, 4], 1), Tensor::from([1i64, 4, 3])], |x| {
                x[0].embedding(&x[1], Some(2))
            })
            // A table that is also used otherwise, and twice.
            .case([normal([5, 4], 1), whole(6, 5, &[2, 3])], |x| {
                let y = x[0].embedding(&x[1], None);
                let again = x[0].embedding(&x[1], Some(1));
                (y.sqr() + again).matmul(&x[0].t())
            })
            .bad(
                "embedding: index 5 at [0, 1] leaves the 5 rows of [5, 2]",
                || Tensor::zeros([5, 2]).embedding(&Tensor::from([[0i64, 5]]), None),
            )
            .bad("embedding: [5] is no table", || {
                Tensor::zeros([5]).embedding(&Tensor::arange(2), None)
            })
            .bad("embedding: padding 5 leaves the 5 rows", || {
                Tensor::zeros([5, 2]).embedding(&Tensor::arange(2), Some(5))
            }),
        Check::new("gather")
            .case([normal([5, 4], 1), whole(12, 5, &[3, 4])], |x| {
                x[0].gather(0, &x[1])
            })
            .case([normal([3, 5], 1), whole(3, 5, &[3, 1])], |x| {
                x[0].gather(-1, &x[1])
            })
            .case([normal([3, 5, 4], 1), whole(8, 5, &[2, 2, 2])], |x| {
                x[0].gather(1, &x[1])
            })
            .case([normal([3, 5], 1), whole(0, 1, &[0, 5])], |x| {
                x[0].gather(0, &x[1])
            })
            .case(
                [normal([150, 140], 1), whole(150 * 130, 140, &[150, 130])],
                |x| x[0].gather(1, &x[1]),
            )
            .bad("gather: index 5 at [0, 1] leaves axis 1 of [2, 5]", || {
                Tensor::zeros([2, 5]).gather(1, &Tensor::from([[0i64, 5]]))
            })
            .bad("gather: indices [3, 1] do not fit [2, 5]", || {
                Tensor::zeros([2, 5]).gather(1, &whole_zeros([3, 1]))
            }),
        Check::new("scatter_add")
            .case(
                [normal([5, 4], 1), whole(12, 5, &[3, 4]), normal([3, 4], 2)],
                |x| x[0].scatter_add(0, &x[1], &x[2]),
            )
            .case(
                [
                    normal([3, 5, 4], 1),
                    whole(8, 5, &[2, 2, 2]),
                    normal([3, 2, 4], 2),
                ],
                |x| x[0].scatter_add(1, &x[1], &x[2]),
            )
            .case(
                [
                    normal([150, 40], 1),
                    whole(150 * 130, 40, &[150, 130]),
                    normal([150, 130], 2),
                ],
                |x| x[0].scatter_add(1, &x[1], &x[2]),
            )
            .bad("src is f32 [1, 1], wanted f32 and at least [1, 2]", || {
                let at = whole_zeros([1, 2]);
                Tensor::zeros([2, 5]).scatter_add(1, &at, &Tensor::zeros([1, 1]))
            })
            .bad("scatter_add: index 5 at [0] leaves axis 0 of [5]", || {
                Tensor::zeros([5]).scatter_add(0, &Tensor::from([5i64]), &Tensor::zeros([1]))
            }),
        Check::new("masked_fill")
            .case([normal([3, 4], 1)], move |x| {
                x[0].masked_fill(&mask(&normal([4], 5)), -2.5)
            })
            .case([normal([2, 3, 4], 1)], move |x| {
                x[0].masked_fill(&mask(&normal([3, 1], 5)), 9.0)
            })
            .case([Tensor::arange(4)], move |x| {
                x[0].masked_fill(&x[0].gt(2), 7.0)
            })
            .bad("masked_fill: mask [3] does not broadcast to [2, 4]", || {
                Tensor::zeros([2, 4]).masked_fill(&Tensor::from([true; 3]), 0.0)
            })
            .bad("masked_fill: mask [2, 4] does not broadcast to [4]", || {
                Tensor::zeros([4]).masked_fill(&Tensor::from([[true; 4]; 2]), 0.0)
            })
            .bad("masked_fill: wants truth values as mask", || {
                Tensor::zeros([4]).masked_fill(&Tensor::zeros([4]), 0.0)
            }),
        Check::new("masked_select")
            .case([normal([3, 4], 1)], move |x| {
                x[0].masked_select(&mask(&normal([3, 4], 5)))
            })
            .case([normal([3, 4], 1)], move |x| {
                x[0].masked_select(&mask(&normal([4], 5)))
            })
            .bad("masked_select: mask [3] does not broadcast to [2]", || {
                Tensor::zeros([2]).masked_select(&Tensor::from([true; 3]))
            }),
        Check::new("one_hot")
            .orders(0)
            .no_halves()
            .case([whole(6, 5, &[2, 3])], |x| x[0].one_hot(5))
            .bad("one_hot: index 5 at [1] leaves the 5 classes", || {
                Tensor::from([0i64, 5]).one_hot(5)
            }),
    ]
}

#[cfg(test)]
fn whole_zeros(shape: impl Into<Dims>) -> Tensor {
    Tensor::full(shape, 0.0, Dtype::I64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_taken_twice_gets_both_gradients() {
        let table = Tensor::from([[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]]).requires_grad();
        let ids = Tensor::from([2i64, 0, 2]);
        let y = table.embedding(&ids, None);
        assert_eq!(y.to_vec::<f32>(), [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
        let dy = Tensor::from([[1.0f32, 1.0], [10.0, 10.0], [100.0, 100.0]]);
        let dw = y.backward_with(&dy)[&table].to_vec::<f32>();
        assert_eq!(dw, [10.0, 10.0, 0.0, 0.0, 101.0, 101.0]);
    }

    #[test]
    fn rows_are_added_in_place_where_nobody_else_sees_it() {
        let at = Tensor::from([2i64, 0, 2]);
        let rows = Tensor::from([[1.0f32], [10.0], [100.0]]);
        let alone = Tensor::from([[1.0f32], [2.0], [3.0]]);
        let place = alone.data::<f32>().as_ptr();
        let sum = rows_onto("embedding", alone, &at, &rows);
        assert_eq!(sum.data::<f32>(), [11.0, 2.0, 104.0]);
        assert_eq!(sum.data::<f32>().as_ptr(), place);
        let seen = sum.clone();
        let again = rows_onto("embedding", sum, &at, &rows);
        assert_eq!(again.data::<f32>(), [21.0, 2.0, 205.0]);
        assert_eq!(seen.data::<f32>(), [11.0, 2.0, 104.0]);
    }

    #[test]
    fn padding_is_read_but_not_taught() {
        let table = Tensor::from([[1.0f32], [2.0]]).requires_grad();
        let y = table.embedding(&Tensor::from([0i64, 1, 1]), Some(1));
        assert_eq!(y.to_vec::<f32>(), [1.0, 2.0, 2.0]);
        assert_eq!(y.sum(..).backward()[&table].to_vec::<f32>(), [1.0, 0.0]);
    }

    #[test]
    fn picked_by_class_and_put_back() {
        let x = Tensor::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let class = Tensor::from([[2i64], [0]]);
        let picked = x.gather(1, &class);
        assert_eq!(picked.to_vec::<f32>(), [3.0, 4.0]);
        let back = Tensor::zeros([2, 3]).scatter_add(1, &class, &picked);
        assert_eq!(back.to_vec::<f32>(), [0.0, 0.0, 3.0, 4.0, 0.0, 0.0]);
        let hot = Tensor::from([2i64, 0]).one_hot(3);
        assert_eq!(hot.to_vec::<f32>(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn masks_choose_and_hide() {
        let x = Tensor::from([[1.0f32, -2.0], [-3.0, 4.0]]);
        assert_eq!(x.masked_select(&x.gt(0.0)).to_vec::<f32>(), [1.0, 4.0]);
        let filled = x.masked_fill(&x.lt(0.0), 0.5);
        assert_eq!(filled.to_vec::<f32>(), [1.0, 0.5, 0.5, 4.0]);
        let hidden = x.masked_fill(&x.lt(0.0), f64::NEG_INFINITY).to_vec::<f32>();
        assert_eq!(hidden, [1.0, f32::NEG_INFINITY, f32::NEG_INFINITY, 4.0]);
        let mask = Tensor::from([true, false]).masked_fill(&Tensor::from([false, true]), 1.0);
        assert_eq!(mask.to_vec::<bool>(), [true, true]);
    }
}
