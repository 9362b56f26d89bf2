//! What a task reads: some channels of a box of the source, in planes (see `axis`), or the source itself.

use super::axis::{Axis, Part, Planes};
use crate::Float;
use crate::matmul::tile::{Buffer, Home, Runs};
use crate::simd::vectorize;

/// The source of a correlation, and how it is read.
#[derive(Debug)]
pub(super) struct Source<'a, T> {
    /// `(B, channels, *from)`
    pub(super) data: &'a [T],
    pub(super) channels: usize,
    pub(super) axes: &'a [Axis; 3],
    pub(super) planes: [Planes; 3],
}

impl<'a, T: Float> Source<'a, T> {
    /// For boxes of at most `longest` places on each axis.
    pub(super) fn new(
        data: &'a [T],
        channels: usize,
        axes: &'a [Axis; 3],
        longest: [usize; 3],
    ) -> Self {
        let planes = std::array::from_fn(|d| axes[d].planes(longest[d]));
        Self {
            data,
            channels,
            axes,
            planes,
        }
    }

    /// Whether it can be read where it lies.
    pub(super) fn is_plain(&self) -> bool {
        (0..3).all(|d| self.axes[d].is_plain(&self.planes[d]))
    }

    fn from(&self) -> usize {
        self.axes.iter().map(|axis| axis.from).product()
    }

    /// How the copy of a box with `channels` channels lies.
    pub(super) fn layout(&self, part: &Part, channels: usize) -> Layout {
        if self.is_plain() {
            let [_, b, c] = [0, 1, 2].map(|d| self.axes[d].from);
            let first = |d: usize| part.first[d] + self.planes[d].first[0] as usize;
            return Layout {
                first: (first(0) * b + first(1)) * c + first(2),
                line: c,
                plane: b * c,
                channel: self.from(),
                image: self.channels * self.from(),
            };
        }
        let len = self.lengths(part);
        let planes: usize = self
            .planes
            .iter()
            .map(|planes| planes.first.len())
            .product();
        let channel = planes * len.iter().product::<usize>();
        Layout {
            first: 0,
            line: len[2],
            plane: len[1] * len[2],
            channel,
            image: channels * channel,
        }
    }

    fn lengths(&self, part: &Part) -> [usize; 3] {
        std::array::from_fn(|d| part.len[d] + self.planes[d].reach)
    }

    /// The offset of each tap.
    pub(super) fn taps(&self, part: &Part, layout: &Layout) -> Vec<usize> {
        let whole = self.lengths(part).iter().product::<usize>();
        let [_, b, c] = [0, 1, 2].map(|d| self.planes[d].first.len());
        let mut taps = Vec::new();
        for (i, e) in &self.planes[0].taps {
            for (j, f) in &self.planes[1].taps {
                for (k, g) in &self.planes[2].taps {
                    let plane = (i * b + j) * c + k; // 0 where the source is read as it lies
                    taps.push(plane * whole + e * layout.plane + f * layout.line + g);
                }
            }
        }
        taps
    }

    /// The offset of each place of a box.
    pub(super) fn places(&self, part: &Part, layout: &Layout) -> Runs {
        let mut at = Vec::with_capacity(part.images * part.places());
        for image in 0..part.images {
            for i in 0..part.len[0] {
                for j in 0..part.len[1] {
                    let line =
                        layout.first + image * layout.image + i * layout.plane + j * layout.line;
                    at.extend(line..line + part.len[2]);
                }
            }
        }
        Runs::new(at)
    }

    /// The channels from `channel` on of a box, copied to the memory of this thread at `home`, or as they lie.
    pub(super) fn read(
        &self,
        home: &'static Home,
        part: &Part,
        layout: &Layout,
        channel: usize,
        channels: usize,
    ) -> Field<T> {
        if self.is_plain() {
            let first = (part.image * self.channels + channel) * layout.channel;
            return Field {
                from: self.data[first..].as_ptr(),
                _copy: None,
            };
        }
        let len = part.images * layout.image + LANES;
        let mut copy = Buffer::take::<T>(home, len);
        let from = copy.start::<T>();
        // SAFETY: the buffer has just been taken for as much; any bits are a number.
        let to = unsafe { std::slice::from_raw_parts_mut(from, len) };
        self.copy(to, part, channel, channels);
        Field {
            from,
            _copy: Some(copy),
        }
    }

    /// Copies the channels from `channel` on of a box to `to`, which has room for [`LANES`] elements more.
    fn copy(&self, to: &mut [T], part: &Part, channel: usize, channels: usize) {
        vectorize(
            #[inline(always)]
            || self.copy_inline(to, part, channel, channels),
        );
    }

    #[inline(always)]
    fn copy_inline(&self, to: &mut [T], part: &Part, channel: usize, channels: usize) {
        let len = self.lengths(part);
        let lines: Vec<Line> = self.planes[2]
            .first
            .iter()
            .map(|first| Line::new(&self.axes[2], *first, part.first[2], len[2]))
            .collect();
        let (from, rows) = (self.from(), self.axes[1].from * self.axes[2].from);
        let inside = |d: usize, first: isize, i: usize| {
            let at = (part.first[d] + i) * self.axes[d].step;
            let at = usize::try_from(at as isize + first).ok();
            at.filter(|at| *at < self.axes[d].from)
        };
        // Where in a channel the first and the last element is that is read.
        let edge = |d: usize, i: usize, ends: fn(isize, isize) -> isize| {
            let firsts = self.planes[d]
                .first
                .iter()
                .copied()
                .reduce(ends)
                .unwrap_or(0);
            let at = ((part.first[d] + i) * self.axes[d].step) as isize + firsts;
            at.clamp(0, self.axes[d].from as isize) as usize
        };
        let start = edge(0, 0, isize::min) * rows + edge(1, 0, isize::min) * self.axes[2].from;
        let end = edge(0, len[0] - 1, isize::max) * rows
            + edge(1, len[1], isize::max) * self.axes[2].from;
        let lines_read = start..end.min(from);
        let mut next = 0;
        for image in part.image..part.image + part.images {
            for channel in channel..channel + channels {
                let source = (image * self.channels + channel) * from;
                for at in lines_read.clone().step_by(LINE / size_of::<T>()) {
                    prefetch(self.data, source + AHEAD * from + at);
                }
                for first0 in &self.planes[0].first {
                    for first1 in &self.planes[1].first {
                        for line in &lines {
                            for i in 0..len[0] {
                                let plane = inside(0, *first0, i);
                                for j in 0..len[1] {
                                    let row = &mut to[next..];
                                    next += len[2];
                                    match plane.zip(inside(1, *first1, j)) {
                                        Some((z, y)) => {
                                            let at = source + z * rows + y * self.axes[2].from;
                                            line.copy(row, &self.data[at..]);
                                        }
                                        None => zeros(row, len[2]),
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What a task reads.
pub(super) struct Field<T> {
    pub(super) from: *const T,
    _copy: Option<Buffer>,
}

/// Elements that are copied at once: what is written behind the end of a line is written again by the next one.
const LANES: usize = 16;

/// Bytes of a line of the cache.
const LINE: usize = 64;
/// How many channels before its use a channel is fetched: a task meets it for the first time.
const AHEAD: usize = 2;

/// Fetches an element, if it is there.
#[inline(always)]
fn prefetch<T>(data: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(x) = data.get(at) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has it, and the element is there.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(x).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (data, at);
}

/// At least the first `n` elements become 0.
#[inline(always)]
fn zeros<T: Float>(to: &mut [T], n: usize) {
    for i in (0..n).step_by(LANES) {
        to[i..i + LANES].fill(T::ZERO);
    }
}

/// Where in a copy, or in the source, things are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// The first place, of the first tap.
    pub(super) first: usize,
    line: usize,
    plane: usize,
    pub(super) channel: usize,
    pub(super) image: usize,
}

/// How a line is copied: zeros, elements, zeros.
struct Line {
    len: usize,
    /// The first element of the copy that is inside of the source, and behind the last.
    start: usize,
    end: usize,
    /// The element of the source at `start`.
    at: usize,
    step: usize,
}

impl Line {
    fn new(axis: &Axis, first: isize, place: usize, len: usize) -> Self {
        let (step, from) = (axis.step as isize, axis.from as isize);
        let zero = first + (place * axis.step) as isize; // where the copy begins in the source
        let before = |at: isize| {
            (at - zero + step - 1)
                .div_euclid(step)
                .clamp(0, len as isize)
        };
        let (start, end) = (before(0), before(from));
        Self {
            len,
            start: start as usize,
            end: end.max(start) as usize,
            at: (zero + start * step).clamp(0, from) as usize,
            step: axis.step,
        }
    }

    /// Copies to the beginning of `to` from a line at the beginning of `source`.
    #[inline(always)]
    fn copy<T: Float>(&self, to: &mut [T], source: &[T]) {
        zeros(to, self.start);
        let mut i = self.start;
        while i < self.end {
            let from = &source[self.at + (i - self.start) * self.step..];
            let to = &mut to[i..i + LANES];
            match self.step {
                1 if from.len() >= LANES => to.copy_from_slice(&from[..LANES]),
                2 if from.len() >= 2 * LANES => {
                    // By way of arrays, whose elements the compiler keeps in registers.
                    let (mut all, mut even) = ([T::ZERO; 2 * LANES], [T::ZERO; LANES]);
                    all.copy_from_slice(&from[..2 * LANES]);
                    for l in 0..LANES {
                        even[l] = all[2 * l];
                    }
                    to.copy_from_slice(&even);
                }
                step => {
                    let from = from.iter().step_by(step).take(self.end - i);
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
            i += LANES;
        }
        zeros(&mut to[self.end..], self.len - self.end);
    }
}
