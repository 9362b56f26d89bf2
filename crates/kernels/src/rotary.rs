//! Rotary positions: pairs of columns turned by an angle of the row (Su et al. 2021, "RoFormer", arXiv:2104.09864).
//!
//! ```text
//! forward    yₐ = xₐ cos θ − x_b sin θ      y_b = x_b cos θ + xₐ sin θ
//! backward   the same by −θ
//! ```
//!
//! Of `D` columns the first `R` are turned, `R / 2` pairs; pair `i` is columns `2 i` and `2 i + 1`, or `i` and `i + R / 2`.

use crate::elementwise::View;
use crate::simd::vectorize;
use crate::team::{self, Rows};
use crate::{Float, elementwise};

/// Which columns are a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// Neighbours.
    Neighbours,
    /// Those at the same place of both halves.
    Halves,
}

/// Of each row `(b, t)`, where its `R / 2` cosines and sines are, through strides of three axes.
#[derive(Debug, Clone, Copy)]
pub struct Angles<'a, T> {
    /// `(B, T, R / 2)`; the columns lie side by side.
    pub cos: View<'a, T>,
    /// As the cosines.
    pub sin: View<'a, T>,
    /// `R / 2`
    pub pairs: usize,
}

/// `y (B, T, H, D)`, in line, from `x (B, H, T, D)`, whose columns lie side by side. `back` turns the other way.
///
/// # Panics
/// If the lengths do not fit.
pub fn rotate<T: Float>(
    y: &mut [T],
    x: View<'_, T>,
    [batch, heads, rows, width]: [usize; 4],
    angles: &Angles<'_, T>,
    pairs: Pairs,
    back: bool,
) {
    assert_eq!(y.len(), batch * heads * rows * width);
    let in_line = |view: &View<'_, T>, n: usize| n <= 1 || view.strides.last() == Some(&1);
    assert!(2 * angles.pairs <= width && in_line(&x, width));
    assert!(in_line(&angles.cos, angles.pairs) && in_line(&angles.sin, angles.pairs));
    if y.is_empty() {
        return;
    }
    let part = |view: &View<'_, T>, b: usize, t: usize| {
        let at = view.offset + b * view.strides[0] + t * view.strides[1];
        // An empty view may begin behind its slice.
        if angles.pairs == 0 {
            0..0
        } else {
            at..at + angles.pairs
        }
    };
    let sign = if back { -T::ONE } else { T::ONE };
    let chunk = (elementwise::CHUNK / (heads * width)).max(1);
    team::split(Rows::new(y, heads * width), chunk, |first, y| {
        vectorize(
            #[inline(always)]
            || {
                for (i, y) in y.chunks_exact_mut(heads * width).enumerate() {
                    let (b, t) = ((first + i) / rows, (first + i) % rows);
                    let cos = &angles.cos.data[part(&angles.cos, b, t)];
                    let sin = &angles.sin.data[part(&angles.sin, b, t)];
                    for (h, y) in y.chunks_exact_mut(width).enumerate() {
                        let at = x.offset + b * x.strides[0] + h * x.strides[1] + t * x.strides[2];
                        turn(y, &x.data[at..][..width], cos, sin, sign, pairs);
                    }
                }
            },
        );
    });
}

/// A row, turned.
#[inline(always)]
fn turn<T: Float>(y: &mut [T], x: &[T], cos: &[T], sin: &[T], sign: T, pairs: Pairs) {
    let turned = 2 * cos.len();
    y[turned..].copy_from_slice(&x[turned..]);
    let (x, y) = (&x[..turned], &mut y[..turned]);
    let angles = cos.iter().zip(sin);
    match pairs {
        Pairs::Neighbours => {
            let (x, y) = (x.as_chunks::<2>().0, y.as_chunks_mut::<2>().0);
            for ((y, x), (cos, sin)) in y.iter_mut().zip(x).zip(angles) {
                let sin = *sin * sign;
                *y = [x[0] * *cos - x[1] * sin, x[1] * *cos + x[0] * sin];
            }
        }
        Pairs::Halves => {
            let (xa, xb) = x.split_at(cos.len());
            let (ya, yb) = y.split_at_mut(cos.len());
            for (((ya, yb), (xa, xb)), (cos, sin)) in
                ya.iter_mut().zip(yb).zip(xa.iter().zip(xb)).zip(angles)
            {
                let sin = *sin * sign;
                *ya = *xa * *cos - *xb * sin;
                *yb = *xb * *cos + *xa * sin;
            }
        }
    }
}
