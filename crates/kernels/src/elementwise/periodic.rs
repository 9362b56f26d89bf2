//! Sine, cosine, tangent.

use super::CHUNK;
use crate::simd::vectorize;
use crate::{Float, team, wide};

/// What is periodic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Periodic {
    /// sin x
    Sin,
    /// cos x
    Cos,
    /// tan x
    Tan,
}

/// `y[i] = op(x[i])`. In `f32` a chunk whose numbers are all below 10¹⁵, as nearly always, is vectorized.
///
/// # Panics
/// If the lengths differ.
pub fn periodic<T: Float>(op: Periodic, y: &mut [T], x: &[T]) {
    match op {
        Periodic::Sin => each(y, x, wide::sin, f64::sin),
        Periodic::Cos => each(y, x, wide::cos, f64::cos),
        Periodic::Tan => each(y, x, wide::tan, f64::tan),
    }
}

fn each<T: Float>(
    y: &mut [T],
    x: &[T],
    near: impl Fn(f32) -> f32 + Copy + Sync,
    exact: impl Fn(f64) -> f64 + Copy + Sync,
) {
    assert_eq!(y.len(), x.len());
    team::chunks_mut(y, CHUNK, |i, y| {
        let x = &x[i * CHUNK..][..y.len()];
        let limit = T::of(f64::from(wide::NEAR));
        let all_near = size_of::<T>() == size_of::<f32>()
            && vectorize(
                #[inline(always)]
                || x.iter().fold(true, |all, x| all & (x.abs() <= limit)),
            );
        if all_near {
            vectorize(
                #[inline(always)]
                || {
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = T::of(f64::from(near(x.to_f64() as f32)));
                    }
                },
            );
        } else {
            for (y, x) in y.iter_mut().zip(x) {
                *y = x.through_f64(exact);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_arguments_are_as_exact_as_small_ones() {
        let x = [0.5f32, 1e20, -3e38, 7.0];
        let mut y = [0.0; 4];
        periodic(Periodic::Sin, &mut y, &x);
        assert_eq!(y, x.map(|x| f64::from(x).sin() as f32));
        periodic(Periodic::Cos, &mut y[..2], &[0.0, f32::INFINITY]);
        assert!(y[0] == 1.0 && y[1].is_nan());
    }
}
