//! Filters of 3 by 3 with 2.25 times fewer multiplications (Winograd's minimal filtering F(2×2, 3×3); Lavin & Gray 2015,
//! arXiv:1509.09308).
//!
//! ```text
//! Y = Aᵀ [ Σ_c (G g Gᵀ) ⊙ (Bᵀ d B) ] A        for 2 by 2 places Y from 4 by 4 elements d
//!
//!      1  0 -1  0             1   0   0
//! Bᵀ = 0  1  1  0       G =   ½   ½   ½       Aᵀ = 1  1  1  0
//!      0 -1  1  0             ½  -½   ½            0  1 -1 -1
//!      0  1  0 -1             0   0   1
//! ```
//!
//! Each of the 16 products of elements is a product of matrices, weights by tiles of 2 by 2 places. A task takes a box of
//! tiles, 16 or 32 at a time: transforms what they read, multiplies, transforms back. All of that stays in its cache.

use super::axis::{Axis, Cut, Part};
use super::correlate::{Correlation, for_each, homes};
use super::field::Source;
use crate::buffer;
use crate::matmul::tile::{Buffer, C, Line, Micro, Places, Runs, Tile, Tiles};
use crate::simd::vectorize;
use crate::{Float, team};
use std::cell::Cell;
use std::ops::Range;

/// Fewer channels on either side are not worth the transforms.
pub(super) const LEAST: usize = 32;
/// Channels that are transformed at once.
const DEPTH: usize = 128;
/// Rows of weights that are multiplied at once.
const ROWS: usize = 192;
/// Elements of the copy of a box.
const FIELD: usize = 80_000;
/// Lanes of a transform.
pub(super) const LANES: usize = 16;
/// Products of elements.
pub(super) const N: usize = 16;
/// Elements between the matrices of two products: else all would lie in the same sets of the first cache.
pub(super) const GAP: usize = 16;

thread_local! {
    static TRANSFORMED: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// The taps of an axis in the order of what they read, if they read three neighbours.
pub(super) fn neighbours(axis: &Axis) -> Option<(isize, [usize; 3])> {
    let [a, b, c] = axis.shifts[..] else {
        return None;
    };
    let plain = axis.step == 1 && axis.to_step == 1;
    match (plain, b - a, c - b) {
        (true, 1, 1) => Some((a, [0, 1, 2])),
        (true, -1, -1) => Some((c, [2, 1, 0])),
        _ => None,
    }
}

/// Whether a correlation is of this kind, and large enough for it to pay.
pub(super) fn suits<T: Float>(job: &Correlation<'_, T>) -> bool {
    let [line, row, column] = &job.axes;
    let flat = line.shifts == [0] && line.from == 1 && line.places == 1;
    let wide = row.places >= 2 && column.places >= 2;
    let deep = job.depth >= LEAST && job.m >= LEAST;
    let narrow = size_of::<T>() == 4; // f64 is asked for where every digit counts
    flat && wide && deep && narrow && neighbours(row).is_some() && neighbours(column).is_some()
}

/// Computes a correlation that [`suits`].
///
/// # Safety
/// The processor has the instructions of `K`, and source, weights, bias and result are as long as the lengths say.
pub(super) unsafe fn run<T: Float, K: Micro<In = T, Out = T>>(
    job: &Correlation<'_, T>,
    result: &mut [T],
) {
    let taps = |axis| neighbours(axis).expect("it suits");
    let [(low1, order1), (low2, order2)] = [taps(&job.axes[1]), taps(&job.axes[2])];
    let tiles = |axis: &Axis, low: isize| Axis {
        places: axis.places.div_ceil(2),
        step: 2,
        shifts: (low..low + 4).collect(),
        ..axis.clone()
    };
    let axes = [
        job.axes[0].clone(),
        tiles(&job.axes[1], low1),
        tiles(&job.axes[2], low2),
    ];
    let most = (FIELD / 5 / job.depth).clamp(2 * LANES, 16 * LANES);
    let cut = Cut::new(job.batch, [1, axes[1].places, axes[2].places], most);
    let source = Source::new(job.source, job.groups * job.depth, &axes, cut.longest());
    let rows = Tiles::new(job.m, K::ROWS);

    let size = N * job.m * job.depth;
    let mut weights = buffer::Buffer::new(job.groups * size * size_of::<T>());
    let a = C {
        at: weights.slice_mut::<T>().as_mut_ptr(),
        row: size,
    };
    let order: [usize; 9] = std::array::from_fn(|i| 3 * order1[i / 3] + order2[i % 3]);
    team::run(job.groups * rows.count, |i| {
        let (group, tile) = (i / rows.count, rows.tile(i % rows.count));
        // SAFETY: each tile of a group has its own part of the buffer.
        unsafe { transform_weights::<T, K>(a.to(group), job, group, tile, &order) };
    });

    let boxes = cut.count();
    let split = (4 * team::threads())
        .div_ceil(job.groups * boxes)
        .min(rows.count.div_ceil(4))
        .max(job.m.div_ceil(ROWS));
    let to = C {
        at: result.as_mut_ptr(),
        row: 1,
    };
    for_each(job.groups * boxes * split, false, |i| {
        let (group, i) = (i / (boxes * split), i % (boxes * split));
        let (part, piece) = (cut.part(i / split), i % split);
        let tiles = piece * rows.count / split..(piece + 1) * rows.count / split;
        let task = Task {
            job,
            source: &source,
            rows,
            group,
            part,
            a: a.to(group),
            to,
        };
        // SAFETY: boxes, groups and rows of tasks differ, and so do the elements of the result that they write.
        unsafe { task.run::<K>(tiles) };
    });
}

/// The stretches of the channels.
fn stretches(depth: usize) -> impl Iterator<Item = (usize, usize)> {
    let each = depth.div_ceil(depth.div_ceil(DEPTH));
    (0..depth)
        .step_by(each)
        .map(move |c0| (c0, each.min(depth - c0)))
}

/// `G g Gᵀ` of a tile of rows: `[stretch][16][tile][channel][rows]`.
unsafe fn transform_weights<T: Float, K: Micro<In = T, Out = T>>(
    to: *mut T,
    job: &Correlation<'_, T>,
    group: usize,
    (first, r): (usize, usize),
    order: &[usize; 9],
) {
    let w = &job.weights;
    let [_, columns, _] = homes();
    let lanes: Vec<usize> = (0..r).map(|i| i * w.row).collect();
    for (c0, depth) in stretches(job.depth) {
        let steps = (0..9 * depth).map(|i| i / 9 * w.channel + w.taps[i % 9]);
        let steps = Runs::new(steps.collect());
        let mut raw = Buffer::take::<T>(columns, 9 * depth * K::COLS);
        let raw = raw.start::<T>();
        let from = w.data[group * w.group + first * w.row + c0 * w.channel..].as_ptr();
        // SAFETY: the buffer has just been taken for as much; lanes and steps lie within the weights.
        let raw = unsafe {
            K::gather(
                raw,
                from,
                &Places::anywhere(&lanes),
                &steps.part(0, 9 * depth),
            );
            std::slice::from_raw_parts(raw, 9 * depth * K::COLS)
        };
        let to = to.wrapping_add(c0 * N * job.m + first * depth);
        vectorize(
            #[inline(always)]
            || {
                for (c, g) in raw.chunks_exact(9 * K::COLS).enumerate() {
                    let u = weights_of::<T>(order.map(|t| lanes_at(g, t * K::COLS)));
                    for (i, u) in u.iter().enumerate() {
                        let to = to.wrapping_add(i * depth * job.m + c * r);
                        // SAFETY: the tile's own part of the buffer has `r` times `depth` elements for each product.
                        unsafe { to.copy_from_nonoverlapping(u.as_ptr(), r) };
                    }
                }
            },
        );
    }
}

#[inline(always)]
fn lanes_at<T: Float>(x: &[T], at: usize) -> [T; LANES] {
    let mut lanes = [T::ZERO; LANES];
    lanes.copy_from_slice(&x[at..at + LANES]);
    lanes
}

/// A box of tiles.
struct Task<'a, T> {
    job: &'a Correlation<'a, T>,
    source: &'a Source<'a, T>,
    rows: Tiles,
    group: usize,
    part: Part,
    /// The transformed weights of the group.
    a: *mut T,
    to: C<T>,
}

impl<T: Float> Task<'_, T> {
    /// Computes some tiles of rows.
    ///
    /// # Safety
    /// As of [`run`].
    unsafe fn run<K: Micro<In = T, Out = T>>(&self, tiles: Range<usize>) {
        let (job, part) = (self.job, &self.part);
        let n = part.images * part.places();
        let [field, columns, sums] = homes();
        let layout = self.source.layout(part, job.depth);
        let channel = self.group * job.depth;
        let field = self.source.read(field, part, &layout, channel, job.depth);
        let taps = self.source.taps(part, &layout);
        let places = self.source.places(part, &layout);

        let most = stretches(job.depth)
            .map(|(_, depth)| depth)
            .max()
            .unwrap_or(0);
        let mut raw = Buffer::take::<T>(columns, N * most * K::COLS);
        let mut v = Buffer::take::<T>(&TRANSFORMED, N * (most * K::COLS + GAP));
        let (raw, v) = (raw.start::<T>(), v.start::<T>());
        let rows = self.rows.tile(tiles.start).0
            ..self.rows.tile(tiles.end - 1).0 + self.rows.tile(tiles.end - 1).1;
        let apart = rows.len() * K::COLS + GAP;
        let mut sums = Buffer::take::<T>(sums, N * apart);
        let m = C {
            at: sums.start::<T>(),
            row: K::COLS,
        };
        let mut steps = Vec::with_capacity(N * most);
        for j in (0..n).step_by(K::COLS) {
            let count = K::COLS.min(n - j);
            let lanes = places.part(j, count);
            for (c0, depth) in stretches(job.depth) {
                steps.clear();
                steps.extend((0..N * depth).map(|i| i / N * layout.channel + taps[i % N]));
                // SAFETY: the buffers have room for all channels; places and steps lie within the field.
                unsafe {
                    K::gather(
                        raw,
                        field.from.add(c0 * layout.channel),
                        &lanes,
                        &Places::anywhere(&steps),
                    );
                    transform_source::<T>(v, raw, depth, K::COLS, count);
                }
                for i in 0..N {
                    for t in tiles.clone() {
                        let (row, r) = self.rows.tile(t);
                        let a = c0 * N * job.m + i * depth * job.m + row * depth;
                        let tile = Tile {
                            rows: r,
                            cols: count,
                            units: depth,
                            a: self.a.wrapping_add(a).cast_const(),
                            a_row: 0,
                            a_step: 0,
                            b: v.wrapping_add(i * (depth * K::COLS + GAP)).cast_const(),
                            b_step: K::COLS,
                            c: m.to(row - rows.start).wrapping_add(i * apart),
                            c_row: m.row,
                            load: c0 > 0,
                            finish: None,
                        };
                        // SAFETY: packed above; the sums are this task's own.
                        unsafe { K::tile(&tile, true) };
                    }
                }
            }
            // SAFETY: computed above; rows and places of the result are this task's own.
            unsafe { self.transform_back(m.at, &rows, j, count, K::COLS) };
        }
    }

    /// `Aᵀ M A`, bias and activation, to the result, for `count` tiles from the `first` on.
    ///
    /// # Safety
    /// As of [`run`]; `sums` holds `[16][rows][width]`, with a gap.
    unsafe fn transform_back(
        &self,
        sums: *const T,
        rows: &Range<usize>,
        first: usize,
        count: usize,
        width: usize,
    ) {
        let (job, part) = (self.job, &self.part);
        let [_, height, breadth] = [0, 1, 2].map(|d| job.axes[d].places);
        let [_, to_height, to_breadth] = [0, 1, 2].map(|d| job.axes[d].to);
        let [_, first1, first2] = [0, 1, 2].map(|d| job.axes[d].to_first);
        // Runs of tiles in a line: the first of them, their number, where their places begin, whether there is a second
        // row, and how many columns there are.
        let mut runs: Vec<(usize, usize, bool, usize)> = Vec::new();
        let mut j = first;
        while j < first + count {
            let (line, column) = (j / part.len[2], j % part.len[2]);
            let len = (part.len[2] - column).min(first + count - j);
            let (image, line) = (
                part.image + line / part.len[1],
                part.first[1] + line % part.len[1],
            );
            let column = part.first[2] + column;
            let start = image * job.groups * job.m * to_height * to_breadth;
            let at = start + (first1 + 2 * line) * to_breadth + first2 + 2 * column;
            let columns = (2 * len).min(breadth - 2 * column);
            runs.push((j - first, at, 2 * line + 1 < height, columns));
            j += len;
        }
        let apart = rows.len() * width + GAP;
        vectorize(
            #[inline(always)]
            || {
                for i in rows.clone() {
                    let bias = job
                        .bias
                        .map_or(T::ZERO, |bias| bias[self.group * job.m + i]);
                    let mut y = [[T::ZERO; 4 * LANES]; 2];
                    for half in 0..count.div_ceil(LANES) {
                        let at = (i - rows.start) * width + half * LANES;
                        let m = std::array::from_fn(|p| {
                            // SAFETY: the caller's sums.
                            unsafe { *sums.add(p * apart + at).cast::<[T; LANES]>() }
                        });
                        let places = places_of::<T>(m, bias, job.relu);
                        for row in 0..2 {
                            for l in 0..LANES {
                                y[row][2 * (half * LANES + l)] = places[2 * row][l];
                                y[row][2 * (half * LANES + l) + 1] = places[2 * row + 1][l];
                            }
                        }
                    }
                    let channel = (self.group * job.m + i) * to_height * to_breadth;
                    for &(tile, at, second, columns) in &runs {
                        let to = self.to.at.wrapping_add(channel + at);
                        // SAFETY: these places of the result are this task's own.
                        unsafe {
                            copy_short(to, y[0][2 * tile..].as_ptr(), columns);
                            if second {
                                copy_short(to.add(to_breadth), y[1][2 * tile..].as_ptr(), columns);
                            }
                        }
                    }
                }
            },
        );
    }
}

/// Copies `n` elements, without the call that a copy of a length known only now would be.
#[inline(always)]
unsafe fn copy_short<T: Float>(to: *mut T, from: *const T, n: usize) {
    /// Blocks of `N`, the last one over a part of the one before.
    #[inline(always)]
    unsafe fn blocks<const N: usize, T: Float>(to: *mut T, from: *const T, n: usize) {
        let mut i = 0;
        loop {
            // SAFETY: the caller's elements, of which there are at least `N`.
            unsafe { *to.add(i).cast::<[T; N]>() = *from.add(i).cast::<[T; N]>() };
            if i + N >= n {
                return;
            }
            i = (i + N).min(n - N);
        }
    }
    // SAFETY: handed on.
    unsafe {
        match n {
            16.. => blocks::<16, T>(to, from, n),
            8.. => blocks::<8, T>(to, from, n),
            4.. => blocks::<4, T>(to, from, n),
            _ => (0..n).for_each(|i| *to.add(i) = *from.add(i)),
        }
    }
}

/// `Bᵀ d B` of some channels: `raw` holds `[channel][16][width]`, `to` gets `[16][channel][width]`.
///
/// # Safety
/// Both have room for as much.
unsafe fn transform_source<T: Float>(
    to: *mut T,
    raw: *const T,
    depth: usize,
    width: usize,
    count: usize,
) {
    vectorize(
        #[inline(always)]
        || {
            for c in 0..depth {
                for half in 0..count.div_ceil(LANES) {
                    let at = half * LANES;
                    let d = std::array::from_fn(|p| {
                        // SAFETY: the caller's elements.
                        unsafe { *raw.add((c * N + p) * width + at).cast::<[T; LANES]>() }
                    });
                    for (i, v) in source_of::<T>(d).iter().enumerate() {
                        // SAFETY: the caller's elements.
                        unsafe {
                            *to.add(i * (depth * width + GAP) + c * width + at)
                                .cast::<[T; LANES]>() = *v
                        };
                    }
                }
            }
        },
    );
}

/// `f` of each lane.
#[inline(always)]
pub(super) fn each<T: Float, const IN: usize, const OUT: usize>(
    x: &[[T; LANES]; IN],
    f: impl Fn([T; IN]) -> [T; OUT],
) -> [[T; LANES]; OUT] {
    let mut y = [[T::ZERO; LANES]; OUT];
    for l in 0..LANES {
        let mut lane = [T::ZERO; IN];
        for i in 0..IN {
            lane[i] = x[i][l];
        }
        let lane = f(lane);
        for i in 0..OUT {
            y[i][l] = lane[i];
        }
    }
    y
}

/// `Bᵀ d B`
#[inline(always)]
pub(super) fn source_of<T: Float>(d: [[T; LANES]; N]) -> [[T; LANES]; N] {
    each(
        &d,
        #[inline(always)]
        |d| {
            let mut t = [T::ZERO; N];
            for j in 0..4 {
                let [a, b, c, d] = [d[j], d[4 + j], d[8 + j], d[12 + j]];
                [t[j], t[4 + j], t[8 + j], t[12 + j]] = [a - c, b + c, c - b, b - d];
            }
            let mut v = [T::ZERO; N];
            for i in 0..4 {
                let [a, b, c, d] = [t[4 * i], t[4 * i + 1], t[4 * i + 2], t[4 * i + 3]];
                [v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]] = [a - c, b + c, c - b, b - d];
            }
            v
        },
    )
}

/// `G g Gᵀ`
#[inline(always)]
fn weights_of<T: Float>(g: [[T; LANES]; 9]) -> [[T; LANES]; N] {
    let half = T::of(0.5);
    each(
        &g,
        #[inline(always)]
        |g| {
            let mut t = [T::ZERO; 12];
            for j in 0..3 {
                let [a, b, c] = [g[j], g[3 + j], g[6 + j]];
                let outer = (a + c) * half;
                let inner = b * half;
                [t[j], t[3 + j], t[6 + j], t[9 + j]] = [a, outer + inner, outer - inner, c];
            }
            let mut u = [T::ZERO; N];
            for i in 0..4 {
                let [a, b, c] = [t[3 * i], t[3 * i + 1], t[3 * i + 2]];
                let outer = (a + c) * half;
                let inner = b * half;
                [u[4 * i], u[4 * i + 1], u[4 * i + 2], u[4 * i + 3]] =
                    [a, outer + inner, outer - inner, c];
            }
            u
        },
    )
}

/// `Aᵀ m A`, plus the bias, and the activation.
#[inline(always)]
fn places_of<T: Float>(m: [[T; LANES]; N], bias: T, relu: bool) -> [[T; LANES]; 4] {
    each(
        &m,
        #[inline(always)]
        |m| {
            let mut t = [T::ZERO; 8];
            for j in 0..4 {
                let [a, b, c, d] = [m[j], m[4 + j], m[8 + j], m[12 + j]];
                [t[j], t[4 + j]] = [a + b + c, b - c - d];
            }
            let mut y = [T::ZERO; 4];
            for i in 0..2 {
                let [a, b, c, d] = [t[4 * i], t[4 * i + 1], t[4 * i + 2], t[4 * i + 3]];
                [y[2 * i], y[2 * i + 1]] = [a + b + c + bias, b - c - d + bias];
            }
            if relu {
                y = y.map(|y| if y < T::ZERO { T::ZERO } else { y });
            }
            y
        },
    )
}
