//! The way there: for each task some panels of queries, which see one tile of keys after another.

use super::scores::{Running, each, end_row};
use super::tiles::{
    Panel, Panels, Place, Room, Sides, Steps, fetch, multiply_panel, pack_panels, pack_sides,
    turned,
};
use super::{Job, one};
use crate::Float;
use crate::buffer::Buffer;
use crate::matmul::tile::{C, Micro, View};
use crate::simd::vectorize;
use crate::team::{self, Shared};
use std::ops::Range;

/// Keys of a tile.
pub(super) const KEYS: usize = 256;
/// Most elements of the queries and results that a task keeps beside keys and values in the second cache.
const KEPT: usize = 1 << 16;
/// Fewer multiply-adds are not worth a second thread.
pub(super) const SERIAL: usize = 1 << 18;

/// # Safety
/// The processor has the instructions of `K`, which has `W` columns; `y` and `kept` have room for all results.
pub(super) unsafe fn run<T: Float, K: Micro<In = T, Out = T>, const W: usize>(
    job: &Job<'_, T>,
    y: Place<T>,
    kept: &Shared<'_, T>,
) {
    let shape = &job.shape;
    if shape.rows() == 0 {
        return;
    }
    if one::can::<T, K>(job) {
        // SAFETY: handed on.
        return unsafe { one::run::<T, K>(job, y, kept) };
    }
    let panels = Panels::new(shape.queries, W);
    let (keys, all) = (
        shape.batch * shape.groups,
        shape.shared_by() * panels.per_head,
    );
    let width = shape.width + shape.value_width;
    let most = (KEPT / (W * width.max(1))).max(1);
    let each = (keys * all / (4 * team::threads())).clamp(1, most).min(all);
    let pieces = all.div_ceil(each);
    let work = (shape.rows() * width).saturating_mul(shape.keys);
    for_each(keys * pieces, work <= SERIAL, |i| {
        let (group, piece) = (i / pieces, i % pieces);
        let task = Task {
            job,
            batch: group / shape.groups,
            group: group % shape.groups,
            panels,
        };
        // SAFETY: this function's contract; each panel is in one task.
        unsafe { task.run::<K, W>(piece * each..all.min((piece + 1) * each), y, kept) };
    });
}

/// Calls `work(i)` for `i < count`, on this thread if it is little.
pub(super) fn for_each(count: usize, little: bool, work: impl Fn(usize) + Sync) {
    if little {
        (0..count).for_each(work);
    } else {
        team::run(count, work);
    }
}

/// Keys and values of one head.
struct Task<'a, T> {
    job: &'a Job<'a, T>,
    batch: usize,
    group: usize,
    panels: Panels,
}

/// A panel on its way through the tiles.
struct Reader<T, const W: usize> {
    panel: Panel,
    head: usize,
    /// The keys that its queries see.
    keys: Range<usize>,
    softmax: Running<T, W>,
}

/// Keys and values of a tile, packed.
struct Packed<T> {
    /// (keys, D)
    k: Sides<T>,
    /// (E, keys)
    v: Sides<T>,
    keys: Range<usize>,
}

/// Memory of a panel of queries and a tile of keys.
struct Scratch<'a, T> {
    /// Scores, then shares: a row of queries for each key.
    shares: &'a mut [T],
    extra: &'a mut [T],
    lines: &'a mut [T],
    /// Results, query by query.
    turned: &'a mut [T],
}

impl<T: Float> Task<'_, T> {
    /// # Safety
    /// As of [`run`], and nobody else has these panels.
    unsafe fn run<K: Micro<In = T, Out = T>, const W: usize>(
        &self,
        panels: Range<usize>,
        y: Place<T>,
        kept: &Shared<'_, T>,
    ) {
        let (job, batch) = (self.job, self.batch);
        let (shape, scores) = (&job.shape, job.scores);
        let (width, value_width) = (shape.width, shape.value_width);
        let longest = KEYS.min(shape.keys);
        let if_wanted = |wanted: bool| if wanted { longest * W } else { 0 };
        let parts = [
            longest * width,
            longest * value_width,
            panels.len() * width * W,
            panels.len() * value_width * W,
            longest * W,
            if_wanted(scores.adds() || scores.dropout.is_some()),
            if_wanted(scores.mask.is_some()),
            W * value_width,
        ];
        let mut memory = Buffer::new(Room::<T>::of(&parts) * size_of::<T>());
        let mut room = Room::<T>::new(memory.slice_mut());
        let [k, v, queries, sums, shares, extra, lines, turned] = parts.map(|len| room.take(len));
        let mut scratch = Scratch {
            shares,
            extra,
            lines,
            turned,
        };
        let mut readers: Vec<Reader<T, W>> = panels.map(|i| self.reader(i)).collect();
        // SAFETY: the queries of the panels are there.
        unsafe { self.pack_queries::<K, W>(queries, &readers) };
        for start in (0..shape.keys).step_by(KEYS) {
            let tile = start..shape.keys.min(start + KEYS);
            if readers
                .iter()
                .all(|reader| both(&reader.keys, &tile).is_none())
            {
                continue;
            }
            // SAFETY: the keys of the tile are there.
            let packed = unsafe { self.pack::<K>(k, v, tile) };
            for (i, reader) in readers.iter_mut().enumerate() {
                let q = &queries[i * width * W..][..width * W];
                let sums = &mut sums[i * value_width * W..][..value_width * W];
                // SAFETY: this function's contract.
                unsafe { self.meet::<K, W>(reader, q, sums, &packed, &mut scratch) };
            }
        }
        for (i, reader) in readers.iter().enumerate() {
            let sums = &mut sums[i * value_width * W..][..value_width * W];
            let (over, log) = reader.softmax.end();
            if reader.keys.is_empty() {
                sums.fill(T::ZERO);
            }
            multiply_by(sums.as_chunks_mut::<W>().0, &over);
            let Panel { first, lanes, .. } = reader.panel;
            let row = (batch * shape.heads + reader.head) * shape.queries + first;
            let to = y.rows(batch, reader.head, first);
            // SAFETY: the panel's own results.
            unsafe {
                kept.part(row..row + lanes).copy_from_slice(&log[..lanes]);
                write_turned::<T, K, W>(to, sums, lanes, value_width, scratch.turned);
            }
        }
    }

    fn reader<const W: usize>(&self, i: usize) -> Reader<T, W> {
        let (shape, panel) = (&self.job.shape, self.panels.panel(i));
        Reader {
            panel,
            head: self.group * shape.shared_by() + panel.head,
            keys: self
                .job
                .scores
                .range(shape, self.batch, panel.first, panel.lanes),
            softmax: Running::EMPTY,
        }
    }

    /// The queries of all panels, scaled.
    ///
    /// # Safety
    /// The processor has the kernel's instructions; the queries are there.
    unsafe fn pack_queries<K: Micro<In = T, Out = T>, const W: usize>(
        &self,
        to: &mut [T],
        readers: &[Reader<T, W>],
    ) {
        let (job, width) = (self.job, self.job.shape.width);
        let rows = |reader: &Reader<T, W>| job.q.rows(self.batch, reader.head, reader.panel.first);
        for (i, q) in to.chunks_exact_mut((width * W).max(1)).enumerate() {
            if let Some(next) = readers.get(i + 1) {
                fetch(rows(next), next.panel.lanes, width);
            }
            // SAFETY: this function's contract.
            unsafe { pack_panels::<T, K>(q, rows(&readers[i]), readers[i].panel.lanes, width) };
        }
        let scale = T::of(job.scores.scale);
        vectorize(
            #[inline(always)]
            || to.iter_mut().for_each(|q| *q *= scale),
        );
    }

    /// Some keys and their values.
    ///
    /// # Safety
    /// The processor has the kernel's instructions; the keys are there.
    unsafe fn pack<K: Micro<In = T, Out = T>>(
        &self,
        to_k: &mut [T],
        to_v: &mut [T],
        keys: Range<usize>,
    ) -> Packed<T> {
        let (width, value_width) = (self.job.shape.width, self.job.shape.value_width);
        let k = self.job.k.rows(self.batch, self.group, keys.start);
        let v = self.job.v.rows(self.batch, self.group, keys.start);
        // SAFETY: this function's contract.
        unsafe {
            Packed {
                k: pack_sides::<T, K>(to_k, k, keys.len(), width, |i, rows| {
                    fetch(k.from(i, 0), rows, width);
                    fetch(v.from(i, 0), rows, value_width);
                }),
                v: pack_sides::<T, K>(to_v, turned(v), value_width, keys.len(), |_, _| {}),
                keys,
            }
        }
    }

    /// Adds what a panel of queries sees of a tile to its `sums`, a row of queries for each column of the values.
    ///
    /// # Safety
    /// The processor has the kernel's instructions; the queries and keys are there.
    unsafe fn meet<K: Micro<In = T, Out = T>, const W: usize>(
        &self,
        reader: &mut Reader<T, W>,
        q: &[T],
        sums: &mut [T],
        packed: &Packed<T>,
        scratch: &mut Scratch<'_, T>,
    ) {
        let Some(keys) = both(&reader.keys, &packed.keys) else {
            return;
        };
        let (shape, scores, panel) = (&self.job.shape, self.job.scores, reader.panel);
        let rows = keys.start - packed.keys.start..keys.end - packed.keys.start;
        let to = |rows: &mut [T]| C {
            at: rows.as_mut_ptr(),
            row: W,
        };
        let (c, all) = (to(scratch.shares), Steps::all(shape.width));
        let (tiles, b) = (packed.k.rows.holding(&rows), q.as_ptr());
        // SAFETY: packed before; there is a row for each key of the tile.
        unsafe { multiply_panel::<T, K>(c, &packed.k, tiles, all, b, panel.lanes, false) };
        let shares = &mut scratch.shares.as_chunks_mut::<W>().0[rows.clone()];
        let extra = scratch.extra.as_chunks_mut::<W>().0;
        let at = (shape, self.batch, reader.head);
        // SAFETY: the queries of the panel and the keys are there.
        unsafe { scores.complete::<K, W>(shares, at, panel, keys.clone(), extra, scratch.lines) };
        let shrink = reader.softmax.go_on(shares);
        if let Some(dropout) = scores.dropout {
            let factors = &mut extra[..keys.len()];
            dropout.factors(factors, at, panel, keys.clone());
            each(shares, factors, |share, factor| share * factor);
        }
        let goes_on = keys.start > reader.keys.start;
        if goes_on {
            multiply_by(sums.as_chunks_mut::<W>().0, &shrink);
        }
        let steps = Steps {
            first: rows.start,
            count: rows.len(),
        };
        let (c, b, tiles) = (to(sums), shares.as_ptr().cast(), 0..packed.v.rows.count);
        // SAFETY: packed before; there is a row for each column of the values.
        unsafe { multiply_panel::<T, K>(c, &packed.v, tiles, steps, b, panel.lanes, goes_on) };
    }
}

/// What lies in both ranges, if anything.
pub(super) fn both(a: &Range<usize>, b: &Range<usize>) -> Option<Range<usize>> {
    let (start, end) = (a.start.max(b.start), a.end.min(b.end));
    (start < end).then_some(start..end)
}

/// Multiplies each row by the same one.
fn multiply_by<T: Float, const W: usize>(rows: &mut [[T; W]], by: &[T; W]) {
    vectorize(
        #[inline(always)]
        || {
            let by = *by;
            for row in rows {
                for l in 0..W {
                    row[l] *= by[l];
                }
                end_row();
            }
        },
    );
}

/// Writes columns `(width, W)` as rows of `to`.
///
/// # Safety
/// The processor has the kernel's instructions; `to` has so many rows, which nobody else uses.
unsafe fn write_turned<T: Float, K: Micro<In = T, Out = T>, const W: usize>(
    to: C<T>,
    from: &[T],
    rows: usize,
    width: usize,
    room: &mut [T],
) {
    let lanes = View {
        at: from.as_ptr(),
        lane: W,
        step: 1,
    };
    assert!(from.len() >= width * W && room.len() >= rows * width);
    // SAFETY: there is room for all rows; the rest is this function's contract.
    unsafe {
        K::pack(room.as_mut_ptr(), width, lanes, width, rows);
        for i in 0..rows {
            to.to(i)
                .copy_from_nonoverlapping(room[i * width..].as_ptr(), width);
        }
    }
}
