//! The way there: for each task some panels of queries, which see one tile of keys after another.

use super::scores::{Running, each, end_row};
use super::tiles::{
    Panel, Panels, Place, Room, Steps, fetch, multiply_panel, of_panel, pack_panels, pack_sides,
    turned,
};
use super::{Job, Shape};
use crate::Float;
use crate::buffer::Buffer;
use crate::matmul::tile::{C, Micro, View};
use crate::simd::vectorize;
use crate::team::{self, Shared};
use std::ops::Range;

/// Keys of a tile.
const KEYS: usize = 256;
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

impl<T: Float> Task<'_, T> {
    /// # Safety
    /// As of [`run`], and nobody else has these panels.
    unsafe fn run<K: Micro<In = T, Out = T>, const W: usize>(
        &self,
        panels: Range<usize>,
        y: Place<T>,
        kept: &Shared<'_, T>,
    ) {
        let job = self.job;
        let (shape, batch) = (&job.shape, self.batch);
        let Shape {
            width,
            value_width,
            keys,
            ..
        } = *shape;
        let longest = KEYS.min(keys);
        let extra = if job.scores.adds() || job.scores.dropout.is_some() {
            longest
        } else {
            0
        };
        let lines = if job.scores.mask.is_some() {
            longest
        } else {
            0
        };
        let parts = [
            longest * width,
            longest * value_width,
            panels.len() * width * W,
            panels.len() * value_width * W,
            longest * W,
            extra * W,
            lines * W,
            W * value_width,
        ];
        let mut memory = Buffer::new(Room::<T>::of(&parts) * size_of::<T>());
        let mut room = Room::<T>::new(memory.slice_mut());
        let [
            k_sides,
            v_sides,
            queries,
            sums,
            rows,
            extra,
            lines,
            turned_sums,
        ] = parts.map(|len| room.take(len));
        let mut running = vec![Running::<T, W>::EMPTY; panels.len()];
        let panel = |i: usize| self.panels.panel(panels.start + i);
        let head = |panel: Panel| self.group * shape.shared_by() + panel.head;

        let scale = T::of(job.scores.scale);
        for (i, q) in queries.chunks_exact_mut((width * W).max(1)).enumerate() {
            if i + 1 < panels.len() {
                let next = panel(i + 1);
                let rows = job.q.rows(batch, head(next), next.first);
                fetch(rows, next.lanes, width);
            }
            let panel = panel(i);
            let from = job.q.rows(batch, head(panel), panel.first);
            // SAFETY: the queries of the panel are there.
            unsafe { pack_panels::<T, K>(q, from, panel.lanes, width) };
        }
        vectorize(
            #[inline(always)]
            || queries.iter_mut().for_each(|q| *q *= scale),
        );

        let ranges: Vec<Range<usize>> = (0..panels.len())
            .map(|i| {
                let panel = panel(i);
                job.scores.range(shape, batch, panel.first, panel.lanes)
            })
            .collect();
        for start in (0..keys).step_by(KEYS) {
            let tile = start..keys.min(start + KEYS);
            let seen = |i: usize| {
                let (first, end) = (ranges[i].start.max(start), ranges[i].end.min(tile.end));
                (first < end).then_some(first..end)
            };
            if (0..panels.len()).all(|i| seen(i).is_none()) {
                continue;
            }
            let (k, v) = (
                job.k.rows(batch, self.group, start),
                job.v.rows(batch, self.group, start),
            );
            // SAFETY: the keys of the tile are there.
            let (k_sides, v_sides) = unsafe {
                (
                    pack_sides::<T, K>(k_sides, k, tile.len(), width, |i, rows| {
                        fetch(k.from(i, 0), rows, width);
                        fetch(v.from(i, 0), rows, value_width);
                    }),
                    pack_sides::<T, K>(v_sides, turned(v), value_width, tile.len(), |_, _| {}),
                )
            };
            for i in 0..panels.len() {
                let Some(keys) = seen(i) else { continue };
                let (panel, steps) = (panel(i), keys.start - start..keys.end - start);
                let sums = &mut sums[i * value_width * W..][..value_width * W];
                let q = queries[i * width * W..].as_ptr();
                let tiles = k_sides.rows.holding(&steps);
                let c = C {
                    at: rows.as_mut_ptr(),
                    row: W,
                };
                let all = Steps {
                    first: 0,
                    count: width,
                };
                // SAFETY: packed above; `rows` has a row for each key of the tile.
                unsafe { multiply_panel::<T, K>(c, &k_sides, tiles, all, q, panel.lanes, false) };
                let (rows, _) = rows.as_chunks_mut::<W>();
                let rows = &mut rows[steps.clone()];
                let (extra, _) = extra.as_chunks_mut::<W>();
                let at = (shape, batch, head(panel));
                // SAFETY: the queries of the panel and the keys are there.
                unsafe {
                    job.scores
                        .complete::<K, W>(rows, at, panel, keys.clone(), extra, lines);
                }
                let shrink = running[i].go_on(rows);
                if let Some(dropout) = job.scores.dropout {
                    let factors = &mut extra[..keys.len()];
                    dropout.factors(factors, at, panel, keys.clone());
                    each(rows, factors, |share, factor| share * factor);
                }
                let load = keys.start > ranges[i].start;
                if load {
                    multiply_by(sums.as_chunks_mut::<W>().0, &shrink);
                }
                let c = C {
                    at: sums.as_mut_ptr(),
                    row: W,
                };
                let steps = Steps {
                    first: steps.start,
                    count: steps.len(),
                };
                let (b, tiles) = (rows.as_ptr().cast(), 0..v_sides.rows.count);
                // SAFETY: packed above; the sums of the panel have a row for each element of a value.
                unsafe { multiply_panel::<T, K>(c, &v_sides, tiles, steps, b, panel.lanes, load) };
            }
        }

        for i in 0..panels.len() {
            let (panel, sums) = (
                panel(i),
                &mut sums[i * value_width * W..][..value_width * W],
            );
            let (over, log) = running[i].end();
            if ranges[i].is_empty() {
                sums.fill(T::ZERO);
            }
            multiply_by(sums.as_chunks_mut::<W>().0, &over);
            let row = (batch * shape.heads + head(panel)) * shape.queries + panel.first;
            // SAFETY: the panel's own results.
            unsafe {
                of_panel(kept, row, panel).copy_from_slice(&log[..panel.lanes]);
                let to = y.rows(batch, head(panel), panel.first);
                write_turned::<T, K, W>(to, sums, panel.lanes, value_width, turned_sums);
            }
        }
    }
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
