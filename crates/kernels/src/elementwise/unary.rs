//! Functions of one number, each with its slope: the whole table of them.

use super::{map, zip};
use crate::Float;

/// One line each: the function of `x`, and its slope, written in `x` (`from x`) or, where that is cheaper, in
/// the result `y` (`from y`).
macro_rules! table {
    ($( $(#[$doc:meta])* $name:ident $(($($arg:ident),+))? = |$x:ident| $value:expr, from $kept:ident |$s:ident| $slope:expr; )*) => {
        /// A function of one number.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub enum Unary {
            $( $(#[$doc])* $name $(($(table!(@f64 $arg)),+))?, )*
        }

        impl Unary {
            /// Whether the slope is written in the result rather than in the argument.
            #[must_use]
            pub fn keeps_output(self) -> bool {
                match self {
                    $( Self::$name $(($(table!(@any $arg)),+))? => table!(@is_y $kept), )*
                }
            }
        }

        /// `y[i] = op(x[i])`
        pub fn unary<T: Float>(op: Unary, y: &mut [T], x: &[T]) {
            match op {
                $( Unary::$name $(($($arg),+))? => {
                    $($(let $arg = T::of($arg);)+)?
                    map(y, x, #[inline(always)] move |$x: T| $value);
                } )*
            }
        }

        /// `dx[i] = dy[i] op'(kept[i])`, where `kept` is the result if [`Unary::keeps_output`], else the argument.
        pub fn unary_backward<T: Float>(op: Unary, dx: &mut [T], dy: &[T], kept: &[T]) {
            match op {
                $( Unary::$name $(($($arg),+))? => {
                    $($(let $arg = T::of($arg);)+)?
                    zip(dx, dy, kept, #[inline(always)] move |dy: T, $s: T| {
                        $(let _ = ($($arg),+);)?
                        dy * $slope
                    });
                } )*
            }
        }
    };
    (@f64 $arg:ident) => { f64 };
    (@any $arg:ident) => { _ };
    (@is_y y) => { true };
    (@is_y x) => { false };
}

table! {
    /// -x
    Neg = |x| -x, from x |_x| -T::ONE;
    /// x + c
    AddScalar(c) = |x| x + c, from x |_x| T::ONE;
    /// c x
    MulScalar(c) = |x| x * c, from x |_x| c;
    /// |x|
    Abs = |x| x.abs(), from x |x| sign(x);
    /// x²
    Square = |x| x * x, from x |x| x + x;
    /// √x
    Sqrt = |x| x.sqrt(), from y |y| T::of(0.5) / y;
    /// 1/√x
    Rsqrt = |x| T::ONE / x.sqrt(), from y |y| T::of(-0.5) * y * y * y;
    /// 1/x
    Reciprocal = |x| T::ONE / x, from y |y| -(y * y);
    /// eˣ
    Exp = |x| x.exp(), from y |y| y;
    /// Natural logarithm.
    Ln = |x| x.ln(), from x |x| T::ONE / x;
    /// tanh x
    Tanh = |x| x.tanh(), from y |y| T::ONE - y * y;
    /// 1 / (1 + e⁻ˣ)
    Sigmoid = |x| x.sigmoid(), from y |y| y * (T::ONE - y);
    /// max(x, 0); the slope at 0 is 0.
    Relu = |x| if x <= T::ZERO { T::ZERO } else { x }, from y |y| where_(y > T::ZERO, T::ONE);
    /// -1, 0 or 1.
    Sign = |x| sign(x), from x |_x| T::ZERO;
    /// Rounds down.
    Floor = |x| x.floor(), from x |_x| T::ZERO;
    /// Rounds up.
    Ceil = |x| x.ceil(), from x |_x| T::ZERO;
    /// Rounds to the nearest whole number, halves to even.
    Round = |x| x.round(), from x |_x| T::ZERO;
    /// Rounds toward zero.
    Trunc = |x| x.trunc(), from x |_x| T::ZERO;
    /// x - trunc x
    Frac = |x| x - x.trunc(), from x |_x| T::ONE;
    /// 2ˣ
    Exp2 = |x| x.exp2(), from y |y| y * T::of(std::f64::consts::LN_2);
    /// eˣ - 1
    ExpM1 = |x| x.exp_m1(), from y |y| y + T::ONE;
    /// ln(1 + x)
    Ln1p = |x| x.ln_1p(), from x |x| T::ONE / (T::ONE + x);
    /// The logarithm to base 2.
    Log2 = |x| x.log2(), from x |x| T::of(std::f64::consts::LOG2_E) / x;
    /// The logarithm to base 10.
    Log10 = |x| x.log10(), from x |x| T::of(std::f64::consts::LOG10_E) / x;
    /// xᶜ; for c = 0 it is 1 and its slope 0.
    Powf(c) = |x| x.pow(c), from x |x| if c == T::ZERO { c } else { c * x.pow(c - T::ONE) };
    /// asin x
    Asin = |x| x.asin(), from x |x| T::ONE / (T::ONE - x * x).sqrt();
    /// acos x
    Acos = |x| x.acos(), from x |x| -T::ONE / (T::ONE - x * x).sqrt();
    /// atan x
    Atan = |x| x.atan(), from x |x| T::ONE / (T::ONE + x * x);
    /// sinh x
    Sinh = |x| x.sinh(), from x |x| x.cosh();
    /// cosh x
    Cosh = |x| x.cosh(), from x |x| x.sinh();
    /// The inverse of sinh.
    Asinh = |x| x.asinh(), from x |x| T::ONE / (x * x + T::ONE).sqrt();
    /// The inverse of cosh.
    Acosh = |x| x.acosh(), from x |x| T::ONE / (x * x - T::ONE).sqrt();
    /// The inverse of tanh.
    Atanh = |x| x.atanh(), from x |x| T::ONE / (T::ONE - x * x);
    /// The error function.
    Erf = |x| x.erf(), from x |x| T::of(std::f64::consts::FRAC_2_SQRT_PI) * (-(x * x)).exp();
    /// 1 - erf x
    Erfc = |x| x.erfc(), from x |x| T::of(-std::f64::consts::FRAC_2_SQRT_PI) * (-(x * x)).exp();
    /// x, but at least a and at most b; the slope is 1 where a ≤ x ≤ b.
    Clamp(a, b) = |x| clamp(x, a, b), from x |x| where_(x >= a && x <= b, T::ONE);

    // Activations. Slopes at kinks are PyTorch's.

    /// As `Clamp`, but the slope is 1 where a < x < b.
    Hardtanh(a, b) = |x| clamp(x, a, b), from x |x| where_(x > a && x < b, T::ONE);
    /// x > 0: x, else c x
    LeakyRelu(c) = |x| if x > T::ZERO { x } else { c * x }, from x |x| if x > T::ZERO { T::ONE } else { c };
    /// x > 0: c x, else a (e^(b x) - 1)
    Elu(a, b, c) = |x| if x > T::ZERO { c * x } else { a * (b * x).exp_m1() },
        from x |x| if x > T::ZERO { c } else { a * b * (b * x).exp() };
    /// x Φ(x), with the normal distribution Φ.
    Gelu = |x| x * normal_cdf(x),
        from x |x| normal_cdf(x) + x * T::of(0.398_942_280_401_432_7) * (T::of(-0.5) * x * x).exp();
    /// x (1 + tanh u) / 2 with u = √(2/π) (x + 0.044715 x³)
    GeluTanh = |x| T::of(0.5) * x * (T::ONE + gelu_inner(x).tanh()),
        from x |x| {
            let x = clamp(x, T::of(-20.0), T::of(20.0)); // the slope is 0 or 1 beyond
            let t = gelu_inner(x).tanh();
            let du = T::of(SQRT_2_PI) * (T::ONE + T::of(3.0 * GELU_CUBIC) * x * x);
            T::of(0.5) * (T::ONE + t) + T::of(0.5) * x * (T::ONE - t * t) * du
        };
    /// x σ(x)
    Silu = |x| x * x.sigmoid(), from x |x| {
        let s = x.sigmoid();
        s * (T::ONE + x * (T::ONE - s))
    };
    /// x tanh ln(1 + eˣ) = x n / (n + 2) with n = eˣ (eˣ + 2)
    Mish = |x| { let n = mish_inner(x); x * (n / (n + T::of(2.0))) },
        from x |x| {
            let n = mish_inner(x);
            let r = T::ONE / (n + T::of(2.0));
            let slope = n * r + x * x.sigmoid() * T::of(4.0) * (n + T::ONE) * r * r;
            if x > T::of(20.0) { T::ONE } else { slope }
        };
    /// ln(1 + e^(b x)) / b, and x where b x is above c.
    Softplus(b, c) = |x| if b * x > c { x } else { (b * x).exp().ln_1p() / b },
        from x |x| if b * x > c { T::ONE } else { (b * x).sigmoid() };
    /// x / (1 + |x|)
    Softsign = |x| x / (T::ONE + x.abs()), from x |x| {
        let r = T::ONE / (T::ONE + x.abs());
        r * r
    };
    /// x moved toward 0 by c, and 0 where |x| ≤ c.
    Softshrink(c) = |x| x - clamp(x, -c, c), from x |x| where_(x > c || x < -c, T::ONE);
    /// x, and 0 where |x| ≤ c.
    Hardshrink(c) = |x| if x <= c && x >= -c { T::ZERO } else { x }, from x |x| where_(x > c || x < -c, T::ONE);
    /// x - tanh x
    Tanhshrink = |x| x - x.tanh(), from x |x| {
        let t = x.tanh();
        t * t
    };
    /// 0 to 1 on a line from -3 to 3.
    Hardsigmoid = |x| clamp(x + T::of(3.0), T::ZERO, T::of(6.0)) * T::of(1.0 / 6.0),
        from x |x| where_(x > T::of(-3.0) && x < T::of(3.0), T::of(1.0 / 6.0));
    /// x hardsigmoid(x)
    Hardswish = |x| x * clamp(x + T::of(3.0), T::ZERO, T::of(6.0)) * T::of(1.0 / 6.0),
        from x |x| {
            let y = if x >= T::of(3.0) { T::ONE } else { x * T::of(1.0 / 3.0) + T::of(0.5) };
            if x <= T::of(-3.0) { T::ZERO } else { y }
        };
    /// ln σ(x)
    LogSigmoid = |x| (if x < T::ZERO { x } else { T::ZERO }) - (-x.abs()).exp().ln_1p(), from x |x| (-x).sigmoid();
    /// x where it is above t, else v.
    Threshold(t, v) = |x| if x <= t { v } else { x }, from x |x| { let _ = v; where_(x > t, T::ONE) };
}

const SQRT_2_PI: f64 = 0.797_884_560_802_865_4;
const GELU_CUBIC: f64 = 0.044715;

/// `x` if `condition`, else 0.
#[inline(always)]
fn where_<T: Float>(condition: bool, x: T) -> T {
    if condition { x } else { T::ZERO }
}

/// NaN stays.
#[inline(always)]
fn clamp<T: Float>(x: T, low: T, high: T) -> T {
    let y = if x < low { low } else { x };
    if y > high { high } else { y }
}

#[inline(always)]
fn normal_cdf<T: Float>(x: T) -> T {
    T::of(0.5) * (T::ONE + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

#[inline(always)]
fn gelu_inner<T: Float>(x: T) -> T {
    T::of(SQRT_2_PI) * (x + T::of(GELU_CUBIC) * x * x * x)
}

#[inline(always)]
fn mish_inner<T: Float>(x: T) -> T {
    let e = (if x > T::of(30.0) { T::of(30.0) } else { x }).exp(); // beyond, the quotient is 1
    e * (e + T::of(2.0))
}

#[inline(always)]
fn sign<T: Float>(x: T) -> T {
    let y = if x > T::ZERO { T::ONE } else { x };
    if x < T::ZERO { -T::ONE } else { y }
}
