//! Micro-kernels in plain Rust, which the compiler turns into vectors: for AVX2 and NEON, and as they are anywhere.
//!
//! With fused multiply-adds they give the bits of the AVX-512 kernels.

use super::tile::{Micro, Tile, View, pack_plain};
use crate::Float;
use std::marker::PhantomData;

/// Sums by multiplying, rounding, adding: for processors without fused multiply-adds.
#[cfg(any(not(target_arch = "aarch64"), test))]
pub(crate) struct Plain<T>(PhantomData<T>);
/// Sums by fused multiply-adds that are part of the target: NEON.
#[cfg(any(target_arch = "aarch64", test))]
pub(crate) struct Fused<T>(PhantomData<T>);
/// Sums by the fused multiply-adds of AVX2.
#[cfg(target_arch = "x86_64")]
pub(crate) struct Avx2<T>(PhantomData<T>);

/// The kernels that every processor of this kind runs.
#[cfg(target_arch = "aarch64")]
pub(crate) type Usual<T> = Fused<T>;
/// The kernels that every processor of this kind runs.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) type Usual<T> = Plain<T>;

/// Whether this processor runs [`Avx2`].
#[cfg(target_arch = "x86_64")]
pub(crate) fn avx2_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

const ROWS: usize = 6;

macro_rules! kernel {
    ($name:ident, $t:ident, $cols:literal, |$x:ident, $y:ident, $z:ident| $fma:expr $(, $features:literal)?) => {
        impl Micro for $name<$t> {
            type In = $t;
            type Out = $t;
            const ROWS: usize = ROWS;
            const COLS: usize = $cols;
            const PAIR: usize = 1;
            const STRIDED: bool = false;

            unsafe fn tile(tile: &Tile<'_, $t, $t>, _packed: bool) {
                /// `sums += A B`, for packed rows of `R` and of all columns.
                $(#[target_feature(enable = $features)])?
                #[inline(never)] // as a part of the whole the sums would live in memory
                fn add<const R: usize>(sums: &mut [[$t; $cols]; ROWS], a: &[[$t; R]], b: &[[$t; $cols]]) {
                    let mut acc = [[0.0; $cols]; R];
                    for i in 0..R {
                        acc[i] = sums[i];
                    }
                    for (a, b) in a.iter().zip(b) {
                        for i in 0..R {
                            for j in 0..$cols {
                                let ($x, $y, $z) = (a[i], b[j], acc[i][j]);
                                acc[i][j] = $fma;
                            }
                        }
                    }
                    for i in 0..R {
                        sums[i] = acc[i];
                    }
                }
                // SAFETY: handed on.
                let mut sums = unsafe { start(tile) };
                macro_rules! add {
                    ($r:literal) => {{
                        // SAFETY: packed operands have `units` steps of as many rows as the tile, and of all columns;
                        // the kernel is only chosen where its instructions are.
                        unsafe {
                            let a = std::slice::from_raw_parts(tile.a.cast(), tile.units);
                            let b = std::slice::from_raw_parts(tile.b.cast(), tile.units);
                            add::<$r>(&mut sums, a, b);
                        }
                    }};
                }
                match tile.rows {
                    1 => add!(1),
                    2 => add!(2),
                    3 => add!(3),
                    4 => add!(4),
                    5 => add!(5),
                    _ => add!(6),
                }
                // SAFETY: handed on.
                unsafe { end(tile, &sums) };
            }

            unsafe fn pack(to: *mut $t, width: usize, from: View<$t>, lanes: usize, depth: usize) {
                // SAFETY: this function's contract.
                unsafe { pack_plain(to, width, from, lanes, depth, 1) };
            }
        }
    };
}

#[cfg(any(not(target_arch = "aarch64"), test))]
kernel!(Plain, f32, 16, |x, y, z| x * y + z);
#[cfg(any(not(target_arch = "aarch64"), test))]
kernel!(Plain, f64, 8, |x, y, z| x * y + z);
#[cfg(any(target_arch = "aarch64", test))]
kernel!(Fused, f32, 16, |x, y, z| x.mul_add(y, z));
#[cfg(any(target_arch = "aarch64", test))]
kernel!(Fused, f64, 8, |x, y, z| x.mul_add(y, z));
#[cfg(target_arch = "x86_64")]
kernel!(Avx2, f32, 16, |x, y, z| x.mul_add(y, z), "avx2,fma");
#[cfg(target_arch = "x86_64")]
kernel!(Avx2, f64, 8, |x, y, z| x.mul_add(y, z), "avx2,fma");

/// What the sums of a tile begin with.
///
/// # Safety
/// As of [`Micro::tile`].
unsafe fn start<T: Float, const COLS: usize>(t: &Tile<'_, T, T>) -> [[T; COLS]; ROWS] {
    let mut sums = [[T::ZERO; COLS]; ROWS];
    if t.load {
        for i in 0..t.rows {
            // SAFETY: the caller vouches for `rows` by `cols` elements of C.
            sums[i][..t.cols].copy_from_slice(unsafe {
                std::slice::from_raw_parts(t.c.add(i * t.c_row), t.cols)
            });
        }
    }
    sums
}

/// Bias and activation, and the way to C.
///
/// # Safety
/// As of [`Micro::tile`].
unsafe fn end<T: Float, const COLS: usize>(t: &Tile<'_, T, T>, sums: &[[T; COLS]; ROWS]) {
    let bias = t.finish.and_then(|finish| finish.bias);
    let row_bias = t.finish.and_then(|finish| finish.row_bias);
    let relu = t.finish.is_some_and(|finish| finish.relu);
    for i in 0..t.rows {
        // SAFETY: the caller vouches for `rows` of the bias of rows.
        let row_bias = row_bias.map(|bias| unsafe { *bias.add(i) });
        for j in 0..t.cols {
            // SAFETY: the caller vouches for `rows` by `cols` elements of C, and for `cols` of the bias.
            unsafe {
                let x = bias.map_or(sums[i][j], |bias| sums[i][j] + *bias.add(j));
                let x = row_bias.map_or(x, |bias| x + bias);
                *t.c.add(i * t.c_row + j) = if relu && x < T::ZERO { T::ZERO } else { x };
            }
        }
    }
}
