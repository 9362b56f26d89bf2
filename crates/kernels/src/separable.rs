//! Linear maps that treat depth, height and width one after the other, each by a matrix with few entries in a row: average
//! pooling, upsampling, and what leads their gradients back.
//!
//! ```text
//! y[od, oh, ow] = Σ A[od, id] B[oh, ih] C[ow, iw] x[id, ih, iw] / (over of the three rows)
//! ```
//!
//! `x` is `(outer, D, H, W)` and `y` is `(outer, OD, OH, OW)`; the transposed matrices lead `dy` back to `dx`.
//!
//! A row of `y` is a sum of rows of `x`, vectorized along them, and then mapped by `C`. Its rows mostly repeat: `b` rows
//! further down the same entries stand `a` columns further right, as with windows of stride `a`, or an axis stretched by
//! `b`. Then every `a`-th element of the sum is laid side by side, every `b`-th of the result computed side by side.

use crate::Float;
use crate::buffer::{Buffer, filled};
use crate::elementwise::CHUNK;
use crate::simd::vectorize;
use crate::team;
use crate::windows::Windows;
use std::ops::Range;

/// Column and weight.
type Entry = (usize, f64);

/// A matrix with few entries in a row.
#[derive(Debug, Clone)]
pub struct Sparse {
    /// Columns.
    len: usize,
    /// Where the entries of each row begin, and where those of the last end.
    starts: Vec<usize>,
    entries: Vec<Entry>,
    /// What each row is divided by.
    over: Option<Vec<f64>>,
    /// (b, a): from `b` rows to the next the same entries stand `a` columns further right, but perhaps at the ends.
    period: (usize, usize),
}

/// Fewer repetitions than this are not worth it.
const FEWEST: usize = 4;
/// Elements mapped in one go, so that they stay in the first cache.
const BAND: usize = 2048;

impl Sparse {
    /// A matrix of `rows` whose entries, columns and weights, `row` puts in the order of the columns.
    ///
    /// # Panics
    /// If the system does not have the memory.
    #[must_use]
    pub fn new(
        len: usize,
        rows: usize,
        period: (usize, usize),
        row: impl Fn(usize, &mut dyn FnMut(usize, f64)),
    ) -> Self {
        let mut starts = filled(rows + 1, 0);
        for o in 0..rows {
            let mut count = 0;
            row(o, &mut |_, _| count += 1);
            starts[o + 1] = starts[o] + count;
        }
        let mut entries = filled(starts[rows], (0, 0.0));
        let mut at = 0;
        for o in 0..rows {
            row(o, &mut |column, weight| {
                assert!(column < len, "no column {column} of {len}");
                entries[at] = (column, weight);
                at += 1;
            });
        }
        Self {
            len,
            starts,
            entries,
            over: None,
            period,
        }
    }

    /// An axis that stays as it is.
    #[must_use]
    pub fn identity(len: usize) -> Self {
        Self::new(len, len, (1, 1), |o, put| put(o, 1.0))
    }

    /// The sums of windows.
    #[must_use]
    pub fn sums(windows: &Windows) -> Self {
        let stride = match *windows {
            Windows::Grid { stride, .. } => stride,
            Windows::Bins { .. } => 1,
        };
        let (len, out) = (windows.axis(), windows.count());
        Self::new(len, out, (1, stride), |o, put| {
            windows.taps(o).for_each(|t| put(windows.place(o, t), 1.0));
        })
    }

    /// Each row divided by a number of its own.
    ///
    /// # Panics
    /// If there are more or fewer rows.
    #[must_use]
    pub fn over(mut self, over: Vec<f64>) -> Self {
        assert_eq!(over.len(), self.rows());
        self.over = Some(over);
        self
    }

    /// How many rows there are: elements of the axis afterwards.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many columns there are: elements of the axis before.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.len
    }

    /// Rows as columns, in the order of the rows.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut starts = filled(self.len + 1, 0);
        for (column, _) in &self.entries {
            starts[column + 1] += 1;
        }
        for column in 0..self.len {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let mut entries = filled(self.entries.len(), (0, 0.0));
        for o in 0..self.rows() {
            let over = self.over.as_ref().map_or(1.0, |over| over[o]);
            for (column, weight) in self.row(o) {
                entries[next[*column]] = (o, weight / over);
                next[*column] += 1;
            }
        }
        Self {
            len: self.rows(),
            starts,
            entries,
            over: None,
            period: (self.period.1, self.period.0),
        }
    }

    fn row(&self, o: usize) -> &[Entry] {
        &self.entries[self.starts[o]..self.starts[o + 1]]
    }

    /// Whether `b` rows repeat `a` columns further right, from block `i` to block `j` of `b` rows.
    fn repeats(&self, i: usize, j: usize) -> bool {
        let (b, a) = self.period;
        (0..b).all(|t| {
            let (first, second) = (self.row(i * b + t), self.row(j * b + t));
            let same = |((c, v), (d, w)): (&Entry, &Entry)| c + j * a == d + i * a && v == w;
            first.len() == second.len() && first.iter().zip(second).all(same)
        })
    }

    /// The blocks of rows that repeat.
    fn blocks(&self) -> Option<Blocks<'_>> {
        let (b, a) = self.period;
        let all = self.rows() / b;
        if all == 0 {
            return None;
        }
        let middle = all / 2;
        let first = (0..middle).rev().find(|&j| !self.repeats(middle, j));
        let end = (middle + 1..all).find(|&j| !self.repeats(middle, j));
        let first = first.map_or(0, |j| j + 1);
        let count = end.unwrap_or(all) - first;
        let inside = (first * b..(first + 1) * b)
            .flat_map(|o| self.row(o))
            .all(|(column, _)| (first * a..(first + 1) * a).contains(column));
        let whole = count * b == self.rows() && count * a == self.len && inside;
        let rows = (0..b).map(|t| self.row(first * b + t)).collect();
        (count >= FEWEST || whole).then_some(Blocks {
            first,
            count,
            whole,
            rows,
        })
    }
}

/// Blocks of rows with the same entries, each `a` columns further right.
struct Blocks<'a> {
    first: usize,
    count: usize,
    /// Whether there is nothing else, and blocks have their own columns each: then rows of `x` need not be told apart.
    whole: bool,
    /// The rows of the first block.
    rows: Vec<&'a [Entry]>,
}

/// `x` mapped along its last three axes.
///
/// # Panics
/// If the lengths do not fit.
pub fn map<T: Float>(y: &mut [T], x: &[T], outer: usize, axes: [&Sparse; 3]) {
    let inputs = axes.iter().map(|axis| axis.len).product::<usize>();
    let outputs = axes.iter().map(|axis| axis.rows()).product::<usize>();
    assert!(x.len() == outer * inputs && y.len() == outer * outputs);
    if y.is_empty() {
        return;
    }
    let [depth, height, width] = axes;
    let (from, to) = (width.len, width.rows());
    let columns = Columns::new(width);
    let quotient = Quotient::new(axes);
    // Rows of `y` worked on together.
    let band = if columns.whole() {
        (BAND / from.max(to)).max(1)
    } else {
        1
    };
    let many = (CHUNK / (band * from.max(to))).max(1) * band;
    team::chunks_mut(y, many * to, |i, y| {
        let mut sums = Buffer::new((band * from + columns.scratch(band)) * size_of::<T>());
        let (sums, scratch) = sums.slice_mut::<T>().split_at_mut(band * from);
        vectorize(
            #[inline(always)]
            || {
                let mut place = Place::new(i * many, depth, height);
                for y in y.chunks_mut(band * to) {
                    let first = place;
                    let rows = y.len() / to;
                    let sums = &mut sums[..rows * from];
                    for sum in sums.chunks_exact_mut(from.max(1)) {
                        let x = &x[place.outer * inputs..][..inputs];
                        sum_rows(sum, x, depth.row(place.d), height.row(place.h), height.len);
                        place.step(depth, height);
                    }
                    columns.apply(y, sums, scratch);
                    quotient.of(y, first, axes);
                }
            },
        );
    });
}

/// Where a row of `y` lies.
#[derive(Clone, Copy)]
struct Place {
    outer: usize,
    d: usize,
    h: usize,
}

impl Place {
    fn new(row: usize, depth: &Sparse, height: &Sparse) -> Self {
        let (plane, h) = (row / height.rows(), row % height.rows());
        let (outer, d) = (plane / depth.rows(), plane % depth.rows());
        Self { outer, d, h }
    }

    /// To the next row.
    #[inline(always)]
    fn step(&mut self, depth: &Sparse, height: &Sparse) {
        self.h += 1;
        if self.h == height.rows() {
            (self.h, self.d) = (0, self.d + 1);
        }
        if self.d == depth.rows() {
            (self.d, self.outer) = (0, self.outer + 1);
        }
    }
}

/// What results are divided by.
enum Quotient {
    /// All by the same number.
    All(f64),
    /// By the product of those of their three rows.
    Each,
}

impl Quotient {
    fn new(axes: [&Sparse; 3]) -> Self {
        let same = |axis: &Sparse| match axis.over.as_deref() {
            Some([first, rest @ ..]) => rest.iter().all(|n| n == first).then_some(*first),
            _ => Some(1.0),
        };
        match axes.map(same) {
            [Some(d), Some(h), Some(w)] => Self::All(d * h * w),
            _ => Self::Each,
        }
    }

    /// Rows of results from `place` on, divided.
    #[inline(always)]
    fn of<T: Float>(&self, y: &mut [T], mut place: Place, [depth, height, width]: [&Sparse; 3]) {
        let over = |axis: &Sparse, o: usize| axis.over.as_ref().map_or(1.0, |over| over[o]);
        match *self {
            Self::All(1.0) => {}
            Self::All(over) => {
                let over = T::of(over);
                y.iter_mut().for_each(|y| *y = *y / over);
            }
            Self::Each => {
                for y in y.chunks_exact_mut(width.rows()) {
                    let row = over(depth, place.d) * over(height, place.h);
                    for (o, y) in y.iter_mut().enumerate() {
                        *y = *y / T::of(row * over(width, o));
                    }
                    place.step(depth, height);
                }
            }
        }
    }
}

/// The sum of rows of `x (D, H, W)`.
#[inline(always)]
fn sum_rows<T: Float>(sum: &mut [T], x: &[T], depth: &[Entry], height: &[Entry], rows: usize) {
    let n = sum.len();
    let row = |(id, v): Entry, (ih, w): Entry| (&x[(id * rows + ih) * n..][..n], T::of(v * w));
    match (depth, height) {
        (&[d], &[h]) => {
            let (x, w) = row(d, h);
            sum.iter_mut().zip(x).for_each(|(sum, x)| *sum = *x * w);
        }
        (&[d], &[h, g]) => {
            let ((x, w), (z, v)) = (row(d, h), row(d, g));
            for ((sum, x), z) in sum.iter_mut().zip(x).zip(z) {
                *sum = *x * w + *z * v;
            }
        }
        _ => {
            sum.fill(T::ZERO);
            for d in depth {
                for h in height {
                    let (x, w) = row(*d, *h);
                    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += *x * w);
                }
            }
        }
    }
}

/// How rows are mapped by the last matrix.
struct Columns<'a> {
    matrix: &'a Sparse,
    blocks: Option<Blocks<'a>>,
}

impl<'a> Columns<'a> {
    fn new(matrix: &'a Sparse) -> Self {
        Self {
            matrix,
            blocks: matrix.blocks(),
        }
    }

    fn whole(&self) -> bool {
        self.blocks.as_ref().is_some_and(|blocks| blocks.whole)
    }

    /// Elements of scratch for `rows` rows.
    fn scratch(&self, rows: usize) -> usize {
        let (b, a) = self.matrix.period;
        rows * (self.matrix.len + self.matrix.rows()) + 2 * (a + b)
    }

    /// `y` is the rows of `x`, mapped: more than one only where they need not be told apart.
    #[inline(always)]
    fn apply<T: Float>(&self, y: &mut [T], x: &[T], scratch: &mut [T]) {
        let matrix = self.matrix;
        let (b, a) = matrix.period;
        let Some(blocks) = &self.blocks else {
            return self.one_by_one(y, x, 0..matrix.rows());
        };
        let (first, count) = if blocks.whole {
            (0, y.len() / b)
        } else {
            self.one_by_one(y, x, 0..blocks.first * b);
            self.one_by_one(y, x, (blocks.first + blocks.count) * b..matrix.rows());
            (blocks.first, blocks.count)
        };
        let y = &mut y[first * b..(first + count) * b];
        match (b, a, &blocks.rows[..]) {
            // What is usual, in one pass: windows of two, repetition, and interpolation to the double length.
            (1, 2, [[(0, v), (1, w)]]) if blocks.whole => {
                let (v, w) = (T::of(*v), T::of(*w));
                for (y, x) in y.iter_mut().zip(x.as_chunks::<2>().0) {
                    *y = x[0] * v + x[1] * w;
                }
            }
            (2, 1, [[p], [q]]) => {
                let source = |(column, w): &Entry| (&x[*column..][..count], T::of(*w));
                let ((p, v), (q, w)) = (source(p), source(q));
                for ((y, p), q) in y.as_chunks_mut::<2>().0.iter_mut().zip(p).zip(q) {
                    *y = [*p * v, *q * w];
                }
            }
            (2, 1, [[p, q], [r, s]]) => {
                let source = |(column, w): &Entry| (&x[*column..][..count], T::of(*w));
                let [(p, t), (q, u), (r, v), (s, w)] = [p, q, r, s].map(source);
                let all = p.iter().zip(q).zip(r).zip(s);
                for (y, (((p, q), r), s)) in y.as_chunks_mut::<2>().0.iter_mut().zip(all) {
                    *y = [*p * t + *q * u, *r * v + *s * w];
                }
            }
            _ => blocks.apply(y, x, (b, a), scratch),
        }
    }

    #[inline(always)]
    fn one_by_one<T: Float>(&self, y: &mut [T], x: &[T], rows: Range<usize>) {
        for o in rows {
            let mut sum = T::ZERO;
            for (column, w) in self.matrix.row(o) {
                sum += x[*column] * T::of(*w);
            }
            y[o] = sum;
        }
    }
}

impl Blocks<'_> {
    /// `y` is the blocks of `b` rows, applied to `x`: every `b`-th element of it is computed side by side, from every
    /// `a`-th of `x`.
    #[inline(always)]
    fn apply<T: Float>(&self, y: &mut [T], x: &[T], (b, a): (usize, usize), scratch: &mut [T]) {
        let (count, part) = (y.len() / b, x.len().div_ceil(a));
        let (laid, results) = scratch.split_at_mut(a * part);
        let x = if a == 1 {
            x
        } else {
            every(a, laid, x);
            &*laid
        };
        let source = |(column, w): Entry| (&x[column % a * part + column / a..][..count], T::of(w));
        if b == 1 {
            return combine(y, self.rows[0], source);
        }
        let results = &mut results[..b * count];
        for (result, row) in results.chunks_exact_mut(count).zip(&self.rows) {
            combine(result, row, source);
        }
        for (t, result) in results.chunks_exact(count).enumerate() {
            let y = y.iter_mut().skip(t).step_by(b);
            y.zip(result).for_each(|(y, result)| *y = *result);
        }
    }
}

/// `y = Σ w x` over the entries, whose `source` are rows as long as `y`.
#[inline(always)]
fn combine<'x, T: Float>(y: &mut [T], entries: &[Entry], source: impl Fn(Entry) -> (&'x [T], T)) {
    let rest = match entries {
        [] => return y.fill(T::ZERO),
        [one] => {
            let (x, w) = source(*one);
            return y.iter_mut().zip(x).for_each(|(y, x)| *y = *x * w);
        }
        [one, two, rest @ ..] => {
            let ((x, w), (z, v)) = (source(*one), source(*two));
            for ((y, x), z) in y.iter_mut().zip(x).zip(z) {
                *y = *x * w + *z * v;
            }
            rest
        }
    };
    for entry in rest {
        let (x, w) = source(*entry);
        y.iter_mut().zip(x).for_each(|(y, x)| *y += *x * w);
    }
}

/// Every `stride`-th element of `x` side by side: first those from the first on, then from the second, and so on.
#[inline(always)]
pub(crate) fn every<T: Float>(stride: usize, y: &mut [T], x: &[T]) {
    let part = y.len() / stride;
    if stride == 2 {
        let (even, odd) = y.split_at_mut(part);
        let (pairs, last) = x.as_chunks::<2>();
        for ((even, odd), x) in even.iter_mut().zip(odd).zip(pairs) {
            (*even, *odd) = (x[0], x[1]);
        }
        if let [last] = last {
            even[part - 1] = *last;
        }
        return;
    }
    for (first, y) in y.chunks_exact_mut(part).enumerate() {
        let x = x.iter().skip(first).step_by(stride);
        y.iter_mut().zip(x).for_each(|(y, x)| *y = *x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(len: usize, kernel: usize, stride: usize, padding: usize) -> Windows {
        Windows::Grid {
            len,
            out: (len + 2 * padding - kernel) / stride + 1,
            kernel,
            stride,
            padding,
            dilation: 1,
        }
    }

    /// Each element the mean of the two that lie around it on an axis stretched to `rows`.
    fn stretched(len: usize, rows: usize, period: (usize, usize)) -> Sparse {
        Sparse::new(len, rows, period, |o, put| {
            let at = o * len / rows;
            put(at, 0.75);
            if at + 1 < len {
                put(at + 1, 0.25);
            }
        })
    }

    fn matrices() -> Vec<Sparse> {
        let windows = [
            grid(24, 2, 2, 0),
            grid(25, 2, 2, 0),
            grid(30, 3, 3, 0),
            grid(41, 3, 2, 1),
            grid(23, 3, 1, 1),
            Windows::bins(7, 3),
            Windows::bins(12, 1),
        ];
        let mut all: Vec<Sparse> = windows
            .iter()
            .map(|windows| {
                let counts = (0..windows.count()).map(|o| windows.taps(o).len() as f64);
                Sparse::sums(windows).over(counts.collect())
            })
            .collect();
        all.push(Sparse::identity(9));
        all.push(stretched(8, 16, (2, 1)));
        all.push(stretched(11, 33, (3, 1)));
        all.push(stretched(20, 30, (3, 2)));
        all.push(stretched(5, 9, (1, 1)));
        all.push(Sparse::new(4, 6, (1, 1), |_, _| {})); // nothing at all
        all
    }

    fn dense(matrix: &Sparse) -> Vec<Vec<f64>> {
        (0..matrix.rows())
            .map(|o| {
                let mut row = vec![0.0; matrix.columns()];
                for (column, w) in matrix.row(o) {
                    row[*column] += w / matrix.over.as_ref().map_or(1.0, |over| over[o]);
                }
                row
            })
            .collect()
    }

    fn slow(x: &[f64], outer: usize, axes: [&Sparse; 3]) -> Vec<f64> {
        let [a, b, c] = axes.map(dense);
        let [d, h, w] = axes.map(Sparse::columns);
        let mut y = Vec::new();
        for o in 0..outer {
            for a in &a {
                for b in &b {
                    for c in &c {
                        let mut sum = 0.0;
                        for i in 0..d * h * w {
                            let weight = a[i / (h * w)] * b[i / w % h] * c[i % w];
                            sum += weight * x[o * d * h * w + i];
                        }
                        y.push(sum);
                    }
                }
            }
        }
        y
    }

    #[test]
    fn every_pair_of_matrices_maps_as_it_says_and_so_do_their_transposes() {
        let (all, one) = (matrices(), Sparse::identity(1));
        for height in &all {
            for width in &all {
                let (back, across) = (height.transposed(), width.transposed());
                for axes in [[&one, height, width], [&one, &back, &across]] {
                    let inputs = axes[1].columns() * axes[2].columns();
                    let outputs = axes[1].rows() * axes[2].rows();
                    let x: Vec<f64> = (0..3 * inputs).map(|i| (i as f64).sin()).collect();
                    let mut y = vec![7.0; 3 * outputs];
                    map(&mut y, &x, 3, axes);
                    for (y, wanted) in y.iter().zip(slow(&x, 3, axes)) {
                        assert!((y - wanted).abs() < 1e-12, "{y} is not {wanted}: {axes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn depth_comes_first_and_many_rows_are_shared_out() {
        let axes = [
            Sparse::sums(&grid(6, 3, 1, 1)),
            stretched(20, 40, (2, 1)),
            Sparse::sums(&grid(32, 2, 2, 0)),
        ];
        let axes = axes.each_ref();
        let x: Vec<f64> = (0..4 * 6 * 20 * 32).map(|i| (i as f64).sin()).collect();
        let mut y = vec![7.0; 4 * 6 * 40 * 16];
        map(&mut y, &x, 4, axes);
        for (y, wanted) in y.iter().zip(slow(&x, 4, axes)) {
            assert!((y - wanted).abs() < 1e-12);
        }
    }

    #[test]
    fn transposing_changes_sides_and_keeps_weights() {
        for matrix in matrices() {
            let (there, back) = (dense(&matrix), dense(&matrix.transposed()));
            for (i, row) in there.iter().enumerate() {
                for (j, w) in row.iter().enumerate() {
                    assert_eq!(*w, back[j][i]);
                }
            }
        }
    }

    #[test]
    fn a_whole_number_of_equal_windows_is_a_block_for_each() {
        let tiles = Sparse::sums(&grid(24, 2, 2, 0));
        let blocks = tiles.blocks().expect("they repeat");
        assert!(blocks.whole && blocks.count == 12);
        let padded = Sparse::sums(&grid(41, 3, 2, 1));
        let blocks = padded.blocks().expect("they repeat");
        assert_eq!((blocks.whole, blocks.first, blocks.count), (false, 1, 19));
        assert!(Sparse::sums(&Windows::bins(7, 3)).blocks().is_none());
    }
}
