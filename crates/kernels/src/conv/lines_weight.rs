//! The gradient by the weight of a *depthwise* convolution, by lines read where they lie (see `lines`).
//!
//! ```text
//! dw[g, t] = Σ_b Σ_p dy[b, g, p] x[b, g, p + shift t]
//! ```
//!
//! Some taps at once keep their sums in registers, lane by lane, while they go through the lines of a channel.

use super::correlate::for_each;
use super::lanes::{self, Masked};
use super::lines::{Blocks, Columns, LINES, Read, are_many, prefetch_lines};
use super::weight::{Stretches, piece};
use super::{Shape, same, same_mut, volume};
use crate::Float;
use crate::simd::vectorize;
use std::any::TypeId;
use std::ops::Range;

/// Sums in registers at once, and rows of the kernel that they come from.
const SUMS: usize = 16;
const ROWS: usize = 3;
/// Multiply-adds of a task, for each image.
const TASK: usize = 1 << 17;
/// Fewer are not worth a second thread.
const SERIAL: usize = 1 << 18;

/// Whether it is the gradient of depthwise weights, and this processor has masks.
pub(super) fn suits(shape: &Shape) -> bool {
    (shape.c_in, shape.c_out) == (1, 1)
        && shape.groups >= 8
        && shape.stride[2] <= 2
        && are_many(shape.output[1], shape.output[2])
}

/// `dw` of operands that fit and [`suits`].
pub(super) fn run<T: Float>(dw: &mut [T], x: &[T], dy: &[T], shape: &Shape) {
    macro_rules! by {
        ($lanes:ty, $from:literal) => {
            // SAFETY: the processor has AVX-512: `suits`.
            unsafe { run_by::<$lanes, $from>(same_mut(dw), same(x), same(dy), shape) }
        };
    }
    match (TypeId::of::<T>() == TypeId::of::<f32>(), shape.stride[2]) {
        (true, 1) => by!(lanes::F32, 1),
        (true, _) => by!(lanes::F32, 2),
        (false, 1) => by!(lanes::F64, 1),
        (false, _) => by!(lanes::F64, 2),
    }
}

/// # Safety
/// The processor has the instructions of `L`.
unsafe fn run_by<L: Masked, const FROM: usize>(
    dw: &mut [L::T],
    x: &[L::T],
    dy: &[L::T],
    shape: &Shape,
) {
    let (axes, taps) = (shape.axes(), volume(shape.kernel));
    let columns = (0..axes[2].places).step_by(L::COUNT);
    let work = volume(shape.output) * taps;
    let each = (TASK / work.max(1)).clamp(1, shape.groups.div_ceil(8));
    let pieces = shape.groups.div_ceil(each);
    let job = ByWeight::<L, FROM> {
        shape,
        x,
        dy,
        columns: columns
            .map(|first| Columns::new::<L>(&axes[2], first))
            .collect(),
        blocks: Blocks::new(&axes),
        taps,
    };
    let sums = Stretches::new(dw, pieces, shape.batch);
    let little = shape.y() * taps <= SERIAL;
    for_each(pieces * sums.count, little, |i| {
        let (stretch, groups) = (i / pieces, piece(i % pieces, each, shape.groups));
        let to = sums.to(stretch).wrapping_add(groups.start * taps);
        // SAFETY: no other task has these groups of this stretch; the rest is this function's contract.
        unsafe {
            let to = std::slice::from_raw_parts_mut(to, groups.len() * taps);
            job.groups(to, &groups, sums.boxes(stretch));
        }
    });
    sums.add();
}

/// What the tasks have in common.
struct ByWeight<'a, L: Masked, const FROM: usize> {
    shape: &'a Shape,
    x: &'a [L::T],
    dy: &'a [L::T],
    columns: Vec<Columns<1, FROM, 1>>,
    blocks: Blocks<L::T>,
    taps: usize,
}

impl<L: Masked, const FROM: usize> ByWeight<'_, L, FROM> {
    /// The weights of some groups from some images.
    ///
    /// # Safety
    /// The processor has the instructions of `L`.
    unsafe fn groups(&self, dw: &mut [L::T], groups: &Range<usize>, images: Range<usize>) {
        let of_group = self.taps * L::COUNT;
        let mut sums = vec![L::T::ZERO; groups.len() * of_group];
        vectorize(
            #[inline(always)]
            || {
                for image in images {
                    for (group, sums) in groups.clone().zip(sums.chunks_exact_mut(of_group)) {
                        // SAFETY: this function's contract.
                        unsafe { self.channel(sums, image * self.shape.groups + group) };
                    }
                }
            },
        );
        for (dw, sums) in dw.iter_mut().zip(sums.chunks_exact(L::COUNT)) {
            *dw = sums.iter().fold(L::T::ZERO, |sum, x| sum + *x);
        }
    }

    /// Adds what a channel of an image gives: `sums (taps, COUNT)`.
    ///
    /// # Safety
    /// As of [`groups`](Self::groups).
    #[inline(always)]
    unsafe fn channel(&self, sums: &mut [L::T], channel: usize) {
        let shape = self.shape;
        let [_, lines, width] = shape.output;
        let source = channel * volume(shape.input);
        let in_row = shape.kernel[2];
        for ([plane, first], reads) in &self.blocks.all {
            let from = (plane * lines + first) * width;
            let block = Block {
                x: self.x.as_ptr().wrapping_add(source),
                dy: self
                    .dy
                    .as_ptr()
                    .wrapping_add(channel * volume(shape.output) + from),
                width,
                lines: LINES.min(lines - first),
                zeros: self.blocks.zeros.as_ptr(),
            };
            prefetch_lines(
                self.x,
                source + first * shape.stride[1] * shape.input[2],
                LINES * shape.stride[1] * shape.input[2],
            );
            prefetch_lines(
                self.dy,
                channel * volume(shape.output) + from,
                LINES * width,
            );
            for columns in &self.columns {
                for (k, taps) in columns.taps.chunks(SUMS / 2).enumerate() {
                    let rows = (SUMS / taps.len()).min(ROWS);
                    for (j, reads) in reads.chunks(rows).enumerate() {
                        let first_tap = j * rows * in_row + k * (SUMS / 2);
                        let sums = &mut sums[first_tap * L::COUNT..];
                        macro_rules! some {
                            ($($rows:literal $taps:literal,)+) => {
                                match (reads.len(), taps.len()) {
                                    // SAFETY: this function's contract; reads and masks keep to the lines of `x`, and places
                                    // to those of `dy`.
                                    $(($rows, $taps) => unsafe {
                                        block.add::<L, $rows, $taps, FROM>(sums, in_row, reads, columns.first, columns.places[0][0], taps)
                                    },)+
                                    other => unreachable!("{other:?} rows and taps"),
                                }
                            };
                        }
                        some!(1 1, 1 2, 1 3, 1 4, 1 5, 1 6, 1 7, 1 8, 2 1, 2 2, 2 3, 2 4, 2 5, 2 6, 2 7, 2 8, 3 1, 3 2, 3 3, 3 4, 3 5,);
                    }
                }
            }
        }
    }
}

/// Some lines of a channel.
struct Block<T> {
    /// The channel.
    x: *const T,
    /// The first place of the first line.
    dy: *const T,
    width: usize,
    lines: usize,
    zeros: *const T,
}

impl<T: Float> Block<T> {
    /// Adds the products with `K` taps of `R` rows of the kernel to their sums, for the places of a vector of each line.
    ///
    /// # Safety
    /// The processor has the instructions of `L`; `reads` and the lanes of `taps` are within the channel, those of `places`
    /// within the lines of `dy`; `sums` has `R` rows of `in_row` vectors, but for the end of the last.
    #[inline(always)]
    unsafe fn add<L: Masked<T = T>, const R: usize, const K: usize, const FROM: usize>(
        &self,
        sums: &mut [T],
        in_row: usize,
        reads: &[Read],
        first: usize,
        places: u16,
        taps: &[(isize, [[u16; FROM]; 1])],
    ) {
        let at = |r: usize, k: usize| (r * in_row + k) * L::COUNT;
        assert!(sums.len() >= at(R - 1, K), "conv: too few sums");
        let sums = sums.as_mut_ptr();
        // SAFETY: this function's contract.
        unsafe {
            let mut acc = [[L::splat(T::ZERO); K]; R];
            for r in 0..R {
                for k in 0..K {
                    acc[r][k] = L::load(sums.add(at(r, k)));
                }
            }
            for line in 0..self.lines {
                let dy = L::load_where([places], self.dy.wrapping_add(line * self.width + first));
                for r in 0..R {
                    let row = match reads[r][line] {
                        Some(at) => self.x.wrapping_add(at),
                        None => self.zeros,
                    };
                    for k in 0..K {
                        let (at, [lanes]) = taps[k];
                        let x = L::load_where(lanes, row.wrapping_offset(at));
                        acc[r][k] = dy.mul_add(x, acc[r][k]);
                    }
                }
            }
            for r in 0..R {
                for k in 0..K {
                    acc[r][k].store(sums.add(at(r, k)));
                }
            }
        }
    }
}
