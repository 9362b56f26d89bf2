//! Elementary functions of `f32` computed in `f64`, where rounding on the way does not show: no tables, no
//! branches, so that they vectorize, and coefficients that anybody can check (they are Taylor's).
//!
//! Each result is the exact one rounded once, but for one case in some thousand (checked below).

use std::f64::consts::{FRAC_1_PI, FRAC_PI_2, FRAC_PI_4, LN_2, LN_10, LOG2_E};

/// 1.5 × 2⁵²: added to a whole number below 2⁵¹ it leaves that number in the low bits of the significand.
const MAGIC: f64 = 6_755_399_441_055_744.0;

/// c₀ + c₁ x + c₂ x² + ..
#[inline(always)]
fn polynomial<const N: usize>(x: f64, c: [f64; N]) -> f64 {
    let mut y = c[N - 1];
    for i in (0..N - 1).rev() {
        y = y.mul_add(x, c[i]);
    }
    y
}

/// eˣ where it is a normal number, else 10³⁰⁴ or 10⁻³⁰⁵: infinity and 0 in `f32`.
#[inline(always)]
fn exp_f64(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let n = (x * LOG2_E).round_ties_even();
    let r = n.mul_add(-LN_2, x); // |r| ≤ ln 2 / 2: the first term left out is r¹⁰ / 10! < 7e-12
    let p = polynomial(
        r,
        [
            1.0,
            1.0,
            1.0 / 2.0,
            1.0 / 6.0,
            1.0 / 24.0,
            1.0 / 120.0,
            1.0 / 720.0,
            1.0 / 5040.0,
            1.0 / 40_320.0,
            1.0 / 362_880.0,
        ],
    );
    let bits = (n + MAGIC)
        .to_bits()
        .wrapping_sub(MAGIC.to_bits())
        .wrapping_add(1023);
    p * f64::from_bits(bits << 52)
}

/// ln x for what was a number in `f32`: x = 2ᵉ m with m in [√½, √2), then 2 atanh((m - 1) / (m + 1)).
#[inline(always)]
fn ln_f64(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF);
    let e = ((shifted as i64) >> 52) as u64;
    let e = f64::from_bits(MAGIC.to_bits().wrapping_add(e)) - MAGIC;
    let m = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF));
    let f = m - 1.0;
    let s = f / (2.0 + f); // |s| < 0.172: the first term left out is s¹⁴ / 15 < 2e-12
    let p = polynomial(
        s * s,
        [
            2.0,
            2.0 / 3.0,
            2.0 / 5.0,
            2.0 / 7.0,
            2.0 / 9.0,
            2.0 / 11.0,
            2.0 / 13.0,
        ],
    );
    let y = s.mul_add(p, e * LN_2);
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f64::NAN } else { y }
}

/// 2ˣ
#[inline(always)]
pub(crate) fn exp2(x: f32) -> f32 {
    exp_f64(f64::from(x) * LN_2) as f32
}

/// The logarithm to base 2.
#[inline(always)]
pub(crate) fn log2(x: f32) -> f32 {
    (ln_f64(f64::from(x)) * LOG2_E) as f32
}

/// The logarithm to base 10.
#[inline(always)]
pub(crate) fn log10(x: f32) -> f32 {
    (ln_f64(f64::from(x)) * (1.0 / LN_10)) as f32
}

/// aᵇ = e^(b ln |a|), and what IEEE 754 says of signs, zeros and infinities.
#[inline(always)]
pub(crate) fn pow(a: f32, b: f32) -> f32 {
    let magnitude = exp_f64(f64::from(b) * ln_f64(f64::from(a.abs()))) as f32;
    let whole = b.floor() == b;
    let odd = whole && (b * 0.5).floor() != b * 0.5;
    let y = if a.is_sign_negative() && odd {
        -magnitude
    } else {
        magnitude
    };
    let y = if a < 0.0 && a != f32::NEG_INFINITY && !whole {
        f32::NAN
    } else {
        y
    };
    let y = if a.is_nan() || b.is_nan() {
        f32::NAN
    } else {
        y
    };
    let one = a == 1.0 || b == 0.0 || (a == -1.0 && b.is_infinite());
    if one { 1.0 } else { y }
}

/// The largest argument up to which [`sin`], [`cos`] and [`tan`] may be used.
pub(crate) const NEAR: f32 = 1e15;

/// Sine and cosine of r in [-π/4, π/4], where x = r + q π/2, and q. The reduction is exact to 2⁻⁵³: the product
/// of q and the upper part of π/2 is a multiple of 2⁻⁵² and so is its difference from x.
#[inline(always)]
fn quadrant(x: f32) -> (f64, f64, u64) {
    const PI_2_LOW: f64 = 6.123_233_995_736_766e-17;
    let x = f64::from(x);
    let n = (x * (2.0 * FRAC_1_PI)).round_ties_even();
    let r = n.mul_add(-PI_2_LOW, n.mul_add(-FRAC_PI_2, x));
    let z = r * r;
    let sin = r * polynomial(
        z,
        [
            1.0,
            -1.0 / 6.0,
            1.0 / 120.0,
            -1.0 / 5040.0,
            1.0 / 362_880.0,
            -1.0 / 39_916_800.0,
        ],
    );
    let cos = polynomial(
        z,
        [
            1.0,
            -1.0 / 2.0,
            1.0 / 24.0,
            -1.0 / 720.0,
            1.0 / 40_320.0,
            -1.0 / 3_628_800.0,
        ],
    );
    let sin = if x == 0.0 { x } else { sin }; // -0 stays
    (sin, cos, (n + MAGIC).to_bits())
}

/// sin x for |x| up to [`NEAR`].
#[inline(always)]
pub(crate) fn sin(x: f32) -> f32 {
    let (sin, cos, q) = quadrant(x);
    let y = if q & 1 == 0 { sin } else { cos };
    (if q & 2 == 0 { y } else { -y }) as f32
}

/// cos x for |x| up to [`NEAR`].
#[inline(always)]
pub(crate) fn cos(x: f32) -> f32 {
    let (sin, cos, q) = quadrant(x);
    let y = if q & 1 == 0 { cos } else { sin };
    (if (q + 1) & 2 == 0 { y } else { -y }) as f32
}

/// tan x for |x| up to [`NEAR`].
#[inline(always)]
pub(crate) fn tan(x: f32) -> f32 {
    let (sin, cos, q) = quadrant(x);
    let (a, b) = if q & 1 == 0 { (sin, cos) } else { (-cos, sin) };
    (a / b) as f32
}

/// atan x for x from 0 to infinity: to [0, 1] by π/2 - atan 1/x, to |t| < 0.415 by π/4 + atan (x-1)/(x+1).
#[inline(always)]
fn atan_f64(x: f64) -> f64 {
    let large = x > 1.0;
    let u = if large { 1.0 / x } else { x };
    let upper = u > 0.414_213_562_373_095;
    let t = if upper { (u - 1.0) / (u + 1.0) } else { u };
    let p = polynomial(
        t * t, // the first term left out is t²⁰ / 21 < 2e-9
        [
            1.0,
            -1.0 / 3.0,
            1.0 / 5.0,
            -1.0 / 7.0,
            1.0 / 9.0,
            -1.0 / 11.0,
            1.0 / 13.0,
            -1.0 / 15.0,
            1.0 / 17.0,
            -1.0 / 19.0,
        ],
    );
    let y = t * p + if upper { FRAC_PI_4 } else { 0.0 };
    if large { FRAC_PI_2 - y } else { y }
}

/// atan x
#[inline(always)]
pub(crate) fn atan(x: f32) -> f32 {
    (atan_f64(f64::from(x.abs())) as f32).copysign(x)
}

/// The angle of the point (x, y), from -π to π.
#[inline(always)]
pub(crate) fn atan2(y: f32, x: f32) -> f32 {
    let (a, b) = (f64::from(y.abs()), f64::from(x.abs()));
    let slope = if a == b { 1.0 } else { a / b }; // also where both are infinite
    let slope = if a == 0.0 { 0.0 } else { slope };
    let angle = atan_f64(slope);
    let angle = if x.is_sign_negative() {
        2.0 * FRAC_PI_2 - angle
    } else {
        angle
    };
    let angle = if x.is_nan() || y.is_nan() {
        f64::NAN
    } else {
        angle
    };
    (angle as f32).copysign(y)
}

/// asin x
#[inline(always)]
pub(crate) fn asin(x: f32) -> f32 {
    let a = f64::from(x.abs());
    (atan_f64(a / ((1.0 - a) * (1.0 + a)).sqrt()) as f32).copysign(x)
}

/// acos x
#[inline(always)]
pub(crate) fn acos(x: f32) -> f32 {
    let x = f64::from(x);
    (2.0 * atan_f64(((1.0 - x) / (1.0 + x)).sqrt())) as f32
}

/// sinh x
#[inline(always)]
pub(crate) fn sinh(x: f32) -> f32 {
    let x = f64::from(x);
    let e = exp_f64(x);
    let far = 0.5 * (e - 1.0 / e);
    let near = x.mul_add(x * x * (1.0 / 6.0), x);
    (if x.abs() < 1e-3 { near } else { far }) as f32
}

/// cosh x
#[inline(always)]
pub(crate) fn cosh(x: f32) -> f32 {
    let e = exp_f64(f64::from(x));
    (0.5 * (e + 1.0 / e)) as f32
}

/// The inverse of sinh.
#[inline(always)]
pub(crate) fn asinh(x: f32) -> f32 {
    let a = f64::from(x.abs());
    let far = ln_f64(a + a.mul_add(a, 1.0).sqrt());
    let near = a.mul_add(a * a * (-1.0 / 6.0), a);
    ((if a < 1e-3 { near } else { far }) as f32).copysign(x)
}

/// The inverse of cosh.
#[inline(always)]
pub(crate) fn acosh(x: f32) -> f32 {
    let x = f64::from(x);
    if x < 1.0 {
        return f32::NAN; // far below, x + √(x² - 1) is rounded to 0
    }
    ln_f64(x + ((x - 1.0) * (x + 1.0)).sqrt()) as f32
}

/// The inverse of tanh.
#[inline(always)]
pub(crate) fn atanh(x: f32) -> f32 {
    let x = f64::from(x);
    let far = 0.5 * ln_f64((1.0 + x) / (1.0 - x));
    let near = x.mul_add(x * x * (1.0 / 3.0), x);
    (if x.abs() < 1e-3 { near } else { far }) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest distance from the exact value, in units in the last place.
    fn worst(f: fn(f32) -> f32, exact: fn(f64) -> f64, from: f32, to: f32) -> (f64, f32) {
        let steps = 100_000;
        let at = |i: i32| from + (to - from) * i as f32 / steps as f32;
        (0..=steps).map(at).fold((0.0, 0.0), |worst, x| {
            let (got, exact) = (f64::from(f(x)), exact(f64::from(x)));
            let nearest = (exact as f32).abs();
            let ulp = f64::from(nearest.next_up()) - f64::from(nearest);
            let error = (got - exact).abs() / ulp;
            let equal = got as f32 == exact as f32 || (got.is_nan() && exact.is_nan());
            if !equal && (error.is_nan() || error > worst.0) {
                (error, x)
            } else {
                worst
            }
        })
    }

    #[test]
    fn every_function_is_the_exact_one_rounded() {
        type Case = (&'static str, fn(f32) -> f32, fn(f64) -> f64, f32, f32);
        let cases: [Case; 20] = [
            ("exp2", exp2, f64::exp2, -150.0, 129.0),
            ("log2", log2, f64::log2, 0.0, 3.0),
            ("log10", log10, f64::log10, 1e-40, 1e38),
            ("sin", sin, f64::sin, -100.0, 100.0),
            ("sin", sin, f64::sin, 9e14, 1e15),
            ("cos", cos, f64::cos, -100.0, 100.0),
            ("cos", cos, f64::cos, -1e15, 0.0),
            ("tan", tan, f64::tan, -10.0, 10.0),
            ("atan", atan, f64::atan, -5.0, 5.0),
            ("atan", atan, f64::atan, -1e-3, 1e8),
            ("asin", asin, f64::asin, -1.0, 1.0),
            ("acos", acos, f64::acos, -1.0, 1.0),
            ("sinh", sinh, f64::sinh, -90.0, 90.0),
            ("sinh", sinh, f64::sinh, -0.01, 0.01),
            ("cosh", cosh, f64::cosh, -90.0, 90.0),
            ("asinh", asinh, libm::asinh, -10.0, 10.0),
            ("asinh", asinh, libm::asinh, -0.01, 0.01),
            ("acosh", acosh, libm::acosh, 1.0, 10.0),
            ("atanh", atanh, libm::atanh, -1.0, 1.0),
            ("atanh", atanh, libm::atanh, -0.01, 0.01),
        ];
        for (name, f, exact, from, to) in cases {
            let (error, at) = worst(f, exact, from, to);
            assert!(error <= 0.6, "{name}({at}) is off by {error:.2} ulp");
        }
    }

    #[test]
    fn powers_are_those_of_the_standard_library_rounded() {
        for a in [
            0.0f32,
            -0.0,
            0.3,
            1.0,
            -1.0,
            1.5,
            -2.0,
            7.25,
            1e-40,
            1e38,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ] {
            for b in [
                0.0f32,
                -0.0,
                0.5,
                1.0,
                -1.0,
                2.0,
                3.0,
                -3.0,
                2.5,
                1e10,
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::NAN,
            ] {
                let (got, exact) = (pow(a, b), f64::from(a).powf(f64::from(b)) as f32);
                assert!(
                    got.to_bits() == exact.to_bits() || (got.is_nan() && exact.is_nan()),
                    "{a}^{b} is {exact}, not {got}"
                );
            }
        }
        let (error, at) = worst(|x| pow(x, 2.7), |x| x.powf(f64::from(2.7f32)), 0.0, 1e3);
        assert!(error <= 0.6, "{at}^2.7 is off by {error:.2} ulp");
    }

    #[test]
    fn angles_are_right_in_every_quadrant_and_on_the_axes() {
        let numbers = [
            0.0f32,
            -0.0,
            1.0,
            -1.0,
            0.3,
            -5.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        for y in numbers {
            for x in numbers {
                let (got, exact) = (atan2(y, x), f64::from(y).atan2(f64::from(x)) as f32);
                assert!(
                    got.to_bits() == exact.to_bits() || (got.is_nan() && exact.is_nan()),
                    "atan2({y}, {x}) is {exact}, not {got}"
                );
            }
        }
    }

    #[test]
    fn the_edges_are_those_of_the_definitions() {
        let inf = f32::INFINITY;
        assert_eq!((exp2(inf), exp2(-inf), exp2(10.0)), (inf, 0.0, 1024.0));
        assert_eq!((log2(0.0), log2(inf), log2(8.0)), (-inf, inf, 3.0));
        assert_eq!((log10(1000.0), log10(1.0)), (3.0, 0.0));
        assert_eq!((sinh(inf), sinh(-inf), cosh(-inf)), (inf, -inf, inf));
        assert_eq!(
            (asinh(-inf), acosh(inf), atanh(1.0), atanh(-1.0)),
            (-inf, inf, inf, -inf)
        );
        assert_eq!(
            (asin(1.0), acos(-1.0)),
            (FRAC_PI_2 as f32, 2.0 * FRAC_PI_2 as f32)
        );
        assert!(log2(-1.0).is_nan() && asin(1.1).is_nan() && acosh(0.9).is_nan());
        for f in [
            exp2, log2, log10, sin, cos, tan, asin, acos, atan, sinh, cosh, asinh, acosh, atanh,
        ] {
            assert!(f(f32::NAN).is_nan());
        }
        for f in [sin, tan, asin, atan, sinh, asinh, atanh] {
            assert_eq!(f(-0.0).to_bits(), (-0.0f32).to_bits());
        }
    }
}
