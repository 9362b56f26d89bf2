//! The gradient of a filter of 3 by 3 by Winograd's way (see `winograd`, whose matrices these are).
//!
//! ```text
//! dg = Gᵀ [ Σ_tiles (A dY Aᵀ) ⊙ (Bᵀ d B) ] G        for 2 by 2 places dY that read 4 by 4 elements d
//! ```
//!
//! For each of the 16 products of elements that is a product of matrices whose sum runs over all tiles of the batch. Here
//! channels lie side by side: a task turns what it reads so that the channels of an element are neighbours, and a
//! transform is one of vectors of channels.

use super::Shape;
use super::axis::{Cut, Part};
use super::correlate::{for_each, homes};
use super::weight::{Stretches, blocks, piece, rows_home};
use super::winograd::{GAP, LANES, LEAST, N, source_of};
use crate::Float;
use crate::matmul::tile::{Buffer, C, Micro, Tile, Tiles, View};
use crate::simd::vectorize;
use std::ops::Range;

/// Tiles of a box: what they are transformed to stays in the second cache.
const TILES: usize = 64;
/// Most rows and columns of a block.
const ROWS: usize = 56;
const COLUMNS: usize = 64;

/// Whether the gradient is of this kind, and large enough for it to pay.
pub(super) fn suits<T: Float>(shape: &Shape) -> bool {
    let flat = shape.input[0] == 1 && shape.output[0] == 1 && shape.before[0] == 0;
    let near = shape.stride == [1; 3] && shape.dilation == [1; 3];
    let wide = shape.output[1] >= 2 && shape.output[2] >= 2;
    let deep = shape.c_in >= LEAST && shape.c_out >= LEAST;
    flat && near && wide && deep && shape.kernel == [1, 3, 3] && size_of::<T>() == 4
}

/// `dw` of operands that fit and [`suits`].
///
/// # Safety
/// The processor has the instructions of `K`, and the lengths fit.
pub(super) unsafe fn run<T: Float, K: Micro<In = T, Out = T>>(
    dw: &mut [T],
    x: &[T],
    dy: &[T],
    shape: &Shape,
) {
    let tiles = [1, shape.output[1].div_ceil(2), shape.output[2].div_ceil(2)];
    let cut = Cut::new(shape.batch, tiles, TILES);
    let rows = blocks(shape.c_out, ROWS, K::ROWS);
    let columns = blocks(shape.c_in, COLUMNS, K::COLS);
    let each = shape.groups * rows.1 * columns.1;
    let sums = Stretches::new(dw, each, cut.count());
    let job = Job { shape, x, dy, cut };
    for_each(each * sums.count, false, |i| {
        let (stretch, i) = (i / each, i % each);
        let (group, i) = (i / (rows.1 * columns.1), i % (rows.1 * columns.1));
        let rows = piece(i / columns.1, rows.0, shape.c_out);
        let columns = piece(i % columns.1, columns.0, shape.c_in);
        let at = (group * shape.c_out + rows.start) * shape.c_in + columns.start;
        let to = C {
            at: sums.to(stretch).wrapping_add(9 * at),
            row: 9 * shape.c_in,
        };
        // SAFETY: no other task has this block of this stretch.
        unsafe { job.block::<K>(to, group, rows, columns, sums.boxes(stretch)) };
    });
    sums.add();
}

/// What the tasks have in common.
struct Job<'a, T> {
    shape: &'a Shape,
    x: &'a [T],
    dy: &'a [T],
    cut: Cut,
}

/// The lines and columns of images that a box reads, `(images, lines, columns)`.
#[derive(Debug, Clone)]
struct Region {
    lines: Range<usize>,
    columns: Range<usize>,
}

impl Region {
    /// From `first` on `len` of an axis of length `n`, as far as they are there.
    fn axis(first: isize, len: usize, n: usize) -> Range<usize> {
        let inside = |at: isize| at.clamp(0, n as isize) as usize;
        inside(first)..inside(first + len as isize)
    }

    fn len(&self) -> usize {
        self.lines.len() * self.columns.len()
    }

    /// The place of an element of an image; behind all of them where it is not there, and zeros are.
    fn at(&self, image: usize, images: usize, line: isize, column: isize) -> usize {
        let inside = |range: &Range<usize>, at: isize| {
            let at = usize::try_from(at).ok().filter(|at| range.contains(at));
            at.map(|at| at - range.start)
        };
        match inside(&self.lines, line).zip(inside(&self.columns, column)) {
            Some((line, column)) => (image * self.lines.len() + line) * self.columns.len() + column,
            None => images * self.len(),
        }
    }
}

impl<T: Float> Job<'_, T> {
    /// The gradient of a block of weights from some boxes.
    ///
    /// # Safety
    /// As of [`run`], and nobody else uses these weights at `to`.
    unsafe fn block<K: Micro<In = T, Out = T>>(
        &self,
        to: C<T>,
        group: usize,
        rows: Range<usize>,
        columns: Range<usize>,
        boxes: Range<usize>,
    ) {
        let shape = self.shape;
        let [turned, packed, sums] = homes();
        let (tiles, panels) = (
            Tiles::new(rows.len(), K::ROWS),
            columns.len().div_ceil(K::COLS),
        );
        let most = self.cut.largest();
        // From product to product.
        let (a_apart, b_apart) = (rows.len() * most + GAP, panels * K::COLS * most + GAP);
        let c_apart = rows.len() * panels * K::COLS + GAP;
        let mut a = Buffer::take::<T>(rows_home(), N * a_apart + LANES);
        let mut b = Buffer::take::<T>(packed, N * b_apart);
        let mut c = Buffer::take::<T>(sums, N * c_apart);
        let (a, b) = (a.start::<T>(), b.start::<T>());
        let c = C {
            at: c.start::<T>(),
            row: panels * K::COLS,
        };
        let start = boxes.start;
        for i in boxes {
            let part = self.cut.part(i);
            let n = part.images * part.places();
            let (first, len) = (
                [2 * part.first[1], 2 * part.first[2]],
                [2 * part.len[1], 2 * part.len[2]],
            );
            let low = [
                first[0] as isize - shape.before[1] as isize,
                first[1] as isize - shape.before[2] as isize,
            ];
            let of_y = Region {
                lines: Region::axis(first[0] as isize, len[0], shape.output[1]),
                columns: Region::axis(first[1] as isize, len[1], shape.output[2]),
            };
            let of_x = Region {
                lines: Region::axis(low[0], len[0] + 2, shape.input[1]),
                columns: Region::axis(low[1], len[1] + 2, shape.input[2]),
            };
            let places = patches::<4>(&part, &of_y, [first[0] as isize, first[1] as isize]);
            let elements = patches::<16>(&part, &of_x, low);

            for t in 0..tiles.count {
                let (row, r) = tiles.tile(t);
                let channel = group * shape.c_out + rows.start + row;
                let source = Turned {
                    data: self.dy,
                    channels: shape.groups * shape.c_out,
                    space: [shape.output[1], shape.output[2]],
                };
                let room = (part.images * of_y.len() + 1) * r + LANES;
                let mut turned = Buffer::take::<T>(turned, room);
                let from = turned.start::<T>();
                // SAFETY: the buffers have room for as much, and for the lanes behind.
                unsafe {
                    source.turn::<K>(from, r, &part, &of_y, channel, r);
                    transform::<T, 4>(a.add(row * n), a_apart, from, r, &places, places_of);
                }
            }
            for panel in 0..panels {
                let first = columns.start + panel * K::COLS;
                let lanes = K::COLS.min(columns.end - first);
                let source = Turned {
                    data: self.x,
                    channels: shape.groups * shape.c_in,
                    space: [shape.input[1], shape.input[2]],
                };
                let room = (part.images * of_x.len() + 1) * K::COLS;
                let mut turned = Buffer::take::<T>(turned, room);
                let from = turned.start::<T>();
                // SAFETY: the buffers have room for as much.
                unsafe {
                    source.turn::<K>(
                        from,
                        K::COLS,
                        &part,
                        &of_x,
                        group * shape.c_in + first,
                        lanes,
                    );
                    for at in (0..lanes).step_by(LANES) {
                        let b = b.add(panel * K::COLS * n + at);
                        transform::<T, 16>(b, b_apart, from.add(at), K::COLS, &elements, source_of);
                    }
                }
            }
            for p in 0..N {
                for t in 0..tiles.count {
                    let (row, r) = tiles.tile(t);
                    for panel in 0..panels {
                        let tile = Tile {
                            rows: r,
                            cols: K::COLS.min(columns.len() - panel * K::COLS),
                            units: n,
                            a: a.wrapping_add(p * a_apart + row * n).cast_const(),
                            a_row: 0,
                            a_step: 0,
                            b: b.wrapping_add(p * b_apart + panel * K::COLS * n)
                                .cast_const(),
                            b_step: K::COLS,
                            c: c.to(row).wrapping_add(p * c_apart + panel * K::COLS),
                            c_row: c.row,
                            load: i > start,
                            finish: None,
                        };
                        // SAFETY: packed above; the sums are this task's own.
                        unsafe { K::tile(&tile, true) };
                    }
                }
            }
        }
        vectorize(
            #[inline(always)]
            || {
                for i in 0..rows.len() {
                    for j in (0..columns.len()).step_by(LANES) {
                        let u = std::array::from_fn(|p| {
                            // SAFETY: a row of the sums has whole vectors.
                            unsafe { *c.to(i).add(p * c_apart + j).cast::<[T; LANES]>() }
                        });
                        let g = weights_of(u);
                        let to = to.to(i).wrapping_add(9 * j);
                        for l in 0..LANES.min(columns.len() - j) {
                            for (t, g) in g.iter().enumerate() {
                                // SAFETY: these weights are this task's own.
                                unsafe { *to.add(9 * l + t) = g[l] };
                            }
                        }
                    }
                }
            },
        );
    }
}

/// For each tile of a box the places in `region` of its `E` elements, 2 by 2 or 4 by 4, of which the first tile's first
/// one is at `low`.
fn patches<const E: usize>(part: &Part, region: &Region, low: [isize; 2]) -> Vec<[usize; E]> {
    let side = E.isqrt();
    let mut patches = Vec::with_capacity(part.images * part.places());
    for image in 0..part.images {
        for i in 0..part.len[1] {
            for j in 0..part.len[2] {
                patches.push(std::array::from_fn(|e| {
                    let (line, column) = (2 * i + e / side, 2 * j + e % side);
                    region.at(
                        image,
                        part.images,
                        low[0] + line as isize,
                        low[1] + column as isize,
                    )
                }));
            }
        }
    }
    patches
}

/// Images `(B, channels, *space)` to be turned.
struct Turned<'a, T> {
    data: &'a [T],
    channels: usize,
    space: [usize; 2],
}

impl<T: Float> Turned<'_, T> {
    /// Copies `lanes` channels of a region as `[element][width]`, and zeros behind.
    ///
    /// # Safety
    /// `to` has room for them, and the processor has the instructions of `K`.
    unsafe fn turn<K: Micro<In = T, Out = T>>(
        &self,
        to: *mut T,
        width: usize,
        part: &Part,
        region: &Region,
        channel: usize,
        lanes: usize,
    ) {
        let [height, breadth] = self.space;
        let whole = region.columns.len() == breadth;
        let (count, depth) = if whole {
            (1, region.len())
        } else {
            (region.lines.len(), region.columns.len())
        };
        for image in 0..part.images {
            let first = ((part.image + image) * self.channels + channel) * height * breadth;
            for line in 0..if depth > 0 { count } else { 0 } {
                let at = first + (region.lines.start + line) * breadth + region.columns.start;
                let from = View {
                    at: self.data[at..].as_ptr(),
                    lane: height * breadth,
                    step: 1,
                };
                let to = to.wrapping_add((image * region.len() + line * depth) * width);
                // SAFETY: the lines of all lanes lie within the data; the rest is this function's contract.
                unsafe { K::pack(to, width, from, lanes, depth) };
            }
        }
        let end = part.images * region.len() * width;
        // SAFETY: this function's contract. Zero bits are zero.
        unsafe { to.add(end).write_bytes(0, width) };
    }
}

/// Transforms the elements of each tile: `from` holds `[element][width]`, `to` gets `[tile][width]` for each product.
///
/// # Safety
/// Both reach as far, and vectors of [`LANES`] may be read and written at each.
#[inline(always)]
unsafe fn transform<T: Float, const E: usize>(
    to: *mut T,
    apart: usize,
    from: *const T,
    width: usize,
    tiles: &[[usize; E]],
    f: impl Fn([[T; LANES]; E]) -> [[T; LANES]; N],
) {
    vectorize(
        #[inline(always)]
        || {
            for (i, elements) in tiles.iter().enumerate() {
                // SAFETY: this function's contract.
                let d = elements.map(|e| unsafe { *from.add(e * width).cast::<[T; LANES]>() });
                for (p, v) in f(d).iter().enumerate() {
                    // SAFETY: this function's contract.
                    unsafe { *to.add(p * apart + i * width).cast::<[T; LANES]>() = *v };
                }
            }
        },
    );
}

/// `A dY Aᵀ`
#[inline(always)]
fn places_of<T: Float>(y: [[T; LANES]; 4]) -> [[T; LANES]; N] {
    super::winograd::each(
        &y,
        #[inline(always)]
        |y| {
            let mut t = [T::ZERO; 8];
            for j in 0..2 {
                let (a, b) = (y[j], y[2 + j]);
                [t[j], t[2 + j], t[4 + j], t[6 + j]] = [a, a + b, a - b, -b];
            }
            let mut m = [T::ZERO; N];
            for i in 0..4 {
                let (a, b) = (t[2 * i], t[2 * i + 1]);
                [m[4 * i], m[4 * i + 1], m[4 * i + 2], m[4 * i + 3]] = [a, a + b, a - b, -b];
            }
            m
        },
    )
}

/// `Gᵀ u G`
#[inline(always)]
fn weights_of<T: Float>(u: [[T; LANES]; N]) -> [[T; LANES]; 9] {
    let half = T::of(0.5);
    super::winograd::each(
        &u,
        #[inline(always)]
        |u| {
            let mut t = [T::ZERO; 12];
            for j in 0..4 {
                let [a, b, c, d] = [u[j], u[4 + j], u[8 + j], u[12 + j]];
                let (sum, difference) = ((b + c) * half, (b - c) * half);
                [t[j], t[4 + j], t[8 + j]] = [a + sum, difference, sum + d];
            }
            let mut g = [T::ZERO; 9];
            for i in 0..3 {
                let [a, b, c, d] = [t[4 * i], t[4 * i + 1], t[4 * i + 2], t[4 * i + 3]];
                let (sum, difference) = ((b + c) * half, (b - c) * half);
                [g[3 * i], g[3 * i + 1], g[3 * i + 2]] = [a + sum, difference, sum + d];
            }
            g
        },
    )
}
