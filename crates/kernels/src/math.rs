//! Elementary functions in `f32` that vectorize: no branches, no tables, fused multiply-adds.
//!
//! Each stays within 2.5 units in the last place of the exact value (checked below against `f64`).
//! In `f64`, where exactness counts and speed does not, the standard library and `libm` are used.

#![expect(
    clippy::excessive_precision,
    reason = "coefficients as they were derived"
)]

/// eˣ. Cody and Waite's reduction x = n ln 2 + r, then a polynomial of degree 6 on |r| ≤ ln 2 / 2.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LN2_HI: f32 = 0.693_145_75;
    const LN2_LO: f32 = 1.428_606_8e-6;
    let n = (x * std::f32::consts::LOG2_E)
        .clamp(-151.0, 129.0)
        .round_ties_even();
    let r = n.mul_add(-LN2_LO, n.mul_add(-LN2_HI, x));
    let p = 1.984_126_984e-4f32;
    let p = p.mul_add(r, 1.388_888_889e-3);
    let p = p.mul_add(r, 8.333_333_333e-3);
    let p = p.mul_add(r, 4.166_666_667e-2);
    let p = p.mul_add(r, 1.666_666_667e-1);
    let p = p.mul_add(r, 0.5);
    let p = (p * r).mul_add(r, r) + 1.0;
    // 2ⁿ in two factors, so that results below the normal range are rounded, not flushed.
    let half = (n * 0.5).floor();
    let y = p * power_of_two(half) * power_of_two(n - half);
    let y = if x > 88.722_84 { f32::INFINITY } else { y };
    let y = if x < -103.972_08 { 0.0 } else { y };
    if x.is_nan() { x } else { y }
}

/// eˣ for x ≤ 0 (and a little above), in half the operations: what is below the normal range becomes 0. For sums
/// and shares such as softmax, where that is nothing beside the largest, which is 1.
///
/// x log₂e = n + r, then a minimax polynomial of degree 5 for 2ʳ on |r| ≤ ½.
#[inline(always)]
pub fn exp_nonpositive(x: f32) -> f32 {
    const LOG2E_LO: f32 = 1.925_963e-8;
    // Adding this leaves n + 127, the exponent's bits, in the low bits of the significand.
    const ROUND: f32 = 12_582_912.0 + 127.0;
    let x = if -88.029_69 > x { -88.029_69 } else { x }; // n = -127, hence 0; NaN stays
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = x.mul_add(LOG2E_LO, x.mul_add(std::f32::consts::LOG2_E, -n));
    let p = 1.326_472_721e-3f32;
    let p = p.mul_add(r, 9.671_512_812e-3);
    let p = p.mul_add(r, 5.550_733_745e-2);
    let p = p.mul_add(r, 2.402_224_208e-1);
    let p = p.mul_add(r, 6.931_469_776e-1);
    p.mul_add(r, 1.0) * f32::from_bits(shifted.to_bits() << 23)
}

/// 2ⁿ for whole n in -126..=127.
#[inline(always)]
fn power_of_two(n: f32) -> f32 {
    // Adding 1.5 × 2²³ leaves n in the low bits of the significand: a conversion that always vectorizes.
    let bits = (n + 12_582_912.0).to_bits();
    f32::from_bits(bits.wrapping_sub(0x4b40_0000).wrapping_add(127) << 23)
}

/// eˣ - 1 without cancellation near 0.
#[inline(always)]
pub fn exp_m1(x: f32) -> f32 {
    // Series to degree 8 where eˣ - 1 would cancel.
    let p = 2.480_158_73e-5f32;
    let p = p.mul_add(x, 1.984_126_984e-4);
    let p = p.mul_add(x, 1.388_888_889e-3);
    let p = p.mul_add(x, 8.333_333_333e-3);
    let p = p.mul_add(x, 4.166_666_667e-2);
    let p = p.mul_add(x, 1.666_666_667e-1);
    let p = p.mul_add(x, 0.5);
    let near = (p * x).mul_add(x, x);
    let far = exp(x) - 1.0;
    if x.abs() < 0.5 { near } else { far }
}

/// tanh x = (e²ˣ - 1) / (e²ˣ + 1).
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let e = exp_m1(2.0 * x.abs().min(10.0));
    let y = (e / (e + 2.0)).copysign(x);
    // A tiny x is its own tanh, and NaN stays.
    if x.abs() < 4e-4 || x.is_nan() { x } else { y }
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Natural logarithm: x = 2ᵉ m with m in [√½, √2), then 2 atanh((m - 1) / (m + 1)) as a series.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    const LN2_HI: f32 = 0.693_359_375;
    const LN2_LO: f32 = -2.121_944_4e-4;
    // Lift subnormal numbers into the normal range first.
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits();
    let shifted = bits.wrapping_sub(0x3f35_04f3); // √½
    let e = ((shifted as i32) >> 23) as f32 - if tiny { 23.0 } else { 0.0 };
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let p = 0.222_222_22f32.mul_add(z, 0.285_714_3);
    let p = p.mul_add(z, 0.4);
    let p = p.mul_add(z, 0.666_666_67);
    // ln(1+f) = f - (f²/2 - s (f²/2 + R)), exact to the last places where f is small.
    let hfsq = 0.5 * f * f;
    let tail = s.mul_add(hfsq + z * p, e * LN2_LO);
    let y = e.mul_add(LN2_HI, f - (hfsq - tail));
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f32::NAN } else { y }
}

/// ln(1 + x) without cancellation near 0.
#[inline(always)]
pub fn ln_1p(x: f32) -> f32 {
    // ln(u) x / (u - 1) with u = 1 + x corrects for what rounding u lost (W. Kahan).
    let u = 1.0 + x;
    let y = ln(u) * (x / (u - 1.0));
    let y = if u == 1.0 { x } else { y };
    if u == f32::INFINITY || x <= -1.0 {
        ln(u)
    } else {
        y
    }
}

/// The error function: an odd polynomial for |x| < 1, and 1 - e^-q(x) with a polynomial q up to 4, where it
/// rounds to 1. Both polynomials interpolate at Chebyshev's nodes.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let a = x.abs().min(4.0);
    let z = a * a;
    let p = 7.882_497_12e-5f32;
    let p = p.mul_add(z, -8.018_854_99e-4);
    let p = p.mul_add(z, 5.189_311_94e-3);
    let p = p.mul_add(z, -2.685_432_88e-2);
    let p = p.mul_add(z, 1.128_359_746e-1);
    let p = p.mul_add(z, -3.761_262_69e-1);
    let p = p.mul_add(z, 1.283_791_66e-1);
    let near = p.mul_add(a, a); // the leading coefficient is 1.128...: 1 is added exactly
    let t = a.mul_add(2.0 / 3.0, -5.0 / 3.0);
    let q = -4.136_663_34e-5f32;
    let q = q.mul_add(t, 2.274_034_12e-4);
    let q = q.mul_add(t, -8.815_708_79e-4);
    let q = q.mul_add(t, 3.190_472_81e-3);
    let q = q.mul_add(t, -1.096_112_41e-2);
    let q = q.mul_add(t, 3.664_749_49e-2);
    let q = q.mul_add(t, 2.123_760_69);
    let q = q.mul_add(t, 8.029_021_02);
    let q = q.mul_add(t, 7.806_815_28);
    let far = 1.0 - exp(-q);
    let y = if a < 1.0 { near } else { far };
    if x.is_nan() { x } else { y.copysign(x) }
}

#[cfg(test)]
mod tests {
    /// The distance from the exact value in units in the last place of `f32`.
    fn ulps(got: f32, exact: f64) -> f64 {
        let nearest = exact as f32;
        if got == nearest || (got.is_nan() && nearest.is_nan()) {
            return 0.0;
        }
        let ulp = f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
        (f64::from(got) - exact).abs() / ulp
    }

    fn worst(f: fn(f32) -> f32, exact: fn(f64) -> f64, from: f32, to: f32) -> (f64, f32) {
        let steps = 200_000;
        (0..=steps)
            .map(|i| from + (to - from) * i as f32 / steps as f32)
            .map(|x| (ulps(f(x), exact(f64::from(x))), x))
            .fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a })
    }

    #[test]
    fn the_short_exponential_is_as_accurate_and_ends_in_zero() {
        let (worst, at) = worst(super::exp_nonpositive, f64::exp, -87.3, 1.0);
        assert!(worst < 2.5, "{worst} at {at}");
        for x in [-88.1, -1e4, f32::NEG_INFINITY] {
            assert_eq!(super::exp_nonpositive(x), 0.0);
        }
        assert_eq!(super::exp_nonpositive(0.0), 1.0);
        assert!(super::exp_nonpositive(f32::NAN).is_nan());
    }

    /// A function, its exact form, and where to compare them.
    type Case = (
        &'static str,
        fn(f32) -> f32,
        fn(f64) -> f64,
        &'static [(f32, f32)],
    );

    #[test]
    fn every_function_stays_close_to_the_exact_value() {
        let cases: [Case; 7] = [
            ("exp", super::exp, f64::exp, &[(-103.0, 88.72), (-1.0, 1.0)]),
            (
                "exp_m1",
                super::exp_m1,
                f64::exp_m1,
                &[(-20.0, 88.0), (-0.6, 0.6), (-1e-5, 1e-5)],
            ),
            (
                "tanh",
                super::tanh,
                f64::tanh,
                &[(-12.0, 12.0), (-0.6, 0.6), (-1e-3, 1e-3)],
            ),
            (
                "sigmoid",
                super::sigmoid,
                |x| 1.0 / (1.0 + (-x).exp()),
                &[(-80.0, 30.0), (-2.0, 2.0)],
            ),
            ("erf", super::erf, libm::erf, &[(-5.0, 5.0), (-1e-3, 1e-3)]),
            (
                "ln",
                super::ln,
                f64::ln,
                &[(1e-38, 1e38), (0.5, 2.0), (1e-44, 1e-38), (0.99, 1.01)],
            ),
            (
                "ln_1p",
                super::ln_1p,
                f64::ln_1p,
                &[(-0.999, 100.0), (-1e-4, 1e-4)],
            ),
        ];
        for (name, f, exact, ranges) in cases {
            for &(from, to) in ranges {
                let (error, at) = worst(f, exact, from, to);
                assert!(error <= 2.5, "{name}({at}) is off by {error:.2} ulp");
            }
        }
    }

    #[test]
    fn the_edges_are_those_of_the_definitions() {
        let inf = f32::INFINITY;
        assert_eq!(
            (super::exp(inf), super::exp(-inf), super::exp(0.0)),
            (inf, 0.0, 1.0)
        );
        assert_eq!((super::exp(89.0), super::exp(-104.0)), (inf, 0.0));
        assert_eq!(
            (super::ln(0.0), super::ln(inf), super::ln(1.0)),
            (-inf, inf, 0.0)
        );
        assert_eq!((super::tanh(inf), super::tanh(-inf)), (1.0, -1.0));
        assert_eq!((super::exp_m1(-inf), super::exp_m1(inf)), (-1.0, inf));
        assert_eq!(
            (super::ln_1p(-1.0), super::ln_1p(inf), super::ln_1p(0.0)),
            (-inf, inf, 0.0)
        );
        assert_eq!(super::tanh(-0.0).to_bits(), (-0.0f32).to_bits());
        for f in [
            super::exp,
            super::exp_m1,
            super::tanh,
            super::sigmoid,
            super::erf,
            super::ln,
            super::ln_1p,
        ] {
            assert!(f(f32::NAN).is_nan());
        }
        assert!(super::ln(-1.0).is_nan() && super::ln_1p(-2.0).is_nan());
    }
}
