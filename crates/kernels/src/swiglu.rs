//! The gated unit of the Llama family, forward and backward in one pass each (Shazeer 2020, arXiv:2002.05202).
//!
//! ```text
//! forward    y = a σ(a) b
//! backward   da = dy b s (1 + a (1 - s))      db = dy a s       s = σ(a)
//! ```

use crate::Float;
use crate::elementwise::{CHUNK, zip};
use crate::simd::vectorize;
use crate::team;

/// `y = a σ(a) b`
///
/// # Panics
/// If the lengths differ.
pub fn forward<T: Float>(y: &mut [T], a: &[T], b: &[T]) {
    zip(
        y,
        a,
        b,
        #[inline(always)]
        |a: T, b: T| a * a.sigmoid() * b,
    );
}

/// The gradients of both.
///
/// # Panics
/// If the lengths differ.
pub fn backward<T: Float>(da: &mut [T], db: &mut [T], dy: &[T], a: &[T], b: &[T]) {
    assert!(a.len() == dy.len() && b.len() == dy.len());
    team::split((da, db, dy, a, b), CHUNK, |_, (da, db, dy, a, b)| {
        vectorize(
            #[inline(always)]
            || {
                let n = dy.len();
                let (da, db, a, b) = (&mut da[..n], &mut db[..n], &a[..n], &b[..n]);
                for i in 0..n {
                    let s = a[i].sigmoid();
                    da[i] = dy[i] * b[i] * (s * (T::ONE + a[i] * (T::ONE - s)));
                    db[i] = dy[i] * (a[i] * s);
                }
            },
        );
    });
}
