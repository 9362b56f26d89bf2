//! A product cut into packed tiles, for any micro-kernel.
//!
//! C is cut along its longer side into tasks. A task packs the operand that goes along that side itself, piece by
//! piece, so that it lies in the cache of the core that uses it; the other operand is packed before, once for all.
//!
//! ```text
//! packed A: tiles of up to ROWS rows       [k / PAIR][rows of the tile][PAIR]
//! packed B: panels of COLS columns         [k / PAIR][COLS][PAIR]
//! ```

use super::{Activation, Epilogue, Mat};
use crate::team;
use std::any::TypeId;
use std::cell::Cell;

/// A matrix in memory, seen by a packing routine: lanes go side by side into vectors, steps follow each other in `k`.
#[derive(Clone, Copy)]
pub(crate) struct View<T> {
    pub(crate) at: *const T,
    pub(crate) lane: usize,
    pub(crate) step: usize,
}

// SAFETY: only read through, and only while the slice that it comes from is borrowed.
unsafe impl<T: Sync> Sync for View<T> {}

impl<T> View<T> {
    /// From `lane` and `step` on. Only an address: nothing is read.
    pub(crate) fn from(self, lane: usize, step: usize) -> Self {
        Self {
            at: self.at.wrapping_add(lane * self.lane + step * self.step),
            ..self
        }
    }
}

/// What happens to a tile after its last product.
#[derive(Clone, Copy)]
pub(crate) struct Finish<T> {
    /// One for each column.
    pub(crate) bias: Option<*const T>,
    /// One for each row of the tile.
    pub(crate) row_bias: Option<*const T>,
    pub(crate) relu: bool,
}

// SAFETY: the bias is only read, and only while its slice is borrowed.
unsafe impl<T: Sync> Sync for Finish<T> {}

/// One call of a micro-kernel.
pub(crate) struct Tile<'a, I, O> {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// Steps of `k`, in units of `PAIR`.
    pub(crate) units: usize,
    pub(crate) a: *const I,
    /// From row to row and from unit to unit; only read where A is not packed.
    pub(crate) a_row: usize,
    pub(crate) a_step: usize,
    pub(crate) b: *const I,
    pub(crate) b_step: usize,
    pub(crate) c: *mut O,
    pub(crate) c_row: usize,
    /// Go on from what C holds.
    pub(crate) load: bool,
    pub(crate) finish: Option<&'a Finish<O>>,
}

/// A micro-kernel with its packing.
pub(crate) trait Micro {
    type In: Copy + Send + Sync + 'static;
    type Out: Copy + Send + Sync + 'static;
    /// Most rows of a tile.
    const ROWS: usize;
    /// Most columns of a tile.
    const COLS: usize;
    /// Steps of `k` that one instruction takes.
    const PAIR: usize;
    /// Whether A and B may be used as they lie in memory.
    const STRIDED: bool;
    /// Most rows of a tile that [`turned`](Self::turned) computes; 0 where it can't.
    const TURNED_ROWS: usize = 0;

    /// Computes a tile. `packed` says that both A and B are.
    ///
    /// # Safety
    /// The processor has the kernel's instructions; `a`, `b`, `c` and the bias reach as far as sizes and strides say,
    /// and nobody else uses these elements of C.
    unsafe fn tile(t: &Tile<'_, Self::In, Self::Out>, packed: bool);

    /// Computes a tile whose columns of B are runs along `k` that lie `b_step` apart: what is used but once is not worth
    /// packing.
    ///
    /// # Safety
    /// As of [`tile`](Self::tile), and there are at most `TURNED_ROWS` rows.
    unsafe fn turned(_t: &Tile<'_, Self::In, Self::Out>) {
        unreachable!("no kernel with TURNED_ROWS")
    }

    /// Packs `lanes` lanes (filled up to `width` with zeros) of `depth` steps.
    ///
    /// # Safety
    /// The processor has the kernel's instructions; `from` reaches as far as lanes and depth say; `to` has room for
    /// `width` times `depth` rounded up to whole pairs.
    unsafe fn pack(
        to: *mut Self::In,
        width: usize,
        from: View<Self::In>,
        lanes: usize,
        depth: usize,
    );

    /// Packs `depth` steps of lanes that lie anywhere, as a panel of B: element `(lane, step)` is `from[lanes[lane] +
    /// steps[step]]`. Lanes that are missing to `COLS` are filled up with zeros.
    ///
    /// # Safety
    /// The processor has the kernel's instructions; `from` reaches as far as the sums say; `to` has room for `COLS`
    /// times as many steps, rounded up to whole pairs.
    unsafe fn gather(to: *mut Self::In, from: *const Self::In, lanes: &Places, steps: &Places) {
        // SAFETY: handed on.
        unsafe { gather_plain(to, Self::COLS, from, lanes.at, steps.at, Self::PAIR) }
    }
}

/// Numbers that a kernel's operands are packed from.
pub(crate) trait Source<K: Micro>: Copy + Send + Sync + 'static {
    /// [`Micro::pack`] of such numbers.
    ///
    /// # Safety
    /// As of [`Micro::pack`].
    unsafe fn pack(to: *mut K::In, width: usize, from: View<Self>, lanes: usize, depth: usize);
}

impl<K: Micro> Source<K> for K::In {
    unsafe fn pack(to: *mut K::In, width: usize, from: View<K::In>, lanes: usize, depth: usize) {
        // SAFETY: handed on.
        unsafe { K::pack(to, width, from, lanes, depth) }
    }
}

/// Whether the kernel may read such numbers as they lie.
fn same<K: Micro, S: Source<K>>() -> bool {
    TypeId::of::<S>() == TypeId::of::<K::In>()
}

/// Places in memory; along lanes or along steps it is known where they follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places<'a> {
    pub(crate) at: &'a [usize],
    /// Where in `runs` those of each 16 places begin, and where the last ones end; empty if nothing is known.
    pub(crate) starts: &'a [usize],
    pub(crate) runs: &'a [Run],
}

/// Neighbours among 16 places: where the first of the 16 would be, and a bit for each that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) at: isize,
    pub(crate) mask: u16,
}

impl<'a> Places<'a> {
    /// Places of which nothing is known.
    pub(crate) fn anywhere(at: &'a [usize]) -> Self {
        Self {
            at,
            starts: &[],
            runs: &[],
        }
    }

    /// The runs of the `i`-th 16 places.
    pub(crate) fn runs_of(&self, i: usize) -> &'a [Run] {
        &self.runs[self.starts[i]..self.starts[i + 1]]
    }
}

/// Places and their runs.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) at: Vec<usize>,
    starts: Vec<usize>,
    runs: Vec<Run>,
}

impl Runs {
    pub(crate) fn new(at: Vec<usize>) -> Self {
        let (mut starts, mut runs) = (vec![0], Vec::<Run>::new());
        for group in at.chunks(16) {
            for (i, &at) in group.iter().enumerate() {
                let at = at as isize - i as isize;
                match runs[starts[starts.len() - 1]..].last_mut() {
                    Some(run) if run.at == at => run.mask |= 1 << i,
                    _ => runs.push(Run { at, mask: 1 << i }),
                }
            }
            starts.push(runs.len());
        }
        Self { at, starts, runs }
    }

    /// All places from the `first` on, a multiple of 16.
    pub(crate) fn part(&self, first: usize, len: usize) -> Places<'_> {
        Places {
            at: &self.at[first..first + len],
            starts: &self.starts[first / 16..=(first + len).div_ceil(16)],
            runs: &self.runs,
        }
    }
}

/// [`Micro::gather`] one by one.
///
/// # Safety
/// As of [`Micro::gather`].
pub(crate) unsafe fn gather_plain<T: Copy>(
    to: *mut T,
    width: usize,
    from: *const T,
    lanes: &[usize],
    steps: &[usize],
    pair: usize,
) {
    for p in 0..steps.len().next_multiple_of(pair) {
        for i in 0..width {
            // SAFETY: lanes and steps stay within what the caller vouches for. Zero bits are zero in every number type.
            unsafe {
                let to = to.add(p / pair * pair * width + i * pair + p % pair);
                if i < lanes.len() && p < steps.len() {
                    *to = *from.add(lanes[i] + steps[p]);
                } else {
                    to.write_bytes(0, 1);
                }
            }
        }
    }
}

/// [`Micro::pack`] for any strides.
///
/// # Safety
/// As of [`Micro::pack`].
pub(super) unsafe fn pack_plain<T: Copy>(
    to: *mut T,
    width: usize,
    from: View<T>,
    lanes: usize,
    depth: usize,
    pair: usize,
) {
    if (from.lane, pair, lanes) == (1, 1, width) {
        for p in 0..depth {
            // SAFETY: the caller vouches for `width` elements on both sides.
            unsafe {
                to.add(p * width)
                    .copy_from_nonoverlapping(from.at.add(p * from.step), width)
            };
        }
        return;
    }
    // SAFETY: handed on.
    unsafe { pack_each(to, width, from, lanes, depth, pair, |x| x) }
}

/// [`Source::pack`] of what `f` makes of each number, for any strides.
///
/// # Safety
/// As of [`Micro::pack`].
pub(super) unsafe fn pack_each<S: Copy, T: Copy>(
    to: *mut T,
    width: usize,
    from: View<S>,
    lanes: usize,
    depth: usize,
    pair: usize,
    f: impl Fn(S) -> T,
) {
    for p in 0..depth.next_multiple_of(pair) {
        for i in 0..width {
            // SAFETY: `i` and `p` stay within what the caller vouches for. Zero bits are zero in every number type.
            unsafe {
                let to = to.add(p / pair * pair * width + i * pair + p % pair);
                if i < lanes && p < depth {
                    *to = f(*from.at.add(i * from.lane + p * from.step));
                } else {
                    to.write_bytes(0, 1);
                }
            }
        }
    }
}

/// Longer sums are cut into even parts of at most this length, which bounds packed memory.
const LONGEST: usize = 1024;
/// Most elements of the operand that is packed for all.
const SHARED: usize = 1 << 21;
/// Products of fewer multiply-adds are not worth a second thread.
const SERIAL: usize = 1 << 18;

/// `c (m, n)` from `a (m, k)` and `b (k, n)`, the views being lanes by `k`.
pub(super) struct Product<'a, S, O> {
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) a: View<S>,
    pub(super) b: View<S>,
    pub(super) c: C<O>,
    pub(super) load: bool,
    pub(super) finish: &'a Finish<O>,
}

/// Where C begins; its rows follow each other, `row` elements apart.
#[derive(Clone, Copy)]
pub(crate) struct C<O> {
    pub(crate) at: *mut O,
    pub(crate) row: usize,
}

// SAFETY: each task writes a part of C of its own.
unsafe impl<O: Send> Sync for C<O> {}

/// Computes the product.
///
/// # Safety
/// The processor has the kernel's instructions; `a`, `b`, `c` and the bias reach as far as `m`, `k`, `n` say, and
/// nobody else uses C.
pub(super) unsafe fn product<K: Micro, S: Source<K>>(p: &Product<'_, S, K::Out>) {
    if same::<K, S>() && K::STRIDED && p.m <= K::ROWS && p.b.lane == 1 {
        // SAFETY: handed on.
        return unsafe { few_rows::<K, S, false>(p) };
    }
    if same::<K, S>() && p.m <= K::TURNED_ROWS && p.b.step == 1 {
        // SAFETY: handed on.
        return unsafe { few_rows::<K, S, true>(p) };
    }
    let longest =
        p.k.div_ceil(p.k.div_ceil(LONGEST).max(1))
            .next_multiple_of(K::PAIR)
            .max(1);
    for k0 in (0..p.k.max(1)).step_by(longest) {
        let k = longest.min(p.k - k0);
        let part = Part {
            k0,
            k,
            load: p.load || k0 > 0,
            last: k0 + k == p.k,
        };
        // SAFETY: handed on.
        unsafe {
            let panels = p.n.div_ceil(K::COLS);
            if panels >= 8 || panels >= p.m.div_ceil(K::ROWS) {
                by_columns::<K, S>(p, part);
            } else {
                by_rows::<K, S>(p, part);
            }
        }
    }
}

/// A stretch of the sum.
#[derive(Clone, Copy)]
struct Part {
    k0: usize,
    k: usize,
    /// Goes on from what C holds.
    load: bool,
    /// Bias and activation follow.
    last: bool,
}

/// One row of tiles: each element of B is used once, so nothing is packed. Columns of B lie beside each other, or where
/// `TURNED` are runs along `k`.
unsafe fn few_rows<K: Micro, S: Source<K>, const TURNED: bool>(p: &Product<'_, S, K::Out>) {
    let chunk = if p.m * p.k * p.n <= SERIAL {
        p.n
    } else {
        (SERIAL / 2 / (p.m * p.k))
            .max(1)
            .next_multiple_of(2 * K::COLS)
    };
    let tile = |j: usize| {
        let finish = Finish {
            bias: p.finish.bias.map(|bias| bias.wrapping_add(j)),
            ..*p.finish
        };
        let tile = Tile {
            rows: p.m,
            cols: K::COLS.min(p.n - j),
            units: p.k,
            a: p.a.at.cast(),
            a_row: p.a.lane,
            a_step: p.a.step,
            b: p.b.from(j, 0).at.cast(),
            b_step: if TURNED { p.b.lane } else { p.b.step },
            c: p.c.at.wrapping_add(j),
            c_row: p.c.row,
            load: p.load,
            finish: Some(&finish),
        };
        // SAFETY: columns `j..j + cols` of a product that the caller vouches for, each tile with its own.
        unsafe {
            if TURNED {
                K::turned(&tile);
            } else {
                K::tile(&tile, false);
            }
        }
    };
    team::for_chunks(p.n, chunk, |range| range.step_by(K::COLS).for_each(tile));
}

/// Tasks are groups of columns; A is packed for all.
unsafe fn by_columns<K: Micro, S: Source<K>>(p: &Product<'_, S, K::Out>, part: Part) {
    let depth = part.k.next_multiple_of(K::PAIR);
    let block = (SHARED / depth.max(1)).max(K::ROWS);
    let panels = p.n.div_ceil(K::COLS);
    let group = (panels / 8).clamp(1, 8) * K::COLS;
    for i0 in (0..p.m).step_by(block) {
        let rows = Tiles::new(block.min(p.m - i0), K::ROWS);
        let small = rows.len * p.n * part.k <= SERIAL;
        let mut shared = Buffer::take::<K::In>(&SHARED_BUFFER, rows.len * depth);
        let packed = C {
            at: shared.start::<K::In>(),
            row: depth,
        };
        for_each(rows.count, small, |t| {
            let (i, r) = rows.tile(t);
            // SAFETY: each tile has its own part of the buffer; `a` reaches as far as the caller vouches.
            unsafe { S::pack(packed.to(i), r, p.a.from(i0 + i, part.k0), r, part.k) };
        });
        for_each(p.n.div_ceil(group), small, |g| {
            let (j0, j1) = (g * group, p.n.min((g + 1) * group));
            let panels = || (j0..j1).step_by(K::COLS).map(|j| (j, K::COLS.min(j1 - j)));
            let mut own = Buffer::take::<K::In>(&OWN_BUFFER, panels().len() * K::COLS * depth);
            let own = C {
                at: own.start::<K::In>(),
                row: depth,
            };
            for (j, cols) in panels() {
                // SAFETY: the buffer has room for all panels of the group; `b` reaches as far as the caller vouches.
                unsafe { S::pack(own.to(j - j0), K::COLS, p.b.from(j, part.k0), cols, part.k) };
            }
            for t in 0..rows.count {
                let (i, r) = rows.tile(t);
                for (j, cols) in panels() {
                    let a = A {
                        at: packed.to(i),
                        strides: None,
                    };
                    // SAFETY: packed above; columns `j0..j1` of C are this task's own.
                    unsafe { one_tile::<K, S>(p, part, (i0 + i, r), (j, cols), a, own.to(j - j0)) };
                }
            }
        });
    }
}

/// Tasks are groups of rows; B is packed for all.
unsafe fn by_rows<K: Micro, S: Source<K>>(p: &Product<'_, S, K::Out>, part: Part) {
    let depth = part.k.next_multiple_of(K::PAIR);
    let block = (SHARED / depth.max(1)).next_multiple_of(K::COLS);
    let rows = Tiles::new(p.m, K::ROWS);
    let group = (rows.count / 16).clamp(1, 8);
    for j0 in (0..p.n).step_by(block) {
        let j1 = p.n.min(j0 + block);
        let panels = || (j0..j1).step_by(K::COLS).map(|j| (j, K::COLS.min(j1 - j)));
        let small = p.m * (j1 - j0) * part.k <= SERIAL;
        // Packing is not worth while for what is used but once or twice.
        let as_it_lies = same::<K, S>() && K::STRIDED && panels().len() <= 2;
        let mut shared = Buffer::take::<K::In>(&SHARED_BUFFER, panels().len() * K::COLS * depth);
        let packed = C {
            at: shared.start::<K::In>(),
            row: depth,
        };
        for_each(panels().len(), small, |panel| {
            let (j, cols) = (j0 + panel * K::COLS, K::COLS.min(j1 - j0 - panel * K::COLS));
            // SAFETY: each panel has its own part of the buffer; `b` reaches as far as the caller vouches.
            unsafe {
                S::pack(
                    packed.to(j - j0),
                    K::COLS,
                    p.b.from(j, part.k0),
                    cols,
                    part.k,
                )
            };
        });
        for_each(rows.count.div_ceil(group), small, |g| {
            let mut own = Buffer::take::<K::In>(&OWN_BUFFER, K::ROWS * depth);
            for t in g * group..rows.count.min((g + 1) * group) {
                let (i, r) = rows.tile(t);
                let from = p.a.from(i, part.k0);
                let a = if as_it_lies {
                    A {
                        at: from.at.cast(),
                        strides: Some((from.lane, from.step)),
                    }
                } else {
                    let own = own.start();
                    // SAFETY: the buffer has room for a tile; `a` reaches as far as the caller vouches.
                    unsafe { S::pack(own, r, from, r, part.k) };
                    A {
                        at: own,
                        strides: None,
                    }
                };
                for (j, cols) in panels() {
                    // SAFETY: packed above; rows `i..i + r` of C are this task's own.
                    unsafe { one_tile::<K, S>(p, part, (i, r), (j, cols), a, packed.to(j - j0)) };
                }
            }
        });
    }
}

/// A tile's rows of A: packed, or as they lie, with strides from row to row and along `k`.
#[derive(Clone, Copy)]
struct A<T> {
    at: *const T,
    strides: Option<(usize, usize)>,
}

/// Rows `i..i + rows` and columns `j..j + cols` of C, from these rows of A and a packed panel of B.
unsafe fn one_tile<K: Micro, S>(
    p: &Product<'_, S, K::Out>,
    part: Part,
    (i, rows): (usize, usize),
    (j, cols): (usize, usize),
    a: A<K::In>,
    b: *const K::In,
) {
    let finish = Finish {
        bias: p.finish.bias.map(|bias| bias.wrapping_add(j)),
        ..*p.finish
    };
    let (a_row, a_step) = a.strides.unwrap_or_default();
    let tile = Tile {
        rows,
        cols,
        units: part.k.div_ceil(K::PAIR),
        a: a.at,
        a_row,
        a_step,
        b,
        b_step: K::COLS * K::PAIR,
        c: p.c.to(i).wrapping_add(j),
        c_row: p.c.row,
        load: part.load,
        finish: part.last.then_some(&finish),
    };
    // SAFETY: handed on.
    unsafe { K::tile(&tile, a.strides.is_none()) };
}

impl<O> C<O> {
    pub(crate) fn to(self, row: usize) -> *mut O {
        self.at.wrapping_add(row * self.row)
    }
}

/// Calls `work(i)` for `i < count`, on this thread if the product is `small`.
fn for_each(count: usize, small: bool, work: impl Fn(usize) + Sync) {
    if small {
        (0..count).for_each(work)
    } else {
        team::run(count, work)
    }
}

/// Rows cut into as few tiles as there can be, and those as even as can be.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    pub(crate) len: usize,
    pub(crate) count: usize,
}

impl Tiles {
    pub(crate) fn new(len: usize, most: usize) -> Self {
        Self {
            len,
            count: len.div_ceil(most),
        }
    }

    /// First row and number of rows of the `i`-th tile.
    pub(crate) fn tile(self, i: usize) -> (usize, usize) {
        let (small, large) = (self.len / self.count, self.len % self.count);
        (i * small + i.min(large), small + usize::from(i < large))
    }

    /// The tiles that hold these rows, of which there is one at least.
    pub(crate) fn holding(self, rows: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        let (small, large) = (self.len / self.count, self.len % self.count);
        let of = |row: usize| match row.checked_sub(large * (small + 1)) {
            Some(row) => large + row / small,
            None => row / (small + 1),
        };
        of(rows.start)..of(rows.end - 1) + 1
    }
}

#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Line(#[expect(dead_code, reason = "only room")] [u8; 64]);

/// A thread's memory for one purpose.
pub(crate) type Home = std::thread::LocalKey<Cell<Vec<Line>>>;

thread_local! {
    static SHARED_BUFFER: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    static OWN_BUFFER: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Memory for packed operands, lent by the thread and given back on drop.
pub(crate) struct Buffer {
    lines: Vec<Line>,
    home: &'static Home,
}

impl Buffer {
    /// Room for `len` elements.
    pub(crate) fn take<T>(home: &'static Home, len: usize) -> Self {
        let mut lines = home.take();
        let wanted = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        if lines.len() < wanted {
            lines.resize(wanted, Line([0; 64]));
        }
        Self { lines, home }
    }

    pub(crate) fn start<T>(&mut self) -> *mut T {
        self.lines.as_mut_ptr().cast()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.set(std::mem::take(&mut self.lines));
    }
}

/// [`product`] of slices; false, and nothing done, if `I` is not `S` or `O` not what the kernel writes.
///
/// # Safety
/// The processor has the kernel's instructions, and the operands fit `m`, `k`, `n`.
pub(super) unsafe fn on_slices<K: Micro, S: Source<K>, I: Copy + 'static, O: 'static>(
    c: &mut [O],
    (m, k, n): (usize, usize, usize),
    a: Mat<'_, I>,
    b: Mat<'_, I>,
    epilogue: &Epilogue<'_, O>,
) -> bool {
    if TypeId::of::<(I, O)>() != TypeId::of::<(S, K::Out)>() {
        return false;
    }
    let finish = Finish {
        bias: epilogue.bias.map(|bias| bias.as_ptr().cast()),
        row_bias: None,
        relu: epilogue.activation == Activation::Relu,
    };
    let p = Product::<S, K::Out> {
        m,
        k,
        n,
        a: View {
            at: a.data.as_ptr().cast(),
            lane: a.row_stride,
            step: a.col_stride,
        },
        b: View {
            at: b.data.as_ptr().cast(),
            lane: b.col_stride,
            step: b.row_stride,
        },
        c: C {
            at: c.as_mut_ptr().cast(),
            row: n,
        },
        load: epilogue.accumulate,
        finish: &finish,
    };
    // SAFETY: by this function's contract; the slices are borrowed until the product is there.
    unsafe { product::<K, S>(&p) };
    true
}
