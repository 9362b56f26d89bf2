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
use super::{direct, winograd_weight};
use crate::buffer;
use crate::matmul::tile::{Buffer, C, Home, Line, Micro, Places, Tile, Tiles, View};
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
            let Self(dw, x, dy, shape) = self;
            // SAFETY: this function's contract.
            unsafe {
                if winograd_weight::suits::<T>(shape) {
                    winograd_weight::run::<T, K>(dw, x, dy, shape);
                } else {
                    run::<T, K>(dw, x, dy, shape);
                }
            }
        }
    }
    if dy.is_empty() || dw.is_empty() {
        return dw.fill(T::ZERO);
    }
    #[cfg(target_arch = "x86_64")]
    if super::lines_weight::suits(shape) {
        return super::lines_weight::run(dw, x, dy, shape);
    }
    if direct::suits_weight(shape) {
        return direct::by_weight(dw, x, dy, shape, direct::is_fused());
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
    let sums = Stretches::new(dw, each, cut.count());
    let little = shape.y() * n <= SERIAL;
    for_each(each * sums.count, little, |i| {
        let (stretch, i) = (i / each, i % each);
        let (group, i) = (i / (rows.1 * columns.1), i % (rows.1 * columns.1));
        let rows = piece(i / columns.1, rows.0, shape.c_out);
        let columns = piece(i % columns.1, columns.0, n);
        let at = (group * shape.c_out + rows.start) * n + columns.start;
        let c = C {
            at: sums.to(stretch).wrapping_add(at),
            row: n,
        };
        // SAFETY: no other task has this block of this stretch.
        unsafe { job.block::<K>(c, group, rows, columns, sums.boxes(stretch)) };
    });
    sums.add();
}

/// Sums over stretches of the batch: the first goes to dW itself.
pub(super) struct Stretches<'a, T> {
    pub(super) count: usize,
    boxes: usize,
    dw: team::Shared<'a, T>,
    size: usize,
    others: buffer::Buffer,
    first_other: C<T>,
}

impl<'a, T: Float> Stretches<'a, T> {
    /// As many stretches of the boxes as make enough tasks, where each has `each` of them.
    pub(super) fn new(dw: &'a mut [T], each: usize, boxes: usize) -> Self {
        let (count, size) = (TASKS.div_ceil(each).min(boxes), dw.len());
        let mut others = buffer::Buffer::new((count - 1) * size * size_of::<T>());
        Self {
            count,
            boxes,
            dw: team::Shared::new(dw),
            size,
            first_other: C {
                at: others.slice_mut::<T>().as_mut_ptr(),
                row: size,
            },
            others,
        }
    }

    /// The boxes of a stretch.
    pub(super) fn boxes(&self, stretch: usize) -> Range<usize> {
        stretch * self.boxes / self.count..(stretch + 1) * self.boxes / self.count
    }

    /// Where the sum of a stretch begins.
    pub(super) fn to(&self, stretch: usize) -> *mut T {
        match stretch {
            0 => self.dw.as_mut_ptr(),
            _ => self.first_other.to(stretch - 1),
        }
    }

    /// Adds the others to the first, in order.
    pub(super) fn add(self) {
        if self.count == 1 {
            return;
        }
        let others = self.others.slice::<T>();
        team::for_chunks(self.size, 1 << 12, |range| {
            // SAFETY: each range comes once.
            let sums = unsafe { self.dw.part(range.clone()) };
            for other in others.chunks_exact(self.size) {
                let other = &other[range.clone()];
                sums.iter_mut().zip(other).for_each(|(sum, x)| *sum += *x);
            }
        });
    }
}

/// Memory for packed rows.
pub(super) fn rows_home() -> &'static Home {
    &ROWS_BUFFER
}

/// The length and the number of even blocks of at most `most`, whole tiles of `tile` where there are several.
pub(super) fn blocks(len: usize, most: usize, tile: usize) -> (usize, usize) {
    let count = len.div_ceil(most).max(1);
    let each = len.div_ceil(count).next_multiple_of(tile).max(1);
    (each, len.div_ceil(each).max(1))
}

/// The `i`-th block.
pub(super) fn piece(i: usize, each: usize, len: usize) -> Range<usize> {
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
        let [home, packed, _] = homes();
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
        let start = boxes.start;
        for i in boxes {
            let part = self.cut.part(i);
            let depth = part.images * part.places();
            // SAFETY: the buffer has room for the rows of the box.
            unsafe { self.pack_rows::<K>(a, group, &rows, tiles, &part) };
            let layout = self.source.layout(&part, channels.len());
            let first = group * self.shape.c_in + channels.start;
            let field = self
                .source
                .read(home, &part, &layout, first, channels.len());
            let taps = self.source.taps(&part, &layout);
            let steps = self.source.places(&part, &layout);
            let skipped = channels.start * self.taps;
            let lanes: Vec<usize> = (columns.start - skipped..columns.end - skipped)
                .map(|i| i / self.taps * layout.channel + taps[i % self.taps])
                .collect();
            for (j, lanes) in lanes.chunks(K::COLS).enumerate() {
                let to = b.wrapping_add(j * K::COLS * depth);
                // SAFETY: the buffer has room for all panels; lanes and steps lie within the field.
                unsafe {
                    K::gather(
                        to,
                        field.from,
                        &Places::anywhere(lanes),
                        &steps.part(0, depth),
                    )
                };
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
