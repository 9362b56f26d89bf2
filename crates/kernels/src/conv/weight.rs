//! The gradient by the weight: a product of matrices whose sum runs over all places of the batch.
//!
//! ```text
//! dW (O, C · taps) = dY (O, places) · X (C · taps, places)ᵀ
//! ```
//!
//! A task takes a block of rows and columns of dW and a stretch of the batch, of which it packs dY and the columns of X,
//! box by box. Stretches are cut by the shape alone; their sums are added in order.

use super::Shape;
use super::axis::{Cut, Part};
use super::correlate::{for_each, homes};
use super::field::Source;
use crate::buffer;
use crate::matmul::tile::{Buffer, C, Line, Micro, Places, Tile, Tiles, View};
use crate::matmul::{Work, on_best_f32, on_best_f64};
use crate::{Float, team};
use std::cell::Cell;
use std::ops::Range;

/// Places of a box: its part of dY and its columns stay in the second cache.
const PLACES: usize = 256;
/// Most rows and columns of a block.
const ROWS: usize = 140;
const COLUMNS: usize = 288;
/// Enough tasks to share evenly.
const TASKS: usize = 16;
/// Fewer multiply-adds are not worth a second thread.
const SERIAL: usize = 1 << 18;

thread_local! {
    static ROWS_BUFFER: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// What the tasks have in common.
struct Job<'a, T> {
    shape: &'a Shape,
    dy: &'a [T],
    source: &'a Source<'a, T>,
    cut: Cut,
    /// Taps of the kernel.
    taps: usize,
}

/// `dw` from operands that fit.
pub(super) fn by_weight<T: Float>(dw: &mut [T], x: &[T], dy: &[T], shape: &Shape) {
    struct Run<'a, T>(&'a mut [T], &'a [T], &'a [T], &'a Shape);
    impl<T: Float> Work<T> for Run<'_, T> {
        unsafe fn run<K: Micro<In = T, Out = T>>(self) {
            // SAFETY: this function's contract.
            unsafe { run::<T, K>(self.0, self.1, self.2, self.3) }
        }
    }
    if dy.is_empty() || dw.is_empty() {
        return dw.fill(T::ZERO);
    }
    if std::any::TypeId::of::<T>() == std::any::TypeId::of::<f32>() {
        on_best_f32(Run(
            super::same_mut(dw),
            super::same(x),
            super::same(dy),
            shape,
        ));
    } else {
        on_best_f64(Run(
            super::same_mut(dw),
            super::same(x),
            super::same(dy),
            shape,
        ));
    }
}

/// # Safety
/// The processor has the instructions of `K`, and the lengths fit.
pub(super) unsafe fn run<T: Float, K: Micro<In = T, Out = T>>(
    dw: &mut [T],
    x: &[T],
    dy: &[T],
    shape: &Shape,
) {
    let axes = shape.axes();
    let cut = Cut::new(shape.batch, shape.output, PLACES);
    let source = Source::new(x, shape.groups * shape.c_in, &axes, cut.longest());
    let taps: usize = shape.kernel.iter().product();
    let n = shape.c_in * taps;
    let job = Job {
        shape,
        dy,
        source: &source,
        cut,
        taps,
    };
    let (rows, columns) = (
        blocks(shape.c_out, ROWS, K::ROWS),
        blocks(n, COLUMNS, K::COLS),
    );
    let each = shape.groups * rows.1 * columns.1;
    let boxes = cut.count();
    let stretches = TASKS.div_ceil(each).min(boxes);
    let mut partial = buffer::Buffer::new((stretches - 1) * dw.len() * size_of::<T>());
    let partial = team::Shared::new(partial.slice_mut::<T>());
    let size = dw.len();
    let first = team::Shared::new(&mut *dw);
    let little = shape.y() * n <= SERIAL;
    for_each(each * stretches, little, |i| {
        let (stretch, i) = (i / each, i % each);
        let (group, i) = (i / (rows.1 * columns.1), i % (rows.1 * columns.1));
        let rows = part(i / columns.1, rows.0, shape.c_out);
        let columns = part(i % columns.1, columns.0, n);
        let boxes = stretch * boxes / stretches..(stretch + 1) * boxes / stretches;
        let to = match stretch {
            0 => first.as_mut_ptr(),
            _ => partial.as_mut_ptr().wrapping_add((stretch - 1) * size),
        };
        let c = C {
            at: to.wrapping_add((group * shape.c_out + rows.start) * n + columns.start),
            row: n,
        };
        // SAFETY: no other task has this block of this stretch.
        unsafe { job.block::<K>(c, group, rows, columns, boxes) };
    });
    if stretches > 1 {
        add(dw, &partial, stretches - 1);
    }
}

/// Adds the sums of the other stretches to the first, in order.
fn add<T: Float>(dw: &mut [T], partial: &team::Shared<'_, T>, count: usize) {
    let size = dw.len();
    team::chunks_mut(dw, 1 << 12, |i, dw| {
        for stretch in 0..count {
            let first = stretch * size + (i << 12);
            // SAFETY: all tasks are done, and each element is read by one thread.
            let other = unsafe { partial.part(first..first + dw.len()) };
            dw.iter_mut().zip(other).for_each(|(sum, x)| *sum += *x);
        }
    });
}

/// The length and the number of even blocks of at most `most`, whole tiles of `tile` where there are several.
fn blocks(len: usize, most: usize, tile: usize) -> (usize, usize) {
    let count = len.div_ceil(most).max(1);
    let each = len.div_ceil(count).next_multiple_of(tile).max(1);
    (each, len.div_ceil(each).max(1))
}

fn part(i: usize, each: usize, len: usize) -> Range<usize> {
    i * each..((i + 1) * each).min(len)
}

impl<T: Float> Job<'_, T> {
    /// The sum over some boxes of a block of dW.
    ///
    /// # Safety
    /// As of [`run`], and nobody else uses the block of C.
    unsafe fn block<K: Micro<In = T, Out = T>>(
        &self,
        c: C<T>,
        group: usize,
        rows: Range<usize>,
        columns: Range<usize>,
        boxes: Range<usize>,
    ) {
        let [field, packed, _] = homes();
        let channels = columns.start / self.taps..columns.end.div_ceil(self.taps);
        let (tiles, panels) = (
            Tiles::new(rows.len(), K::ROWS),
            columns.len().div_ceil(K::COLS),
        );
        let most = boxes.clone().map(|i| {
            let part = self.cut.part(i);
            part.images * part.places()
        });
        let most = most.max().unwrap_or(0);
        let mut a = Buffer::take::<T>(&ROWS_BUFFER, rows.len() * most);
        let a = a.start::<T>();
        let mut b = Buffer::take::<T>(packed, panels * K::COLS * most);
        let b = b.start::<T>();
        let plain = self.source.is_plain();
        let start = boxes.start;
        for i in boxes {
            let part = self.cut.part(i);
            let depth = part.images * part.places();
            // SAFETY: the buffer has room for the rows of the box.
            unsafe { self.pack_rows::<K>(a, group, &rows, tiles, &part) };
            let layout = self.source.layout(&part, channels.len());
            let first = group * self.shape.c_in + channels.start;
            let mut copy =
                Buffer::take::<T>(field, if plain { 0 } else { part.images * layout.image });
            let from: *const T = if plain {
                self.source.data[(part.image * self.source.channels + first) * layout.channel..]
                    .as_ptr()
            } else {
                let at = copy.start::<T>();
                // SAFETY: the buffer has just been taken for as much; any bits are a number.
                let field =
                    unsafe { std::slice::from_raw_parts_mut(at, part.images * layout.image) };
                self.source.copy(field, &part, first, channels.len());
                at
            };
            let taps = self.source.taps(&part, &layout);
            let steps = self.source.places(&part, &layout);
            let skipped = channels.start * self.taps;
            let lanes: Vec<usize> = (columns.start - skipped..columns.end - skipped)
                .map(|i| i / self.taps * layout.channel + taps[i % self.taps])
                .collect();
            for (j, lanes) in lanes.chunks(K::COLS).enumerate() {
                let to = b.wrapping_add(j * K::COLS * depth);
                // SAFETY: the buffer has room for all panels; lanes and steps lie within the field.
                unsafe { K::gather(to, from, &Places::anywhere(lanes), &steps.part(0, depth)) };
            }
            for t in 0..tiles.count {
                let (row, r) = tiles.tile(t);
                for j in 0..panels {
                    let tile = Tile {
                        rows: r,
                        cols: K::COLS.min(columns.len() - j * K::COLS),
                        units: depth,
                        a: a.wrapping_add(row * depth).cast_const(),
                        a_row: 0,
                        a_step: 0,
                        b: b.wrapping_add(j * K::COLS * depth).cast_const(),
                        b_step: K::COLS,
                        c: c.to(row).wrapping_add(j * K::COLS),
                        c_row: c.row,
                        load: i > start,
                        finish: None,
                    };
                    // SAFETY: packed above; the block of C is the caller's own.
                    unsafe { K::tile(&tile, true) };
                }
            }
        }
    }

    /// Packs the rows of dY for a box, tile by tile.
    ///
    /// # Safety
    /// `to` has room for them.
    unsafe fn pack_rows<K: Micro<In = T, Out = T>>(
        &self,
        to: *mut T,
        group: usize,
        rows: &Range<usize>,
        tiles: Tiles,
        part: &Part,
    ) {
        let [_, b, c] = self.shape.output;
        let channel: usize = self.shape.output.iter().product();
        let first = (part.first[0] * b + part.first[1]) * c + part.first[2];
        let (each, depth) = (part.places(), part.images * part.places());
        for image in 0..part.images {
            let at = (part.image + image) * self.shape.groups + group;
            for t in 0..tiles.count {
                let (row, r) = tiles.tile(t);
                let at = (at * self.shape.c_out + rows.start + row) * channel + first;
                let from = View {
                    at: self.dy[at..].as_ptr(),
                    lane: channel,
                    step: 1,
                };
                let to = to.wrapping_add(row * depth + r * image * each);
                // SAFETY: the places of a box lie in line in each image; the rest is this function's contract.
                unsafe { K::pack(to, r, from, r, each) };
            }
        }
    }
}
