//! The logarithm of a sum of exponentials, in one pass over memory.
//!
//! ```text
//! forward   y = m + ln Σ e^(xᵢ - m)      m = max x
//! ```
//!
//! `x` is `(outer, n, inner)`, `y` is `(outer, inner)`. The slope is softmax: `dxᵢ = dy e^(xᵢ - y)`.

use crate::Float;
use crate::lines::{Lines, for_rows, larger, rows_per_task};
use crate::reduce::fold_row;
use crate::simd::vectorize;
use crate::softmax::{exp_sum_row, max_and_exp_sum_tile};
use crate::team::{Rows, Shared};

/// `y = ln Σ e^x` over the middle axis; minus infinity over nothing.
///
/// # Panics
/// If the lengths do not fit.
pub fn forward<T: Float>(y: &mut [T], x: &[T], n: usize, inner: usize) {
    assert_eq!(x.len(), y.len() * n);
    if n == 0 {
        return y.fill(T::NEG_INFINITY);
    }
    let lines = Lines::new(x.len(), n, inner);
    if lines.are_rows() {
        for_rows(
            (y, Rows::new(x, n)),
            rows_per_task(n),
            #[inline(always)]
            |_, (y, x)| {
                for (y, x) in y.iter_mut().zip(x.chunks_exact(n)) {
                    let max = finite(fold_row(x, T::NEG_INFINITY, |x| x, |m, x| larger(x, m)));
                    *y = max + exp_sum_row(x, max).ln();
                }
            },
        );
        return;
    }
    let y = Shared::new(y);
    lines.for_tiles(1, |range, tile| {
        let w = range.len();
        // SAFETY: each tile has its own lines.
        let y = unsafe { y.part(range.clone()) };
        let (mut max, mut sum) = (vec![T::ZERO; w], vec![T::ZERO; w]);
        vectorize(
            #[inline(always)]
            || {
                lines.gather(tile, x, &range);
                max_and_exp_sum_tile(tile, &mut max, &mut sum);
                for l in 0..w {
                    if finite(max[l]) != max[l] {
                        max[l] = T::ZERO;
                        sum[l] = T::ZERO;
                        tile.iter()
                            .skip(l)
                            .step_by(w)
                            .for_each(|x| sum[l] += x.exp());
                    }
                    y[l] = max[l] + sum[l].ln();
                }
            },
        );
    });
}

/// What is taken off before the exponentials: an infinite maximum would give NaN.
#[inline(always)]
fn finite<T: Float>(max: T) -> T {
    if max.abs() == T::INFINITY {
        T::ZERO
    } else {
        max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_and_nan_come_through_rows_and_tiles() {
        let inf = f64::INFINITY;
        for n in [3, 40] {
            let mut x = vec![-inf; 4 * n];
            (x[n], x[2 * n], x[3 * n]) = (inf, f64::NAN, 1000.0);
            x[3 * n + 1] = 1000.0;
            let mut y = [0.0; 4];
            forward(&mut y, &x, n, 1);
            assert_eq!(y[..2], [-inf, inf]);
            assert!(y[2].is_nan());
            assert!((y[3] - 1000.0 - 2.0f64.ln()).abs() < 1e-12);
        }
    }
}
