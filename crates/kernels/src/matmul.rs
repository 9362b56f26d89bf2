//! Matrix products `C = A B`, with bias and activation on the way out.
//!
//! Every product gives the same bits at any number of threads, and for a block of rows alone the same bits as for
//! these rows within the whole: each element is one chain of fused multiply-adds in the order of `k`, however the
//! product is cut. Kernels are chosen at run time: AVX-512 (and AVX512-BF16), AVX2, NEON, plain.

use crate::{Float, team};

#[cfg(target_arch = "x86_64")]
mod avx512;
mod half;
pub(crate) mod portable;
pub(crate) mod tile;

pub use half::{HalfFloat, matmul_half, matmul_half_narrow};
pub use half::{matmul_rounded, matmul_rounded_batched};

/// A matrix in a slice: element `(i, j)` is `data[i * row_stride + j * col_stride]`.
///
/// A stride of 0 repeats one row or column. What the last element needs must lie in `data`.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, T> {
    /// Begins with element `(0, 0)`.
    pub data: &'a [T],
    /// From one row to the next.
    pub row_stride: usize,
    /// From one column to the next.
    pub col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// Rows of `cols` elements, one after the other.
    pub fn rows(data: &'a [T], cols: usize) -> Self {
        Self {
            data,
            row_stride: cols,
            col_stride: 1,
        }
    }

    /// Rows and columns exchanged; nothing is moved.
    pub fn t(self) -> Self {
        Self {
            data: self.data,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// Begins `offset` elements later.
    fn from(self, offset: usize) -> Self {
        Self {
            data: &self.data[offset..],
            ..self
        }
    }

    /// Panics if an element of the first `rows` rows and `cols` columns lies outside of `data`.
    #[track_caller]
    fn check(&self, name: &str, rows: usize, cols: usize) {
        let last = |n: usize, stride: usize| (n - 1).checked_mul(stride);
        let fits = rows == 0
            || cols == 0
            || last(rows, self.row_stride)
                .zip(last(cols, self.col_stride))
                .and_then(|(i, j)| i.checked_add(j))
                .is_some_and(|end| end < self.data.len());
        assert!(
            fits,
            "matmul: {name} [{rows}, {cols}] with strides [{}, {}] reaches past its {} elements",
            self.row_stride,
            self.col_stride,
            self.data.len()
        );
    }
}

/// A function applied to each element of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// `x`
    #[default]
    Identity,
    /// `max(x, 0)`; a NaN stays one.
    Relu,
}

/// What becomes of the product `P = A B` on its way to `C`: `C = activation(P + bias)`, or with `accumulate`
/// `C = activation(C + P + bias)`.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// Added to each row: `(n)`.
    pub bias: Option<&'a [T]>,
    /// Applied last.
    pub activation: Activation,
    /// Adds the product to what `C` holds.
    pub accumulate: bool,
}

impl<T> Default for Epilogue<'_, T> {
    /// Nothing but the product.
    fn default() -> Self {
        Self {
            bias: None,
            activation: Activation::Identity,
            accumulate: false,
        }
    }
}

/// `c (m, n)`, row by row, from `a (m, k)` and `b (k, n)`.
///
/// ```
/// use eras_kernels::matmul::{Epilogue, Mat, matmul};
/// let (x, w) = ([1.0, 2.0], [3.0, 4.0, 5.0, 6.0]); // (1, 2) and (2, 2)
/// let mut y = [0.0; 2];
/// let bias = Some(&[0.5, 0.5][..]);
/// matmul(&mut y, (1, 2, 2), Mat::rows(&x, 2), Mat::rows(&w, 2).t(), &Epilogue { bias, ..Epilogue::default() });
/// assert_eq!(y, [11.5, 17.5]);
/// ```
///
/// # Panics
/// If a matrix reaches past its slice, if `c` has not `m n` elements or the bias not `n`, or if `T` is not `f32` or
/// `f64`.
#[track_caller]
pub fn matmul<T: Float>(
    c: &mut [T],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    epilogue: &Epilogue<'_, T>,
) {
    check(c.len(), (m, k, n), &a, &b, epilogue);
    unchecked(c, (m, k, n), a, b, epilogue);
}

/// `offsets.len()` products of the same size: the `i`-th takes its operands from `a.data[offsets[i].0..]` and
/// `b.data[offsets[i].1..]` and fills the `i`-th run of `m n` elements of `c`.
///
/// # Panics
/// As [`matmul`], and if an offset lies outside of its slice.
#[track_caller]
pub fn matmul_batched<T: Float>(
    c: &mut [T],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    offsets: &[(usize, usize)],
    epilogue: &Epilogue<'_, T>,
) {
    check_batch(c.len(), (m, k, n), &a, &b, offsets);
    check_bias(n, epilogue);
    if m == 0 || n == 0 {
        return;
    }
    deal(c, (m, k, n), offsets, |c, (i, j)| {
        unchecked(c, (m, k, n), a.from(i), b.from(j), epilogue);
    });
}

/// Calls `one` with each matrix of `c` and its offsets. Large or few products share the threads within; many small
/// ones are dealt out whole. The bits are the same.
fn deal<T: Send>(
    c: &mut [T],
    (m, k, n): (usize, usize, usize),
    offsets: &[(usize, usize)],
    one: impl Fn(&mut [T], (usize, usize)) + Sync,
) {
    let work = m * n * k.max(1);
    if work >= 1 << 24 || offsets.len() < team::threads() {
        c.chunks_exact_mut(m * n)
            .zip(offsets)
            .for_each(|(c, &offset)| one(c, offset));
    } else {
        let chunk = ((1 << 17) / work).max(1);
        team::split(
            (team::Rows::new(c, m * n), offsets),
            chunk,
            |_, (c, offsets)| {
                c.chunks_exact_mut(m * n)
                    .zip(offsets)
                    .for_each(|(c, &offset)| one(c, offset));
            },
        );
    }
}

/// Panics if `c` has not room for all products, or a matrix of the batch reaches past its operand.
#[track_caller]
fn check_batch<T: Copy>(
    len: usize,
    (m, k, n): (usize, usize, usize),
    a: &Mat<'_, T>,
    b: &Mat<'_, T>,
    offsets: &[(usize, usize)],
) {
    let whole = m
        .checked_mul(n)
        .and_then(|size| size.checked_mul(offsets.len()));
    assert!(
        Some(len) == whole,
        "matmul: c has {len} elements, wanted [{}, {m}, {n}]",
        offsets.len()
    );
    for &(i, j) in offsets {
        assert!(
            i <= a.data.len() && j <= b.data.len(),
            "matmul: batch entry at ({i}, {j}) of operands of {} and {} elements",
            a.data.len(),
            b.data.len()
        );
        a.from(i).check("a", m, k);
        b.from(j).check("b", k, n);
    }
}

/// Panics if `c` has not room for the product, or an operand or the bias does not fit.
#[track_caller]
fn check<T, O>(
    len: usize,
    (m, k, n): (usize, usize, usize),
    a: &Mat<'_, T>,
    b: &Mat<'_, T>,
    epilogue: &Epilogue<'_, O>,
) {
    assert!(
        Some(len) == m.checked_mul(n),
        "matmul: c has {len} elements, wanted [{m}, {n}]"
    );
    a.check("a", m, k);
    b.check("b", k, n);
    check_bias(n, epilogue);
}

#[track_caller]
fn check_bias<T>(n: usize, epilogue: &Epilogue<'_, T>) {
    if let Some(bias) = epilogue.bias {
        assert!(
            bias.len() == n,
            "matmul: the bias has {} elements, wanted [{n}]",
            bias.len()
        );
    }
}

/// [`matmul`] of operands known to fit.
fn unchecked<T: Float>(
    c: &mut [T],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    epilogue: &Epilogue<'_, T>,
) {
    if m == 0 || n == 0 {
        return;
    }
    // SAFETY: the operands have been checked; `on_slices` makes sure that `T` is the kernel's type.
    let done = unsafe { own::<T>(c, (m, k, n), a, b, epilogue) };
    assert!(done, "matmul: no kernel for {}", std::any::type_name::<T>());
}

/// What runs on kernels of any kind.
pub(crate) trait Work<T> {
    /// # Safety
    /// The processor has the instructions of `K`.
    unsafe fn run<K: tile::Micro<In = T, Out = T>>(self);
}

macro_rules! on_best {
    ($name:ident, $t:ident, $avx512:ident) => {
        /// Runs `work` on the best kernels that this processor has for such numbers.
        pub(crate) fn $name(work: impl Work<$t>) {
            // SAFETY: the processor has just been asked.
            unsafe {
                #[cfg(target_arch = "x86_64")]
                if avx512::available() {
                    return work.run::<avx512::$avx512>();
                } else if portable::avx2_available() {
                    return work.run::<portable::Avx2<$t>>();
                }
                work.run::<portable::Usual<$t>>();
            }
        }
    };
}
on_best!(on_best_f32, f32, F32);
on_best!(on_best_f64, f64, F64);

/// Calls the best kernels that this processor has; false if `T` is neither `f32` nor `f64`.
///
/// # Safety
/// The operands fit `m`, `k`, `n`.
unsafe fn own<T: Float>(
    c: &mut [T],
    size: (usize, usize, usize),
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    epilogue: &Epilogue<'_, T>,
) -> bool {
    macro_rules! on {
        ($f32:ty, $f64:ty) => {
            // SAFETY: the processor has just been asked; the rest is this function's contract.
            unsafe {
                tile::on_slices::<$f32, f32, T, T>(c, size, a, b, epilogue)
                    || tile::on_slices::<$f64, f64, T, T>(c, size, a, b, epilogue)
            }
        };
    }
    #[cfg(target_arch = "x86_64")]
    if avx512::available() {
        return on!(avx512::F32, avx512::F64);
    } else if portable::avx2_available() {
        return on!(portable::Avx2<f32>, portable::Avx2<f64>);
    }
    on!(portable::Usual<f32>, portable::Usual<f64>)
}

#[cfg(test)]
mod tests;
