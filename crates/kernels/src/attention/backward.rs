//! The way back: shares are computed again from the scores and what was kept of each query.
//!
//! A task takes some tiles of keys and some panels of queries of the heads that share them. Where there are heads enough
//! for all threads it takes all of both, and every product is computed once. Where there are few, tiles are dealt out for
//! the gradients of keys and values and panels for those of queries: scores and dp are computed twice then, with the same
//! bits.

use super::forward::{SERIAL, both, for_each};
use super::scores::{each, end_row};
use super::tiles::{
    Heads, Panel, Panels, Place, Room, Sides, Steps, fetch, multiply, multiply_panel, pack_panels,
    pack_sides, turned,
};
use super::{Job, Shape};
use crate::Float;
use crate::buffer::Buffer;
use crate::matmul::tile::{C, Micro, View};
use crate::simd::vectorize;
use crate::team;
use std::ops::Range;

/// Keys of a tile.
const KEYS: usize = 256;

/// Where the gradients go, and what they are computed from.
pub(super) struct Given<'a, T> {
    /// Of queries, keys, values.
    pub(super) places: [Option<Place<T>>; 3],
    pub(super) y: Heads<T>,
    pub(super) dy: Heads<T>,
    pub(super) kept: &'a [T],
}

/// # Safety
/// The processor has the instructions of `K`, which has `W` columns; the places have room for the gradients, and nobody
/// else uses them.
pub(super) unsafe fn run<T: Float, K: Micro<In = T, Out = T>, const W: usize>(
    job: &Job<'_, T>,
    given: &Given<'_, T>,
) {
    let shape = &job.shape;
    let panels = Panels::new(shape.queries, W);
    let heads = shape.batch * shape.groups;
    if shape.rows() == 0 {
        return; // however many heads of keys there are
    }
    let (all, tiles) = (
        shape.shared_by() * panels.per_head,
        shape.keys.div_ceil(KEYS),
    );
    let width = shape.width + shape.value_width;
    let little = (shape.rows() * width).saturating_mul(shape.keys) <= SERIAL;
    let task = |head: usize, places| Task {
        job,
        given,
        places,
        batch: head / shape.groups,
        group: head % shape.groups,
        panels,
    };
    let [q, k, v] = given.places;
    let threads = team::threads();
    // In products of a head: five where everything is computed at once, seven else.
    let (at_once, apart) = (5 * heads.div_ceil(threads), (7 * heads).div_ceil(threads));
    let several = q.is_some() && (k.is_some() || v.is_some());
    if little || several && at_once <= apart {
        for_each(heads, little, |i| {
            // SAFETY: this function's contract; each head is in one task.
            unsafe { task(i, [q, k, v]).run::<K, W>(0..all, 0..tiles) };
        });
        return;
    }
    if k.is_some() || v.is_some() {
        for_each(heads * tiles, false, |i| {
            let tile = i % tiles;
            // SAFETY: as above, each tile of a head in one task.
            unsafe { task(i / tiles, [None, k, v]).run::<K, W>(0..all, tile..tile + 1) };
        });
    }
    if q.is_some() {
        let each = (heads * all / (4 * threads)).clamp(1, all);
        let pieces = all.div_ceil(each);
        for_each(heads * pieces, false, |i| {
            let first = i % pieces * each;
            let some = first..all.min(first + each);
            // SAFETY: as above, each panel of a head in one task.
            unsafe { task(i / pieces, [q, None, None]).run::<K, W>(some, 0..tiles) };
        });
    }
}

/// Keys and values of one head.
struct Task<'a, T> {
    job: &'a Job<'a, T>,
    given: &'a Given<'a, T>,
    places: [Option<Place<T>>; 3],
    batch: usize,
    group: usize,
    panels: Panels,
}

/// Keys and values of a tile, packed for every product that they are in.
struct Packed<'a, T> {
    /// (keys, D)
    k_sides: Sides<T>,
    /// (keys, E)
    v_sides: Sides<T>,
    /// Panels of D, of so many keys each.
    k_panels: &'a [T],
    keys: Range<usize>,
}

/// Memory of a panel of queries and a tile of keys.
struct Scratch<'a, T> {
    /// Queries, scaled; and results and their gradients: panels of queries.
    q: &'a mut [T],
    y: &'a mut [T],
    dy: &'a mut [T],
    /// Panels of D and of E.
    q_panels: &'a mut [T],
    dy_panels: &'a mut [T],
    /// Shares, and the gradients of scores: a row of queries for each key.
    shares: &'a mut [T],
    slopes: &'a mut [T],
    extra: &'a mut [T],
    lines: &'a mut [T],
    /// For what a kernel wants packed.
    room: &'a mut [T],
    /// Gradients of the tile's keys and values, in line.
    dk: &'a mut [T],
    dv: &'a mut [T],
}

impl<T: Float> Task<'_, T> {
    /// # Safety
    /// As of [`run`], and nobody else computes the same gradients.
    unsafe fn run<K: Micro<In = T, Out = T>, const W: usize>(
        &self,
        panels: Range<usize>,
        tiles: Range<usize>,
    ) {
        let (job, scores) = (self.job, self.job.scores);
        let Shape {
            width,
            value_width,
            keys,
            ..
        } = job.shape;
        let longest = KEYS.min(keys);
        let [dq, dk, dv] = self.places;
        let if_wanted = |wanted: bool, len: usize| if wanted { len } else { 0 };
        let (wide, value_wide) = (width.next_multiple_of(W), value_width.next_multiple_of(W));
        let parts = [
            longest * width,
            longest * value_width,
            if_wanted(dq.is_some(), longest * wide),
            width * W,
            value_width * W,
            value_width * W,
            if_wanted(dk.is_some(), wide * W),
            if_wanted(dv.is_some(), value_wide * W),
            longest * W,
            longest * W,
            if_wanted(scores.adds() || scores.dropout.is_some(), longest * W),
            if_wanted(scores.mask.is_some(), longest * W),
            if_wanted(!K::STRIDED, K::ROWS * longest.max(W)),
            if_wanted(dk.is_some(), longest * width),
            if_wanted(dv.is_some(), longest * value_width),
        ];
        let mut memory = Buffer::new(Room::<T>::of(&parts) * size_of::<T>());
        let mut room = Room::<T>::new(memory.slice_mut());
        let [
            k_sides,
            v_sides,
            k_panels,
            q,
            y,
            dy,
            q_panels,
            dy_panels,
            shares,
            slopes,
            extra,
            lines,
            room,
            dk_sums,
            dv_sums,
        ] = parts.map(|len| room.take(len));
        let mut scratch = Scratch {
            q,
            y,
            dy,
            q_panels,
            dy_panels,
            shares,
            slopes,
            extra,
            lines,
            room,
            dk: dk_sums,
            dv: dv_sums,
        };
        let ranges: Vec<Range<usize>> = panels
            .clone()
            .map(|i| {
                let panel = self.panels.panel(i);
                job.scores
                    .range(&job.shape, self.batch, panel.first, panel.lanes)
            })
            .collect();
        if let Some(dq) = dq {
            for (i, range) in panels.clone().zip(&ranges) {
                if range.is_empty() {
                    let panel = self.panels.panel(i);
                    // SAFETY: the panel's own gradients.
                    unsafe { fill(self.of_queries(dq, panel), panel.lanes, width) };
                }
            }
        }
        for start in tiles.map(|tile| tile * KEYS) {
            let tile = start..keys.min(start + KEYS);
            scratch.dk.fill(T::ZERO);
            scratch.dv.fill(T::ZERO);
            if ranges.iter().any(|range| both(range, &tile).is_some()) {
                let k = job.k.rows(self.batch, self.group, start);
                let v = job.v.rows(self.batch, self.group, start);
                // SAFETY: the keys of the tile are there.
                let packed = unsafe {
                    let k_sides = pack_sides::<T, K>(k_sides, k, tile.len(), width, |i, rows| {
                        fetch(k.from(i, 0), rows, width);
                        fetch(v.from(i, 0), rows, value_width);
                    });
                    if dq.is_some() {
                        pack_panels::<T, K>(k_panels, turned(k), width, tile.len());
                    }
                    Packed {
                        k_sides,
                        v_sides: pack_sides::<T, K>(v_sides, v, tile.len(), value_width, |_, _| {}),
                        k_panels,
                        keys: tile.clone(),
                    }
                };
                for (i, range) in panels.clone().zip(&ranges) {
                    if let Some(keys) = both(range, &tile) {
                        let goes_on = keys.start > range.start;
                        let panel = self.panels.panel(i);
                        let next = (i + 1 < panels.end).then(|| self.panels.panel(i + 1));
                        // SAFETY: this function's contract.
                        unsafe {
                            self.meet::<K, W>((panel, next), keys, goes_on, &packed, &mut scratch)
                        };
                    }
                }
            }
            for (place, sums, width) in [(dk, &scratch.dk, width), (dv, &scratch.dv, value_width)] {
                if let Some(place) = place {
                    let to = place.rows(self.batch, self.group, start);
                    for i in 0..tile.len() {
                        // SAFETY: the tile's own gradients.
                        unsafe {
                            to.to(i)
                                .copy_from_nonoverlapping(sums[i * width..].as_ptr(), width);
                        }
                    }
                }
            }
        }
    }

    fn head(&self, panel: Panel) -> usize {
        self.group * self.job.shape.shared_by() + panel.head
    }

    fn of_queries(&self, place: Place<T>, panel: Panel) -> C<T> {
        place.rows(self.batch, self.head(panel), panel.first)
    }

    /// Adds what comes from a panel of queries and those `keys` of a tile that one of them sees. Asks for the `next` one.
    ///
    /// # Safety
    /// As of [`run`](Self::run).
    unsafe fn meet<K: Micro<In = T, Out = T>, const W: usize>(
        &self,
        (panel, next): (Panel, Option<Panel>),
        keys: Range<usize>,
        goes_on: bool,
        packed: &Packed<'_, T>,
        scratch: &mut Scratch<'_, T>,
    ) {
        let (job, batch, head) = (self.job, self.batch, self.head(panel));
        let shape = &job.shape;
        let Shape {
            width, value_width, ..
        } = *shape;
        let [dq, dk, dv] = self.places;
        let steps = keys.start - packed.keys.start..keys.end - packed.keys.start;
        let rows_of = |heads: &Heads<T>| heads.rows(batch, head, panel.first);
        let (q, y, dy) = (
            rows_of(&job.q),
            rows_of(&self.given.y),
            rows_of(&self.given.dy),
        );
        // SAFETY: the queries of the panel are there.
        unsafe {
            pack_panels::<T, K>(scratch.q, q, panel.lanes, width);
            pack_panels::<T, K>(scratch.y, y, panel.lanes, value_width);
            pack_panels::<T, K>(scratch.dy, dy, panel.lanes, value_width);
            if dk.is_some() {
                pack_panels::<T, K>(scratch.q_panels, turned(q), width, panel.lanes);
            }
            if dv.is_some() {
                pack_panels::<T, K>(scratch.dy_panels, turned(dy), value_width, panel.lanes);
            }
        }
        let scale = T::of(job.scores.scale);
        let mut from = [T::INFINITY; W];
        let first = (batch * shape.heads + head) * shape.queries + panel.first;
        from[..panel.lanes].copy_from_slice(&self.given.kept[first..first + panel.lanes]);
        let mut whole = [T::ZERO; W];
        let (y, dy) = (scratch.y.as_chunks::<W>().0, scratch.dy.as_chunks::<W>().0);
        vectorize(
            #[inline(always)]
            || {
                scratch.q.iter_mut().for_each(|q| *q *= scale);
                for (y, dy) in y.iter().zip(dy) {
                    for l in 0..W {
                        whole[l] = dy[l].mul_add(y[l], whole[l]);
                    }
                }
            },
        );

        let product = |to: &mut [T], sides: &Sides<T>, depth, by: &[T]| {
            let c = C {
                at: to.as_mut_ptr(),
                row: W,
            };
            let all = Steps::all(depth);
            let tiles = sides.rows.holding(&steps);
            // SAFETY: packed above; there is a row for each key of the tile.
            unsafe {
                multiply_panel::<T, K>(c, sides, tiles, all, by.as_ptr(), panel.lanes, false);
            }
        };
        let ask_for = |heads: &Heads<T>, width| {
            if let Some(next) = next {
                fetch(
                    heads.rows(batch, self.head(next), next.first),
                    next.lanes,
                    width,
                );
            }
        };
        ask_for(&job.q, width);
        product(scratch.shares, &packed.k_sides, width, scratch.q);
        ask_for(&self.given.y, value_width);
        let shares = &mut scratch.shares.as_chunks_mut::<W>().0[steps.clone()];
        let extra = scratch.extra.as_chunks_mut::<W>().0;
        let at = (shape, batch, head);
        // SAFETY: the queries of the panel and the keys are there.
        unsafe {
            job.scores
                .complete::<K, W>(shares, at, panel, keys.clone(), extra, scratch.lines);
        }
        vectorize(
            #[inline(always)]
            || {
                for row in &mut *shares {
                    for l in 0..W {
                        row[l] = (row[l] - from[l]).exp_nonpositive();
                    }
                    end_row();
                }
            },
        );
        let factors = job.scores.dropout.map(|dropout| {
            let factors = &mut extra[..keys.len()];
            dropout.factors(factors, at, panel, keys.clone());
            &*factors
        });
        if dq.is_some() || dk.is_some() {
            product(scratch.slopes, &packed.v_sides, value_width, scratch.dy);
            let slopes = &mut scratch.slopes.as_chunks_mut::<W>().0[steps.clone()];
            if let Some(factors) = factors {
                each(slopes, factors, |slope, factor| slope * factor);
            }
            vectorize(
                #[inline(always)]
                || {
                    for (slope, share) in slopes.iter_mut().zip(&*shares) {
                        for l in 0..W {
                            slope[l] = share[l] * (slope[l] - whole[l]) * scale;
                        }
                        end_row();
                    }
                },
            );
        }
        ask_for(&self.given.dy, value_width);
        if let Some(factors) = factors {
            each(shares, factors, |share, factor| share * factor);
        }
        // The panel's shares or slopes, as they lie: the lanes are keys, or queries.
        let by_keys = |rows: &[T]| View {
            at: rows[steps.start * W..].as_ptr(),
            lane: W,
            step: 1,
        };
        let in_tile = |sums: &mut [T], width: usize| C {
            at: sums[steps.start * width..].as_mut_ptr(),
            row: width,
        };
        let room = &mut *scratch.room;
        // SAFETY: computed and packed above; the gradients of the keys and of the panel are this task's own.
        unsafe {
            if dv.is_some() {
                let (c, a) = (in_tile(scratch.dv, value_width), by_keys(scratch.shares));
                let (size, b) = (
                    (keys.len(), panel.lanes, value_width),
                    scratch.dy_panels.as_ptr(),
                );
                multiply::<T, K>(c, size, a, b, panel.lanes * W, true, room);
            }
            if dk.is_some() {
                let (c, a) = (in_tile(scratch.dk, width), by_keys(scratch.slopes));
                let (size, b) = ((keys.len(), panel.lanes, width), scratch.q_panels.as_ptr());
                multiply::<T, K>(c, size, a, b, panel.lanes * W, true, room);
            }
            if let Some(dq) = dq {
                let a = turned(by_keys(scratch.slopes));
                let b = packed.k_panels.as_ptr().wrapping_add(steps.start * W);
                let (c, size) = (self.of_queries(dq, panel), (panel.lanes, keys.len(), width));
                multiply::<T, K>(c, size, a, b, packed.keys.len() * W, goes_on, room);
            }
        }
    }
}

/// Zeros in some rows.
///
/// # Safety
/// `to` has so many rows of so many columns, which nobody else uses.
unsafe fn fill<T: Float>(to: C<T>, rows: usize, width: usize) {
    for i in 0..rows {
        // SAFETY: this function's contract.
        unsafe { std::slice::from_raw_parts_mut(to.to(i), width).fill(T::ZERO) };
    }
}
