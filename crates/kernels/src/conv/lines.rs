//! Convolution to one channel in each group, as *depthwise* ones, by lines read where they lie: for processors whose vectors
//! have masks.
//!
//! ```text
//! y[g, p] = Σ_c Σ_t w[g, c, t] x[g, c, p + shift t]
//! ```
//!
//! The sums of a few lines of `y` stay in registers while all taps are added. Masks keep out what is beside a line; for
//! lines above and below there is one of zeros. The order of the sum, and so its bits, are those of `direct`.

use super::axis::Axis;
use super::correlate::{Correlation, for_each};
use super::field::prefetch;
use super::lanes::{self, Masked};
use super::same_mut;
use super::weight::piece;
use crate::Float;
use crate::simd::{Isa, isa, vectorize};
use crate::team::Shared;
use std::any::TypeId;

/// Lines whose sums are in registers at once.
pub(super) const LINES: usize = 8;
/// Bytes that are fetched ahead, and those of a line of the cache.
const AHEAD: usize = 6 << 10;
const LINE: usize = 64;
/// Multiply-adds of a task.
const TASK: usize = 1 << 18;

/// Fewest lines: with one or two most registers would be empty.
const FEWEST: usize = 3;
/// The longest line: what is known of its columns is kept for each of them.
const LONGEST: usize = 1 << 14;

/// Whether a correlation has one channel in each group of the result, and this processor has masks.
pub(super) fn suits<T>(job: &Correlation<'_, T>) -> bool {
    let [_, lines, line] = &job.axes;
    job.m == 1
        && matches!((line.step, line.to_step), (1, 1 | 2) | (2, 1))
        && are_many(lines.places, line.places)
}

/// Whether so many lines of so many places are computed by lines here.
pub(super) fn are_many(lines: usize, places: usize) -> bool {
    isa() == Isa::Avx512 && lines >= FEWEST && places <= LONGEST
}

/// Computes a correlation that [`suits`].
pub(super) fn run<T: Float>(job: &Correlation<'_, T>, result: &mut [T]) {
    // SAFETY: the processor has AVX-512: `suits`.
    unsafe {
        if TypeId::of::<T>() == TypeId::of::<f32>() {
            run_by::<lanes::F32>(&job.cast(), same_mut(result));
        } else {
            run_by::<lanes::F64>(&job.cast(), same_mut(result));
        }
    }
}

/// # Safety
/// The processor has the instructions of `L`.
unsafe fn run_by<L: Masked>(job: &Correlation<'_, L::T>, result: &mut [L::T]) {
    let line = &job.axes[2];
    // SAFETY: this function's contract.
    unsafe {
        match (line.places <= L::COUNT, line.step, line.to_step) {
            (true, 1, 1) => Lines::<L, 1, 1, 1>::new(job).run(result),
            (false, 1, 1) => Lines::<L, 2, 1, 1>::new(job).run(result),
            (true, 1, _) => Lines::<L, 1, 1, 2>::new(job).run(result),
            (false, 1, _) => Lines::<L, 2, 1, 2>::new(job).run(result),
            (true, ..) => Lines::<L, 1, 2, 1>::new(job).run(result),
            (false, ..) => Lines::<L, 2, 2, 1>::new(job).run(result),
        }
    }
}

/// Some columns of all lines: `V` vectors, which read every `FROM`-th element and write every `TO`-th.
pub(super) struct Columns<const V: usize, const FROM: usize, const TO: usize> {
    pub(super) first: usize,
    /// Which lanes are places.
    pub(super) places: [[u16; TO]; V],
    /// For each tap along the line where it begins to read, and which lanes are inside.
    pub(super) taps: Vec<(isize, [[u16; FROM]; V])>,
}

/// Where in its channel each line that the lines of a block read begins, if it is there.
pub(super) type Read = [Option<usize>; LINES];

/// The blocks of lines of a channel.
pub(super) struct Blocks<T> {
    /// The first line of each, as plane and line, and what it reads for each tap across lines.
    pub(super) all: Vec<([usize; 2], Vec<Read>)>,
    /// What is read above and below the source.
    pub(super) zeros: Vec<T>,
}

/// A correlation, and how it is read `V` vectors at a time.
struct Lines<'a, L: Masked, const V: usize, const FROM: usize, const TO: usize> {
    job: &'a Correlation<'a, L::T>,
    columns: Vec<Columns<V, FROM, TO>>,
    blocks: Blocks<L::T>,
    /// The weights by group, channel and tap.
    weights: Vec<L::T>,
}

impl<'a, L: Masked, const V: usize, const FROM: usize, const TO: usize> Lines<'a, L, V, FROM, TO> {
    fn new(job: &'a Correlation<'a, L::T>) -> Self {
        let (axes, w) = (&job.axes, &job.weights);
        let columns = (0..axes[2].places).step_by(V * L::COUNT);
        let channels = (0..job.groups * job.depth)
            .map(|i| i / job.depth * w.group + i % job.depth * w.channel);
        let of_channel = |at| w.taps.iter().map(move |tap| w.data[at + tap]);
        Self {
            columns: columns
                .map(|first| Columns::new::<L>(&axes[2], first))
                .collect(),
            blocks: Blocks::new(axes),
            weights: channels.flat_map(of_channel).collect(),
            job,
        }
    }

    /// # Safety
    /// The processor has the instructions of `L`.
    unsafe fn run(&self, result: &mut [L::T]) {
        let job = self.job;
        let [_, lines, columns] = [0, 1, 2].map(|d| job.axes[d].places);
        let channels = job.batch * job.groups;
        let block = lines.min(LINES) * columns * job.depth * job.weights.taps.len();
        // Some blocks of a channel, or some channels.
        let each = (TASK / block.max(1)).max(1);
        let pieces = self.blocks.all.len().div_ceil(each);
        let each_channel = (each / self.blocks.all.len()).max(1);
        let count = channels.div_ceil(each_channel) * pieces;
        let to = Shared::new(result);
        for_each(count, count == 1, |i| {
            let blocks = &self.blocks.all[piece(i % pieces, each, self.blocks.all.len())];
            vectorize(
                #[inline(always)]
                || {
                    for channel in piece(i / pieces, each_channel, channels) {
                        for (first, reads) in blocks {
                            let lines = lines - first[1];
                            // SAFETY: this function's contract; blocks differ, and so do the elements that they write.
                            unsafe {
                                if lines > LINES / 2 {
                                    self.block::<LINES>(to.as_mut_ptr(), channel, *first, reads);
                                } else {
                                    self.block::<{ LINES / 2 }>(
                                        to.as_mut_ptr(),
                                        channel,
                                        *first,
                                        reads,
                                    );
                                }
                            }
                        }
                    }
                },
            );
        });
    }

    /// The first `B` lines of a block of a channel, as far as they are there.
    ///
    /// # Safety
    /// As of [`run`](Self::run), and nobody else uses these elements of the result.
    #[inline(always)]
    unsafe fn block<const B: usize>(
        &self,
        to: *mut L::T,
        channel: usize,
        [plane, first]: [usize; 2],
        reads: &[Read],
    ) {
        let (job, [a0, a1, a2]) = (self.job, &self.job.axes);
        let (group, taps) = (channel % job.groups, job.weights.taps.len());
        let from = a0.from * a1.from * a2.from;
        let source = channel * job.depth * from;
        let line = first * a1.step * a2.from;
        prefetch_lines(job.source, source + line, B * a1.step * a2.from);
        let weights = &self.weights[group * job.depth * taps..][..job.depth * taps];
        for columns in &self.columns {
            // SAFETY: this function's contract. Lines that are read are those of the source, or of zeros; masks keep to what
            // is inside of them.
            unsafe {
                let mut acc = [[L::splat(L::T::ZERO); V]; B];
                let mut weights = weights.iter();
                for c in 0..job.depth {
                    let source = job.source.as_ptr().wrapping_add(source + c * from);
                    for reads in reads {
                        let rows: [*const L::T; B] = std::array::from_fn(|b| match reads[b] {
                            Some(at) => source.wrapping_add(at),
                            None => self.blocks.zeros.as_ptr(),
                        });
                        for ((at, masks), weight) in columns.taps.iter().zip(&mut weights) {
                            let weight = L::splat(*weight);
                            for v in 0..V {
                                for b in 0..B {
                                    let from = rows[b]
                                        .wrapping_offset(*at)
                                        .wrapping_add(v * FROM * L::COUNT);
                                    let x = L::load_where(masks[v], from);
                                    acc[b][v] = weight.mul_add(x, acc[b][v]);
                                }
                            }
                        }
                    }
                }
                let bias = job.bias.map(|bias| L::splat(bias[group]));
                let at = |axis: &Axis, p: usize| axis.to_first + p * axis.to_step;
                let line = (channel * a0.to + at(a0, plane)) * a1.to + at(a1, first);
                let to = to.add(line * a2.to + at(a2, columns.first));
                let lines = a1.places - first;
                for (b, acc) in acc.into_iter().enumerate().take_while(|(b, _)| *b < lines) {
                    let to = to.wrapping_add(b * a1.to_step * a2.to);
                    for (v, y) in acc.into_iter().enumerate() {
                        let y = bias.map_or(y, |bias| y.add(bias));
                        let y = if job.relu { y.relu() } else { y };
                        y.store_where(columns.places[v], to.wrapping_add(v * TO * L::COUNT));
                    }
                }
            }
        }
    }
}

impl<const V: usize, const FROM: usize, const TO: usize> Columns<V, FROM, TO> {
    /// The columns from `first` on.
    pub(super) fn new<L: Masked>(axis: &Axis, first: usize) -> Self {
        let is_place = |p: usize| p < axis.places;
        let tap = |shift: &isize| {
            let is_inside = |p: usize| is_place(p) && inside(axis, p, *shift).is_some();
            let at = (first * axis.step) as isize + shift;
            (at, masks::<L, V, FROM>(first, is_inside))
        };
        Self {
            first,
            places: masks::<L, V, TO>(first, is_place),
            taps: axis.shifts.iter().map(tap).collect(),
        }
    }
}

/// The lanes of `V` vectors of places from `first` on that are set, where a place is every `STEP`-th element.
fn masks<L: Masked, const V: usize, const STEP: usize>(
    first: usize,
    is_set: impl Fn(usize) -> bool,
) -> [[u16; STEP]; V] {
    let mut masks = [[0; STEP]; V];
    for (v, masks) in masks.iter_mut().enumerate() {
        for l in (0..L::COUNT).filter(|l| is_set(first + v * L::COUNT + l)) {
            masks[l * STEP / L::COUNT] |= 1 << (l * STEP % L::COUNT);
        }
    }
    masks
}

impl<T: Float> Blocks<T> {
    /// Of the places of these axes.
    pub(super) fn new(axes: &[Axis; 3]) -> Self {
        let lines = |plane| {
            (0..axes[1].places)
                .step_by(LINES)
                .map(move |line| [plane, line])
        };
        let blocks = (0..axes[0].places).flat_map(lines);
        Self {
            all: blocks.map(|first| (first, reads(axes, first))).collect(),
            zeros: vec![T::ZERO; axes[2].from],
        }
    }
}

/// What the lines from `first` on read.
fn reads([a0, a1, a2]: &[Axis; 3], [plane, first]: [usize; 2]) -> Vec<Read> {
    let mut reads = Vec::with_capacity(a0.shifts.len() * a1.shifts.len());
    for shift0 in &a0.shifts {
        let z = inside(a0, plane, *shift0);
        reads.extend(a1.shifts.iter().map(|shift1| {
            std::array::from_fn(|b| {
                let y = inside(a1, first + b, *shift1);
                z.zip(y).map(|(z, y)| (z * a1.from + y) * a2.from)
            })
        }));
    }
    reads
}

/// Fetches what lies behind the `len` elements from `at` on, which are used now.
#[inline(always)]
pub(super) fn prefetch_lines<T>(data: &[T], at: usize, len: usize) {
    for i in (0..len).step_by(LINE / size_of::<T>()) {
        prefetch(data, at + AHEAD / size_of::<T>() + i);
    }
}

/// Where a place reads for a tap with this shift, if that is inside of the source.
#[inline(always)]
fn inside(axis: &Axis, place: usize, shift: isize) -> Option<usize> {
    let at = (place * axis.step) as isize + shift;
    (0..axis.from as isize).contains(&at).then_some(at as usize)
}
