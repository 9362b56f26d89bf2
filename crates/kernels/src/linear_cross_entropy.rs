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
use crate::buffer::Buffer;
use crate::cross_entropy::{self, Kept, Labels};
use crate::linear::column_sums;
use crate::matmul::{Epilogue, Mat, matmul, matmul_rounded};

/// Most logits of a chunk.
const LOGITS: usize = 1 << 24;

/// What the losses come from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a, T> {
    /// `(N, k)`
    pub x: &'a [T],
    /// `(n, k)`
    pub w: &'a [T],
    /// `(n)`
    pub bias: Option<&'a [T]>,
    /// Of each row.
    pub labels: Labels<'a, T>,
    /// Whether the factors of all products are rounded to bf16 ([`matmul_rounded`]): only f32 can be.
    pub rounded: bool,
}

impl<T: Float> Inputs<'_, T> {
    /// `c (m, n)` from `a (m, k)` and `b (k, n)`.
    fn multiply(
        &self,
        c: &mut [T],
        size: (usize, usize, usize),
        a: Mat<'_, T>,
        b: Mat<'_, T>,
        epilogue: &Epilogue<'_, T>,
    ) {
        if self.rounded {
            matmul_rounded(c, size, a, b, epilogue);
        } else {
            matmul(c, size, a, b, epilogue);
        }
    }
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
pub fn forward<T: Float>(loss: &mut [T], inputs: &Inputs<'_, T>, n: usize) {
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
pub fn forward_backward<T: Float>(
    loss: &mut [T],
    gradients: &mut Gradients<'_, T>,
    inputs: &Inputs<'_, T>,
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
        let g = Mat::rows(&*logits, n);
        if let Some(dx) = dx {
            let (dx, w) = (&mut dx[part.clone()], Mat::rows(inputs.w, k));
            inputs.multiply(dx, (count, n, k), g, w, &Epilogue::default());
        }
        if let Some(dw) = dw {
            let x = Mat::rows(&inputs.x[part], k);
            inputs.multiply(dw, (n, count, k), g.t(), x, &accumulate);
        }
    });
}

/// Calls `work` with the losses of a chunk of rows, these rows, and their logits.
fn for_chunks<T: Float>(
    loss: &mut [T],
    inputs: &Inputs<'_, T>,
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
        inputs.multiply(logits, (rows.len(), k, n), x, w.t(), &epilogue);
        work(&mut loss[rows.clone()], rows, logits);
    }
}
