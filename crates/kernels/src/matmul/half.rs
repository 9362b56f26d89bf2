//! Products of bf16 or f16, or of f32 that is rounded to bf16 on the way, summed in f32.

use super::{Epilogue, Mat, check, check_batch, deal, unchecked};
use crate::buffer::{Buffer, Plain};
use crate::{Float, team};
use half::{bf16, f16};
use std::any::TypeId;

/// `bf16` or `f16`: numbers that are stored narrow and computed in f32.
pub trait HalfFloat: Copy + Send + Sync + std::fmt::Debug + 'static {
    /// Widens without loss.
    fn widen(self) -> f32;
    /// Rounds to the nearest, ties to even.
    fn narrow(x: f32) -> Self;
    /// Computes the product with instructions made for it; false where the processor has none.
    #[doc(hidden)]
    fn native(
        _c: &mut [f32],
        _size: (usize, usize, usize),
        _a: Mat<'_, Self>,
        _b: Mat<'_, Self>,
        _epilogue: &Epilogue<'_, f32>,
    ) -> bool {
        false
    }
}

impl HalfFloat for f16 {
    fn widen(self) -> f32 {
        self.to_f32()
    }
    fn narrow(x: f32) -> Self {
        Self::from_f32(x)
    }
}

impl HalfFloat for bf16 {
    fn widen(self) -> f32 {
        self.to_f32()
    }
    fn narrow(x: f32) -> Self {
        Self::from_f32(x)
    }
    #[cfg(target_arch = "x86_64")]
    fn native(
        c: &mut [f32],
        size: (usize, usize, usize),
        a: Mat<'_, Self>,
        b: Mat<'_, Self>,
        epilogue: &Epilogue<'_, f32>,
    ) -> bool {
        use super::{avx512, tile};
        // SAFETY: the processor has been asked, and the operands have been checked.
        avx512::bf16_available()
            && unsafe { tile::on_slices::<avx512::Bf16, Self, Self, f32>(c, size, a, b, epilogue) }
    }
}

/// `c (m, n)` in f32 from `a (m, k)` and `b (k, n)` in bf16 or f16.
///
/// With AVX512-BF16 bf16 is multiplied as it is, and denormal numbers count as zero; elsewhere, and for f16, the
/// operands are widened first.
///
/// # Panics
/// As [`matmul`](super::matmul).
#[track_caller]
pub fn matmul_half<H: HalfFloat>(
    c: &mut [f32],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, H>,
    b: Mat<'_, H>,
    epilogue: &Epilogue<'_, f32>,
) {
    check(c.len(), (m, k, n), &a, &b, epilogue);
    checked(c, (m, k, n), a, b, epilogue);
}

/// As [`matmul`](super::matmul) of f32, both of whose factors are rounded to bf16 first. With AVX512-BF16 that is done while
/// they are packed: no narrow copy is ever there.
///
/// ```
/// use eras_kernels::matmul::{Epilogue, Mat, matmul_rounded};
/// let (x, mut y) = ([1.0 + 1.0 / 512.0], [0.0f32]);
/// matmul_rounded(&mut y, (1, 1, 1), Mat::rows(&x, 1), Mat::rows(&x, 1), &Epilogue::default());
/// assert_eq!(y, [1.0]);
/// ```
///
/// # Panics
/// As `matmul`, and if `T` is not `f32`.
#[track_caller]
pub fn matmul_rounded<T: Float>(
    c: &mut [T],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    epilogue: &Epilogue<'_, T>,
) {
    check(c.len(), (m, k, n), &a, &b, epilogue);
    rounded(c, (m, k, n), a, b, epilogue);
}

/// Products of one size as of [`matmul_rounded`], from operands as of [`matmul_batched`](super::matmul_batched).
///
/// # Panics
/// As `matmul_batched`, and if `T` is not `f32`.
#[track_caller]
pub fn matmul_rounded_batched<T: Float>(
    c: &mut [T],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    offsets: &[(usize, usize)],
) {
    check_batch(c.len(), (m, k, n), &a, &b, offsets);
    if m == 0 || n == 0 {
        return;
    }
    deal(c, (m, k, n), offsets, |c, (i, j)| {
        rounded(c, (m, k, n), a.from(i), b.from(j), &Epilogue::default());
    });
}

/// [`matmul_rounded`] of operands that fit.
fn rounded<T: Float>(
    c: &mut [T],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    epilogue: &Epilogue<'_, T>,
) {
    assert!(
        TypeId::of::<T>() == TypeId::of::<f32>(),
        "matmul: {} is not rounded to bf16, only f32",
        std::any::type_name::<T>()
    );
    if c.is_empty() {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    {
        use super::{avx512, tile};
        if avx512::bf16_available() {
            // SAFETY: the processor has been asked, and the operands have been checked.
            let done =
                unsafe { tile::on_slices::<avx512::Bf16, f32, T, T>(c, (m, k, n), a, b, epilogue) };
            if done {
                return;
            }
        }
    }
    rounded_copies(c, (m, k, n), a, b, epilogue);
}

/// The product of rounded copies.
pub(super) fn rounded_copies<T: Float>(
    c: &mut [T],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    epilogue: &Epilogue<'_, T>,
) {
    let round = |x: T| T::of(bf16::from_f32(x.to_f64() as f32).to_f64());
    let (a, b) = (copy(&a, m, k, round), copy(&b, k, n, round));
    let (a, b) = (Mat::rows(a.slice(), k), Mat::rows(b.slice(), n));
    unchecked(c, (m, k, n), a, b, epilogue);
}

/// [`matmul_half`] of operands that fit.
fn checked<H: HalfFloat>(
    c: &mut [f32],
    size: (usize, usize, usize),
    a: Mat<'_, H>,
    b: Mat<'_, H>,
    epilogue: &Epilogue<'_, f32>,
) {
    if c.is_empty() || H::native(c, size, a, b, epilogue) {
        return;
    }
    widened(c, size, a, b, epilogue);
}

/// As [`matmul_half`], rounded to the operands' type at the very end.
///
/// # Panics
/// As [`matmul`](super::matmul), and if the epilogue accumulates: sums belong in f32.
#[track_caller]
pub fn matmul_half_narrow<H: HalfFloat>(
    c: &mut [H],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, H>,
    b: Mat<'_, H>,
    epilogue: &Epilogue<'_, f32>,
) {
    assert!(
        !epilogue.accumulate,
        "matmul: accumulate in f32, not in a narrow type"
    );
    let mut wide = Buffer::zeroed(c.len() * size_of::<f32>());
    let wide = wide.slice_mut::<f32>();
    matmul_half(wide, (m, k, n), a, b, epilogue);
    team::split((c, &*wide), 1 << 14, |_, (c, wide)| {
        c.iter_mut().zip(wide).for_each(|(c, &x)| *c = H::narrow(x));
    });
}

/// The product of widened copies.
pub(super) fn widened<H: HalfFloat>(
    c: &mut [f32],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, H>,
    b: Mat<'_, H>,
    epilogue: &Epilogue<'_, f32>,
) {
    let (a, b) = (copy(&a, m, k, H::widen), copy(&b, k, n, H::widen));
    let (a, b) = (Mat::rows(a.slice(), k), Mat::rows(b.slice(), n));
    unchecked(c, (m, k, n), a, b, epilogue);
}

/// A dense copy of what `f` makes of each element.
fn copy<T: Copy + Sync, U: Plain>(
    x: &Mat<'_, T>,
    rows: usize,
    cols: usize,
    f: impl Fn(T) -> U + Sync,
) -> Buffer {
    let mut to = Buffer::new(rows * cols * size_of::<U>());
    if cols > 0 {
        let chunk = (1_usize << 14).div_ceil(cols);
        let places = team::Rows::new(to.slice_mut::<U>(), cols);
        team::split(places, chunk, |first, part| {
            for (i, row) in part.chunks_exact_mut(cols).enumerate() {
                let start = (first + i) * x.row_stride;
                row.iter_mut()
                    .enumerate()
                    .for_each(|(j, to)| *to = f(x.data[start + j * x.col_stride]));
            }
        });
    }
    to
}
