//! The number types that kernels compute in, with their elementary functions.

use crate::buffer::Plain;
use crate::{math, wide};
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Rem, Sub};

/// `f32` or `f64`. Half precisions are widened to `f32` before they meet a kernel.
///
/// Functions are written to vectorize in `f32` ([`crate::math`]) and to be exact in `f64`.
pub trait Float:
    Plain
    + PartialOrd
    + std::fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Rem<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// Infinity.
    const INFINITY: Self;
    /// Minus infinity.
    const NEG_INFINITY: Self;
    /// Not a number.
    const NAN: Self;

    /// Rounds to the nearest representable value.
    fn of(x: f64) -> Self;
    /// Widens without loss.
    fn to_f64(self) -> f64;
    /// Whether this is not a number.
    fn is_nan(self) -> bool;
    /// Rounds a count.
    #[inline(always)]
    fn of_usize(n: usize) -> Self {
        Self::of(n as f64)
    }

    /// `self * a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// √x
    fn sqrt(self) -> Self;
    /// |x|
    fn abs(self) -> Self;
    /// The larger; NaN if either is NaN, as in PyTorch and NumPy.
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        let larger = if self > other { self } else { other };
        if self.is_nan() { self } else { larger }
    }
    /// The smaller; NaN if either is NaN, as in PyTorch and NumPy.
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        let smaller = if self < other { self } else { other };
        if self.is_nan() { self } else { smaller }
    }
    /// The largest of a row, -∞ if it is empty. If some are NaN, the result may be NaN or the largest of the others.
    fn max_of(x: &[Self]) -> Self;
    /// Rounds down.
    fn floor(self) -> Self;
    /// Rounds up.
    fn ceil(self) -> Self;
    /// Rounds to the nearest whole number, halves to even, as in PyTorch and NumPy.
    fn round(self) -> Self;
    /// Rounds toward zero.
    fn trunc(self) -> Self;

    /// eˣ
    fn exp(self) -> Self;
    /// eˣ for x ≤ 0 (and a little above), faster; what is below the normal range may become 0.
    #[inline(always)]
    fn exp_nonpositive(self) -> Self {
        self.exp()
    }
    /// eˣ - 1
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x)
    fn ln_1p(self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
    /// 1 / (1 + e⁻ˣ)
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp())
    }
    /// The error function.
    fn erf(self) -> Self;
    /// 1 - erf x without cancellation.
    #[inline(always)]
    fn erfc(self) -> Self {
        self.through_f64(libm::erfc)
    }
    /// 2ˣ
    fn exp2(self) -> Self;
    /// The logarithm to base 2.
    fn log2(self) -> Self;
    /// The logarithm to base 10.
    fn log10(self) -> Self;
    /// selfᵇ
    fn pow(self, b: Self) -> Self;
    /// asin x
    fn asin(self) -> Self;
    /// acos x
    fn acos(self) -> Self;
    /// atan x
    fn atan(self) -> Self;
    /// The angle of the point (`x`, self), from -π to π.
    fn atan2(self, x: Self) -> Self;
    /// sinh x
    fn sinh(self) -> Self;
    /// cosh x
    fn cosh(self) -> Self;
    /// The inverse of sinh.
    fn asinh(self) -> Self;
    /// The inverse of cosh.
    fn acosh(self) -> Self;
    /// The inverse of tanh.
    fn atanh(self) -> Self;
    /// A function that has no vectorized form yet, through `f64`.
    #[inline(always)]
    fn through_f64(self, f: impl Fn(f64) -> f64) -> Self {
        Self::of(f(self.to_f64()))
    }
}

macro_rules! common {
    ($t:ident, $int:ident) => {
        const ZERO: Self = 0.0;
        const ONE: Self = 1.0;
        const INFINITY: Self = Self::INFINITY;
        const NEG_INFINITY: Self = Self::NEG_INFINITY;
        const NAN: Self = Self::NAN;
        #[inline(always)]
        fn of(x: f64) -> Self {
            x as Self
        }
        #[inline(always)]
        fn to_f64(self) -> f64 {
            f64::from(self)
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            self.is_nan()
        }
        common! { @delegate $t: sqrt, abs, floor, ceil, trunc }
        #[inline(always)]
        fn max_of(x: &[Self]) -> Self {
            // As whole numbers of the same order: their largest is one that vectorizes.
            let ordered = |bits: $int| bits ^ ((bits >> ($int::BITS - 1)) & $int::MAX);
            let bits = x.iter().fold(ordered(Self::NEG_INFINITY.to_bits() as $int), |m, x| {
                m.max(ordered(x.to_bits() as $int))
            });
            Self::from_bits(ordered(bits) as _)
        }
        #[inline(always)]
        fn round(self) -> Self {
            self.round_ties_even()
        }
        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            $t::mul_add(self, a, b)
        }
    };
    (@delegate $t:ident: $($f:ident),*) => { $(
        #[inline(always)]
        fn $f(self) -> Self {
            $t::$f(self)
        }
    )* };
}

macro_rules! functions {
    ($($name:ident = $f:path),*) => { $(
        #[inline(always)]
        fn $name(self) -> Self {
            $f(self)
        }
    )* };
}

macro_rules! functions2 {
    ($($name:ident = $f:path),*) => { $(
        #[inline(always)]
        fn $name(self, other: Self) -> Self {
            $f(self, other)
        }
    )* };
}

impl Float for f32 {
    common!(f32, i32);
    functions!(
        exp = math::exp,
        exp_nonpositive = math::exp_nonpositive,
        exp_m1 = math::exp_m1,
        ln = math::ln,
        ln_1p = math::ln_1p,
        tanh = math::tanh,
        erf = math::erf,
        exp2 = wide::exp2,
        log2 = wide::log2,
        log10 = wide::log10,
        asin = wide::asin,
        acos = wide::acos,
        atan = wide::atan,
        sinh = wide::sinh,
        cosh = wide::cosh,
        asinh = wide::asinh,
        acosh = wide::acosh,
        atanh = wide::atanh
    );
    functions2!(pow = wide::pow, atan2 = wide::atan2);
}

impl Float for f64 {
    common!(f64, i64);
    functions!(
        exp = f64::exp,
        exp_m1 = f64::exp_m1,
        ln = f64::ln,
        ln_1p = f64::ln_1p,
        tanh = f64::tanh,
        erf = libm::erf,
        exp2 = f64::exp2,
        log2 = f64::log2,
        log10 = f64::log10,
        asin = f64::asin,
        acos = f64::acos,
        atan = f64::atan,
        sinh = f64::sinh,
        cosh = f64::cosh,
        asinh = libm::asinh,
        acosh = libm::acosh,
        atanh = libm::atanh
    );
    functions2!(pow = f64::powf, atan2 = f64::atan2);
}
