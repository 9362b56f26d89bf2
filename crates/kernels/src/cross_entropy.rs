//! Cross entropy of logits, forward and backward in one pass over memory each.
//!
//! ```text
//! m = max x    s = Σ e^(xⱼ - m)    nllⱼ = ln s - (xⱼ - m)    pⱼ = e^(xⱼ - m) / s
//! loss = Σ qⱼ nllⱼ                 dxⱼ = g (pⱼ Σ q - qⱼ)     dqⱼ = g nllⱼ
//! ```
//!
//! `x` is `(outer, n, inner)`, the classes are the middle axis, and `q` says how much each class counts. Given as
//! *labels* `t (outer, inner)` it is qⱼ = (1 - ε) wₜ δⱼₜ + (ε/n) wⱼ, with class weights w and smoothing ε, and 0
//! for ignored labels; it is never written out. Given as a tensor, it is of the shape of `x`, with inner = 1.
//!
//! Kept for the backward pass: `m` and `1/s` of each line.

use crate::Float;
use crate::lines::{BLOCK, Lines, for_rows, rows_per_task, sum_of};
use crate::reduce::sum_row;
use crate::simd::vectorize;
use crate::softmax::{exp_sum_row, max_and_exp_sum_tile};
use crate::stream::Stores;
use crate::team::{Rows, Shared};
use std::ops::Range;

/// The class of each line, and how much classes count.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a, T> {
    /// A class below `n` for each line, or `ignore`.
    pub labels: &'a [i64],
    /// The label of lines that do not count.
    pub ignore: Option<i64>,
    /// How much each class counts; 1 without.
    pub weight: Option<&'a [T]>,
    /// ε
    pub smoothing: T,
}

impl<'a, T: Float> Labels<'a, T> {
    /// Those of some lines.
    pub(crate) fn part(&self, lines: Range<usize>) -> Self {
        Self {
            labels: &self.labels[lines],
            ..*self
        }
    }

    /// The class of a line, and its qₜ but for the share of ε; `None` for an ignored line.
    #[inline(always)]
    fn of(&self, line: usize) -> Option<(usize, T)> {
        let label = self.labels[line];
        if Some(label) == self.ignore {
            return None;
        }
        let class = label as usize;
        let weight = self.weight.map_or(T::ONE, |w| w[class]);
        Some((class, (T::ONE - self.smoothing) * weight))
    }

    /// ε/n
    fn share(&self, n: usize) -> T {
        self.smoothing / T::of_usize(n)
    }

    /// Σ (ε/n) wⱼ
    fn shares(&self, n: usize) -> T {
        self.weight
            .map_or(self.smoothing, |w| self.share(n) * sum_row(w))
    }

    /// (ε/n) Σ wⱼ dⱼ, where `d` is what is left of the logits `x` after `max` was taken off.
    #[inline(always)]
    fn smoothed(&self, x: &[T], max: T) -> T {
        let sum = match self.weight {
            Some(w) => sum_of(
                x,
                w,
                #[inline(always)]
                |x, w| w * (x - max),
            ),
            None => sum_of(
                x,
                x,
                #[inline(always)]
                |x, _| x - max,
            ),
        };
        self.share(x.len()) * sum
    }
}

/// The `i`-th, or the only one.
#[inline(always)]
fn one_of<T: Float>(dy: &[T], i: usize) -> T {
    dy[if dy.len() == 1 { 0 } else { i }]
}

/// What each line keeps for the backward pass.
#[derive(Debug, Clone, Copy)]
pub struct Kept<S> {
    /// m
    pub max: S,
    /// 1/s
    pub scale: S,
}

/// The loss of each line, given labels.
///
/// # Panics
/// If the lengths do not fit or a label is no class.
pub fn forward<T: Float>(
    loss: &mut [T],
    kept: Kept<&mut [T]>,
    x: &[T],
    n: usize,
    inner: usize,
    labels: &Labels<'_, T>,
) {
    let lines = Lines::new(x.len(), n, inner);
    assert!(loss.len() == lines.count && labels.labels.len() == lines.count);
    let shares = labels.shares(n);
    let smooth = labels.smoothing > T::ZERO;
    if lines.are_rows() {
        for_rows(
            (loss, kept.max, kept.scale, Rows::new(x, n)),
            rows_per_task(n),
            #[inline(always)]
            |first, (loss, max, scale, x)| {
                for (i, x) in x.chunks_exact(n).enumerate() {
                    let m = T::max_of(x);
                    let s = exp_sum_row(x, m);
                    (max[i], scale[i]) = (m, T::ONE / s);
                    loss[i] = labels.of(first + i).map_or(T::ZERO, |(class, q)| {
                        let log_sum = s.ln();
                        let sharp = q * (log_sum - (x[class] - m));
                        if smooth {
                            sharp + (shares * log_sum - labels.smoothed(x, m))
                        } else {
                            sharp
                        }
                    });
                }
            },
        );
        return;
    }
    let (loss, max, scale) = (
        Shared::new(loss),
        Shared::new(kept.max),
        Shared::new(kept.scale),
    );
    lines.for_tiles(1, |range, tile| {
        // SAFETY: each tile has its own lines.
        let (loss, max, scale) = unsafe {
            (
                loss.part(range.clone()),
                max.part(range.clone()),
                scale.part(range.clone()),
            )
        };
        let w = range.len();
        vectorize(
            #[inline(always)]
            || {
                lines.gather(tile, x, &range);
                max_and_exp_sum_tile(tile, max, scale);
                // First the share of ε, then that of the label itself.
                loss.fill(T::ZERO);
                if smooth {
                    for (j, x) in tile.chunks_exact(w).enumerate() {
                        let q = labels.share(n) * labels.weight.map_or(T::ONE, |w| w[j]);
                        for ((loss, x), m) in loss.iter_mut().zip(x).zip(&*max) {
                            *loss += q * (*m - *x);
                        }
                    }
                }
                let mut log_sum = vec![T::ZERO; w];
                for (log_sum, s) in log_sum.iter_mut().zip(scale) {
                    *log_sum = s.ln();
                    *s = T::ONE / *s;
                }
                for l in 0..w {
                    loss[l] = labels.of(range.start + l).map_or(T::ZERO, |(class, q)| {
                        let sharp = q * (log_sum[l] - (tile[class * w + l] - max[l]));
                        sharp + (loss[l] + shares * log_sum[l])
                    });
                }
            },
        );
    });
}

/// The gradient of the logits, given labels: `dy` is that of each line's loss, or one for all, times `factor`.
///
/// # Panics
/// If the lengths do not fit or a label is no class.
pub fn backward<T: Float>(
    dx: &mut [T],
    dy: &[T],
    factor: T,
    kept: Kept<&[T]>,
    x: &[T],
    n: usize,
    inner: usize,
    labels: &Labels<'_, T>,
) {
    let lines = Lines::new(x.len(), n, inner);
    assert!(dx.len() == x.len() && labels.labels.len() == lines.count);
    let shares = labels.shares(n);
    let smooth = labels.smoothing > T::ZERO;
    if lines.are_rows() {
        let stores = Stores::of(dx, n);
        for_rows(
            (Rows::new(dx, n), kept.max, kept.scale, Rows::new(x, n)),
            stores.chunk(rows_per_task(n)),
            #[inline(always)]
            |first_row, (dx, max, scale, x)| {
                stores.write(
                    dx,
                    n,
                    #[inline(always)]
                    |first, dx| {
                        let rows = dx.chunks_exact_mut(n).zip(x[first..].chunks_exact(n));
                        for (i, (dx, x)) in (first / n..).zip(rows) {
                            let Some((class, q)) = labels.of(first_row + i) else {
                                dx.fill(T::ZERO);
                                continue;
                            };
                            let (m, g) = (max[i], factor * one_of(dy, first_row + i));
                            let p = g * (q + shares) * scale[i];
                            if !smooth {
                                for (dx, x) in dx.iter_mut().zip(x) {
                                    *dx = p * (*x - m).exp_nonpositive();
                                }
                            } else if let Some(weight) = labels.weight {
                                let u = g * labels.share(n);
                                for ((dx, x), w) in dx.iter_mut().zip(x).zip(weight) {
                                    *dx = p * (*x - m).exp_nonpositive() - u * *w;
                                }
                            } else {
                                let u = g * labels.share(n);
                                for (dx, x) in dx.iter_mut().zip(x) {
                                    *dx = p * (*x - m).exp_nonpositive() - u;
                                }
                            }
                            dx[class] = dx[class] - g * q;
                        }
                    },
                );
            },
        );
        return;
    }
    let dx = Shared::new(dx);
    lines.for_tiles(1, |range, tile| {
        let w = range.len();
        let (max, scale) = (&kept.max[range.clone()], &kept.scale[range.clone()]);
        let (mut p, mut g) = (vec![T::ZERO; w], vec![T::ZERO; w]);
        vectorize(
            #[inline(always)]
            || {
                lines.gather(tile, x, &range);
                for l in 0..w {
                    if let Some((_, q)) = labels.of(range.start + l) {
                        g[l] = factor * one_of(dy, range.start + l);
                        p[l] = g[l] * (q + shares) * scale[l];
                    }
                }
                for (j, x) in tile.chunks_exact_mut(w).enumerate() {
                    let q = labels.share(n) * labels.weight.map_or(T::ONE, |w| w[j]);
                    let lines = p.iter().zip(&g).zip(max);
                    for (x, ((p, g), max)) in x.iter_mut().zip(lines) {
                        *x = *p * (*x - *max).exp_nonpositive() - *g * q;
                    }
                }
                for l in 0..w {
                    if let Some((class, q)) = labels.of(range.start + l) {
                        tile[class * w + l] = tile[class * w + l] - g[l] * q;
                    } else {
                        for x in tile[l..].iter_mut().step_by(w) {
                            *x = T::ZERO; // also where the logits are not finite
                        }
                    }
                }
                // SAFETY: each tile has its own lines.
                unsafe { lines.scatter(&dx, tile, &range) };
            },
        );
    });
}

/// The loss of each row, given labels; the logits `x (rows, n)` become the gradient of the sum of all losses, times `factor`.
///
/// # Panics
/// If the lengths do not fit or a label is no class.
pub fn forward_backward<T: Float>(
    loss: &mut [T],
    x: &mut [T],
    factor: T,
    n: usize,
    labels: &Labels<'_, T>,
) {
    assert!(x.len() == n * loss.len() && labels.labels.len() == loss.len());
    let (shares, share) = (labels.shares(n), factor * labels.share(n));
    let smooth = labels.smoothing > T::ZERO;
    for_rows(
        (loss, Rows::new(x, n)),
        rows_per_task(n),
        #[inline(always)]
        |first, (loss, x)| {
            for (i, x) in x.chunks_exact_mut(n).enumerate() {
                let Some((class, q)) = labels.of(first + i) else {
                    loss[i] = T::ZERO;
                    x.fill(T::ZERO); // also where the logits are not finite
                    continue;
                };
                let m = T::max_of(x);
                let sharp = x[class] - m;
                let smoothed = if smooth {
                    labels.smoothed(x, m)
                } else {
                    T::ZERO
                };
                let s = exp_row(x, m);
                let log_sum = s.ln();
                loss[i] = q * (log_sum - sharp) + (shares * log_sum - smoothed);
                let p = factor * (q + shares) / s;
                match labels.weight {
                    Some(weight) if smooth => {
                        x.iter_mut()
                            .zip(weight)
                            .for_each(|(x, w)| *x = p * *x - share * *w);
                    }
                    _ => x.iter_mut().for_each(|x| *x = p * *x - share),
                }
                x[class] = x[class] - factor * q;
            }
        },
    );
}

/// `x` becomes e^(x - max); their sum.
#[inline(always)]
fn exp_row<T: Float>(x: &mut [T], max: T) -> T {
    let mut sum = 0.0;
    for x in x.chunks_mut(BLOCK) {
        for x in &mut *x {
            *x = (*x - max).exp_nonpositive();
        }
        sum += sum_row(x).to_f64();
    }
    T::of(sum)
}

/// The loss of each row, given `q` of the shape of `x (rows, n)`.
///
/// # Panics
/// If the lengths do not fit.
pub fn soft_forward<T: Float>(loss: &mut [T], kept: Kept<&mut [T]>, x: &[T], q: &[T], n: usize) {
    let (x, q) = (Rows::new(x, n), Rows::new(q, n));
    for_rows(
        (loss, kept.max, kept.scale, x, q),
        rows_per_task(n),
        #[inline(always)]
        |_, (loss, max, scale, x, q)| {
            for (i, (x, q)) in x.chunks_exact(n).zip(q.chunks_exact(n)).enumerate() {
                let m = T::max_of(x);
                let s = exp_sum_row(x, m);
                let log_sum = s.ln();
                (max[i], scale[i]) = (m, T::ONE / s);
                loss[i] = sum_of(
                    x,
                    q,
                    #[inline(always)]
                    |x, q| q * (log_sum - (x - m)),
                );
            }
        },
    );
}

/// The gradient of the logits, given `q`; as [`backward`].
///
/// # Panics
/// If the lengths do not fit.
pub fn soft_backward<T: Float>(
    dx: &mut [T],
    dy: &[T],
    factor: T,
    kept: Kept<&[T]>,
    x: &[T],
    q: &[T],
    n: usize,
) {
    let (x, q) = (Rows::new(x, n), Rows::new(q, n));
    for_rows(
        (Rows::new(dx, n), kept.max, kept.scale, x, q),
        rows_per_task(n),
        #[inline(always)]
        |first, (dx, max, scale, x, q)| {
            let rows = x.chunks_exact(n).zip(q.chunks_exact(n));
            for (i, (dx, (x, q))) in dx.chunks_exact_mut(n).zip(rows).enumerate() {
                let (m, g) = (max[i], factor * one_of(dy, first + i));
                let p = sum_row(q) * scale[i];
                for ((dx, x), q) in dx.iter_mut().zip(x).zip(q) {
                    *dx = g * (p * (*x - m).exp_nonpositive() - *q);
                }
            }
        },
    );
}

/// The gradient of `q`; as [`backward`].
///
/// # Panics
/// If the lengths do not fit.
pub fn soft_backward_targets<T: Float>(
    dq: &mut [T],
    dy: &[T],
    factor: T,
    kept: Kept<&[T]>,
    x: &[T],
    n: usize,
) {
    for_rows(
        (Rows::new(dq, n), kept.max, kept.scale, Rows::new(x, n)),
        rows_per_task(n),
        #[inline(always)]
        |first, (dq, max, scale, x)| {
            for (i, (dq, x)) in dq.chunks_exact_mut(n).zip(x.chunks_exact(n)).enumerate() {
                let (m, log_sum) = (max[i], -scale[i].ln());
                let g = factor * one_of(dy, first + i);
                for (dq, x) in dq.iter_mut().zip(x) {
                    *dq = g * (log_sum - (*x - m));
                }
            }
        },
    );
}

/// The negative log-likelihood -wₜ xₜ of each line of log-probabilities `x (outer, n, inner)`.
///
/// # Panics
/// If the lengths do not fit or a label is no class.
pub fn nll_forward<T: Float>(
    loss: &mut [T],
    x: &[T],
    n: usize,
    inner: usize,
    labels: &Labels<'_, T>,
) {
    assert!(x.len() == n * loss.len() && labels.labels.len() == loss.len());
    for (line, loss) in loss.iter_mut().enumerate() {
        *loss = labels.of(line).map_or(T::ZERO, |(class, q)| {
            -q * x[(line / inner * n + class) * inner + line % inner]
        });
    }
}

/// The gradient of the log-probabilities; `dy` and `factor` as in [`backward`].
///
/// # Panics
/// If the lengths do not fit or a label is no class.
pub fn nll_backward<T: Float>(
    dx: &mut [T],
    dy: &[T],
    factor: T,
    n: usize,
    inner: usize,
    labels: &Labels<'_, T>,
) {
    assert!(dx.len() == n * labels.labels.len());
    dx.fill(T::ZERO);
    for line in 0..labels.labels.len() {
        if let Some((class, q)) = labels.of(line) {
            dx[(line / inner * n + class) * inner + line % inner] = -q * factor * one_of(dy, line);
        }
    }
}
