//! How scores come about, and what becomes of them: which keys a query sees, what is added, the running softmax, dropout.

use super::Shape;
use super::tiles::{Heads, Panel, pack_panels};
use crate::Float;
use crate::elementwise;
use crate::lines::larger;
use crate::matmul::tile::{Micro, View};
use crate::simd::vectorize;
use std::fmt;
use std::hint::black_box;
use std::ops::Range;

/// What a score is made of, and which keys a query sees.
///
/// Queries stand at the end of the keys: query `t` is at place `t + S - T`.
#[derive(Debug, Clone, Copy)]
pub struct Scores<'a, T> {
    /// The products are multiplied by this.
    pub scale: f64,
    /// Nothing behind a query is seen.
    pub causal: bool,
    /// Only keys fewer places away than this are seen.
    pub window: Option<usize>,
    /// Of each example, how many keys there are in truth.
    pub lengths: Option<&'a [usize]>,
    /// `(B, H, T, S)`, through strides: 0 where a key is not seen.
    pub mask: Option<elementwise::View<'a, u8>>,
    /// `(B, H, T, S)`, through strides: added to the scores.
    pub bias: Option<elementwise::View<'a, T>>,
    /// Of each head, what is taken off for each place between query and key (ALiBi).
    pub slopes: Option<&'a [f64]>,
    /// Drops shares.
    pub dropout: Option<Dropout<'a>>,
}

/// Shares become 0 where their random word is below `p` 2³², and are multiplied by `scale` else. The word of key `s` is
/// number `s mod 4` of the block `((b H + h) T + t) ⌈S / 4⌉ + s div 4`.
#[derive(Clone, Copy)]
pub struct Dropout<'a> {
    /// The part that is dropped.
    pub p: f64,
    /// Of what stays.
    pub scale: f64,
    /// Draws the words.
    pub draw: Drawer<'a>,
}

impl fmt::Debug for Dropout<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dropout")
            .field("p", &self.p)
            .finish_non_exhaustive()
    }
}

/// Draws `n` random blocks, the first and then each so many further, to four lists of `n` words behind each other.
pub type Drawer<'a> = &'a (dyn Fn(u64, u64, &mut [u32]) + Sync);

/// A [`Drawer`] of these blocks, many side by side.
pub fn draws(
    block: impl Fn(u64) -> [u32; 4] + Copy + Sync,
) -> impl Fn(u64, u64, &mut [u32]) + Sync {
    move |first, step, words| {
        let lanes = words.len() / 4;
        let (a, b) = words.split_at_mut(2 * lanes);
        let ((a, b), (c, d)) = (a.split_at_mut(lanes), b.split_at_mut(lanes));
        vectorize(
            #[inline(always)]
            || {
                for i in 0..lanes {
                    [a[i], b[i], c[i], d[i]] = block(first.wrapping_add(step * i as u64));
                }
            },
        );
    }
}

impl<T: Float> Scores<'_, T> {
    /// Panics if something does not fit the shape.
    pub(super) fn check(&self, shape: &Shape) {
        let dims = [shape.batch, shape.heads, shape.queries, shape.keys];
        if let Some(mask) = self.mask {
            Heads::new("the mask", mask, dims);
        }
        if let Some(bias) = self.bias {
            Heads::new("the bias", bias, dims);
        }
        if let Some(lengths) = self.lengths {
            let fit = lengths.len() == shape.batch && lengths.iter().all(|n| *n <= shape.keys);
            assert!(fit, "attention: {lengths:?} are no lengths for {shape:?}");
        }
        if let Some(slopes) = self.slopes {
            assert_eq!(slopes.len(), shape.heads, "attention: slopes for {shape:?}");
        }
    }

    /// From the first key that one of these queries sees to behind the last one, masks aside.
    pub(super) fn range(
        &self,
        shape: &Shape,
        batch: usize,
        first: usize,
        count: usize,
    ) -> Range<usize> {
        let keys = self.lengths.map_or(shape.keys, |lengths| lengths[batch]) as isize;
        let place = place_of(shape, first);
        let last = place + count as isize - 1;
        let window = self.window.map(|n| n.min(1 << 60) as isize);
        let start = window.map_or(0, |n| (place - n + 1).max(0));
        let end = match (self.causal, window) {
            (true, Some(0)) => start,
            (true, _) => last + 1,
            (false, Some(n)) => last + n,
            (false, None) => keys,
        };
        let end = end.clamp(0, keys);
        start.min(end) as usize..end as usize
    }

    /// Pairs of a query and a key that see each other, masks aside, in all heads.
    #[must_use]
    pub fn pairs(&self, shape: &Shape) -> usize {
        if shape.rows() == 0 {
            return 0; // however many queries a head would have
        }
        let of_head = |batch: usize| {
            if !self.causal && self.window.is_none() {
                return shape
                    .queries
                    .saturating_mul(self.range(shape, batch, 0, 1).len());
            }
            (0..shape.queries)
                .map(|t| self.range(shape, batch, t, 1).len())
                .sum()
        };
        let heads: usize = match self.lengths {
            Some(_) => (0..shape.batch).map(of_head).sum(),
            None => of_head(0).saturating_mul(shape.batch),
        };
        heads.saturating_mul(shape.heads)
    }

    /// Whether a packed panel is added to the scores.
    pub(super) fn adds(&self) -> bool {
        self.mask.is_some() || self.bias.is_some()
    }

    /// Makes scores of products of some `keys` with the (scaled) queries of a panel. `extra` has as many rows, `lines`
    /// room for a line of keys for each query.
    ///
    /// # Safety
    /// The processor has the kernel's instructions; the queries and keys are there.
    pub(super) unsafe fn complete<K: Micro<In = T, Out = T>, const W: usize>(
        &self,
        rows: &mut [[T; W]],
        (shape, batch, head): (&Shape, usize, usize),
        panel: Panel,
        keys: Range<usize>,
        extra: &mut [[T; W]],
        lines: &mut [T],
    ) {
        let dims = [shape.batch, shape.heads, shape.queries, shape.keys];
        if let Some(bias) = self.bias {
            let heads = Heads::new("the bias", bias, dims).rows(batch, head, panel.first);
            let heads = View {
                at: heads.at.wrapping_add(keys.start * heads.step),
                ..heads
            };
            // SAFETY: the caller vouches for queries and keys, and the bias reaches as far.
            unsafe {
                pack_panels::<T, K>(extra.as_flattened_mut(), heads, panel.lanes, keys.len());
            }
            each(rows, extra, |x, bias| x + bias);
        }
        if let Some(mask) = self.mask {
            let heads = Heads::new("the mask", mask, dims).rows(batch, head, panel.first);
            for (lane, line) in lines
                .chunks_exact_mut(keys.len())
                .take(panel.lanes)
                .enumerate()
            {
                let seen = heads.at.wrapping_add(lane * heads.lane);
                for (key, x) in keys.clone().zip(line) {
                    // SAFETY: as above.
                    let seen = unsafe { *seen.add(key * heads.step) };
                    *x = if seen == 0 { T::ZERO } else { T::ONE };
                }
            }
            let seen = View {
                at: lines.as_ptr(),
                lane: keys.len(),
                step: 1,
            };
            // SAFETY: a line for each query has just been written.
            unsafe {
                pack_panels::<T, K>(extra.as_flattened_mut(), seen, panel.lanes, keys.len());
            }
            let hide = |x, seen| if seen == T::ZERO { T::NEG_INFINITY } else { x };
            each(rows, extra, hide);
        }
        let place = place_of(shape, panel.first);
        if let Some(slopes) = self.slopes {
            let slope = T::of(-slopes[head]);
            vectorize(
                #[inline(always)]
                || {
                    for (row, key) in rows.iter_mut().zip(keys.clone()) {
                        let away = T::of((place - key as isize) as f64);
                        for l in 0..W {
                            row[l] = (away + T::of(l as f64)).abs().mul_add(slope, row[l]);
                        }
                        end_row();
                    }
                },
            );
        }
        self.hide(rows, place, keys);
    }

    /// What is behind a query or too far away is not seen; `place` is that of the first one.
    fn hide<const W: usize>(&self, rows: &mut [[T; W]], place: isize, keys: Range<usize>) {
        let window = self.window.map(|n| n.min(1 << 60) as isize);
        let lanes = |n: isize| n.clamp(0, W as isize) as usize;
        if self.causal {
            // The first query sees the keys up to its own place.
            let all = (place + 1 - keys.start as isize).clamp(0, rows.len() as isize) as usize;
            for (row, key) in rows.iter_mut().zip(keys.clone()).skip(all) {
                row[..lanes(key as isize - place)].fill(T::NEG_INFINITY);
            }
        }
        if let Some(n) = window {
            for (row, key) in rows.iter_mut().zip(keys) {
                let ahead = key as isize - place; // of the first query
                row[lanes(ahead + n)..].fill(T::NEG_INFINITY);
                row[..lanes(ahead - n + 1)].fill(T::NEG_INFINITY);
            }
        }
    }
}

/// The place of a query among the keys.
fn place_of(shape: &Shape, query: usize) -> isize {
    query as isize + shape.keys as isize - shape.queries as isize
}

impl Dropout<'_> {
    /// The factors of the shares of some keys in a panel.
    pub(super) fn factors<T: Float, const W: usize>(
        &self,
        factors: &mut [[T; W]],
        (shape, batch, head): (&Shape, usize, usize),
        panel: Panel,
        keys: Range<usize>,
    ) {
        let Ok(bound) = u32::try_from((self.p * (1u64 << 32) as f64).round() as u64) else {
            return factors.fill([T::ZERO; W]); // no word is 2³² or more
        };
        let scale = T::of(self.scale);
        let blocks = shape.keys.div_ceil(4) as u64;
        let row = (batch * shape.heads + head) * shape.queries + panel.first;
        let first = (row as u64).wrapping_mul(blocks);
        let mut words = [[0; W]; 4];
        let mut drawn = None;
        for (row, key) in factors.iter_mut().zip(keys) {
            if drawn != Some(key / 4) {
                drawn = Some(key / 4);
                let block = first.wrapping_add(key as u64 / 4);
                (self.draw)(block, blocks, words.as_flattened_mut());
            }
            let words = &words[key % 4];
            vectorize(
                #[inline(always)]
                || {
                    for l in 0..W {
                        row[l] = if words[l] >= bound { scale } else { T::ZERO };
                    }
                },
            );
        }
    }
}

/// Ends a row of a loop. Without it the compiler takes many rows at once, lane by lane, and gathers and scatters them.
#[inline(always)]
pub(super) fn end_row() {
    black_box(());
}

/// `row = f(row, by)`
pub(super) fn each<T: Float, const W: usize>(
    rows: &mut [[T; W]],
    by: &[[T; W]],
    f: impl Fn(T, T) -> T,
) {
    vectorize(
        #[inline(always)]
        || {
            let by = by.as_flattened();
            for (x, by) in rows.as_flattened_mut().iter_mut().zip(by) {
                *x = f(*x, *by);
            }
        },
    );
}

/// A softmax that goes on from keys to keys: the largest score of each query and the sum of its exponentials.
#[derive(Clone, Copy)]
pub(super) struct Running<T, const W: usize> {
    max: [T; W],
    sum: [T; W],
}

impl<T: Float, const W: usize> Running<T, W> {
    /// No keys yet.
    pub(super) const EMPTY: Self = Self {
        max: [T::NEG_INFINITY; W],
        sum: [T::ZERO; W],
    };

    /// Makes `rows` of scores into e^(s - max); returns by what earlier exponentials are to be multiplied, the largest
    /// score being another one now.
    pub(super) fn go_on(&mut self, rows: &mut [[T; W]]) -> [T; W] {
        vectorize(
            #[inline(always)]
            || {
                let mut max = self.max;
                for row in &*rows {
                    for l in 0..W {
                        max[l] = larger(row[l], max[l]);
                    }
                }
                // Of a query that sees nothing so far, e^-∞.
                let from = max.map(|max| if max == T::NEG_INFINITY { T::ZERO } else { max });
                let mut sum = [T::ZERO; W];
                for row in rows {
                    for l in 0..W {
                        let e = (row[l] - from[l]).exp_nonpositive();
                        row[l] = e;
                        sum[l] += e;
                    }
                }
                let mut shrink = [T::ZERO; W];
                for l in 0..W {
                    shrink[l] = (self.max[l] - from[l]).exp_nonpositive();
                    self.sum[l] = self.sum[l].mul_add(shrink[l], sum[l]);
                }
                self.max = max;
                shrink
            },
        )
    }

    /// One over each sum, 0 for none, and its logarithm, +∞ for none.
    pub(super) fn end(&self) -> ([T; W], [T; W]) {
        vectorize(
            #[inline(always)]
            || {
                let (mut over, mut log) = ([T::ZERO; W], [T::INFINITY; W]);
                for l in 0..W {
                    let none = self.sum[l] == T::ZERO;
                    let (share, sum) = (T::ONE / self.sum[l], self.max[l] + self.sum[l].ln());
                    over[l] = if none { T::ZERO } else { share };
                    log[l] = if none { T::INFINITY } else { sum };
                }
                (over, log)
            },
        )
    }
}
