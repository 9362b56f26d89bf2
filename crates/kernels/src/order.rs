//! Sorting rows by index. NaN counts as the largest number, as in PyTorch and NumPy.

use crate::buffer::Plain;
use crate::elementwise::CHUNK;
use crate::team::{self, Rows};
use std::cmp::Ordering;

/// The order of two numbers, NaN last.
#[expect(clippy::eq_op, reason = "NaN is not equal to itself")]
fn compare<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| (a != a).cmp(&(b != b)))
}

/// The indices that sort each row of `x (rows, n)`; equal numbers stay in their order.
///
/// # Panics
/// If the lengths differ or are no whole number of rows.
pub fn argsort_rows<T: Plain + PartialOrd>(y: &mut [i64], x: &[T], n: usize, descending: bool) {
    best_rows(y, x, n, n, descending);
}

/// The indices of the first `k` numbers of each row of `x (rows, n)` when it is sorted, as `(rows, k)`; equal numbers
/// stay in their order.
///
/// # Panics
/// If `k` is larger than `n`, or the lengths do not fit.
pub fn best_rows<T: Plain + PartialOrd>(
    y: &mut [i64],
    x: &[T],
    n: usize,
    k: usize,
    descending: bool,
) {
    assert!(k <= n);
    if k == 0 {
        return;
    }
    let many = (CHUNK / n).max(1);
    team::split((Rows::new(y, k), Rows::new(x, n)), many, |_, (y, x)| {
        let mut row: Vec<(T, i64)> = Vec::with_capacity(n);
        for (y, x) in y.chunks_exact_mut(k).zip(x.chunks_exact(n)) {
            row.clear();
            row.extend(x.iter().copied().zip(0..));
            // Ties are broken by the index, so the order is one of all pairs, and stable.
            let order = |a: &(T, i64), b: &(T, i64)| {
                let by_value = compare(&a.0, &b.0);
                let by_value = if descending {
                    by_value.reverse()
                } else {
                    by_value
                };
                by_value.then(a.1.cmp(&b.1))
            };
            if k < n {
                row.select_nth_unstable_by(k - 1, order);
                row.truncate(k);
            }
            row.sort_unstable_by(order);
            y.iter_mut().zip(&row).for_each(|(y, (_, i))| *y = *i);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_stay_in_order_and_nan_is_the_largest() {
        let x = [2.0f32, f32::NAN, 1.0, 2.0, -1.0];
        let mut y = [0; 5];
        argsort_rows(&mut y, &x, 5, false);
        assert_eq!(y, [4, 2, 0, 3, 1]);
        argsort_rows(&mut y, &x, 5, true);
        assert_eq!(y, [1, 0, 3, 2, 4]);
        best_rows(&mut y[..2], &x, 5, 2, true);
        assert_eq!(y[..2], [1, 0]);
    }

    #[test]
    fn the_best_are_the_first_of_the_sorted() {
        let x: Vec<i64> = (0..3 * 500).map(|i| i * 7919 % 101).collect();
        let (mut all, mut best) = (vec![0; 1500], vec![0; 21]);
        argsort_rows(&mut all, &x, 500, true);
        best_rows(&mut best, &x, 500, 7, true);
        for row in 0..3 {
            assert_eq!(best[row * 7..][..7], all[row * 500..][..7]);
        }
    }
}
