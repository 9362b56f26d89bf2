//! Convolution with few channels in each group: no matrices, but vectors along the places.
//!
//! What a box reads is copied to planes (see `axis`), in which the places of several lines are one stretch with gaps
//! between the lines, and a tap is an offset:
//!
//! ```text
//! forward, by input    y[o, i] += w[o, c, t] x[c, i + at t]        by weight    dw[o, c, t] += Σ_i dy[o, i] x[c, i + at t]
//! ```
//!
//! What is computed in the gaps is left there; in dY zeros stand there.

use super::Shape;
use super::axis::{Cut, Part};
use super::correlate::{Correlation, for_each, homes, line_of};
use super::field::Source;
use super::lanes::{self, Eight, Lanes, spread};
use super::same_mut;
use super::weight::{Stretches, piece};
use super::winograd::copy_short;
use crate::Float;
use crate::matmul::tile::Buffer;
use crate::simd::{Isa, isa, vectorize};
use std::any::TypeId;
use std::ops::Range;

/// Most channels of the result in a group.
const ROWS: usize = 4;
/// Places of a box.
const PLACES: usize = 1024;
/// Elements of a copy.
const FIELD: usize = 32 << 10;
/// Places are summed in blocks of so many.
const LANES: usize = 16;
/// Groups of a task, times places.
const TASK: usize = 1 << 15;
/// Fewer multiply-adds are not worth a second thread.
const SERIAL: usize = 1 << 18;

/// Whether a correlation has few channels.
pub(super) fn suits<T>(job: &Correlation<'_, T>) -> bool {
    job.m <= ROWS
}

/// Whether the gradient of a weight is one of few channels.
pub(super) fn suits_weight(shape: &Shape) -> bool {
    shape.c_out <= ROWS && shape.c_in <= ROWS && shape.groups >= 8
}

/// Whether sums go by fused multiply-adds: where the processor has them.
pub(super) fn is_fused() -> bool {
    cfg!(target_arch = "aarch64") || isa() >= Isa::Avx2
}

#[inline(always)]
fn multiply_add<const FUSED: bool, T: Float>(a: T, b: T, c: T) -> T {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Computes a correlation that [`suits`].
pub(super) fn run<T: Float>(job: &Correlation<'_, T>, result: &mut [T]) {
    // SAFETY: the processor has just been asked.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if isa() == Isa::Avx512 {
            return if TypeId::of::<T>() == TypeId::of::<f32>() {
                run_by::<lanes::F32>(&job.cast(), same_mut(result))
            } else {
                run_by::<lanes::F64>(&job.cast(), same_mut(result))
            };
        }
        if is_fused() {
            run_by::<Eight<T, true>>(job, result);
        } else {
            run_by::<Eight<T, false>>(job, result);
        }
    }
}

/// The same, by these vectors.
///
/// # Safety
/// The processor has the instructions of `L`.
pub(super) unsafe fn run_by<L: Lanes>(job: &Correlation<'_, L::T>, result: &mut [L::T]) {
    let places = [0, 1, 2].map(|d| job.axes[d].places);
    let cut = Cut::new(job.batch, places, PLACES);
    let source = Source::copied(job.source, job.groups * job.depth, &job.axes, cut.longest());
    let each = (TASK / cut.largest().max(1)).clamp(1, job.groups);
    let pieces = job.groups.div_ceil(each);
    let k = job.depth * job.weights.taps.len();
    let little = job.batch * places.iter().product::<usize>() * job.groups * job.m * k <= SERIAL;
    let to = crate::team::Shared::new(result);
    for_each(cut.count() * pieces, little, |i| {
        let (part, groups) = (cut.part(i / pieces), piece(i % pieces, each, job.groups));
        let task = Task {
            job,
            source: &source,
            part,
        };
        let to = to.as_mut_ptr();
        // SAFETY: boxes and groups of tasks differ, and so do the elements of the result that they write.
        unsafe {
            match job.m {
                1 => task.run::<1, 8, L>(groups, to),
                2 => task.run::<2, 4, L>(groups, to),
                3 => task.run::<3, 2, L>(groups, to),
                _ => task.run::<4, 2, L>(groups, to),
            }
        }
    });
}

/// A box of places.
struct Task<'a, T> {
    job: &'a Correlation<'a, T>,
    source: &'a Source<'a, T>,
    part: Part,
}

impl<T: Float> Task<'_, T> {
    /// Computes the `R` channels of some groups, `V` vectors of places at a time.
    ///
    /// # Safety
    /// Nobody else uses these elements of the result.
    unsafe fn run<const R: usize, const V: usize, L: Lanes<T = T>>(
        &self,
        groups: Range<usize>,
        to: *mut T,
    ) {
        let (job, part, taps) = (self.job, &self.part, &self.job.weights.taps);
        let [home, _, sums] = homes();
        let one = self.source.layout(part, 1);
        // As many groups as fit into a copy, or one of them by parts.
        let channels = (FIELD / (part.images * one.channel).max(1)).max(1);
        let at_once = (channels / job.depth.max(1)).clamp(1, groups.len());
        let depth = channels.min(job.depth);
        let stretch = (part.len[1] - 1) * one.line + part.len[2];
        let lanes = stretch.next_multiple_of(LANES);
        let room = R * lanes;
        let stretches = part.images * part.len[0];
        let mut sums = Buffer::take::<T>(sums, stretches * room);
        // SAFETY: the buffer has just been taken for as much; any bits are a number.
        let sums = unsafe { std::slice::from_raw_parts_mut(sums.start::<T>(), stretches * room) };
        let (mut weights, mut offsets) = (Vec::<[T; R]>::new(), Offsets::default());
        for first in groups.clone().step_by(at_once) {
            let block = first..groups.end.min(first + at_once);
            for c0 in (0..job.depth.max(1)).step_by(depth.max(1)) {
                let count = depth.min(job.depth - c0);
                let layout = self.source.layout(part, block.len() * count);
                let channel = block.start * job.depth + c0;
                let field = self
                    .source
                    .read(home, part, &layout, channel, block.len() * count);
                let from = field.copied();
                let of_taps = self.source.taps(part, &layout);
                offsets.set(
                    (0..count).flat_map(|c| of_taps.iter().map(move |t| c * layout.channel + t)),
                );
                for group in block.clone() {
                    weights.clear();
                    for c in c0..c0 + count {
                        let at = group * job.weights.group + c * job.weights.channel;
                        let of_rows = |t: &usize| {
                            std::array::from_fn(|r| job.weights.data[at + r * job.weights.row + t])
                        };
                        weights.extend(taps.iter().map(of_rows));
                    }
                    let start = (group - block.start) * count * layout.channel;
                    for i in 0..stretches {
                        let (image, plane) = (i / part.len[0], i % part.len[0]);
                        let start = start + image * layout.image + plane * layout.plane;
                        let sums = &mut sums[i * room..][..room];
                        add::<R, V, L>(sums, c0 > 0, &from[start..], &weights, &offsets);
                        if c0 + count >= job.depth {
                            // SAFETY: these elements of the result are this task's own.
                            unsafe { self.write(to, group, [image, plane], sums, lanes, one.line) };
                        }
                    }
                }
            }
        }
    }

    /// Bias, activation, and the way to the result, of a stretch.
    ///
    /// # Safety
    /// As of [`run`](Self::run).
    unsafe fn write(
        &self,
        to: *mut T,
        group: usize,
        [image, plane]: [usize; 2],
        sums: &mut [T],
        lanes: usize,
        line: usize,
    ) {
        let (job, part) = (self.job, &self.part);
        let channels: usize = job.axes.iter().map(|axis| axis.to).product();
        for (r, sums) in sums.chunks_exact_mut(lanes).enumerate() {
            let channel = group * job.m + r;
            if job.bias.is_some() || job.relu {
                let bias = job.bias.map_or(T::ZERO, |bias| bias[channel]);
                vectorize(
                    #[inline(always)]
                    || {
                        for x in sums.iter_mut() {
                            let y = *x + bias;
                            *x = if job.relu && y < T::ZERO { T::ZERO } else { y };
                        }
                    },
                );
            }
            let start = (part.image * job.groups * job.m + channel) * channels;
            for j in 0..part.len[1] {
                let to = to.wrapping_add(start + line_of(job, part, image, plane, j));
                let from = &sums[j * line..][..part.len[2]];
                let step = job.axes[2].to_step;
                // SAFETY: this function's contract.
                unsafe {
                    if step == 1 {
                        copy_short(to, from.as_ptr(), from.len());
                    } else {
                        spread(to, from.as_ptr(), &[(0, 0, from.len())], step);
                    }
                }
            }
        }
    }
}

/// Where the taps of all channels read, from the first place on.
#[derive(Default)]
struct Offsets {
    all: Vec<usize>,
    /// The largest.
    most: usize,
}

impl Offsets {
    fn set(&mut self, all: impl Iterator<Item = usize>) {
        self.all.clear();
        self.all.extend(all);
        self.most = self.all.iter().copied().max().unwrap_or(0);
    }
}

/// `sums[r] += Σ_k weights[k][r] from[offsets[k] ..]`, from 0 on unless it goes on: at most `V` vectors at a time, since as many
/// sums take turns as there are vectors.
fn add<const R: usize, const V: usize, L: Lanes>(
    sums: &mut [L::T],
    goes_on: bool,
    from: &[L::T],
    weights: &[[L::T; R]],
    offsets: &Offsets,
) {
    let lanes = sums.len() / R;
    assert!(
        lanes.is_multiple_of(LANES)
            && from.len() >= offsets.most + lanes
            && weights.len() == offsets.all.len(),
        "conv: a tap reaches beyond what was copied"
    );
    let vectors = lanes / L::COUNT;
    let blocks = vectors.div_ceil(V);
    macro_rules! some {
        ($block:ident, $($n:literal)+) => {
            match $block.len() {
                $($n if $n <= V => add_at::<R, $n, L>(sums, $block.start * L::COUNT, goes_on, from, weights, &offsets.all),)+
                n => unreachable!("{n} vectors"),
            }
        };
    }
    vectorize(
        #[inline(always)]
        || {
            for i in 0..blocks {
                let block = i * vectors / blocks..(i + 1) * vectors / blocks;
                // SAFETY: `L` is of this processor; each vector lies within the lanes, and those of each tap within `from`.
                unsafe { some!(block, 1 2 3 4 5 6 7 8) }
            }
        },
    );
}

/// The sums of `V` vectors of places from `j` on.
///
/// # Safety
/// The processor has the instructions of `L`; there are as many places in each of the `R` rows of `sums`, and in `from`
/// behind each offset.
#[inline(always)]
unsafe fn add_at<const R: usize, const V: usize, L: Lanes>(
    sums: &mut [L::T],
    j: usize,
    goes_on: bool,
    from: &[L::T],
    weights: &[[L::T; R]],
    offsets: &[usize],
) {
    let lanes = sums.len() / R;
    let (to, from) = (sums.as_mut_ptr(), from.as_ptr());
    // SAFETY: this function's contract.
    unsafe {
        let mut acc = [[L::splat(L::T::ZERO); V]; R];
        if goes_on {
            for r in 0..R {
                for v in 0..V {
                    acc[r][v] = L::load(to.add(r * lanes + j + v * L::COUNT));
                }
            }
        }
        for (w, at) in weights.iter().zip(offsets) {
            for v in 0..V {
                let x = L::load(from.add(at + j + v * L::COUNT));
                for r in 0..R {
                    acc[r][v] = L::splat(w[r]).mul_add(x, acc[r][v]);
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                acc[r][v].store(to.add(r * lanes + j + v * L::COUNT));
            }
        }
    }
}

/// `dw` of operands that fit and [`suits_weight`].
pub(super) fn by_weight<T: Float>(dw: &mut [T], x: &[T], dy: &[T], shape: &Shape, fused: bool) {
    let axes = shape.axes();
    let cut = Cut::new(shape.batch, shape.output, PLACES);
    let source = Source::copied(x, shape.groups * shape.c_in, &axes, cut.longest());
    let each = (TASK / cut.largest().max(1)).clamp(1, shape.groups.div_ceil(8));
    let pieces = shape.groups.div_ceil(each);
    let sums = Stretches::new(dw, pieces, cut.count());
    let taps: usize = shape.kernel.iter().product();
    let little = shape.y() * shape.c_in * taps <= SERIAL;
    let job = ByWeight {
        shape,
        dy,
        source: &source,
        cut,
        taps,
    };
    for_each(pieces * sums.count, little, |i| {
        let (stretch, groups) = (i / pieces, piece(i % pieces, each, shape.groups));
        let of_group = shape.c_out * shape.c_in * taps;
        let to = sums.to(stretch).wrapping_add(groups.start * of_group);
        // SAFETY: no other task has these groups of this stretch.
        let to = unsafe { std::slice::from_raw_parts_mut(to, groups.len() * of_group) };
        if fused {
            job.groups::<true>(to, &groups, sums.boxes(stretch));
        } else {
            job.groups::<false>(to, &groups, sums.boxes(stretch));
        }
    });
    sums.add();
}

/// What the tasks have in common.
struct ByWeight<'a, T> {
    shape: &'a Shape,
    dy: &'a [T],
    source: &'a Source<'a, T>,
    cut: Cut,
    taps: usize,
}

impl<T: Float> ByWeight<'_, T> {
    /// The weights of some groups from some boxes.
    fn groups<const FUSED: bool>(&self, dw: &mut [T], groups: &Range<usize>, boxes: Range<usize>) {
        let (shape, taps) = (self.shape, self.taps);
        let [home, gaps, _] = homes();
        let mut sums = vec![[T::ZERO; LANES]; dw.len()];
        let volume: usize = shape.output.iter().product();
        for part in boxes.map(|i| self.cut.part(i)) {
            let one = self.source.layout(&part, shape.c_in);
            let at_once = (FIELD / (part.images * one.channel * shape.c_in)).clamp(1, groups.len());
            let lanes = ((part.len[1] - 1) * one.line + part.len[2]).next_multiple_of(LANES);
            let mut gaps = Buffer::take::<T>(gaps, lanes);
            // SAFETY: the buffer has just been taken for as much; any bits are a number.
            let dy = unsafe { std::slice::from_raw_parts_mut(gaps.start::<T>(), lanes) };
            dy.fill(T::ZERO);
            for first in groups.clone().step_by(at_once) {
                let block = first..groups.end.min(first + at_once);
                let count = block.len() * shape.c_in;
                let layout = self.source.layout(&part, count);
                let field = self
                    .source
                    .read(home, &part, &layout, block.start * shape.c_in, count);
                let from = field.copied();
                let offsets = self.source.taps(&part, &layout);
                for group in block.clone() {
                    for image in 0..part.images {
                        for plane in 0..part.len[0] {
                            let start = image * layout.image + plane * layout.plane;
                            for o in 0..shape.c_out {
                                let at =
                                    ((part.image + image) * shape.groups + group) * shape.c_out + o;
                                let at = at * volume
                                    + (part.first[0] + plane) * shape.output[1] * shape.output[2];
                                for j in 0..part.len[1] {
                                    let at =
                                        at + (part.first[1] + j) * shape.output[2] + part.first[2];
                                    let line = &self.dy[at..at + part.len[2]];
                                    dy[j * one.line..][..line.len()].copy_from_slice(line);
                                }
                                for c in 0..shape.c_in {
                                    let channel = (group - block.start) * shape.c_in + c;
                                    let from = &from[start + channel * layout.channel..];
                                    let row =
                                        ((group - groups.start) * shape.c_out + o) * shape.c_in + c;
                                    dots::<FUSED, T>(
                                        &mut sums[row * taps..][..taps],
                                        dy,
                                        from,
                                        &offsets,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
        for (dw, sums) in dw.iter_mut().zip(&sums) {
            *dw = sums.iter().fold(T::ZERO, |sum, x| sum + *x);
        }
    }
}

/// `sums[t] += dy · from[offsets[t] ..]`, lane by lane.
fn dots<const FUSED: bool, T: Float>(
    sums: &mut [[T; LANES]],
    dy: &[T],
    from: &[T],
    offsets: &[usize],
) {
    macro_rules! some {
        ($sums:ident, $offsets:ident, $($n:literal)+) => {
            match $sums.len() {
                $($n => some_dots::<$n, FUSED, T>($sums, dy, from, $offsets),)+
                n => unreachable!("{n} taps"),
            }
        };
    }
    // Nine at once, as many as a small filter has.
    for (sums, offsets) in sums.chunks_mut(9).zip(offsets.chunks(9)) {
        some!(sums, offsets, 1 2 3 4 5 6 7 8 9);
    }
}

fn some_dots<const N: usize, const FUSED: bool, T: Float>(
    sums: &mut [[T; LANES]],
    dy: &[T],
    from: &[T],
    offsets: &[usize],
) {
    vectorize(
        #[inline(always)]
        || {
            let mut acc = [[T::ZERO; LANES]; N];
            acc.copy_from_slice(sums);
            let x: [&[T]; N] = std::array::from_fn(|n| &from[offsets[n]..][..dy.len()]);
            for j in (0..dy.len()).step_by(LANES) {
                let d = &dy[j..j + LANES];
                for n in 0..N {
                    let x = &x[n][j..j + LANES];
                    for l in 0..LANES {
                        acc[n][l] = multiply_add::<FUSED, T>(d[l], x[l], acc[n][l]);
                    }
                }
            }
            sums.copy_from_slice(&acc);
        },
    );
}
