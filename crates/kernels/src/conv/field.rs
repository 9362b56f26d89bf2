//! What a task reads: some channels of a box of the source, in planes (see `axis`), or the source itself.

use super::axis::{Axis, Part, Planes};
use crate::Float;
use crate::matmul::tile::Runs;

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

    /// Copies the channels from `channel` on of a box to `to`.
    pub(super) fn copy(&self, to: &mut [T], part: &Part, channel: usize, channels: usize) {
        let len = self.lengths(part);
        let lines: Vec<Line> = self.planes[2]
            .first
            .iter()
            .map(|first| Line::new(&self.axes[2], *first, part.first[2], len[2]))
            .collect();
        let (from, rows) = (self.from(), self.axes[1].from * self.axes[2].from);
        let inside = |d: usize, first: isize, i: usize| {
            let at = (part.first[d] + i) * self.axes[d].step;
            usize::try_from(at as isize + first)
                .ok()
                .filter(|at| *at < self.axes[d].from)
        };
        let mut to = to;
        for image in part.image..part.image + part.images {
            for channel in channel..channel + channels {
                let source = &self.data[(image * self.channels + channel) * from..][..from];
                for first0 in &self.planes[0].first {
                    for first1 in &self.planes[1].first {
                        for line in &lines {
                            for i in 0..len[0] {
                                let plane = inside(0, *first0, i);
                                for j in 0..len[1] {
                                    let (row, rest) = to.split_at_mut(len[2]);
                                    to = rest;
                                    match plane.zip(inside(1, *first1, j)) {
                                        Some((z, y)) => {
                                            let at = z * rows + y * self.axes[2].from;
                                            line.copy(row, &source[at..at + self.axes[2].from]);
                                        }
                                        None => row.fill(T::ZERO),
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
            start: start as usize,
            end: end.max(start) as usize,
            at: (zero + start * step).clamp(0, from) as usize,
            step: axis.step,
        }
    }

    #[inline]
    fn copy<T: Float>(&self, row: &mut [T], source: &[T]) {
        row[..self.start].fill(T::ZERO);
        row[self.end..].fill(T::ZERO);
        let row = &mut row[self.start..self.end];
        if self.step == 1 {
            row.copy_from_slice(&source[self.at..self.at + row.len()]);
        } else if !row.is_empty() {
            let source = source[self.at..].iter().step_by(self.step);
            row.iter_mut()
                .zip(source)
                .for_each(|(to, from)| *to = *from);
        }
    }
}
