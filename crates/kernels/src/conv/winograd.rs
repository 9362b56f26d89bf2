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
//! Each of the 16 products of elements is a product of matrices, tiles of 2 by 2 places by weights. Transforms are ones of
//! vectors of channels: a task turns what it reads so that the channels of an element are neighbours, transforms,
//! multiplies, transforms back, and turns the result. All of that stays in its cache.

use super::axis::{Axis, Cut, Part};
use super::correlate::{Correlation, for_each, homes};
use crate::buffer;
use crate::matmul::tile::{Buffer, C, Line, Micro, Places, Runs, Tile, Tiles, View};
use crate::simd::vectorize;
use crate::{Float, team};
use std::cell::Cell;
use std::ops::Range;

/// Fewer channels on either side are not worth the transforms.
pub(super) const LEAST: usize = 32;
/// Elements of what a box is transformed to, and of its sums, of one product: they stay in the second cache.
const BOX: usize = 8192;
/// Channels whose weights are transformed at once.
const CHANNELS: usize = 64;
/// Lanes of a transform.
pub(super) const LANES: usize = 16;
/// Products of elements.
pub(super) const N: usize = 16;
/// Elements between the matrices of two products: else all would lie in the same sets of the first cache.
pub(super) const GAP: usize = 16;

thread_local! {
    static TURNED: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
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
    let order: [usize; 9] = std::array::from_fn(|i| 3 * order1[i / 3] + order2[i % 3]);
    let panels = job.m.div_ceil(K::COLS);
    let size = panels * N * product::<K>(job.depth);
    let mut weights = buffer::Buffer::new(job.groups * size * size_of::<T>());
    let b = C {
        at: weights.slice_mut::<T>().as_mut_ptr(),
        row: size,
    };
    team::run(job.groups * panels, |i| {
        let (group, panel) = (i / panels, i % panels);
        let to = b
            .to(group)
            .wrapping_add(panel * N * product::<K>(job.depth));
        // SAFETY: each panel of a group has its own part of the buffer.
        unsafe { transform_weights::<T, K>(to, job, group, panel * K::COLS, &order) };
    });

    let tiles = [1, 2].map(|d| job.axes[d].places.div_ceil(2));
    let most = (BOX / job.depth).clamp(4 * LANES, 6 * LANES);
    let cut = Cut::new(job.batch, [1, tiles[0], tiles[1]], most);
    let boxes = cut.count();
    let split = (4 * team::threads())
        .div_ceil(job.groups * boxes)
        .min(panels)
        .max(1);
    let to = C {
        at: result.as_mut_ptr(),
        row: 1,
    };
    for_each(job.groups * boxes * split, false, |i| {
        let (group, i) = (i / (boxes * split), i % (boxes * split));
        let (part, piece) = (cut.part(i / split), i % split);
        let task = Task {
            job,
            low: [low1, low2],
            group,
            part,
            b: b.to(group),
            to,
        };
        // SAFETY: boxes, groups and channels of tasks differ, and so do the elements of the result that they write.
        unsafe { task.run::<K>(piece * panels / split..(piece + 1) * panels / split) };
    });
}

/// From product to product of a panel of weights.
fn product<K: Micro>(depth: usize) -> usize {
    depth * K::COLS + GAP
}

/// `G g Gᵀ` of the channels of a panel from the `first` on: `[channel of the source][COLS]` for each product.
unsafe fn transform_weights<T: Float, K: Micro<In = T, Out = T>>(
    to: *mut T,
    job: &Correlation<'_, T>,
    group: usize,
    first: usize,
    order: &[usize; 9],
) {
    let (w, depth) = (&job.weights, job.depth);
    let [_, columns, _] = homes();
    let lanes: Vec<usize> = (0..K::COLS.min(job.m - first)).map(|i| i * w.row).collect();
    let start = group * w.group + first * w.row;
    let mut raw = Buffer::take::<T>(columns, 9 * CHANNELS * K::COLS);
    let raw = raw.start::<T>();
    for c0 in (0..depth).step_by(CHANNELS) {
        let count = CHANNELS.min(depth - c0);
        let from = w.data[start + c0 * w.channel..].as_ptr();
        // SAFETY: the buffer has room for as much; lanes and steps lie within the weights.
        let raw = unsafe {
            if w.channel == 9 {
                let from = View {
                    at: from,
                    lane: w.row,
                    step: 1,
                };
                K::pack(raw, K::COLS, from, lanes.len(), 9 * count);
            } else {
                let steps = (0..9 * count).map(|i| i / 9 * w.channel + i % 9);
                let steps = Runs::new(steps.collect());
                K::gather(
                    raw,
                    from,
                    &Places::anywhere(&lanes),
                    &steps.part(0, 9 * count),
                );
            }
            std::slice::from_raw_parts(raw, 9 * count * K::COLS)
        };
        vectorize(
            #[inline(always)]
            || {
                for (c, g) in raw.chunks_exact(9 * K::COLS).enumerate() {
                    for at in (0..lanes.len()).step_by(LANES) {
                        let u =
                            weights_of::<T>(order.map(|t| lanes_at(g, w.taps[t] * K::COLS + at)));
                        for (p, u) in u.iter().enumerate() {
                            let to =
                                to.wrapping_add(p * product::<K>(depth) + (c0 + c) * K::COLS + at);
                            // SAFETY: the panel's own part of the buffer.
                            unsafe { *to.cast::<[T; LANES]>() = *u };
                        }
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
    /// Where the first tile of all begins to read, in the source.
    low: [isize; 2],
    group: usize,
    part: Part,
    /// The transformed weights of the group.
    b: *mut T,
    to: C<T>,
}

impl<T: Float> Task<'_, T> {
    /// Computes some panels of channels.
    ///
    /// # Safety
    /// As of [`run`].
    unsafe fn run<K: Micro<In = T, Out = T>>(&self, panels: Range<usize>) {
        let (job, part) = (self.job, &self.part);
        let n = part.images * part.places();
        let depth = job.depth;
        let [home, packed, sums] = homes();
        // A tile's channels, a whole number of vectors, and a gap as between the products.
        let width = depth.next_multiple_of(LANES) + GAP;
        // Panels that share what was transformed while it is near.
        let at_once = (BOX / (n * K::COLS)).clamp(1, panels.len());
        let (a_apart, c_apart) = (n * width + GAP, n * at_once * K::COLS + GAP);
        let mut a = Buffer::take::<T>(packed, N * a_apart);
        let mut c = Buffer::take::<T>(sums, N * c_apart);
        let (a, c) = (a.start::<T>(), c.start::<T>());

        let first = [2 * part.first[1], 2 * part.first[2]];
        let len = [2 * part.len[1], 2 * part.len[2]];
        let low = [
            first[0] as isize + self.low[0],
            first[1] as isize + self.low[1],
        ];
        let read = Region::new(
            low,
            [len[0] + 2, len[1] + 2],
            [job.axes[1].from, job.axes[2].from],
        );
        let elements = patches::<16>(part, &read, low);
        let source = Turned {
            data: job.source,
            channels: job.groups * depth,
            space: [job.axes[1].from, job.axes[2].from],
        };
        let mut turned = Buffer::take::<T>(home, (part.images * read.len() + 1) * K::COLS);
        let turned = turned.start::<T>();
        for channel in (0..depth).step_by(K::COLS) {
            let lanes = K::COLS.min(depth - channel);
            // SAFETY: the buffers have room for as much.
            unsafe {
                source.turn::<K>(
                    turned,
                    K::COLS,
                    part,
                    &read,
                    self.group * depth + channel,
                    lanes,
                );
                for at in (0..lanes).step_by(LANES) {
                    let to = a.add(channel + at);
                    transform::<T, 16>(
                        (to, width),
                        a_apart,
                        (turned.add(at), K::COLS),
                        &elements,
                        source_of,
                    );
                }
            }
        }

        let tiles = Tiles::new(n, K::ROWS);
        let written = Region::new(
            [first[0] as isize, first[1] as isize],
            len,
            [job.axes[1].places, job.axes[2].places],
        );
        let places = patches::<4>(part, &written, [first[0] as isize, first[1] as isize]);
        let cols = |panel: usize| K::COLS.min(job.m - panel * K::COLS);
        for first in panels.clone().step_by(at_once) {
            let panels = first..panels.end.min(first + at_once);
            for p in 0..N {
                for panel in panels.clone() {
                    let c = c.wrapping_add(p * c_apart + (panel - first) * n * K::COLS);
                    let b = self.b.wrapping_add((panel * N + p) * product::<K>(depth));
                    for t in 0..tiles.count {
                        let (row, r) = tiles.tile(t);
                        let tile = Tile {
                            rows: r,
                            cols: cols(panel),
                            units: depth,
                            a: a.wrapping_add(p * a_apart + row * width).cast_const(),
                            a_row: width,
                            a_step: 1,
                            b: b.cast_const(),
                            b_step: K::COLS,
                            c: c.wrapping_add(row * K::COLS),
                            c_row: K::COLS,
                            load: false,
                            finish: None,
                        };
                        // SAFETY: transformed above; the sums are this task's own.
                        unsafe { strided::<K>(&tile) };
                    }
                }
            }
            for panel in panels {
                let c = c.wrapping_add((panel - first) * n * K::COLS);
                // SAFETY: computed above; these channels and places of the result are this task's own.
                unsafe {
                    self.transform_back::<K>(
                        c,
                        c_apart,
                        panel * K::COLS,
                        cols(panel),
                        &written,
                        &places,
                    )
                };
            }
        }
    }

    /// `Aᵀ M A`, bias and activation of `lanes` channels from the `first` on, turned to the result.
    ///
    /// # Safety
    /// As of [`run`]; `sums` holds `[tile][COLS]` for each product.
    unsafe fn transform_back<K: Micro<In = T, Out = T>>(
        &self,
        sums: *const T,
        apart: usize,
        first: usize,
        lanes: usize,
        written: &Region,
        places: &[[usize; 4]],
    ) {
        let (job, part) = (self.job, &self.part);
        let count = part.images * written.len();
        // Behind all places there is one for those that are not there.
        let mut y = Buffer::take::<T>(&TURNED, (count + 1 + K::COLS) * K::COLS);
        let y = y.start::<T>();
        vectorize(
            #[inline(always)]
            || {
                for at in (0..lanes).step_by(LANES) {
                    let mut bias = [T::ZERO; LANES];
                    if let Some(all) = job.bias {
                        let all = &all[self.group * job.m + first + at..][..LANES.min(lanes - at)];
                        bias[..all.len()].copy_from_slice(all);
                    }
                    for (i, places) in places.iter().enumerate() {
                        let m = std::array::from_fn(|p| {
                            // SAFETY: the caller's sums, in whole vectors.
                            unsafe { *sums.add(p * apart + i * K::COLS + at).cast::<[T; LANES]>() }
                        });
                        for (place, mut v) in places.iter().zip(places_of::<T>(m)) {
                            for l in 0..LANES {
                                v[l] += bias[l];
                                v[l] = if job.relu && v[l] < T::ZERO {
                                    T::ZERO
                                } else {
                                    v[l]
                                };
                            }
                            // SAFETY: the buffer has room for all places.
                            unsafe { *y.add(place * K::COLS + at).cast::<[T; LANES]>() = v };
                        }
                    }
                }
            },
        );
        let [height, breadth] = [job.axes[1].to, job.axes[2].to];
        let [first1, first2] = [job.axes[1].to_first, job.axes[2].to_first];
        // Lines of the region follow each other in the result where it is as wide.
        let (lines, run) = if written.columns.len() == breadth {
            (1, written.len())
        } else {
            (written.lines.len(), written.columns.len())
        };
        let block = y.wrapping_add((count + 1) * K::COLS);
        for image in 0..part.images {
            let channel = ((part.image + image) * job.groups + self.group) * job.m + first;
            for line in 0..lines {
                let at = (first1 + written.lines.start + line) * breadth
                    + first2
                    + written.columns.start;
                for j in (0..run).step_by(K::COLS) {
                    let len = K::COLS.min(run - j);
                    let from = View {
                        at: y
                            .wrapping_add((image * written.len() + line * run + j) * K::COLS)
                            .cast_const(),
                        lane: K::COLS,
                        step: 1,
                    };
                    // SAFETY: the buffer has room for a block; these places of the result are this task's own.
                    unsafe {
                        K::pack(block, K::COLS, from, len, lanes);
                        for l in 0..lanes {
                            let to = self.to.at.add((channel + l) * height * breadth + at + j);
                            copy_short(to, block.add(l * K::COLS), len);
                        }
                    }
                }
            }
        }
    }
}

/// A tile whose rows of A lie as they are.
///
/// # Safety
/// As of [`Micro::tile`].
unsafe fn strided<K: Micro>(tile: &Tile<'_, K::In, K::Out>) {
    if K::STRIDED {
        // SAFETY: handed on.
        return unsafe { K::tile(tile, false) };
    }
    let [home, ..] = homes();
    let mut a = Buffer::take::<K::In>(home, tile.rows * tile.units);
    let a = a.start::<K::In>();
    let from = View {
        at: tile.a,
        lane: tile.a_row,
        step: tile.a_step,
    };
    // SAFETY: the buffer has just been taken for as much; the rest is handed on.
    unsafe {
        K::pack(a, tile.rows, from, tile.rows, tile.units);
        K::tile(&Tile { a, ..*tile }, true);
    }
}

/// Copies `n` elements, without the call that a copy of a length known only now would be.
#[inline(always)]
pub(super) unsafe fn copy_short<T: Float>(to: *mut T, from: *const T, n: usize) {
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

/// The lines and columns of images that a box reads or writes.
#[derive(Debug, Clone)]
pub(super) struct Region {
    lines: Range<usize>,
    columns: Range<usize>,
}

impl Region {
    /// From `first` on `len` lines and columns of images of this `space`, as far as they are there.
    pub(super) fn new(first: [isize; 2], len: [usize; 2], space: [usize; 2]) -> Self {
        let axis = |d: usize| {
            let inside = |at: isize| at.clamp(0, space[d] as isize) as usize;
            inside(first[d])..inside(first[d] + len[d] as isize)
        };
        Self {
            lines: axis(0),
            columns: axis(1),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len() * self.columns.len()
    }

    /// For each of `count` lines or columns from `first` on, where it is in its range, if it is.
    fn inside(range: &Range<usize>, first: isize, count: usize) -> Vec<Option<usize>> {
        let place = |at: isize| usize::try_from(at).ok().filter(|at| range.contains(at));
        (0..count)
            .map(|i| place(first + i as isize).map(|at| at - range.start))
            .collect()
    }
}

/// For each tile of a box the places in `region` of its `E` elements, 2 by 2 or 4 by 4, of which the first tile's first
/// one is at `low`. Those that are not there, and are zeros, have the place behind all others.
pub(super) fn patches<const E: usize>(
    part: &Part,
    region: &Region,
    low: [isize; 2],
) -> Vec<[usize; E]> {
    let side = E.isqrt();
    let nowhere = part.images * region.len();
    let reach = |tiles: usize| 2 * tiles + side - 2;
    let lines = Region::inside(&region.lines, low[0], reach(part.len[1]));
    let columns = Region::inside(&region.columns, low[1], reach(part.len[2]));
    let mut patches = Vec::with_capacity(part.images * part.places());
    for image in 0..part.images {
        for lines in lines.windows(side).step_by(2) {
            for columns in columns.windows(side).step_by(2) {
                patches.push(std::array::from_fn(|e| {
                    match (lines[e / side], columns[e % side]) {
                        (Some(line), Some(column)) => {
                            (image * region.lines.len() + line) * region.columns.len() + column
                        }
                        _ => nowhere,
                    }
                }));
            }
        }
    }
    patches
}

/// Images `(B, channels, *space)` to be turned.
pub(super) struct Turned<'a, T> {
    pub(super) data: &'a [T],
    pub(super) channels: usize,
    pub(super) space: [usize; 2],
}

impl<T: Float> Turned<'_, T> {
    /// Copies `lanes` channels of a region as `[element][width]`, and zeros behind.
    ///
    /// # Safety
    /// `to` has room for them, and the processor has the instructions of `K`.
    pub(super) unsafe fn turn<K: Micro<In = T, Out = T>>(
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

/// Transforms the elements of each tile: `from` holds `[element][width]`, `to` gets `[tile][width]` for each product,
/// `apart` elements from each other.
///
/// # Safety
/// Both reach as far, and vectors of [`LANES`] may be read and written at each.
#[inline(always)]
pub(super) unsafe fn transform<T: Float, const E: usize>(
    (to, to_width): (*mut T, usize),
    apart: usize,
    (from, width): (*const T, usize),
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
                    unsafe { *to.add(p * apart + i * to_width).cast::<[T; LANES]>() = *v };
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

/// `Aᵀ m A`
#[inline(always)]
fn places_of<T: Float>(m: [[T; LANES]; N]) -> [[T; LANES]; 4] {
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
                [y[2 * i], y[2 * i + 1]] = [a + b + c, b - c - d];
            }
            y
        },
    )
}
