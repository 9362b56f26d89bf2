//! Where queries, keys and values lie, and products of packed parts of them.
//!
//! ```text
//! lanes side by side    [rows / ROWS][depth][ROWS]     `Sides`, the left factor of a product
//! columns in panels     [columns / COLS][depth][COLS]  its right factor
//! ```

use crate::Float;
use crate::elementwise;
use crate::matmul::tile::{C, Micro, Tile, Tiles, View};

/// A tensor of four axes `(B, H, rows, columns)`, only read.
#[derive(Clone, Copy)]
pub(super) struct Heads<T> {
    at: *const T,
    strides: [usize; 4],
}

// SAFETY: only read through, and only while the slice that it comes from is borrowed.
unsafe impl<T: Sync> Sync for Heads<T> {}

impl<T: Copy> Heads<T> {
    /// Panics if an element lies outside of the slice.
    pub(super) fn new(name: &str, view: elementwise::View<'_, T>, dims: [usize; 4]) -> Self {
        let Ok(strides) = view.strides.try_into() else {
            panic!("attention: {name} wants 4 strides, not {:?}", view.strides)
        };
        let strides: [usize; 4] = strides;
        let last = dims
            .iter()
            .zip(strides)
            .try_fold(view.offset, |at, (n, stride)| {
                n.saturating_sub(1).checked_mul(stride)?.checked_add(at)
            });
        assert!(
            dims.contains(&0) || last.is_some_and(|last| last < view.data.len()),
            "attention: {name} {dims:?} with strides {strides:?} reaches past its {} elements",
            view.data.len()
        );
        Self {
            at: view.data.as_ptr().wrapping_add(view.offset),
            strides,
        }
    }

    /// Whether the columns of a row lie beside each other.
    pub(super) fn columns_in_line(&self) -> bool {
        self.strides[3] == 1
    }

    /// The rows of a head, from `first` on: lanes are rows and steps are columns.
    pub(super) fn rows(&self, batch: usize, head: usize, first: usize) -> View<T> {
        let [b, h, row, column] = self.strides;
        View {
            at: self.at.wrapping_add(batch * b + head * h + first * row),
            lane: row,
            step: column,
        }
    }
}

/// The same matrix with lanes and steps exchanged.
pub(super) fn turned<T: Copy>(view: View<T>) -> View<T> {
    View {
        lane: view.step,
        step: view.lane,
        ..view
    }
}

/// Where a result `(B, rows, H, columns)` goes: of each row the columns lie side by side.
#[derive(Clone, Copy)]
pub(super) struct Place<T> {
    at: *mut T,
    batch: usize,
    head: usize,
    pub(super) row: usize,
}

// SAFETY: each task writes rows of its own.
unsafe impl<T: Send> Sync for Place<T> {}

impl<T> Place<T> {
    pub(super) fn in_line(to: &mut [T], rows: usize, heads: usize, width: usize) -> Self {
        Self {
            at: to.as_mut_ptr(),
            batch: rows * heads * width,
            head: width,
            row: heads * width,
        }
    }

    /// The heads from the `first` on.
    pub(super) fn at_head(self, first: usize) -> Self {
        Self {
            at: self.at.wrapping_add(first * self.head),
            ..self
        }
    }

    /// From row `first` of a head on.
    pub(super) fn rows(&self, batch: usize, head: usize, first: usize) -> C<T> {
        C {
            at: self
                .at
                .wrapping_add(batch * self.batch + head * self.head + first * self.row),
            row: self.row,
        }
    }
}

/// Asks for rows that will be needed soon. They lie far apart, each in another page perhaps, where the processor does not
/// foresee them.
#[inline]
pub(super) fn fetch<T: Copy>(rows: View<T>, count: usize, width: usize) {
    #[cfg(target_arch = "x86_64")]
    if rows.step == 1 {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        for i in 0..count {
            for j in (0..width).step_by(64 / size_of::<T>()) {
                let at = rows.at.wrapping_add(i * rows.lane + j);
                // SAFETY: a hint, which reads nothing.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (rows, count, width);
}

/// The left factor of a product, packed.
#[derive(Clone, Copy)]
pub(super) struct Sides<T> {
    at: *const T,
    pub(super) rows: Tiles,
    depth: usize,
}

/// Packs `rows` lanes of `depth` steps as a left factor. `ahead` is called with those that are packed next but one.
///
/// # Safety
/// The processor has the kernel's instructions, and `from` reaches as far as rows and depth say.
pub(super) unsafe fn pack_sides<T: Float, K: Micro<In = T, Out = T>>(
    to: &mut [T],
    from: View<T>,
    rows: usize,
    depth: usize,
    ahead: impl Fn(usize, usize),
) -> Sides<T> {
    let to = &mut to[..rows * depth];
    let rows = Tiles::new(rows, K::ROWS);
    for t in 0..rows.count {
        if t + 2 < rows.count {
            let (i, r) = rows.tile(t + 2);
            ahead(i, r);
        }
        let (i, r) = rows.tile(t);
        // SAFETY: each tile has its own part of `to`; the rest is this function's contract.
        unsafe { K::pack(to[i * depth..].as_mut_ptr(), r, from.from(i, 0), r, depth) };
    }
    Sides {
        at: to.as_ptr(),
        rows,
        depth,
    }
}

/// Packs `columns` lanes of `depth` steps as a right factor, filled up to whole panels.
///
/// # Safety
/// As of [`pack_sides`].
pub(super) unsafe fn pack_panels<T: Float, K: Micro<In = T, Out = T>>(
    to: &mut [T],
    from: View<T>,
    columns: usize,
    depth: usize,
) {
    let to = &mut to[..columns.next_multiple_of(K::COLS) * depth];
    for j in (0..columns).step_by(K::COLS) {
        let have = K::COLS.min(columns - j);
        // SAFETY: each panel has its own part of `to`; the rest is this function's contract.
        unsafe {
            K::pack(
                to[j * depth..].as_mut_ptr(),
                K::COLS,
                from.from(j, 0),
                have,
                depth,
            )
        };
    }
}

/// Some steps of a packed left factor.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Steps {
    pub(super) fn all(depth: usize) -> Self {
        Self {
            first: 0,
            count: depth,
        }
    }
}

/// Rows `tiles` of `c = a b`, or `c += a b` if `load`: `cols` columns from one panel of `b`.
///
/// # Safety
/// The processor has the kernel's instructions; `b` has a row of `K::COLS` for each step; `c` has all rows of the tiles,
/// and nobody else uses them.
pub(super) unsafe fn multiply_panel<T: Float, K: Micro<In = T, Out = T>>(
    c: C<T>,
    a: &Sides<T>,
    tiles: std::ops::Range<usize>,
    steps: Steps,
    b: *const T,
    cols: usize,
    load: bool,
) {
    debug_assert!(steps.first + steps.count <= a.depth);
    for t in tiles {
        let (i, r) = a.rows.tile(t);
        let tile = Tile {
            rows: r,
            cols,
            units: steps.count,
            a: a.at.wrapping_add(i * a.depth + steps.first * r),
            a_row: 0,
            a_step: 0,
            b,
            b_step: K::COLS,
            c: c.to(i),
            c_row: c.row,
            load,
            finish: None,
        };
        // SAFETY: this function's contract; `a` was packed by `pack_sides`.
        unsafe { K::tile(&tile, true) };
    }
}

/// `c (m, n) = a b`, or `c += a b` if `load`, where `a` is used as it lies: lanes are rows. Panels of `b` lie `panel`
/// elements apart.
///
/// # Safety
/// The processor has the kernel's instructions; `a`, `b` and `c` reach as far as `m`, `k`, `n` say, and nobody else uses
/// `c`; `room` holds `K::ROWS` lanes of `k` steps.
pub(super) unsafe fn multiply<T: Float, K: Micro<In = T, Out = T>>(
    c: C<T>,
    (m, k, n): (usize, usize, usize),
    a: View<T>,
    b: *const T,
    panel: usize,
    load: bool,
    room: &mut [T],
) {
    let rows = Tiles::new(m, K::ROWS);
    for t in 0..rows.count {
        let (i, r) = rows.tile(t);
        let mut a = a.from(i, 0);
        if !K::STRIDED {
            // SAFETY: this function's contract.
            unsafe { K::pack(room[..r * k].as_mut_ptr(), r, a, r, k) };
            a.at = room.as_ptr();
        }
        for j in (0..n).step_by(K::COLS) {
            let tile = Tile {
                rows: r,
                cols: K::COLS.min(n - j),
                units: k,
                a: a.at,
                a_row: a.lane,
                a_step: a.step,
                b: b.wrapping_add(j / K::COLS * panel),
                b_step: K::COLS,
                c: c.to(i).wrapping_add(j),
                c_row: c.row,
                load,
                finish: None,
            };
            // SAFETY: this function's contract.
            unsafe { K::tile(&tile, !K::STRIDED) };
        }
    }
}

/// Memory of a task, cut into parts that begin with a cache line.
pub(super) struct Room<'a, T>(&'a mut [T]);

impl<'a, T: Float> Room<'a, T> {
    /// Elements that parts of these lengths take.
    pub(super) fn of(parts: &[usize]) -> usize {
        parts.iter().map(|len| Self::whole_lines(*len)).sum()
    }

    pub(super) fn new(memory: &'a mut [T]) -> Self {
        Self(memory)
    }

    pub(super) fn take(&mut self, len: usize) -> &'a mut [T] {
        let (part, rest) = std::mem::take(&mut self.0).split_at_mut(Self::whole_lines(len));
        self.0 = rest;
        &mut part[..len]
    }

    fn whole_lines(len: usize) -> usize {
        len.next_multiple_of(64 / size_of::<T>())
    }
}

/// How panels of queries and the heads of keys are dealt out: the heads that share keys lie behind each other, each with
/// its panels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panels {
    /// Of a head.
    pub(super) per_head: usize,
    queries: usize,
    width: usize,
}

/// Up to `W` queries of a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    /// Counted from the first head that shares the keys.
    pub(super) head: usize,
    /// The first query.
    pub(super) first: usize,
    pub(super) lanes: usize,
}

impl Panels {
    pub(super) fn new(queries: usize, width: usize) -> Self {
        Self {
            per_head: queries.div_ceil(width),
            queries,
            width,
        }
    }

    pub(super) fn panel(self, i: usize) -> Panel {
        let first = i % self.per_head * self.width;
        Panel {
            head: i / self.per_head,
            first,
            lanes: self.width.min(self.queries - first),
        }
    }
}
