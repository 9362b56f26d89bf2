//! Functions of each element.

use super::{through_f32, want_float};
use crate::Tensor;
use crate::dtype::{Dtype, with_float};
use crate::tape::record;
use eras_kernels::elementwise::{self, Periodic, Unary};

/// Applies `op`, whose slope is `slope`: a tensor expression in the argument, or in the result where the kernel
/// keeps that (see [`Unary::keeps_output`]).
#[track_caller]
pub(crate) fn elementary(
    name: &'static str,
    x: &Tensor,
    op: Unary,
    slope: impl Fn(&Tensor) -> Tensor + Send + Sync + 'static,
) -> Tensor {
    want_float(name, x);
    if x.dtype().is_half() {
        return elementary(name, &x.to_dtype(Dtype::F32), op, slope).to_dtype(x.dtype());
    }
    let y = apply(x, op);
    if !crate::tape::tracked(&[x]) {
        return y;
    }
    let kept = if op.keeps_output() {
        y.clone()
    } else {
        x.clone()
    };
    record(name, y, [x], move |b| {
        if b.differentiable {
            let kept = if op.keeps_output() {
                b.output(&kept)
            } else {
                kept.clone()
            };
            [Some(b.dy * slope(&kept))]
        } else {
            [Some(apply_backward(b.dy, &kept, op))]
        }
    })
}

/// `op(x)` without history.
pub(crate) fn apply(x: &Tensor, op: Unary) -> Tensor {
    let x = x.in_line();
    with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), x.dims(), |y| elementwise::unary(op, y, x.data())))
}

/// `dy op'(kept)` without history.
pub(crate) fn apply_backward(dy: &Tensor, kept: &Tensor, op: Unary) -> Tensor {
    let (dy, kept) = (dy.in_line(), kept.in_line());
    with_float!(dy.dtype(), T => Tensor::build::<T>(dy.dtype(), dy.dims(), |dx| {
        elementwise::unary_backward(op, dx, dy.data(), kept.data());
    }))
}

/// A periodic function, whose slope is a tensor expression.
#[track_caller]
fn periodic(name: &'static str, x: &Tensor, op: Periodic, slope: fn(&Tensor) -> Tensor) -> Tensor {
    want_float(name, x);
    if let Some(y) = through_f32([x], |[x]| periodic(name, x, op, slope)) {
        return y;
    }
    let line = x.in_line();
    let y = with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), x.dims(), |y| {
        elementwise::periodic(op, y, line.data());
    }));
    let x2 = x.clone();
    record(name, y, [x], move |b| [Some(b.dy * slope(&x2))])
}

/// `c` as a whole number, to be used with a tensor of such.
#[track_caller]
fn whole(name: &str, c: f64, x: &Tensor) -> i64 {
    assert!(
        c.fract() == 0.0 && c.abs() < 9e15,
        "{name}: {c} is not a whole number, but the tensor of shape {:?} holds i64; see to_dtype",
        x.shape()
    );
    c as i64
}

/// `f` of each element of a tensor of whole numbers.
fn map_whole(x: &Tensor, f: impl Fn(i64) -> i64 + Copy + Sync) -> Tensor {
    let x = x.in_line();
    Tensor::build::<i64>(Dtype::I64, x.dims(), |y| elementwise::map(y, x.data(), f))
}

/// A slope of 0: of functions that are constant but for steps.
fn flat(x: &Tensor) -> Tensor {
    Tensor::zeros_like(x)
}

impl Tensor {
    /// -x. Takes whole numbers (`i64`) too.
    ///
    /// # Panics
    /// If the elements are neither floats nor `i64`.
    #[must_use]
    #[track_caller]
    pub fn neg(&self) -> Self {
        if self.dtype() == Dtype::I64 {
            return map_whole(self, i64::wrapping_neg);
        }
        elementary("neg", self, Unary::Neg, |x| {
            Self::full(x.dims(), -1.0, x.dtype())
        })
    }

    /// x + c. Takes whole numbers (`i64`) too, if `c` is one.
    ///
    /// # Panics
    /// If the elements are neither floats nor `i64`, or these meet a `c` that is not whole.
    #[must_use]
    #[track_caller]
    pub fn add_scalar(&self, c: f64) -> Self {
        if self.dtype() == Dtype::I64 {
            let c = whole("add", c, self);
            return map_whole(self, move |x| x.wrapping_add(c));
        }
        elementary("add", self, Unary::AddScalar(c), Self::ones_like)
    }

    /// c x. Takes whole numbers (`i64`) too, if `c` is one.
    ///
    /// # Panics
    /// If the elements are neither floats nor `i64`, or these meet a `c` that is not whole.
    #[must_use]
    #[track_caller]
    pub fn mul_scalar(&self, c: f64) -> Self {
        if self.dtype() == Dtype::I64 {
            let c = whole("mul", c, self);
            return map_whole(self, move |x| x.wrapping_mul(c));
        }
        want_float("mul", self);
        if let Some(y) = through_f32([self], |[x]| x.mul_scalar(c)) {
            return y;
        }
        record("mul", apply(self, Unary::MulScalar(c)), [self], move |b| {
            [Some(b.dy.mul_scalar(c))]
        })
    }

    /// |x|; the slope at 0 is 0. Takes whole numbers (`i64`) too.
    ///
    /// # Panics
    /// If the elements are neither floats nor `i64`.
    #[must_use]
    #[track_caller]
    pub fn abs(&self) -> Self {
        if self.dtype() == Dtype::I64 {
            return map_whole(self, i64::wrapping_abs);
        }
        elementary("abs", self, Unary::Abs, Self::sign)
    }

    /// -1, 0 or 1: on which side of 0 x lies. The slope is 0.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn sign(&self) -> Self {
        elementary("sign", self, Unary::Sign, flat)
    }

    /// Rounds down. The slope is 0.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn floor(&self) -> Self {
        elementary("floor", self, Unary::Floor, flat)
    }

    /// Rounds up. The slope is 0.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn ceil(&self) -> Self {
        elementary("ceil", self, Unary::Ceil, flat)
    }

    /// Rounds to the nearest whole number, halves to even, as PyTorch does. The slope is 0.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn round(&self) -> Self {
        elementary("round", self, Unary::Round, flat)
    }

    /// Rounds toward zero. The slope is 0.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn trunc(&self) -> Self {
        elementary("trunc", self, Unary::Trunc, flat)
    }

    /// What is behind the point: x - trunc x. The slope is 1.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn frac(&self) -> Self {
        elementary("frac", self, Unary::Frac, Self::ones_like)
    }

    /// eˣ
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn exp(&self) -> Self {
        elementary("exp", self, Unary::Exp, Self::clone)
    }

    /// 2ˣ
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn exp2(&self) -> Self {
        elementary("exp2", self, Unary::Exp2, |y| y * std::f64::consts::LN_2)
    }

    /// eˣ - 1, without cancellation near 0.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn exp_m1(&self) -> Self {
        elementary("exp_m1", self, Unary::ExpM1, |y| y + 1.0)
    }

    /// Natural logarithm.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn ln(&self) -> Self {
        elementary("ln", self, Unary::Ln, Self::recip)
    }

    /// ln(1 + x), without cancellation near 0.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn ln_1p(&self) -> Self {
        elementary("ln_1p", self, Unary::Ln1p, |x| (x + 1.0).recip())
    }

    /// The logarithm to base 2.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn log2(&self) -> Self {
        elementary("log2", self, Unary::Log2, |x| std::f64::consts::LOG2_E / x)
    }

    /// The logarithm to base 10.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn log10(&self) -> Self {
        elementary("log10", self, Unary::Log10, |x| {
            std::f64::consts::LOG10_E / x
        })
    }

    /// √x
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn sqrt(&self) -> Self {
        elementary("sqrt", self, Unary::Sqrt, |y| y.recip() * 0.5)
    }

    /// 1/√x
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn rsqrt(&self) -> Self {
        elementary("rsqrt", self, Unary::Rsqrt, |y| y * y * y * -0.5)
    }

    /// x²
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn sqr(&self) -> Self {
        elementary("sqr", self, Unary::Square, |x| x * 2.0)
    }

    /// 1/x
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn recip(&self) -> Self {
        elementary("recip", self, Unary::Reciprocal, |y| -y.sqr())
    }

    /// The angle in [-π/2, π/2] whose sine is x.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn asin(&self) -> Self {
        elementary("asin", self, Unary::Asin, |x| (1.0 - x.sqr()).rsqrt())
    }

    /// The angle in [0, π] whose cosine is x.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn acos(&self) -> Self {
        elementary("acos", self, Unary::Acos, |x| -(1.0 - x.sqr()).rsqrt())
    }

    /// The angle in (-π/2, π/2) whose tangent is x.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn atan(&self) -> Self {
        elementary("atan", self, Unary::Atan, |x| (x.sqr() + 1.0).recip())
    }

    /// (eˣ - e⁻ˣ)/2
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn sinh(&self) -> Self {
        elementary("sinh", self, Unary::Sinh, Self::cosh)
    }

    /// (eˣ + e⁻ˣ)/2
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn cosh(&self) -> Self {
        elementary("cosh", self, Unary::Cosh, Self::sinh)
    }

    /// tanh x
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn tanh(&self) -> Self {
        elementary("tanh", self, Unary::Tanh, |y| 1.0 - y.sqr())
    }

    /// The inverse of sinh.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn asinh(&self) -> Self {
        elementary("asinh", self, Unary::Asinh, |x| (x.sqr() + 1.0).rsqrt())
    }

    /// The inverse of cosh, from 1 on.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn acosh(&self) -> Self {
        elementary("acosh", self, Unary::Acosh, |x| (x.sqr() - 1.0).rsqrt())
    }

    /// The inverse of tanh, between -1 and 1.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn atanh(&self) -> Self {
        elementary("atanh", self, Unary::Atanh, |x| (1.0 - x.sqr()).recip())
    }

    /// The error function, 2/√π times the integral of e^(-t²) from 0 to x.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn erf(&self) -> Self {
        elementary("erf", self, Unary::Erf, |x| {
            (-x.sqr()).exp() * std::f64::consts::FRAC_2_SQRT_PI
        })
    }

    /// 1 - erf x, without cancellation for large x.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn erfc(&self) -> Self {
        elementary("erfc", self, Unary::Erfc, |x| {
            (-x.sqr()).exp() * -std::f64::consts::FRAC_2_SQRT_PI
        })
    }

    /// sin x, x in radians.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn sin(&self) -> Self {
        periodic("sin", self, Periodic::Sin, Self::cos)
    }

    /// cos x, x in radians.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn cos(&self) -> Self {
        periodic("cos", self, Periodic::Cos, |x| -x.sin())
    }

    /// tan x, x in radians.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn tan(&self) -> Self {
        periodic("tan", self, Periodic::Tan, |x| x.tan().sqr() + 1.0)
    }

    /// xᶜ; NaN for a negative x and a c that is not whole.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn powf(&self, c: f64) -> Self {
        elementary("powf", self, Unary::Powf(c), move |x| {
            if c == 0.0 {
                flat(x)
            } else {
                x.powf(c - 1.0) * c
            }
        })
    }

    /// xⁿ
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn powi(&self, n: i32) -> Self {
        match n {
            2 => self.sqr(),
            -1 => self.recip(),
            _ => self.powf(f64::from(n)),
        }
    }

    /// x, but at least `min` and at most `max` (infinite ones bound nothing). As in PyTorch the slope is 1 at the
    /// bounds themselves.
    ///
    /// # Panics
    /// If `min` is above `max`, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn clamp(&self, min: f64, max: f64) -> Self {
        assert!(min <= max, "clamp: nothing lies between {min} and {max}");
        elementary("clamp", self, Unary::Clamp(min, max), move |x| {
            x.ge(min).logical_and(&x.le(max)).to_dtype(x.dtype())
        })
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal, positive};
    let on = |name: &'static str, f: fn(&Tensor) -> Tensor, x: Tensor| {
        Check::new(name).case([x], move |x| f(&x[0]))
    };
    let smooth = |name: &'static str, f: fn(&Tensor) -> Tensor| {
        on(name, f, normal([2, 3], 1))
            .case([normal([0, 3], 1)], move |x| f(&x[0]))
            .case([normal([], 1)], move |x| f(&x[0]))
            .case([normal([17_001], 1)], move |x| f(&x[0]))
    };
    let of_positive = |name: &'static str, f: fn(&Tensor) -> Tensor| {
        on(name, f, positive([2, 3], 1)).case([positive([1], 2)], move |x| f(&x[0]))
    };
    // From -0.9 to 0.9.
    let inside = |name: &'static str, f: fn(&Tensor) -> Tensor| {
        on(name, f, (positive([5, 3], 1) - 1.25) * 1.2)
    };
    vec![
        smooth("neg", Tensor::neg)
            .bad(
                "neg: wants floats, but the tensor of shape [2] holds bool",
                || Tensor::from([true, false]).neg(),
            )
            .case([Tensor::arange(3)], |x| x[0].neg()),
        smooth("add_scalar", |x| x.add_scalar(1.5))
            .case([Tensor::arange(3)], |x| &x[0] + 2.0)
            .bad(
                "add: 0.5 is not a whole number, but the tensor of shape [3] holds i64",
                || Tensor::arange(3) + 0.5,
            ),
        smooth("mul_scalar", |x| x.mul_scalar(-1.5))
            .case([Tensor::arange(3)], |x| x[0].mul_scalar(-2.0))
            .bad("mul: 0.5 is not a whole number", || Tensor::arange(3) / 2.0)
            .bad("mul: wants floats", || Tensor::from([true]) * 2.0),
        smooth("abs", Tensor::abs).case([Tensor::arange(3)], |x| (&x[0] - 1.0).abs()),
        smooth("sign", Tensor::sign),
        smooth("floor", Tensor::floor),
        smooth("ceil", Tensor::ceil),
        smooth("round", Tensor::round),
        smooth("trunc", Tensor::trunc),
        smooth("frac", Tensor::frac),
        smooth("exp", Tensor::exp),
        smooth("exp2", Tensor::exp2),
        smooth("exp_m1", Tensor::exp_m1),
        smooth("sqr", Tensor::sqr),
        smooth("sin", Tensor::sin),
        smooth("cos", Tensor::cos),
        inside("tan", Tensor::tan),
        inside("asin", Tensor::asin),
        inside("acos", Tensor::acos),
        smooth("atan", Tensor::atan),
        smooth("sinh", Tensor::sinh),
        smooth("cosh", Tensor::cosh),
        smooth("tanh", Tensor::tanh),
        smooth("asinh", Tensor::asinh),
        on("acosh", Tensor::acosh, positive([2, 3], 1) + 1.0),
        inside("atanh", Tensor::atanh),
        smooth("erf", Tensor::erf),
        smooth("erfc", Tensor::erfc).defined_by(|x| 1.0 - x[0].erf()),
        of_positive("ln", Tensor::ln),
        of_positive("ln_1p", Tensor::ln_1p),
        of_positive("log2", Tensor::log2).defined_by(|x| x[0].ln() / 2.0f64.ln()),
        of_positive("log10", Tensor::log10).defined_by(|x| x[0].ln() / 10.0f64.ln()),
        of_positive("sqrt", Tensor::sqrt),
        of_positive("rsqrt", Tensor::rsqrt).defined_by(|x| x[0].sqrt().recip()),
        of_positive("recip", Tensor::recip),
        of_positive("powf", |x| x.powf(-1.7)).defined_by(|x| (x[0].ln() * -1.7).exp()),
        smooth("powi", |x| x.powi(3)).defined_by(|x| x[0].sqr() * &x[0]),
        smooth("clamp", |x| x.clamp(-0.5, f64::INFINITY))
            .case([normal([7], 1)], |x| x[0].clamp(-0.5, 0.25))
            .bad("clamp: nothing lies between 1 and 0", || {
                Tensor::zeros([2]).clamp(1.0, 0.0)
            }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_where_pytorch_rounds() {
        let x = Tensor::from([-2.5f32, -0.5, 0.5, 1.5, 2.7]);
        assert_eq!(x.round().to_vec::<f32>(), [-2.0, 0.0, 0.0, 2.0, 3.0]);
        assert_eq!(x.trunc().to_vec::<f32>(), [-2.0, 0.0, 0.0, 1.0, 2.0]);
        assert_eq!(x.floor().to_vec::<f32>(), [-3.0, -1.0, 0.0, 1.0, 2.0]);
        assert_eq!(x.sign().to_vec::<f32>(), [-1.0, -1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn slopes_at_kinks_are_pytorchs() {
        let slope = |f: fn(&Tensor) -> Tensor, x: f64| {
            let x = Tensor::from(x).requires_grad();
            f(&x).backward()[&x].item()
        };
        assert_eq!(slope(Tensor::abs, 0.0), 0.0);
        assert_eq!(slope(|x| x.clamp(0.0, 1.0), 1.0), 1.0);
        assert_eq!(slope(|x| x.powf(0.0), 0.0), 0.0);
        assert_eq!(slope(|x| x.powi(2), 3.0), 6.0);
        assert_eq!(slope(Tensor::floor, 0.5), 0.0);
    }

    #[test]
    fn whole_numbers_stay_whole() {
        let x = (Tensor::arange(4) * 3.0 - 4.0).abs();
        assert_eq!(x.to_vec::<i64>(), [4, 1, 2, 5]);
        assert_eq!((1.0 - Tensor::arange(3)).to_vec::<i64>(), [1, 0, -1]);
    }
}
