//! Max pooling, forward and backward.
//!
//! ```text
//! forward    y[o] = max over the window o of x;  tap[o] = the number, within the window, of the first that is largest
//! backward   dx[i] = Σ dy[o] over the windows o whose largest element is i
//! ```
//!
//! `x` is `(outer, D, H, W)` and `y`, `tap` are `(outer, OD, OH, OW)`, with windows along the last three axes. NaN is the
//! largest of all, and of several the last one counts, as in PyTorch.
//!
//! The largest of a row of a window comes first, for all windows of a row side by side, then the largest of the rows. So
//! overlapping windows share their rows, and the order in which elements are met stays that of memory.

use crate::Float;
use crate::buffer::{Buffer, filled};
use crate::elementwise::CHUNK;
use crate::lines::for_rows;
use crate::separable::every;
use crate::simd::vectorize;
use crate::team::{self, Rows, Shared};
use crate::windows::Windows;
use std::ops::Range;

/// How the number of an element within its window is kept: not at all, or in as many bits as it needs.
pub trait Tap: Copy + Send + Sync + 'static {
    /// Keeps `tap`.
    fn of(tap: usize) -> Self;
    /// The number that is `more` larger.
    fn plus(self, more: Self) -> Self;
    /// What was kept.
    fn number(self) -> usize;
}

impl Tap for () {
    #[inline(always)]
    fn of(_: usize) {}
    #[inline(always)]
    fn plus(self, (): ()) {}
    fn number(self) -> usize {
        unreachable!("nothing was kept")
    }
}

macro_rules! taps {
    ($($t:ident),*) => { $(
        impl Tap for $t {
            #[inline(always)]
            fn of(tap: usize) -> Self {
                tap as Self
            }
            #[inline(always)]
            fn plus(self, more: Self) -> Self {
                self.wrapping_add(more)
            }
            #[inline(always)]
            fn number(self) -> usize {
                self as usize
            }
        }
    )* };
}
taps!(u8, i64);

/// Windows along the three axes of `(outer, D, H, W)`.
#[derive(Debug, Clone, Copy)]
pub struct Volume {
    /// What is pooled by itself.
    pub outer: usize,
    /// Windows along depth, height and width.
    pub axes: [Windows; 3],
}

impl Volume {
    /// Elements of `x`.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.outer * self.axes.iter().map(Windows::axis).product::<usize>()
    }

    /// Elements of `y`.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outer * self.axes.iter().map(Windows::count).product::<usize>()
    }

    /// More elements than this no window has.
    #[must_use]
    pub fn taps(&self) -> usize {
        let most = self.axes.iter().map(Windows::most);
        most.fold(1, usize::saturating_mul)
    }

    /// As one tall plane, where that makes no difference: short planes cost more than long ones.
    fn merged(&self) -> Self {
        let [depth, height, width] = self.axes;
        if depth.tile() != Some(1) || height.tile().is_none() {
            return *self;
        }
        Self {
            outer: 1,
            axes: [
                Windows::each(1),
                height.repeated(self.outer * depth.axis()),
                width,
            ],
        }
    }

    /// Whether this is one plane, cut into squares of 2 x 2.
    fn is_squares(&self) -> bool {
        let [depth, height, width] = &self.axes;
        let plane = self.outer == 1 && *depth == Windows::each(1);
        plane && height.tile() == Some(2) && width.tile() == Some(2)
    }

    /// The place of the element with this number in the window of output `(.., od, oh, ow)`, within its volume.
    #[inline(always)]
    fn place(&self, [od, oh, ow]: [usize; 3], tap: usize) -> usize {
        let [depth, height, width] = &self.axes;
        let (kh, kw) = (height.most(), width.most());
        let id = depth.place(od, tap / (kh * kw));
        let ih = height.place(oh, tap / kw % kh);
        (id * height.axis() + ih) * width.axis() + width.place(ow, tap % kw)
    }
}

/// Takes `x`, with number `tap`, in the place of the best so far if it is better.
#[inline(always)]
fn meet<T: Float, P: Tap>(best: &mut T, at: &mut P, x: T, tap: P) {
    let better = (x > *best) | x.is_nan();
    *best = if better { x } else { *best };
    *at = if better { tap } else { *at };
}

/// `y` is the largest of each window, `taps` its number; empty `taps` are not written.
///
/// # Panics
/// If the lengths do not fit, or a window has no element.
pub fn forward<T: Float, P: Tap>(y: &mut [T], taps: &mut [P], x: &[T], volume: &Volume) {
    assert!(x.len() == volume.inputs() && y.len() == volume.outputs());
    assert_eq!(taps.len(), y.len());
    if y.is_empty() {
        return;
    }
    let merged = volume.merged();
    let [depth, height, width] = &merged.axes;
    if merged.is_squares() {
        return squares(y, taps, x, width.count());
    }
    let (kh, kw) = (height.most(), width.most());
    let (rows, n) = (height.count(), width.count());
    let plane = height.axis() * width.axis();
    let across = Across::new(width);
    // A band of rows, so that what it looks at stays in the first cache.
    let band = (CHUNK / 2 * rows / plane.max(1)).clamp(1, rows);
    let bands = rows.div_ceil(band);
    let planes = merged.outer * depth.count();
    let per_task = (CHUNK / (band * plane.div_ceil(rows))).max(1);
    let (y, taps) = (Shared::new(y), Shared::new(taps));
    team::for_chunks(planes * bands, per_task, |tasks| {
        let most = height.reach(band);
        let mut lines = Buffer::new((most * n + across.scratch()) * size_of::<T>());
        let (scratch, lines) = lines.slice_mut::<T>().split_at_mut(across.scratch());
        let mut line_taps = filled(most * n, P::of(0));
        vectorize(
            #[inline(always)]
            || {
                for task in tasks {
                    let (plane_out, first) = (task / bands, task % bands * band);
                    let (o, od) = (plane_out / depth.count(), plane_out % depth.count());
                    let ohs = first..rows.min(first + band);
                    let span = height.span(&ohs);
                    let at = (plane_out * rows + first) * n;
                    let all = at..at + ohs.len() * n;
                    // SAFETY: each band of each plane comes once.
                    let (y, taps) = unsafe { (y.part(all.clone()), taps.part(all)) };
                    let tds = depth.taps(od);
                    for td in tds.clone() {
                        let from = (o * depth.axis() + depth.place(od, td)) * plane;
                        let line = |row: usize| from + row * width.axis();
                        let size = span.len() * n;
                        let (lines, line_taps) = (&mut lines[..size], &mut line_taps[..size]);
                        across.apply(
                            lines,
                            line_taps,
                            &x[line(span.start)..line(span.end)],
                            scratch,
                        );
                        let rows = y.chunks_exact_mut(n).zip(taps.chunks_exact_mut(n));
                        for (oh, (y, taps)) in ohs.clone().zip(rows) {
                            let ths = height.taps(oh);
                            for th in ths.clone() {
                                let line = (height.place(oh, th) - span.start) * n;
                                let (line, tap) = (&lines[line..][..n], &line_taps[line..][..n]);
                                let base = P::of((td * kh + th) * kw);
                                let all = y.iter_mut().zip(taps.iter_mut()).zip(line).zip(tap);
                                if (td, th) == (tds.start, ths.start) {
                                    for (((y, at), x), tap) in all {
                                        (*y, *at) = (*x, base.plus(*tap));
                                    }
                                } else {
                                    for (((y, at), x), tap) in all {
                                        meet(y, at, *x, base.plus(*tap));
                                    }
                                }
                            }
                        }
                    }
                }
            },
        );
    });
}

/// Windows of 2 x 2, one beside the other, `n` in a row.
fn squares<T: Float, P: Tap>(y: &mut [T], taps: &mut [P], x: &[T], n: usize) {
    let per_task = (CHUNK / (4 * n)).max(1);
    let parts = (Rows::new(y, n), Rows::new(taps, n), Rows::new(x, 4 * n));
    for_rows(
        parts,
        per_task,
        #[inline(always)]
        |_, (y, taps, x)| {
            let rows = y.chunks_exact_mut(n).zip(taps.chunks_exact_mut(n));
            for ((y, taps), x) in rows.zip(x.chunks_exact(4 * n)) {
                let (above, below) = x.split_at(2 * n);
                let pairs = above
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .zip(below.as_chunks::<2>().0);
                for ((y, at), (above, below)) in y.iter_mut().zip(taps).zip(pairs) {
                    let (mut best, mut tap) = (above[0], P::of(0));
                    meet(&mut best, &mut tap, above[1], P::of(1));
                    meet(&mut best, &mut tap, below[0], P::of(2));
                    meet(&mut best, &mut tap, below[1], P::of(3));
                    (*y, *at) = (best, tap);
                }
            }
        },
    );
}

/// The largest of each window along the rows.
struct Across<'a> {
    width: &'a Windows,
    stride: usize,
    /// The elements of the windows, if they are those of a grid with gaps, overlaps or padding.
    steps: Vec<Step>,
}

/// An element of the windows.
struct Step {
    tap: usize,
    /// The windows of which it is the first on the axis, and those of which it is another.
    first: Range<usize>,
    other: Range<usize>,
    /// Where the element of window 0 would lie: among every stride-th element from this one on, and how far from it.
    phase: usize,
    shift: isize,
}

impl<'a> Across<'a> {
    fn new(width: &'a Windows) -> Self {
        let mut steps = Vec::new();
        let mut stride = 1;
        if let (
            None,
            &Windows::Grid {
                stride: by,
                padding,
                dilation,
                ..
            },
        ) = (width.tile(), width)
        {
            stride = by;
            let mut begun = width.count();
            for tap in width.taps(begun - 1).start..width.taps(0).end {
                let windows = width.holding(tap);
                let middle = windows.end.min(begun).max(windows.start);
                let at = (tap * dilation) as isize - padding as isize;
                steps.push(Step {
                    tap,
                    first: windows.start..middle,
                    other: middle..windows.end,
                    phase: at.rem_euclid(stride as isize) as usize,
                    shift: at.div_euclid(stride as isize),
                });
                begun = windows.start;
            }
        }
        Self {
            width,
            stride,
            steps,
        }
    }

    /// Elements of scratch that a row takes.
    fn scratch(&self) -> usize {
        self.width.axis() + self.stride
    }

    /// For each row of `x` the largest of each window, and its number.
    #[inline(always)]
    fn apply<T: Float, P: Tap>(&self, y: &mut [T], taps: &mut [P], x: &[T], scratch: &mut [T]) {
        let n = self.width.count();
        match (self.width.tile(), self.width) {
            // Rows need not be told apart.
            (Some(1), _) => {
                y.copy_from_slice(x);
                taps.fill(P::of(0));
            }
            (Some(k), _) => {
                for ((y, at), x) in y.iter_mut().zip(taps).zip(x.chunks_exact(k)) {
                    (*y, *at) = largest(x);
                }
            }
            (None, Windows::Grid { .. }) => {
                let rows = y.chunks_exact_mut(n).zip(taps.chunks_exact_mut(n));
                for ((y, taps), x) in rows.zip(x.chunks_exact(self.width.axis())) {
                    self.row(y, taps, x, scratch);
                }
            }
            (None, Windows::Bins { .. }) => {
                let rows = y.chunks_exact_mut(n).zip(taps.chunks_exact_mut(n));
                for ((y, taps), x) in rows.zip(x.chunks_exact(self.width.axis())) {
                    for (o, (y, at)) in y.iter_mut().zip(taps).enumerate() {
                        (*y, *at) = largest(&x[self.width.span(&(o..o + 1))]);
                    }
                }
            }
        }
    }

    /// One element of the windows after the other, for all windows of the row.
    #[inline(always)]
    fn row<T: Float, P: Tap>(&self, y: &mut [T], taps: &mut [P], x: &[T], scratch: &mut [T]) {
        let part = x.len().div_ceil(self.stride);
        let x = match self.stride {
            1 => x,
            stride => {
                every(stride, &mut scratch[..stride * part], x);
                &*scratch
            }
        };
        for step in &self.steps {
            let tap = P::of(step.tap);
            let source = |windows: &Range<usize>| {
                let start = windows.start as isize + step.shift;
                &x[step.phase * part + start as usize..][..windows.len()]
            };
            if !step.first.is_empty() {
                y[step.first.clone()].copy_from_slice(source(&step.first));
                taps[step.first.clone()].fill(tap);
            }
            if !step.other.is_empty() {
                let all = y[step.other.clone()]
                    .iter_mut()
                    .zip(&mut taps[step.other.clone()]);
                for ((y, at), x) in all.zip(source(&step.other)) {
                    meet(y, at, *x, tap);
                }
            }
        }
    }
}

/// The largest of a run, and its number.
#[inline(always)]
fn largest<T: Float, P: Tap>(x: &[T]) -> (T, P) {
    let (mut best, mut at) = (x[0], P::of(0));
    for (t, x) in x.iter().enumerate().skip(1) {
        meet(&mut best, &mut at, *x, P::of(t));
    }
    (best, at)
}

/// Adds each element of `dy` to `dx` where the largest of its window was.
///
/// # Panics
/// If the lengths do not fit, or a tap is none of its window.
pub fn backward<T: Float, P: Tap>(dx: &mut [T], dy: &[T], taps: &[P], volume: &Volume) {
    assert!(dx.len() == volume.inputs() && dy.len() == volume.outputs());
    assert_eq!(taps.len(), dy.len());
    if dy.is_empty() {
        return dx.fill(T::ZERO);
    }
    let merged = volume.merged();
    if merged.is_squares() {
        return backward_squares(dx, dy, taps, merged.axes[2].count());
    }
    // What lies in two windows gets its sum in the order of the windows: a volume is one task's.
    let (inputs, outputs) = (dx.len() / volume.outer, dy.len() / volume.outer);
    let per_task = (CHUNK / inputs.max(1)).max(1);
    team::chunks_mut(dx, per_task * inputs, |i, dx| {
        for (j, dx) in dx.chunks_exact_mut(inputs).enumerate() {
            let at = (i * per_task + j) * outputs;
            dx.fill(T::ZERO);
            volume.for_each(&taps[at..at + outputs], |o, place| dx[place] += dy[at + o]);
        }
    });
}

/// Windows of 2 x 2, one beside the other: each writes its four elements.
fn backward_squares<T: Float, P: Tap>(dx: &mut [T], dy: &[T], taps: &[P], n: usize) {
    let per_task = (CHUNK / (4 * n)).max(1);
    team::chunks_mut(dx, per_task * 4 * n, |i, dx| {
        let first = i * per_task * n;
        vectorize(
            #[inline(always)]
            || {
                let rows = dy[first..]
                    .chunks_exact(n)
                    .zip(taps[first..].chunks_exact(n));
                for (dx, (dy, taps)) in dx.chunks_exact_mut(4 * n).zip(rows) {
                    for (th, dx) in dx.chunks_exact_mut(2 * n).enumerate() {
                        for ((dx, dy), tap) in dx.chunks_exact_mut(2).zip(dy).zip(taps) {
                            let tap = tap.number();
                            dx[0] = if tap == 2 * th { *dy } else { T::ZERO };
                            dx[1] = if tap == 2 * th + 1 { *dy } else { T::ZERO };
                        }
                    }
                }
            },
        );
    });
}

/// `y` is the element of `x` with the tap's number in each window: what max pooling took of another `x`.
///
/// # Panics
/// If the lengths do not fit, or a tap is none of its window.
pub fn pick<T: Float, P: Tap>(y: &mut [T], x: &[T], taps: &[P], volume: &Volume) {
    assert!(x.len() == volume.inputs() && y.len() == volume.outputs());
    assert_eq!(taps.len(), y.len());
    if y.is_empty() {
        return;
    }
    let (inputs, outputs) = (x.len() / volume.outer, y.len() / volume.outer);
    let per_task = (CHUNK / inputs.max(1)).max(1);
    team::chunks_mut(y, per_task * outputs, |i, y| {
        for (j, y) in y.chunks_exact_mut(outputs).enumerate() {
            let o = i * per_task + j;
            let x = &x[o * inputs..][..inputs];
            volume.for_each(&taps[o * outputs..][..outputs], |o, place| y[o] = x[place]);
        }
    });
}

impl Volume {
    /// Calls `visit` with the number of each output of one volume, and the place of the element that it took.
    #[inline(always)]
    fn for_each<P: Tap>(&self, taps: &[P], mut visit: impl FnMut(usize, usize)) {
        let [depth, height, width] = &self.axes;
        let mut o = 0;
        for od in 0..depth.count() {
            for oh in 0..height.count() {
                for ow in 0..width.count() {
                    visit(o, self.place([od, oh, ow], taps[o].number()));
                    o += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(len: usize, kernel: usize, stride: usize, padding: usize, dilation: usize) -> Windows {
        Windows::Grid {
            len,
            out: (len + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1,
            kernel,
            stride,
            padding,
            dilation,
        }
    }

    /// One element after the other: the largest and its number.
    fn slow(x: &[f32], volume: &Volume) -> (Vec<f32>, Vec<i64>) {
        let [depth, height, width] = &volume.axes;
        let (mut y, mut taps) = (Vec::new(), Vec::new());
        for x in x.chunks(volume.inputs() / volume.outer) {
            for o in 0..volume.outputs() / volume.outer {
                let (od, oh) = (
                    o / (height.count() * width.count()),
                    o / width.count() % height.count(),
                );
                let (mut best, mut at) = (f32::NAN, usize::MAX);
                for (td, th, tw) in depth.taps(od).flat_map(|td| {
                    height.taps(oh).flat_map(move |th| {
                        width.taps(o % width.count()).map(move |tw| (td, th, tw))
                    })
                }) {
                    let tap = (td * height.most() + th) * width.most() + tw;
                    let x = x[volume.place([od, oh, o % width.count()], tap)];
                    if at == usize::MAX || x > best || x.is_nan() {
                        (best, at) = (x, tap);
                    }
                }
                y.push(best);
                taps.push(at as i64);
            }
        }
        (y, taps)
    }

    #[test]
    fn every_kind_of_window_finds_the_first_of_the_largest() {
        let volumes = [
            (
                3,
                [
                    grid(1, 1, 1, 0, 1),
                    grid(6, 2, 2, 0, 1),
                    grid(8, 2, 2, 0, 1),
                ],
            ),
            (
                2,
                [
                    grid(1, 1, 1, 0, 1),
                    grid(7, 3, 2, 1, 1),
                    grid(9, 3, 2, 1, 1),
                ],
            ),
            (
                2,
                [
                    grid(5, 2, 2, 0, 1),
                    grid(6, 3, 1, 1, 2),
                    grid(40, 4, 3, 2, 1),
                ],
            ),
            (
                1,
                [
                    grid(2, 1, 2, 0, 1),
                    grid(9, 3, 3, 0, 1),
                    grid(9, 3, 3, 0, 1),
                ],
            ),
            (
                2,
                [
                    grid(4, 2, 1, 1, 1),
                    Windows::bins(7, 3),
                    Windows::bins(5, 2),
                ],
            ),
            (
                70,
                [
                    grid(1, 1, 1, 0, 1),
                    grid(64, 2, 2, 0, 1),
                    grid(64, 2, 2, 0, 1),
                ],
            ),
            (
                5,
                [
                    grid(1, 1, 1, 0, 1),
                    Windows::bins(40, 1),
                    Windows::bins(40, 1),
                ],
            ),
        ];
        for (outer, axes) in volumes {
            let volume = Volume { outer, axes };
            // Few different numbers, so that many are equal; NaN and infinities.
            let x: Vec<f32> = (0..volume.inputs())
                .map(|i| match i.wrapping_mul(0x9e37_79b9) >> 7 & 63 {
                    0 => f32::NAN,
                    1..6 => f32::NEG_INFINITY,
                    n => (n % 5) as f32,
                })
                .collect();
            let (wanted, at) = slow(&x, &volume);
            let same = |a: f32, b: f32| a == b || (a.is_nan() && b.is_nan());
            let (mut y, mut taps) = (vec![7.0; wanted.len()], vec![7i64; wanted.len()]);
            forward(&mut y, &mut taps, &x, &volume);
            assert!(
                taps == at && y.iter().zip(&wanted).all(|(a, b)| same(*a, *b)),
                "{volume:?}"
            );
            let mut others = vec![7.0; wanted.len()];
            pick(&mut others, &x, &taps, &volume);
            assert!(others.iter().zip(&wanted).all(|(a, b)| same(*a, *b)));
            forward(&mut others, &mut vec![(); wanted.len()], &x, &volume);
            assert!(others.iter().zip(&wanted).all(|(a, b)| same(*a, *b)));
            // Back to where they came from.
            let dy: Vec<f32> = (0..y.len()).map(|i| 1.0 + i as f32).collect();
            let (mut dx, mut slow) = (vec![9.0; x.len()], vec![0.0; x.len()]);
            backward(&mut dx, &dy, &taps, &volume);
            let inputs = volume.inputs() / outer;
            let outputs = y.len() / outer;
            for o in 0..outer {
                volume.for_each(&taps[o * outputs..][..outputs], |i, place| {
                    slow[o * inputs + place] += dy[o * outputs + i];
                });
            }
            assert_eq!(dx, slow, "{volume:?}");
            if volume.taps() <= 256 {
                let (mut few, mut dx) = (vec![7u8; y.len()], vec![9.0; x.len()]);
                forward(&mut others, &mut few, &x, &volume);
                assert!(few.iter().zip(&taps).all(|(a, b)| i64::from(*a) == *b));
                backward(&mut dx, &dy, &few, &volume);
                assert_eq!(dx, slow);
            }
        }
    }
}
