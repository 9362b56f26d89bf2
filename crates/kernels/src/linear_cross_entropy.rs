//! Cross entropy of the logits of an affine map, which are never there all at once.
//!
//! ```text
//! forward    z = x Wᵀ + b       loss = Σ qⱼ (ln Σ e^z - zⱼ)
//! backward   g = f (p Σ q - q)  dx = g W       dW = gᵀ x       db = Σ_rows g
//! ```
//!
//! `x` is `(N, k)`, `W` is `(n, k)`, `b` is `(n)`; `p`, `q` as in [`cross_entropy`]. A chunk of rows after the other has its
//! logits written, turned into their gradient in place, and multiplied back: that takes the three products that the gradient
//! takes anyway. Chunks are cut by the shape alone and added in order.

use crate::Float;
use crate::buffer::{Buffer, Plain};
use crate::cross_entropy::{self, Kept, Labels};
use crate::elementwise::map;
use crate::linear::column_sums;
use crate::matmul::{self, Epilogue, Mat};
use half::bf16;

/// Most logits of a chunk.
const LOGITS: usize = 1 << 24;

/// What products whose sums are `T` multiply.
pub trait Factor<T: Float>: Plain {
    /// `c (m, n)` from `a (m, k)` and `b (k, n)`.
    fn multiply(
        c: &mut [T],
        size: (usize, usize, usize),
        a: Mat<'_, Self>,
        b: Mat<'_, Self>,
        epilogue: &Epilogue<'_, T>,
    );

    /// Calls `run` with `x` as factors.
    fn with<R>(x: &[T], run: impl FnOnce(&[Self]) -> R) -> R;
}

impl<T: Float> Factor<T> for T {
    fn multiply(
        c: &mut [T],
        size: (usize, usize, usize),
        a: Mat<'_, T>,
        b: Mat<'_, T>,
        epilogue: &Epilogue<'_, T>,
    ) {
        matmul::matmul(c, size, a, b, epilogue);
    }

    fn with<R>(x: &[T], run: impl FnOnce(&[T]) -> R) -> R {
        run(x)
    }
}

impl Factor<f32> for bf16 {
    fn multiply(
        c: &mut [f32],
        size: (usize, usize, usize),
        a: Mat<'_, Self>,
        b: Mat<'_, Self>,
        epilogue: &Epilogue<'_, f32>,
    ) {
        matmul::matmul_half(c, size, a, b, epilogue);
    }

    fn with<R>(x: &[f32], run: impl FnOnce(&[Self]) -> R) -> R {
        let mut narrow = Buffer::new(size_of_val(x) / 2);
        let to = narrow.slice_mut();
        map(to, x, Self::from_f32);
        run(to)
    }
}

/// What the losses come from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a, T, F> {
    /// `(N, k)`
    pub x: &'a [F],
    /// `(n, k)`
    pub w: &'a [F],
    /// `(n)`
    pub bias: Option<&'a [T]>,
    /// Of each row.
    pub labels: Labels<'a, T>,
}

/// The gradients of the sum of all losses times `factor`; only those with a place are computed.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// f
    pub factor: T,
    /// `(N, k)`
    pub dx: Option<&'a mut [T]>,
    /// `(n, k)`
    pub dw: Option<&'a mut [T]>,
    /// `(n)`
    pub db: Option<&'a mut [T]>,
}

/// The loss of each row.
///
/// # Panics
/// If the lengths do not fit, or a label is no class.
pub fn forward<T: Float, F: Factor<T>>(loss: &mut [T], inputs: &Inputs<'_, T, F>, n: usize) {
    let mut kept = Buffer::new(2 * size_of_val(loss));
    let (max, scale) = kept.slice_mut::<T>().split_at_mut(loss.len());
    for_chunks(loss, inputs, n, |loss, rows, logits| {
        let labels = inputs.labels.part(rows.clone());
        let kept = Kept {
            max: &mut max[rows.clone()],
            scale: &mut scale[rows],
        };
        cross_entropy::forward(loss, kept, logits, n, 1, &labels);
    });
}

/// The loss of each row and the gradients.
///
/// # Panics
/// If the lengths do not fit, or a label is no class.
pub fn forward_backward<T: Float, F: Factor<T>>(
    loss: &mut [T],
    gradients: &mut Gradients<'_, T>,
    inputs: &Inputs<'_, T, F>,
    n: usize,
) {
    let k = inputs.w.len() / n;
    let Gradients { factor, dx, dw, db } = gradients;
    for summed in [&mut *dw, &mut *db].into_iter().flatten() {
        if loss.is_empty() {
            summed.fill(T::ZERO);
        }
    }
    let mut sums = db.as_ref().map(|_| vec![T::ZERO; n]);
    for_chunks(loss, inputs, n, |loss, rows, logits| {
        let labels = inputs.labels.part(rows.clone());
        cross_entropy::forward_backward(loss, logits, *factor, n, &labels);
        let (count, part) = (rows.len(), rows.start * k..rows.end * k);
        let accumulate = Epilogue {
            accumulate: rows.start > 0,
            ..Epilogue::default()
        };
        if let (Some(db), Some(sums)) = (&mut *db, &mut sums) {
            column_sums(sums, logits);
            if rows.start == 0 {
                db.copy_from_slice(sums);
            } else {
                db.iter_mut().zip(sums).for_each(|(db, sum)| *db += *sum);
            }
        }
        F::with(logits, |g| {
            let g = Mat::rows(g, n);
            if let Some(dx) = dx {
                let w = Mat::rows(inputs.w, k);
                F::multiply(
                    &mut dx[part.clone()],
                    (count, n, k),
                    g,
                    w,
                    &Epilogue::default(),
                );
            }
            if let Some(dw) = dw {
                let x = Mat::rows(&inputs.x[part], k);
                F::multiply(dw, (n, count, k), g.t(), x, &accumulate);
            }
        });
    });
}

/// Calls `work` with the losses of a chunk of rows, these rows, and their logits.
fn for_chunks<T: Float, F: Factor<T>>(
    loss: &mut [T],
    inputs: &Inputs<'_, T, F>,
    n: usize,
    mut work: impl FnMut(&mut [T], std::ops::Range<usize>, &mut [T]),
) {
    let (rows, k) = (loss.len(), inputs.w.len() / n);
    assert!(inputs.x.len() == rows * k && inputs.labels.labels.len() == rows);
    if rows == 0 {
        return;
    }
    let chunk = rows.div_ceil((rows * n).div_ceil(LOGITS));
    let mut logits = Buffer::new(chunk * n * size_of::<T>());
    for start in (0..rows).step_by(chunk) {
        let rows = start..rows.min(start + chunk);
        let logits = &mut logits.slice_mut::<T>()[..rows.len() * n];
        let (x, w) = (
            Mat::rows(&inputs.x[rows.start * k..rows.end * k], k),
            Mat::rows(inputs.w, k),
        );
        let epilogue = Epilogue {
            bias: inputs.bias,
            ..Epilogue::default()
        };
        F::multiply(logits, (rows.len(), k, n), x, w.t(), &epilogue);
        work(&mut loss[rows.clone()], rows, logits);
    }
}
