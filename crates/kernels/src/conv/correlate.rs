//! Correlations as products of matrices: the weights times columns that are packed straight from the image.
//!
//! ```text
//! C (m, places) = A (m, depth · taps) · B (depth · taps, places)
//! ```
//!
//! A is packed once for all tasks. A task takes a box of places: it copies what it reads of some channels to planes
//! (`field`), packs the columns of B from there, and goes on with the next channels. Every element of C is one chain of
//! multiply-adds in the order of channels and taps, however the work is cut.

use super::axis::{Axis, Cut, Part};
use super::field::Source;
use super::lanes::spread;
use super::winograd::copy_short;
use crate::Float;
use crate::buffer;
use crate::matmul::tile::{Buffer, C, Finish, Home, Line, Micro, Places, Runs, Tile, Tiles, View};
use crate::team;
use std::cell::Cell;

/// The longest stretch of the sum that is packed at once.
const DEPTH: usize = 320;
/// Places of a box: its columns stay in the second cache.
const PLACES: usize = 320;
/// Fewer multiply-adds are not worth a second thread.
const SERIAL: usize = 1 << 18;

/// A correlation `(B, G depth, *from)` to `(B, G m, *to)`.
#[derive(Debug)]
pub(super) struct Correlation<'a, T> {
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// Channels of the result in a group.
    pub(super) m: usize,
    /// Channels of the source in a group.
    pub(super) depth: usize,
    pub(super) axes: [Axis; 3],
    pub(super) source: &'a [T],
    pub(super) weights: Weights<'a, T>,
    /// One for each channel of the result.
    pub(super) bias: Option<&'a [T]>,
    pub(super) relu: bool,
}

impl<T: Float> Correlation<'_, T> {
    /// The same, where `T` is `U`.
    pub(super) fn cast<U: Float>(&self) -> Correlation<'_, U> {
        let w = &self.weights;
        Correlation {
            batch: self.batch,
            groups: self.groups,
            m: self.m,
            depth: self.depth,
            axes: self.axes.clone(),
            source: super::same(self.source),
            weights: Weights {
                data: super::same(w.data),
                group: w.group,
                row: w.row,
                channel: w.channel,
                taps: w.taps.clone(),
            },
            bias: self.bias.map(super::same),
            relu: self.relu,
        }
    }
}

/// Where the weight of a channel of the result, a channel of the source and a tap is.
#[derive(Debug)]
pub(super) struct Weights<'a, T> {
    pub(super) data: &'a [T],
    /// From group to group, from row to row, from channel to channel.
    pub(super) group: usize,
    pub(super) row: usize,
    pub(super) channel: usize,
    /// Of each tap.
    pub(super) taps: Vec<usize>,
}

thread_local! {
    static FIELD: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    static COLUMNS: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    static RESULT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Memory that tasks of all kinds share: a thread runs one at a time.
pub(super) fn homes() -> [&'static Home; 3] {
    [&FIELD, &COLUMNS, &RESULT]
}

/// Even stretches of a sum of `k`.
#[derive(Debug, Clone, Copy)]
struct Stretches {
    k: usize,
    each: usize,
}

impl Stretches {
    fn new(k: usize) -> Self {
        let count = k.div_ceil(DEPTH).max(1);
        Self {
            k,
            each: k.div_ceil(count).max(1),
        }
    }

    /// Where each begins, and how long it is; one of length 0 if there is nothing to sum.
    fn all(self) -> impl Iterator<Item = (usize, usize)> {
        let starts = (0..self.k.max(1)).step_by(self.each);
        starts.map(move |k0| (k0, self.each.min(self.k - k0)))
    }
}

/// Computes the places that the axes name; others of the result are left alone.
///
/// # Safety
/// The processor has the instructions of `K`, and source, weights, bias and result are as long as the lengths say.
pub(super) unsafe fn run<T: Float, K: Micro<In = T, Out = T>>(
    job: &Correlation<'_, T>,
    result: &mut [T],
) {
    let places = [0, 1, 2].map(|d| job.axes[d].places);
    let cut = Cut::new(job.batch, places, PLACES);
    let source = Source::new(job.source, job.groups * job.depth, &job.axes, cut.longest());
    let k = job.depth * job.weights.taps.len();
    let stretches = Stretches::new(k);
    let rows = Tiles::new(job.m, K::ROWS);
    let work = job.batch * places.iter().product::<usize>() * job.groups * job.m * k.max(1);

    let mut packed = buffer::Buffer::new(job.groups * job.m * k * size_of::<T>());
    let a = C {
        at: packed.slice_mut::<T>().as_mut_ptr(),
        row: job.m * k,
    };
    for_each(job.groups * rows.count, work <= SERIAL, |i| {
        // SAFETY: each tile of a group has its own part of the buffer.
        unsafe {
            pack_weights::<K>(
                a.to(i / rows.count),
                job,
                i / rows.count,
                rows,
                i % rows.count,
                stretches,
            )
        }
    });

    let boxes = cut.count();
    let split = (4 * team::threads())
        .div_ceil(job.groups * boxes)
        .min(rows.count.div_ceil(2))
        .max(1);
    let to = C {
        at: result.as_mut_ptr(),
        row: 1,
    };
    for_each(job.groups * boxes * split, work <= SERIAL, |i| {
        let (group, i) = (i / (boxes * split), i % (boxes * split));
        let (part, piece) = (cut.part(i / split), i % split);
        let tiles = piece * rows.count / split..(piece + 1) * rows.count / split;
        let task = Task {
            job,
            source: &source,
            rows,
            group,
            part,
            stretches,
            a: a.to(group),
            to,
        };
        // SAFETY: boxes, groups and rows of tasks differ, and so do the elements of the result that they write.
        unsafe { task.run::<K>(tiles) };
    });
}

/// Calls `work(i)` for `i < count`, on this thread if it is little.
pub(super) fn for_each(count: usize, little: bool, work: impl Fn(usize) + Sync) {
    if little {
        (0..count).for_each(work)
    } else {
        team::run(count, work)
    }
}

/// Packs a tile of the weights of a group, stretch by stretch: `[stretch][tile][k][rows]`.
unsafe fn pack_weights<K: Micro>(
    to: *mut K::In,
    job: &Correlation<'_, K::In>,
    group: usize,
    rows: Tiles,
    tile: usize,
    stretches: Stretches,
) {
    let w = &job.weights;
    let taps = w.taps.len();
    let (first, r) = rows.tile(tile);
    let in_line = w.channel == taps && w.taps.iter().enumerate().all(|(i, at)| *at == i);
    let start = group * w.group + first * w.row;
    for (k0, k) in stretches.all().filter(|(_, k)| *k > 0) {
        let to = to.wrapping_add(k0 * job.m + first * k);
        if in_line {
            let from = View {
                at: w.data[start + k0..].as_ptr(),
                lane: w.row,
                step: 1,
            };
            // SAFETY: the last row and step lie within the weights, whose length has been checked.
            unsafe { K::pack(to, r, from, r, k) };
            continue;
        }
        for p in 0..k {
            let at = start + (k0 + p) / taps * w.channel + w.taps[(k0 + p) % taps];
            for i in 0..r {
                // SAFETY: the tile's own part of the buffer has `r` times `k` elements.
                unsafe { *to.add(p * r + i) = w.data[at + i * w.row] };
            }
        }
    }
}

/// A box of places.
struct Task<'a, T> {
    job: &'a Correlation<'a, T>,
    source: &'a Source<'a, T>,
    rows: Tiles,
    group: usize,
    part: Part,
    stretches: Stretches,
    /// The packed weights of the group.
    a: *mut T,
    to: C<T>,
}

impl<T: Float> Task<'_, T> {
    /// Computes some tiles of rows.
    ///
    /// # Safety
    /// As of [`run`].
    unsafe fn run<K: Micro<In = T, Out = T>>(&self, tiles: std::ops::Range<usize>) {
        let (job, part) = (self.job, &self.part);
        let n = part.images * part.places();
        let taps = job.weights.taps.len();
        let plain = self.source.plain;
        // A stretch may begin and end within a channel.
        let channels = |k0: usize, k: usize| k0 / taps..(k0 + k).div_ceil(taps);
        let panels = n.div_ceil(K::COLS);
        let mut columns = Buffer::take::<T>(&COLUMNS, panels * K::COLS * self.stretches.each);
        let columns = columns.start::<T>();
        let result = Target::new(job, self.group, part);
        let rows = self.rows.tile(tiles.start).0
            ..self.rows.tile(tiles.end - 1).0 + self.rows.tile(tiles.end - 1).1;
        let in_line = result.step == 1 && result.runs.len() == 1;
        let mut apart = Buffer::take::<T>(
            &RESULT,
            if in_line {
                0
            } else {
                rows.len() * panels * K::COLS
            },
        );
        let c = if in_line {
            C {
                at: self
                    .to
                    .at
                    .wrapping_add(result.first(rows.start) + result.runs[0].1),
                row: result.channel,
            }
        } else {
            C {
                at: apart.start::<T>(),
                row: panels * K::COLS,
            }
        };

        let mut steps = Vec::with_capacity(self.stretches.each);
        let mut places: Option<Runs> = None;
        for (k0, k) in self.stretches.all() {
            let last = k0 + k == self.stretches.k;
            if k > 0 {
                let channels = channels(k0, k);
                let layout = self.source.layout(part, channels.len());
                let channel = self.group * job.depth + channels.start;
                let field = self
                    .source
                    .read(&FIELD, part, &layout, channel, channels.len());
                let offsets = self.source.taps(part, &layout);
                let first = channels.start * taps;
                steps.clear();
                let all = (0..channels.len())
                    .flat_map(|c| offsets.iter().map(move |at| c * layout.channel + at));
                steps.extend(all.skip(k0 - first).take(k));
                let places = match &mut places {
                    // With fewer channels the images lie closer together.
                    Some(places) if plain || part.images == 1 => places,
                    places => places.insert(self.source.places(part, &layout)),
                };
                for j in (0..n).step_by(K::COLS) {
                    let lanes = places.part(j, K::COLS.min(n - j));
                    // SAFETY: the buffer has room for all panels; places and steps lie within the field.
                    unsafe {
                        K::gather(
                            columns.add(j * k),
                            field.from,
                            &lanes,
                            &Places::anywhere(&steps),
                        )
                    };
                }
            }
            for t in tiles.clone() {
                let (i, r) = self.rows.tile(t);
                let bias = job.bias.map(|bias| bias[self.group * job.m + i..].as_ptr());
                let finish = Finish {
                    bias: None,
                    row_bias: bias,
                    relu: job.relu,
                };
                for j in (0..n).step_by(K::COLS) {
                    let tile = Tile {
                        rows: r,
                        cols: K::COLS.min(n - j),
                        units: k,
                        a: self.a.wrapping_add(k0 * job.m + i * k).cast_const(),
                        a_row: 0,
                        a_step: 0,
                        b: columns.wrapping_add(j * k).cast_const(),
                        b_step: K::COLS,
                        c: c.to(i - rows.start).wrapping_add(j),
                        c_row: c.row,
                        load: k0 > 0,
                        finish: last.then_some(&finish),
                    };
                    // SAFETY: packed above; the rows and places of C are this task's own.
                    unsafe { K::tile(&tile, true) };
                }
            }
        }
        if !in_line {
            for i in rows.clone() {
                let from = c.to(i - rows.start);
                let to = self.to.at.wrapping_add(result.first(i));
                // SAFETY: computed above; the places are this task's own.
                unsafe {
                    if result.step == 1 {
                        for &(j, at, len) in &result.runs {
                            copy_short(to.add(at), from.add(j), len);
                        }
                    } else {
                        spread(to, from, &result.runs, result.step);
                    }
                }
            }
        }
    }
}

/// Where in the result a line of a box begins, counted from its channel in the first image of the box.
pub(super) fn line_of<T>(
    job: &Correlation<'_, T>,
    part: &Part,
    image: usize,
    i: usize,
    j: usize,
) -> usize {
    let axes = &job.axes;
    let at = |d: usize, p: usize| axes[d].to_first + (part.first[d] + p) * axes[d].to_step;
    let channel: usize = axes.iter().map(|axis| axis.to).product();
    let line = (at(0, i) * axes[1].to + at(1, j)) * axes[2].to + at(2, 0);
    line + image * job.groups * job.m * channel
}

/// Where in the result the places of a box are.
struct Target {
    /// The channels of the group begin here.
    start: usize,
    channel: usize,
    /// From place to place in a run.
    step: usize,
    /// The first place of each run, where it is, and its length.
    runs: Vec<(usize, usize, usize)>,
}

impl Target {
    fn new<T>(job: &Correlation<'_, T>, group: usize, part: &Part) -> Self {
        let axes = &job.axes;
        let channel: usize = axes.iter().map(|axis| axis.to).product();
        let step = axes[2].to_step;
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for image in 0..part.images {
            for i in 0..part.len[0] {
                for j in 0..part.len[1] {
                    let line = line_of(job, part, image, i, j);
                    match runs.last_mut() {
                        Some((_, at, len)) if step == 1 && *at + *len == line => {
                            *len += part.len[2]
                        }
                        Some(&mut (first, _, len)) => runs.push((first + len, line, part.len[2])),
                        None => runs.push((0, line, part.len[2])),
                    }
                }
            }
        }
        Self {
            start: (part.image * job.groups + group) * job.m * channel,
            channel,
            step,
            runs,
        }
    }

    /// Where channel `i` of the group begins.
    fn first(&self, i: usize) -> usize {
        self.start + i * self.channel
    }
}
