//! Functions of two tensors, which broadcast to a common shape as in NumPy, and the operators.

use super::{through_f32, want_float};
use crate::Tensor;
use crate::dtype::{Dtype, with_float, with_stored};
use crate::shape::{Dims, broadcast};
use crate::tape::record;
use eras_kernels::elementwise::{self, Binary, Compare};

/// The shape of `op(a, b)`.
#[track_caller]
pub(crate) fn common_shape(op: &str, a: &Tensor, b: &Tensor) -> Dims {
    assert!(
        a.dtype() == b.dtype(),
        "{op}: {} {:?} meets {} {:?}; convert one with to_dtype",
        a.dtype(),
        a.shape(),
        b.dtype(),
        b.shape()
    );
    if a.dims() == b.dims() {
        return a.dims();
    }
    let Some(dims) = broadcast(a.shape(), b.shape()) else {
        panic!(
            "{op}: shapes {:?} and {:?} do not broadcast: a dimension must be equal or 1",
            a.shape(),
            b.shape()
        );
    };
    dims
}

/// [`through_f32`] of two tensors that must fit each other: after it nobody knows that they did not, or who called.
#[track_caller]
pub(super) fn halves_through_f32(
    name: &str,
    a: &Tensor,
    b: &Tensor,
    op: impl FnOnce([&Tensor; 2]) -> Tensor,
) -> Option<Tensor> {
    if !a.dtype().is_half() {
        return None;
    }
    let _fit = common_shape(name, a, b);
    through_f32([a, b], op)
}

/// `op(a, b)` without history.
#[track_caller]
pub(crate) fn apply(name: &str, op: Binary, a: &Tensor, b: &Tensor) -> Tensor {
    let dims = common_shape(name, a, b);
    let (sa, sb) = (
        a.layout().strides_over(&dims),
        b.layout().strides_over(&dims),
    );
    if a.dtype() == Dtype::I64 {
        return Tensor::build::<i64>(Dtype::I64, dims, |y| {
            elementwise::binary_whole(op, y, &dims, a.view_over(&sa), b.view_over(&sb));
        });
    }
    with_float!(a.dtype(), T => Tensor::build::<T>(a.dtype(), dims, |y| {
        elementwise::binary(op, y, &dims, a.view_over(&sa), b.view_over(&sb));
    }))
}

/// Panics unless `x` holds floats or whole numbers (`i64`: index arithmetic, without gradient).
#[track_caller]
pub(crate) fn want_number(op: &str, x: &Tensor) {
    if x.dtype() != Dtype::I64 {
        want_float(op, x);
    }
}

/// Sums a gradient over the dimensions along which `shape` was broadcast.
pub(crate) fn sum_to(dy: &Tensor, shape: &Dims) -> Tensor {
    if dy.dims() == *shape {
        return dy.clone();
    }
    let extra = dy.rank() - shape.len();
    let axes: Vec<usize> = (0..dy.rank())
        .filter(|&d| d < extra || (shape[d - extra] == 1 && dy.shape()[d] != 1))
        .collect();
    dy.sum_keepdim(axes).reshape(*shape)
}

impl Tensor {
    /// a + b. Whole numbers (`i64`) wrap around, here and below.
    #[must_use]
    #[track_caller]
    pub fn add(&self, other: &Self) -> Self {
        want_number("add", self);
        if let Some(y) = halves_through_f32("add", self, other, |[a, b]| a.add(b)) {
            return y;
        }
        let (da, db) = (self.dims(), other.dims());
        record(
            "add",
            apply("add", Binary::Add, self, other),
            [self, other],
            move |b| {
                [
                    b.want(0, || sum_to(b.dy, &da)),
                    b.want(1, || sum_to(b.dy, &db)),
                ]
            },
        )
    }

    /// a - b
    #[must_use]
    #[track_caller]
    pub fn sub(&self, other: &Self) -> Self {
        want_number("sub", self);
        if let Some(y) = halves_through_f32("sub", self, other, |[a, b]| a.sub(b)) {
            return y;
        }
        let (da, db) = (self.dims(), other.dims());
        record(
            "sub",
            apply("sub", Binary::Sub, self, other),
            [self, other],
            move |b| {
                [
                    b.want(0, || sum_to(b.dy, &da)),
                    b.want(1, || -sum_to(b.dy, &db)),
                ]
            },
        )
    }

    /// a b, element by element.
    #[must_use]
    #[track_caller]
    pub fn mul(&self, other: &Self) -> Self {
        want_number("mul", self);
        if let Some(y) = halves_through_f32("mul", self, other, |[a, b]| a.mul(b)) {
            return y;
        }
        let (x, z) = (self.clone(), other.clone());
        record(
            "mul",
            apply("mul", Binary::Mul, self, other),
            [self, other],
            move |b| {
                [
                    b.want(0, || sum_to(&(b.dy * &z), &x.dims())),
                    b.want(1, || sum_to(&(b.dy * &x), &z.dims())),
                ]
            },
        )
    }

    /// a / b, element by element.
    #[must_use]
    #[track_caller]
    pub fn div(&self, other: &Self) -> Self {
        want_float("div", self);
        if let Some(y) = halves_through_f32("div", self, other, |[a, b]| a.div(b)) {
            return y;
        }
        let (x, z) = (self.clone(), other.clone());
        record(
            "div",
            apply("div", Binary::Div, self, other),
            [self, other],
            move |b| {
                let dx = b.dy / &z;
                [
                    b.want(0, || sum_to(&dx, &x.dims())),
                    b.want(1, || sum_to(&(-(&dx * &x / &z)), &z.dims())),
                ]
            },
        )
    }
}

/// The right side of a comparison: a tensor or a number.
pub trait Operand {
    /// As a tensor of the dtype of `like`.
    #[doc(hidden)]
    fn operand(&self, like: &Tensor) -> Tensor;
}
impl Operand for &Tensor {
    fn operand(&self, _like: &Tensor) -> Tensor {
        self.detach()
    }
}
impl Operand for f64 {
    fn operand(&self, like: &Tensor) -> Tensor {
        Tensor::full([], *self, like.dtype())
    }
}
impl Operand for i32 {
    fn operand(&self, like: &Tensor) -> Tensor {
        Tensor::full([], f64::from(*self), like.dtype())
    }
}

macro_rules! comparisons {
    ($( $(#[$doc:meta])* $name:ident = $op:ident; )*) => {
        impl Tensor { $(
            $(#[$doc])*
            ///
            /// The other side is a tensor, which broadcasts, or a number. The result holds truth values.
            ///
            /// # Panics
            /// If the dtypes differ or the shapes do not broadcast.
            #[must_use]
            #[track_caller]
            pub fn $name(&self, other: impl Operand) -> Self {
                let other = other.operand(self);
                let dims = common_shape(stringify!($name), self, &other);
                let (a, b) = (self.detach().expand(dims), other.expand(dims));
                with_stored!(a.dtype(), T => Self::build::<u8>(Dtype::Bool, dims, |y| {
                    elementwise::compare::<T>(Compare::$op, y, &dims, a.view(), b.view());
                }))
            }
        )* }
    };
}
comparisons! {
    /// Where a = b.
    eq = Eq;
    /// Where a ≠ b.
    ne = Ne;
    /// Where a < b.
    lt = Lt;
    /// Where a ≤ b.
    le = Le;
    /// Where a > b.
    gt = Gt;
    /// Where a ≥ b.
    ge = Ge;
}

macro_rules! operators {
    ($($trait:ident $method:ident: |$a:ident, $c:ident| $tensor_number:expr, $number_tensor:expr;)*) => { $(
        impl std::ops::$trait<&Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor {
                Tensor::$method(self, other)
            }
        }
        impl std::ops::$trait<Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                Tensor::$method(self, &other)
            }
        }
        impl std::ops::$trait<&Self> for Tensor {
            type Output = Self;
            #[track_caller]
            fn $method(self, other: &Self) -> Self {
                Self::$method(&self, other)
            }
        }
        impl std::ops::$trait for Tensor {
            type Output = Self;
            #[track_caller]
            fn $method(self, other: Self) -> Self {
                Self::$method(&self, &other)
            }
        }
        impl std::ops::$trait<f64> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, $c: f64) -> Tensor {
                let $a = self;
                $tensor_number
            }
        }
        impl std::ops::$trait<f64> for Tensor {
            type Output = Self;
            #[track_caller]
            fn $method(self, $c: f64) -> Self {
                let $a = &self;
                $tensor_number
            }
        }
        impl std::ops::$trait<&Tensor> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, $a: &Tensor) -> Tensor {
                let $c = self;
                $number_tensor
            }
        }
        impl std::ops::$trait<Tensor> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor {
                let ($a, $c) = (&other, self);
                $number_tensor
            }
        }
    )* };
}
operators! {
    Add add: |a, c| a.add_scalar(c), a.add_scalar(c);
    Sub sub: |a, c| a.add_scalar(-c), a.neg().add_scalar(c);
    Mul mul: |a, c| a.mul_scalar(c), a.mul_scalar(c);
    Div div: |a, c| a.mul_scalar(1.0 / c), a.recip().mul_scalar(c);
}

/// a += b, where b broadcasts to the shape of a. In place where nobody else holds the numbers of `a` and no
/// gradient is wanted; else as `a = a + b`.
///
/// ```
/// use eras::prelude::*;
///
/// let mut x = Tensor::from([1.0f32, 2.0]);
/// x += &Tensor::from(10.0f32);
/// assert_eq!(x.to_vec::<f32>(), [11.0, 12.0]);
/// ```
impl std::ops::AddAssign<&Self> for Tensor {
    #[track_caller]
    fn add_assign(&mut self, other: &Self) {
        let dims = common_shape("add", self, other);
        assert!(
            dims == self.dims(),
            "add: += cannot grow {:?} to {dims:?}",
            self.shape()
        );
        if !self.may_be_written_over(other) {
            *self = Self::add(self, other);
            return;
        }
        let strides = other.layout().strides_over(&dims);
        with_float!(other.dtype(), T => elementwise::update(
            self.as_mut_slice::<T>(),
            &dims,
            other.view_over(&strides),
            #[inline(always)]
            |y: T, a: T| y + a,
        ));
    }
}

impl std::ops::Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}
impl std::ops::Neg for Tensor {
    type Output = Self;
    #[track_caller]
    fn neg(self) -> Self {
        Self::neg(&self)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal, positive};
    let arithmetic = |name: &'static str, f: fn(&Tensor, &Tensor) -> Tensor| {
        Check::new(name)
            .case([normal([2, 3], 1), positive([2, 3], 2)], move |x| {
                f(&x[0], &x[1])
            })
            .case([normal([], 1), positive([16_400], 2)], move |x| {
                f(&x[0], &x[1])
            })
            .case([normal([2, 1, 3], 1), positive([4, 1], 2)], move |x| {
                f(&x[0], &x[1])
            })
            .case([normal([], 1), positive([0, 2], 2)], move |x| {
                f(&x[0], &x[1])
            })
            .case([normal([200, 150], 1), positive([150], 2)], move |x| {
                f(&x[0], &x[1])
            })
            .case([positive([3], 1)], move |x| f(&x[0], &x[0]))
    };
    let comparison = |name: &'static str, f: fn(&Tensor, &Tensor) -> Tensor| {
        Check::new(name)
            .orders(0)
            .case([normal([2, 3], 1), normal([3], 2)], move |x| {
                f(&x[0], &x[1])
            })
            .case([Tensor::arange(5), Tensor::from(2i64)], move |x| {
                f(&x[0], &x[1])
            })
            .case([positive([3], 1)], move |x| f(&x[0], &x[0]))
    };
    vec![
        arithmetic("add", Tensor::add)
            .bad(
                "add: shapes [2, 3] and [4] do not broadcast: a dimension must be equal or 1",
                || Tensor::zeros([2, 3]).add(&Tensor::zeros([4])),
            )
            .bad(
                "add: f32 [2] meets f64 [2]; convert one with to_dtype",
                || Tensor::zeros([2]) + Tensor::from([1.0, 2.0]),
            )
            .bad(
                "add: bf16 [2] meets i64 [2]; convert one with to_dtype",
                || Tensor::full([2], 1.0, Dtype::BF16) + Tensor::arange(2),
            )
            .bad("add: shapes [2] and [3] do not broadcast", || {
                let half = |n: usize| Tensor::full([n], 1.0, Dtype::F16);
                half(2) + half(3)
            }),
        arithmetic("sub", Tensor::sub),
        arithmetic("mul", Tensor::mul),
        arithmetic("div", Tensor::div).bad("div: wants floats", || {
            Tensor::arange(2) / Tensor::arange(2)
        }),
        Check::new("add_assign")
            .case([normal([2, 3], 1), normal([3], 2)], |x| {
                let mut y = &x[0] * 1.0;
                y += &x[1];
                y
            })
            .case([Tensor::arange(3)], |x| {
                let mut y = x[0].clone();
                y += &x[0];
                y
            })
            .bad("add: += cannot grow [3] to [2, 3]", || {
                let mut x = Tensor::zeros([3]);
                x += &Tensor::zeros([2, 3]);
            }),
        comparison("eq", |a, b| a.eq(b)),
        comparison("ne", |a, b| a.ne(b)),
        comparison("lt", |a, b| a.lt(b)),
        comparison("le", |a, b| a.le(b)),
        comparison("gt", |a, b| a.gt(b)),
        comparison("ge", |a, b| a.ge(b)).bad("ge: shapes [2] and [3] do not broadcast", || {
            Tensor::zeros([2]).ge(&Tensor::zeros([3]))
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_else_holds_is_added_to_in_place() {
        let one = Tensor::from([1.0f32, 2.0]);
        let mut x = &one * 1.0;
        let at = x.as_slice::<f32>().as_ptr();
        x += &one;
        assert_eq!(x.as_slice::<f32>().as_ptr(), at);
        let before = x.clone();
        x += &one;
        assert_eq!(before.to_vec::<f32>(), [2.0, 4.0]);
        assert_eq!(x.to_vec::<f32>(), [3.0, 6.0]);
    }

    #[test]
    fn adding_in_place_keeps_the_gradient() {
        let w = Tensor::from([1.0f32, 2.0]).requires_grad();
        let mut x = Tensor::from([5.0f32, 5.0]);
        x += &(&w * &w);
        assert_eq!(x.sum(..).backward()[&w].to_vec::<f32>(), [2.0, 4.0]);
    }

    #[test]
    fn indices_are_counted_with() {
        let (row, column) = (Tensor::from([[0i64], [2]]), Tensor::arange(3));
        let flat = &row * &Tensor::from(3i64) + &column;
        assert_eq!(flat.to_vec::<i64>(), [0, 1, 2, 6, 7, 8]);
        assert_eq!(flat.shape(), [2, 3]);
    }
}
