//! Functions of two numbers, over broadcast views.

use super::{View, zip_views};
use crate::Float;

/// A function of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a b
    Mul,
    /// a / b
    Div,
    /// The larger, NaN if either is.
    Maximum,
    /// The smaller, NaN if either is.
    Minimum,
    /// aᵇ
    Pow,
    /// The angle of the point (b, a), from -π to π.
    Atan2,
    /// What division leaves, with the sign of b.
    Remainder,
    /// What division leaves, with the sign of a.
    Fmod,
}

/// `y = op(a, b)` over the shape `dims`; see [`zip_views`].
pub fn binary<T: Float>(op: Binary, y: &mut [T], dims: &[usize], a: View<'_, T>, b: View<'_, T>) {
    macro_rules! apply {
        ($f:expr) => {
            zip_views(
                y,
                dims,
                a,
                b,
                #[inline(always)]
                $f,
            )
        };
    }
    match op {
        Binary::Add => apply!(|a, b| a + b),
        Binary::Sub => apply!(|a, b| a - b),
        Binary::Mul => apply!(|a, b| a * b),
        Binary::Div => apply!(|a, b| a / b),
        Binary::Maximum => apply!(|a: T, b: T| a.maximum(b)),
        Binary::Minimum => apply!(|a: T, b: T| a.minimum(b)),
        Binary::Pow => apply!(|a: T, b: T| a.pow(b)),
        Binary::Atan2 => apply!(|a: T, b: T| a.atan2(b)),
        Binary::Remainder => apply!(|a: T, b: T| {
            let r = a % b;
            let other_side = (r < T::ZERO && b > T::ZERO) || (r > T::ZERO && b < T::ZERO);
            if other_side { r + b } else { r }
        }),
        Binary::Fmod => apply!(|a: T, b: T| a % b),
    }
}

/// `y = op(a, b)` for whole numbers, which wrap around. `Pow` and `Atan2` have no such form.
///
/// # Panics
/// Where a remainder is by 0, or `op` has no form for whole numbers.
pub fn binary_whole(op: Binary, y: &mut [i64], dims: &[usize], a: View<'_, i64>, b: View<'_, i64>) {
    match op {
        Binary::Add => zip_views(y, dims, a, b, i64::wrapping_add),
        Binary::Sub => zip_views(y, dims, a, b, i64::wrapping_sub),
        Binary::Mul => zip_views(y, dims, a, b, i64::wrapping_mul),
        Binary::Maximum => zip_views(y, dims, a, b, Ord::max),
        Binary::Minimum => zip_views(y, dims, a, b, Ord::min),
        Binary::Remainder => zip_views(y, dims, a, b, |a, b| {
            let r = a.wrapping_rem(b);
            if r != 0 && (r < 0) != (b < 0) {
                r + b
            } else {
                r
            }
        }),
        Binary::Fmod => zip_views(y, dims, a, b, i64::wrapping_rem),
        Binary::Div | Binary::Pow | Binary::Atan2 => {
            unreachable!("{op:?} has no form for whole numbers")
        }
    }
}

/// A comparison of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// a = b
    Eq,
    /// a ≠ b
    Ne,
    /// a < b
    Lt,
    /// a ≤ b
    Le,
    /// a > b
    Gt,
    /// a ≥ b
    Ge,
}

/// `y = 1 where a op b, else 0`, over the shape `dims`; see [`zip_views`]. Works for whole numbers too.
pub fn compare<T: crate::buffer::Plain + PartialOrd>(
    op: Compare,
    y: &mut [u8],
    dims: &[usize],
    a: View<'_, T>,
    b: View<'_, T>,
) {
    match op {
        Compare::Eq => zip_views(
            y,
            dims,
            a,
            b,
            #[inline(always)]
            |a, b| u8::from(a == b),
        ),
        Compare::Ne => zip_views(
            y,
            dims,
            a,
            b,
            #[inline(always)]
            |a, b| u8::from(a != b),
        ),
        Compare::Lt => zip_views(
            y,
            dims,
            a,
            b,
            #[inline(always)]
            |a, b| u8::from(a < b),
        ),
        Compare::Le => zip_views(
            y,
            dims,
            a,
            b,
            #[inline(always)]
            |a, b| u8::from(a <= b),
        ),
        Compare::Gt => zip_views(
            y,
            dims,
            a,
            b,
            #[inline(always)]
            |a, b| u8::from(a > b),
        ),
        Compare::Ge => zip_views(
            y,
            dims,
            a,
            b,
            #[inline(always)]
            |a, b| u8::from(a >= b),
        ),
    }
}
