//! Running sums, and the slope of a product.

use crate::Float;
use crate::buffer::Plain;
use crate::team::{self, Rows, Shared};

/// Columns worked on at a time.
const STRIP: usize = 512;

/// `yⱼ = Σ xᵢ` over i ≤ j (or i ≥ j if `reverse`) along the middle axis of `(outer, n, inner)`. The sum runs in the
/// type `S` (`f64` for floats) and each result is rounded once.
///
/// # Panics
/// If the lengths do not fit.
pub fn cumulative_sum<T: Plain, S: Copy + Sync>(
    y: &mut [T],
    x: &[T],
    n: usize,
    inner: usize,
    reverse: bool,
    zero: S,
    add: impl Fn(S, T) -> S + Copy + Sync,
    round: impl Fn(S) -> T + Copy + Sync,
) {
    assert_eq!(x.len(), y.len());
    if y.is_empty() {
        return;
    }
    let outer = y.len() / (n * inner);
    let strips = inner.div_ceil(STRIP);
    let y = Shared::new(y);
    let many = (crate::elementwise::CHUNK / (n * inner.min(STRIP))).max(1);
    team::for_chunks(outer * strips, many, |tasks| {
        for task in tasks {
            let (o, s) = (task / strips, task % strips);
            let columns = s * STRIP..inner.min((s + 1) * STRIP);
            let mut sums = [zero; STRIP];
            for j in 0..n {
                let j = if reverse { n - 1 - j } else { j };
                let at = (o * n + j) * inner;
                let (from, to) = (at + columns.start, at + columns.end);
                // SAFETY: each task has its own columns of its own outer index.
                let y = unsafe { y.part(from..to) };
                for ((y, x), sum) in y.iter_mut().zip(&x[from..to]).zip(&mut sums) {
                    *sum = add(*sum, *x);
                    *y = round(*sum);
                }
            }
        }
    });
}

/// The slope of the product of each row of `x (rows, n)`: `dxᵢ = dy Π xⱼ` over j ≠ i, right also where an x is 0.
///
/// # Panics
/// If the lengths do not fit.
pub fn product_backward<T: Float>(dx: &mut [T], dy: &[T], x: &[T], n: usize) {
    if dx.is_empty() {
        return;
    }
    let many = (crate::elementwise::CHUNK / n).max(1);
    team::split(
        (Rows::new(dx, n), dy, Rows::new(x, n)),
        many,
        |_, (dx, dy, x)| {
            for ((dx, dy), x) in dx.chunks_exact_mut(n).zip(dy).zip(x.chunks_exact(n)) {
                let mut before = *dy;
                for (dx, x) in dx.iter_mut().zip(x) {
                    *dx = before;
                    before *= *x;
                }
                let mut behind = T::ONE;
                for (dx, x) in dx.iter_mut().zip(x).rev() {
                    *dx *= behind;
                    behind *= *x;
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_run_down_the_columns_and_back() {
        let x = [1.0f32, 10.0, 2.0, 20.0, 3.0, 30.0];
        let mut y = [0.0; 6];
        let run = |y: &mut [f32], n, inner, reverse| {
            cumulative_sum(
                y,
                &x,
                n,
                inner,
                reverse,
                0.0,
                |s, x| s + f64::from(x),
                |s| s as f32,
            );
        };
        run(&mut y, 3, 2, false);
        assert_eq!(y, [1.0, 10.0, 3.0, 30.0, 6.0, 60.0]);
        run(&mut y, 3, 1, true);
        assert_eq!(y, [13.0, 12.0, 2.0, 53.0, 33.0, 30.0]);
    }

    #[test]
    fn a_product_with_one_zero_has_one_slope() {
        let mut dx = [9.0; 6];
        product_backward(&mut dx, &[1.0, 2.0], &[2.0, 0.0, 5.0, 1.0, 3.0, 4.0], 3);
        assert_eq!(dx, [0.0, 10.0, 0.0, 24.0, 8.0, 6.0]);
    }
}
