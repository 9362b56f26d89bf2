//! Truth values, and the choice between two tensors by them.

use super::binary::{common_shape, sum_to};
use super::want_float;
use crate::Tensor;
use crate::dtype::{Dtype, with_stored};
use crate::shape::broadcast;
use crate::tape::record;
use eras_kernels::elementwise;

#[track_caller]
pub(super) fn want_bool(op: &str, x: &Tensor) {
    assert!(
        x.dtype() == Dtype::Bool,
        "{op}: wants truth values, but the tensor of shape {:?} holds {}; compare it with something",
        x.shape(),
        x.dtype()
    );
}

#[track_caller]
fn combine(op: &str, a: &Tensor, b: &Tensor, f: impl Fn(u8, u8) -> u8 + Copy + Sync) -> Tensor {
    want_bool(op, a);
    let dims = common_shape(op, a, b);
    let (sa, sb) = (
        a.layout().strides_over(&dims),
        b.layout().strides_over(&dims),
    );
    Tensor::build::<u8>(Dtype::Bool, dims, |y| {
        elementwise::zip_views(y, &dims, a.view_over(&sa), b.view_over(&sb), f);
    })
}

/// Where the test `f` of a float holds, through `f64` without loss.
#[track_caller]
fn test(op: &str, x: &Tensor, f: impl Fn(f64) -> bool + Copy + Sync) -> Tensor {
    want_float(op, x);
    let x = x.in_line();
    Tensor::build::<u8>(Dtype::Bool, x.dims(), |y| match x.dtype() {
        Dtype::F64 => elementwise::map(y, x.data::<f64>(), move |x| u8::from(f(x))),
        Dtype::F32 => elementwise::map(y, x.data::<f32>(), move |x| u8::from(f(f64::from(x)))),
        Dtype::BF16 => {
            elementwise::map(y, x.data::<half::bf16>(), move |x| u8::from(f(x.to_f64())))
        }
        _ => elementwise::map(y, x.data::<half::f16>(), move |x| u8::from(f(x.to_f64()))),
    })
}

impl Tensor {
    /// `a` where this is true, `b` elsewhere: NumPy's and PyTorch's `where`. All three broadcast. The gradient goes
    /// to the side that was taken.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([-2.0f32, 3.0]);
    /// let y = x.gt(0.0).where_(&x, &Tensor::from(0.0f32));
    /// assert_eq!(y.to_vec::<f32>(), [0.0, 3.0]);
    /// ```
    ///
    /// # Panics
    /// If this does not hold truth values, the dtypes of `a` and `b` differ, or the shapes do not broadcast.
    #[must_use]
    #[track_caller]
    pub fn where_(&self, a: &Self, b: &Self) -> Self {
        want_bool("where", self);
        let Some(dims) = broadcast(&common_shape("where", a, b), self.shape()) else {
            panic!(
                "where: shapes {:?}, {:?} and {:?} do not broadcast: a dimension must be equal or 1",
                self.shape(),
                a.shape(),
                b.shape()
            );
        };
        let strides = [self, a, b].map(|x| x.layout().strides_over(&dims));
        let y = with_stored!(a.dtype(), T => Self::build::<T>(a.dtype(), dims, |y| {
            elementwise::select::<T>(
                y,
                &dims,
                self.view_over(&strides[0]),
                a.view_over(&strides[1]),
                b.view_over(&strides[2]),
            );
        }));
        let (condition, da, db) = (self.clone(), a.dims(), b.dims());
        record("where", y, [a, b], move |back| {
            let zero = Self::full([], 0.0, back.dy.dtype());
            [
                back.want(0, || sum_to(&condition.where_(back.dy, &zero), &da)),
                back.want(1, || sum_to(&condition.where_(&zero, back.dy), &db)),
            ]
        })
    }

    /// Where both are true.
    ///
    /// # Panics
    /// If one does not hold truth values, or the shapes do not broadcast.
    #[must_use]
    #[track_caller]
    pub fn logical_and(&self, other: &Self) -> Self {
        combine("logical_and", self, other, |a, b| a & b)
    }

    /// Where at least one is true.
    ///
    /// # Panics
    /// If one does not hold truth values, or the shapes do not broadcast.
    #[must_use]
    #[track_caller]
    pub fn logical_or(&self, other: &Self) -> Self {
        combine("logical_or", self, other, |a, b| a | b)
    }

    /// Where exactly one is true.
    ///
    /// # Panics
    /// If one does not hold truth values, or the shapes do not broadcast.
    #[must_use]
    #[track_caller]
    pub fn logical_xor(&self, other: &Self) -> Self {
        combine("logical_xor", self, other, |a, b| a ^ b)
    }

    /// Where this is false.
    ///
    /// # Panics
    /// If this does not hold truth values.
    #[must_use]
    #[track_caller]
    pub fn logical_not(&self) -> Self {
        want_bool("logical_not", self);
        let x = self.in_line();
        Self::build::<u8>(Dtype::Bool, x.dims(), |y| {
            elementwise::map(y, x.data::<u8>(), |x| x ^ 1);
        })
    }

    /// Where the elements are not numbers.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn is_nan(&self) -> Self {
        test("is_nan", self, f64::is_nan)
    }

    /// Where the elements are neither infinite nor NaN.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn is_finite(&self) -> Self {
        test("is_finite", self, f64::is_finite)
    }

    /// Where the elements are infinite.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn is_infinite(&self) -> Self {
        test("is_infinite", self, f64::is_infinite)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let truth = |n: usize, period: i64| {
        Tensor::arange(n)
            .remainder(&Tensor::from(period))
            .eq(&Tensor::from(0i64))
    };
    let logic = |name: &'static str, f: fn(&Tensor, &Tensor) -> Tensor| {
        Check::new(name)
            .orders(0)
            .case([truth(12, 2).reshape([3, 4]), truth(4, 3)], move |x| {
                f(&x[0], &x[1])
            })
            .case([truth(0, 2), truth(1, 3)], move |x| f(&x[0], &x[1]))
    };
    let odd = |name: &'static str, f: fn(&Tensor) -> Tensor| {
        let numbers = Tensor::from([0.0f64, f64::NAN, -f64::INFINITY, -1.5]);
        Check::new(name)
            .orders(0)
            .case([numbers], move |x| f(&x[0]))
            .case([normal([0, 2], 1)], move |x| f(&x[0]))
    };
    vec![
        Check::new("where_")
            .case(
                [
                    truth(6, 2).reshape([2, 3]),
                    normal([2, 3], 1),
                    normal([2, 3], 2),
                ],
                |x| x[0].where_(&x[1], &x[2]),
            )
            .case(
                [
                    truth(2, 2).reshape([2, 1]),
                    normal([4, 1, 3], 1),
                    normal([], 2),
                ],
                |x| x[0].where_(&x[1], &x[2]),
            )
            .case(
                [truth(17_000, 3), normal([17_000], 1), normal([1], 2)],
                |x| x[0].where_(&x[1], &x[2]),
            )
            .case([truth(4, 2), Tensor::arange(4)], |x| {
                x[0].where_(&x[1], &Tensor::from(-1i64))
            })
            .bad(
                "where: wants truth values, but the tensor of shape [2] holds f32",
                || Tensor::zeros([2]).where_(&Tensor::zeros([2]), &Tensor::zeros([2])),
            )
            .bad("where: shapes [2], [3] and [] do not broadcast", || {
                Tensor::from([true, false]).where_(&Tensor::zeros([3]), &Tensor::zeros([]))
            }),
        logic("logical_and", Tensor::logical_and)
            .bad("logical_and: bool [2] meets f32 [2]", || {
                Tensor::from([true, false]).logical_and(&Tensor::zeros([2]))
            }),
        logic("logical_or", Tensor::logical_or).bad("logical_or: wants truth values", || {
            Tensor::zeros([2]).logical_or(&Tensor::from([true, false]))
        }),
        logic("logical_xor", Tensor::logical_xor).bad("logical_xor: wants truth values", || {
            Tensor::zeros([2]).logical_xor(&Tensor::zeros([2]))
        }),
        Check::new("logical_not")
            .orders(0)
            .case([truth(12, 3).reshape([3, 4])], |x| x[0].logical_not())
            .bad("logical_not: wants truth values", || {
                Tensor::zeros([2]).logical_not()
            }),
        odd("is_nan", Tensor::is_nan).bad("is_nan: wants floats", || Tensor::arange(2).is_nan()),
        odd("is_finite", Tensor::is_finite)
            .bad("is_finite: wants floats", || Tensor::arange(2).is_finite()),
        odd("is_infinite", Tensor::is_infinite).bad("is_infinite: wants floats", || {
            Tensor::arange(2).is_infinite()
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_truth() {
        let (a, b) = (
            Tensor::from([false, false, true, true]),
            Tensor::from([false, true, false, true]),
        );
        assert_eq!(
            a.logical_and(&b).to_vec::<bool>(),
            [false, false, false, true]
        );
        assert_eq!(a.logical_or(&b).to_vec::<bool>(), [false, true, true, true]);
        assert_eq!(
            a.logical_xor(&b).to_vec::<bool>(),
            [false, true, true, false]
        );
        assert_eq!(a.logical_not().to_vec::<bool>(), [true, true, false, false]);
    }

    #[test]
    fn what_was_not_taken_gets_no_gradient_not_even_nan() {
        let x = Tensor::from([0.0f64, 4.0]).requires_grad();
        let y = x.gt(0.0).where_(&x, &Tensor::from(1.0));
        assert_eq!(y.ln().sum(..).backward()[&x].to_vec::<f64>(), [0.0, 0.25]);
        let x = Tensor::from([f32::NAN, f32::INFINITY, 1.0]);
        assert_eq!(x.is_nan().to_vec::<bool>(), [true, false, false]);
        assert_eq!(x.is_finite().to_vec::<bool>(), [false, false, true]);
    }
}
