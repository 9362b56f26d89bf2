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
    /// Whether it can be read where it lies.
    pub(super) plain: bool,
}

impl<'a, T: Float> Source<'a, T> {
    /// For boxes of at most `longest` places on each axis.
    pub(super) fn new(
        data: &'a [T],
        channels: usize,
        axes: &'a [Axis; 3],
        longest: [usize; 3],
    ) -> Self {
        let planes: [Planes; 3] = std::array::from_fn(|d| axes[d].planes(longest[d]));
        let plain = (0..3).all(|d| axes[d].is_plain(&planes[d]));
        Self {
            data,
            channels,
            axes,
            planes,
            plain,
        }
    }

    /// As [`new`](Self::new), but always to be copied: behind what a task reads there are [`BEHIND`] elements more.
    pub(super) fn copied(
        data: &'a [T],
        channels: usize,
        axes: &'a [Axis; 3],
        longest: [usize; 3],
    ) -> Self {
        Self {
            plain: false,
            ..Self::new(data, channels, axes, longest)
        }
    }

    fn from(&self) -> usize {
        self.axes.iter().map(|axis| axis.from).product()
    }

    /// How the copy of a box with `channels` channels lies.
    pub(super) fn layout(&self, part: &Part, channels: usize) -> Layout {
        if self.plain {
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
        if self.plain {
            let first = (part.image * self.channels + channel) * layout.channel;
            return Field {
                from: self.data[first..].as_ptr(),
                copy: None,
                len: 0,
            };
        }
        let len = part.images * layout.image + BEHIND;
        let mut copy = Buffer::take::<T>(home, len);
        let from = copy.start::<T>();
        // SAFETY: the buffer has just been taken for as much; any bits are a number.
        let to = unsafe { std::slice::from_raw_parts_mut(from, len) };
        self.copy(to, part, channel, channels);
        // Zeros of dY may meet what is behind: it must be a number.
        to[len - BEHIND..].fill(T::ZERO);
        Field {
            from,
            copy: Some(copy),
            len,
        }
    }

    /// Copies the channels from `channel` on of a box to `to`, which has room for [`BEHIND`] elements more.
    fn copy(&self, to: &mut [T], part: &Part, channel: usize, channels: usize) {
        // Loops of their own for the steps that are common, or the compiler makes one of them, with gathers.
        match self.axes[2].step {
            1 => self.copy_by::<1>(to, part, channel, channels),
            2 => self.copy_by::<2>(to, part, channel, channels),
            _ => self.copy_by::<0>(to, part, channel, channels),
        }
    }

    /// In steps of `STEP`, or in any others where that is 0.
    fn copy_by<const STEP: usize>(
        &self,
        to: &mut [T],
        part: &Part,
        channel: usize,
        channels: usize,
    ) {
        vectorize(
            #[inline(always)]
            || self.copy_inline::<STEP>(to, part, channel, channels),
        );
    }

    #[inline(always)]
    fn copy_inline<const STEP: usize>(
        &self,
        to: &mut [T],
        part: &Part,
        channel: usize,
        channels: usize,
    ) {
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
        // How each line of a channel is copied, and where in the channel it lies, if it is inside.
        let mut copies = Vec::new();
        for first0 in &self.planes[0].first {
            for first1 in &self.planes[1].first {
                for line in &lines {
                    for i in 0..len[0] {
                        let plane = inside(0, *first0, i);
                        copies.extend((0..len[1]).map(|j| {
                            let at = plane.zip(inside(1, *first1, j));
                            (line, at.map(|(z, y)| z * rows + y * self.axes[2].from))
                        }));
                    }
                }
            }
        }
        let mut next = 0;
        for image in part.image..part.image + part.images {
            for channel in channel..channel + channels {
                let source = (image * self.channels + channel) * from;
                for at in lines_read.clone().step_by(LINE / size_of::<T>()) {
                    prefetch(self.data, source + AHEAD * from + at);
                }
                for (line, at) in &copies {
                    let row = &mut to[next..];
                    match at {
                        Some(at) => line.copy::<STEP, T>(row, self.data, source + at),
                        None => zeros(row, len[2]),
                    }
                    next += len[2];
                }
            }
        }
    }
}

/// What a task reads.
pub(super) struct Field<T> {
    pub(super) from: *const T,
    copy: Option<Buffer>,
    len: usize,
}

impl<T: Float> Field<T> {
    /// All that was copied, and [`BEHIND`] elements more.
    pub(super) fn copied(&self) -> &[T] {
        assert!(self.copy.is_some(), "conv: the source was not copied");
        // SAFETY: the copy has as many elements, and lives as long.
        unsafe { std::slice::from_raw_parts(self.from, self.len) }
    }
}

/// Elements behind a copy, which may be read or written but mean nothing.
const BEHIND: usize = 128;

/// Elements that are copied at once: what is written behind the end of a line is written again by the next one.
const LANES: usize = 16;

/// Bytes of a line of the cache.
const LINE: usize = 64;
/// How many channels before its use a channel is fetched: a task meets it for the first time.
const AHEAD: usize = 2;

/// Fetches an element, if it is there.
#[inline(always)]
pub(super) fn prefetch<T>(data: &[T], at: usize) {
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
    pub(super) line: usize,
    pub(super) plane: usize,
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
    /// Which elements of a short line are inside.
    inside: [bool; LANES],
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
            inside: std::array::from_fn(|l| (start..end).contains(&(l as isize))),
        }
    }

    /// Copies to the beginning of `to` from the line of `data` that begins at `first`, in steps of `STEP` if that is not 0.
    #[inline(always)]
    fn copy<const STEP: usize, T: Float>(&self, to: &mut [T], data: &[T], first: usize) {
        let first = first + self.at;
        if STEP > 0
            && self.len <= LANES
            && let Some(first) = first.checked_sub(self.start * STEP)
            && let Some(from) = data.get(first..first + STEP * LANES)
        {
            // A vector, of which what is outside becomes 0.
            let mut x = every::<STEP, T>(from);
            for l in 0..LANES {
                x[l] = if self.inside[l] { x[l] } else { T::ZERO };
            }
            to[..LANES].copy_from_slice(&x);
            return;
        }
        zeros(to, self.start);
        for i in (self.start..self.end).step_by(LANES) {
            let first = first + (i - self.start) * self.step;
            let to = &mut to[i..i + LANES];
            let from = data.get(first..first + STEP * LANES);
            match from {
                Some(from) if STEP > 0 => to.copy_from_slice(&every::<STEP, T>(from)),
                _ => {
                    let from = data[first..].iter().step_by(self.step).take(self.end - i);
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        }
        zeros(&mut to[self.end..], self.len - self.end);
    }
}

/// Every element, or every second one, of as many as fill a vector.
#[inline(always)]
fn every<const STEP: usize, T: Float>(from: &[T]) -> [T; LANES] {
    // By way of arrays, whose elements the compiler keeps in registers.
    let mut x = [T::ZERO; LANES];
    if STEP == 1 {
        x.copy_from_slice(from);
    } else {
        let mut all = [T::ZERO; 2 * LANES];
        all.copy_from_slice(from);
        for l in 0..LANES {
            x[l] = all[2 * l];
        }
    }
    x
}
