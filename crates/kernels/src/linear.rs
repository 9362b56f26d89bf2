//! What the backward pass of an affine map needs beside its matrix products.
//!
//! ```text
//! forward    y = max(x Wᵀ + b, 0)
//! backward   g = dy where y > 0, else 0        db = Σ_rows g        dx = g W        dW = gᵀ x
//! ```
//!
//! `dy`, `y`, `g` are `(N, n)`; `db` is `(n)`. Columns are summed over fixed blocks of rows, blocks in order.

use crate::Float;
use crate::elementwise::CHUNK;
use crate::simd::vectorize;
use crate::team::{self, PerChunk, Rows};

/// Rows of a block, by the shape alone: enough to pay for a task, and no more than 64 blocks in all.
fn block(rows: usize, n: usize) -> usize {
    (CHUNK / n).max(rows.div_ceil(64)).max(1)
}

/// `g = dy` where `y > 0`, else 0, and the sum of its rows, in one pass.
///
/// # Panics
/// If the lengths do not fit.
pub fn relu_bias_backward<T: Float>(g: &mut [T], db: &mut [T], dy: &[T], y: &[T]) {
    let n = db.len();
    if g.is_empty() {
        return db.fill(T::ZERO);
    }
    let rows = g.len() / n;
    let block = block(rows, n);
    let mut sums = vec![T::ZERO; rows.div_ceil(block) * n];
    let parts = (
        Rows::new(g, n),
        Rows::new(dy, n),
        Rows::new(y, n),
        PerChunk::new(&mut sums[..], n),
    );
    team::split(parts, block, |_, (g, dy, y, sum)| {
        vectorize(
            #[inline(always)]
            || {
                let rows = dy.chunks_exact(n).zip(y.chunks_exact(n));
                for (g, (dy, y)) in g.chunks_exact_mut(n).zip(rows) {
                    for j in 0..n {
                        let passed = if y[j] > T::ZERO { dy[j] } else { T::ZERO };
                        g[j] = passed;
                        sum[j] += passed;
                    }
                }
            },
        );
    });
    add_blocks(db, &sums);
}

/// The sum of the rows of `dy`.
///
/// # Panics
/// If the lengths do not fit.
pub fn column_sums<T: Float>(db: &mut [T], dy: &[T]) {
    let n = db.len();
    if dy.is_empty() {
        return db.fill(T::ZERO);
    }
    let rows = dy.len() / n;
    let block = block(rows, n);
    let mut sums = vec![T::ZERO; rows.div_ceil(block) * n];
    let parts = (Rows::new(dy, n), PerChunk::new(&mut sums[..], n));
    team::split(parts, block, |_, (dy, sum)| {
        vectorize(
            #[inline(always)]
            || {
                for dy in dy.chunks_exact(n) {
                    sum.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += *dy);
                }
            },
        );
    });
    add_blocks(db, &sums);
}

/// Adds the sums of the blocks up, in order.
fn add_blocks<T: Float>(db: &mut [T], sums: &[T]) {
    let n = db.len();
    db.copy_from_slice(&sums[..n]);
    for sum in sums[n..].chunks_exact(n) {
        db.iter_mut().zip(sum).for_each(|(db, sum)| *db += *sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passed_the_relu_passes_back() {
        let (dy, y) = (
            [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0],
            [0.0, 1.0, 1.0, 0.5, 0.0, f32::NAN],
        );
        let (mut g, mut db) = ([9.0; 6], [9.0; 3]);
        relu_bias_backward(&mut g, &mut db, &dy, &y);
        assert_eq!(g, [0.0, 2.0, 3.0, 4.0, 0.0, 0.0]);
        assert_eq!(db, [4.0, 2.0, 3.0]);
    }

    #[test]
    fn columns_of_many_blocks_are_summed() {
        let (rows, n) = (70_001, 3);
        let dy: Vec<f64> = (0..rows * n).map(|i| (i % n) as f64).collect();
        let mut db = [0.0; 3];
        column_sums(&mut db, &dy);
        assert_eq!(db, [0.0, rows as f64, 2.0 * rows as f64]);
        column_sums(&mut db, &[]);
        assert_eq!(db, [0.0; 3]);
    }
}
