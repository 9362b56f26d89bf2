//! Windows along an axis: where pooling looks, and what unfolding copies.

use std::ops::Range;

/// The windows of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    /// Element `t` of window `o` is element `o stride + t dilation - padding` of the axis, if that lies on it.
    Grid {
        /// Elements of the axis.
        len: usize,
        /// Windows.
        out: usize,
        /// Elements of a window.
        kernel: usize,
        /// From one window to the next.
        stride: usize,
        /// How far the first window begins before the axis.
        padding: usize,
        /// From one element of a window to the next.
        dilation: usize,
    },
    /// Window `o` goes from ⌊o len / out⌋ to ⌈(o + 1) len / out⌉.
    Bins {
        /// Elements of the axis.
        len: usize,
        /// Windows.
        out: usize,
    },
}

impl Windows {
    /// Windows of one element: the axis stays as it is.
    #[must_use]
    pub fn each(len: usize) -> Self {
        Self::tiles(len, 1)
    }

    /// `out` windows that hold nearly the same number of elements; neighbours may share one.
    ///
    /// # Panics
    /// If there are no elements, but windows.
    #[must_use]
    pub fn bins(len: usize, out: usize) -> Self {
        assert!(len > 0 || out == 0, "no elements for {out} windows");
        if out > 0 && len.is_multiple_of(out) {
            Self::tiles(out, len / out)
        } else {
            Self::Bins { len, out }
        }
    }

    /// `out` windows of `kernel` elements, one behind the other.
    fn tiles(out: usize, kernel: usize) -> Self {
        Self::Grid {
            len: out * kernel,
            out,
            kernel,
            stride: kernel,
            padding: 0,
            dilation: 1,
        }
    }

    /// How many elements the axis has.
    #[must_use]
    pub fn axis(&self) -> usize {
        match *self {
            Self::Grid { len, .. } | Self::Bins { len, .. } => len,
        }
    }

    /// How many windows there are.
    #[must_use]
    pub fn count(&self) -> usize {
        match *self {
            Self::Grid { out, .. } | Self::Bins { out, .. } => out,
        }
    }

    /// More elements than this no window has.
    #[must_use]
    pub fn most(&self) -> usize {
        match *self {
            Self::Grid { kernel, .. } => kernel,
            Self::Bins { len, out } => len.div_ceil(out.max(1)) + 1,
        }
    }

    /// The numbers `t` of the elements of window `o` that lie on the axis.
    #[must_use]
    #[inline]
    pub fn taps(&self, o: usize) -> Range<usize> {
        match *self {
            Self::Grid {
                len,
                kernel,
                stride,
                padding,
                dilation,
                ..
            } => {
                let start = o * stride;
                let first = padding.saturating_sub(start).div_ceil(dilation);
                let end = (len + padding).saturating_sub(start).div_ceil(dilation);
                first..end.min(kernel).max(first)
            }
            Self::Bins { .. } => 0..self.bin(o).len(),
        }
    }

    /// Where element `t` of window `o` lies, one of its [`taps`](Self::taps).
    #[must_use]
    #[inline]
    pub fn place(&self, o: usize, t: usize) -> usize {
        match *self {
            Self::Grid {
                stride,
                padding,
                dilation,
                ..
            } => o * stride + t * dilation - padding,
            Self::Bins { .. } => self.bin(o).start + t,
        }
    }

    /// How many elements all windows have together, those that several have counted for each.
    ///
    /// # Panics
    /// If there are no windows.
    #[must_use]
    pub fn met(&self) -> usize {
        match self {
            Self::Grid { out, .. } => {
                let taps = self.taps(out - 1).start..self.taps(0).end;
                taps.map(|t| self.holding(t).len()).sum()
            }
            Self::Bins { out, .. } => (0..*out).map(|o| self.bin(o).len()).sum(),
        }
    }

    /// More elements than this no `n` neighbouring windows span.
    pub(crate) fn reach(&self, n: usize) -> usize {
        let reach = match *self {
            Self::Grid {
                kernel,
                stride,
                dilation,
                ..
            } => (n - 1) * stride + (kernel - 1) * dilation + 1,
            Self::Bins { len, out } => (n * len).div_ceil(out) + 1,
        };
        reach.min(self.axis())
    }

    fn bin(&self, o: usize) -> Range<usize> {
        let (n, out) = (self.axis() as u128, self.count() as u128);
        let o = o as u128;
        (o * n / out) as usize..((o + 1) * n).div_ceil(out) as usize
    }

    /// The part of the axis in which the elements of windows `o` lie.
    pub(crate) fn span(&self, o: &Range<usize>) -> Range<usize> {
        match *self {
            Self::Grid {
                len,
                kernel,
                stride,
                padding,
                dilation,
                ..
            } => {
                let end = (o.end - 1) * stride + (kernel - 1) * dilation + 1;
                let start = (o.start * stride).saturating_sub(padding);
                start..end.saturating_sub(padding).min(len)
            }
            Self::Bins { .. } => self.bin(o.start).start..self.bin(o.end - 1).end,
        }
    }

    /// The windows whose element `t` lies on the axis; only of a grid.
    #[must_use]
    pub(crate) fn holding(&self, t: usize) -> Range<usize> {
        let &Self::Grid {
            len,
            out,
            stride,
            padding,
            dilation,
            ..
        } = self
        else {
            unreachable!("only windows of a grid are alike")
        };
        let at = t * dilation;
        let first = padding.saturating_sub(at).div_ceil(stride);
        let end = (len + padding).saturating_sub(at).div_ceil(stride);
        first..end.min(out).max(first)
    }

    /// How many elements each window has, if the windows lie one behind the other and cover the axis.
    #[must_use]
    pub(crate) fn tile(&self) -> Option<usize> {
        match *self {
            Self::Grid {
                len, out, kernel, ..
            } => (out > 0 && *self == Self::tiles(out, kernel) && len > 0).then_some(kernel),
            Self::Bins { .. } => None,
        }
    }

    /// `outer` such axes one behind the other, where windows cover each.
    #[must_use]
    pub(crate) fn repeated(&self, outer: usize) -> Self {
        let kernel = self.tile().expect("windows that cover the axis");
        Self::tiles(self.count() * outer, kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By definition: the places of window `o`.
    fn places(windows: &Windows, o: usize) -> Vec<usize> {
        match *windows {
            Windows::Grid {
                len,
                kernel,
                stride,
                padding,
                dilation,
                ..
            } => (0..kernel)
                .map(|t| (o * stride + t * dilation) as isize - padding as isize)
                .filter(|place| (0..len as isize).contains(place))
                .map(|place| place as usize)
                .collect(),
            Windows::Bins { len, out } => {
                let end = ((o + 1) * len).div_ceil(out);
                (o * len / out..end).collect()
            }
        }
    }

    /// Those whose windows fit and are padded by at most half of what they span.
    fn grids() -> impl Iterator<Item = Windows> {
        (1..=7usize).flat_map(|len| {
            (0..4 * 3 * 3 * 3).filter_map(move |i| {
                let (kernel, stride) = (1 + i % 4, 1 + i / 4 % 3);
                let (padding, dilation) = (i / 12 % 3, 1 + i / 36);
                let span = (kernel - 1) * dilation + 1;
                let room = len + 2 * padding;
                (padding <= span / 2 && span <= room).then(|| Windows::Grid {
                    len,
                    out: (room - span) / stride + 1,
                    kernel,
                    stride,
                    padding,
                    dilation,
                })
            })
        })
    }

    #[test]
    fn windows_hold_what_their_definition_says() {
        let bins = (1..9).flat_map(|len| (1..9).map(move |out| Windows::bins(len, out)));
        for windows in grids().chain(bins) {
            for o in 0..windows.count() {
                let found: Vec<usize> = windows.taps(o).map(|t| windows.place(o, t)).collect();
                assert_eq!(found, places(&windows, o), "window {o} of {windows:?}");
                assert!(found.len() <= windows.most());
            }
            let all = (0..windows.count()).map(|o| places(&windows, o).len());
            assert_eq!(windows.met(), all.sum());
        }
    }

    #[test]
    fn bins_that_divide_the_axis_are_tiles() {
        assert_eq!(Windows::bins(6, 2).tile(), Some(3));
        assert_eq!(Windows::bins(7, 2).tile(), None);
        assert_eq!(Windows::bins(7, 2).taps(1).len(), 4); // 3 to 7: shares element 3 with the first
        assert_eq!(Windows::each(4).tile(), Some(1));
    }

    #[test]
    fn the_windows_that_hold_an_element_are_those_with_it() {
        for windows in grids() {
            for t in 0..windows.most() {
                let wanted: Vec<usize> = (0..windows.count())
                    .filter(|&o| windows.taps(o).contains(&t))
                    .collect();
                let found: Vec<usize> = windows.holding(t).collect();
                assert_eq!(found, wanted, "element {t} of {windows:?}");
            }
        }
    }
}
