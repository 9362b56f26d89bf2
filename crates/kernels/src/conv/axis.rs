//! One axis of space, and how the places of a box on it are read.
//!
//! A correlation reads, for place `p` and tap `t`, the source at `step p + shift[t]`, or 0 outside. A task copies what it
//! needs to *planes* in which a tap is an offset and neighbouring places are neighbours: taps whose shifts differ by
//! whole steps share one. So stride, dilation and padding are gone before anything is packed.

/// An axis of a correlation.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// Length of the source.
    pub(super) from: usize,
    /// How many places there are.
    pub(super) places: usize,
    /// From place to place in the source.
    pub(super) step: usize,
    /// Where each tap reads, from `step p` on.
    pub(super) shifts: Vec<isize>,
    /// Length of the result, and where in it the places are.
    pub(super) to: usize,
    pub(super) to_first: usize,
    pub(super) to_step: usize,
}

/// The planes of an axis.
#[derive(Debug, Clone)]
pub(super) struct Planes {
    /// What the first element of each is in the source, for place 0.
    pub(super) first: Vec<isize>,
    /// How many elements a plane has beyond the places.
    pub(super) reach: usize,
    /// The plane of each tap, and how far in.
    pub(super) taps: Vec<(usize, usize)>,
}

impl Axis {
    /// Planes for boxes of `len` places.
    pub(super) fn planes(&self, len: usize) -> Planes {
        let step = self.step as isize;
        let whole = |shift: &isize| shift.div_euclid(step);
        let low = self.shifts.iter().map(whole).min().unwrap_or(0);
        let high = self.shifts.iter().map(whole).max().unwrap_or(0);
        let (mut first, mut taps) = (Vec::new(), Vec::new());
        for shift in &self.shifts {
            let start = shift.rem_euclid(step) + low * step;
            let plane = first.iter().position(|f| *f == start).unwrap_or_else(|| {
                first.push(start);
                first.len() - 1
            });
            taps.push((plane, (whole(shift) - low) as usize));
        }
        let reach = (high - low) as usize;
        if first.len().saturating_mul(len.saturating_add(reach)) <= self.shifts.len() * len {
            return Planes { first, reach, taps };
        }
        // Taps far from each other: a plane for each.
        if reach >= len {
            return Planes {
                first: self.shifts.clone(),
                reach: 0,
                taps: (0..self.shifts.len()).map(|t| (t, 0)).collect(),
            };
        }
        Planes { first, reach, taps }
    }

    /// Whether the source can be read where it lies, by `planes` of this axis.
    pub(super) fn is_plain(&self, planes: &Planes) -> bool {
        let [first] = planes.first[..] else {
            return false;
        };
        self.step == 1 && first >= 0 && first as usize + self.places + planes.reach <= self.from
    }
}

/// A box of places: some images, or a part of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) image: usize,
    pub(super) images: usize,
    pub(super) first: [usize; 3],
    pub(super) len: [usize; 3],
}

impl Part {
    /// Places of one image.
    pub(super) fn places(&self) -> usize {
        self.len.iter().product()
    }
}

/// How a batch is cut into boxes of about the same size: along one axis, the axes within it being whole and those
/// around it single.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    batch: usize,
    places: [usize; 3],
    /// 0 is the batch, 1 to 3 are the axes of space.
    axis: usize,
    /// Places of a box along that axis.
    pub(super) chunk: usize,
    /// Boxes along it.
    chunks: usize,
}

impl Cut {
    /// Boxes of at most `most` places, or of one, cut so that few of the lanes of their vectors are empty.
    pub(super) fn new(batch: usize, places: [usize; 3], most: usize) -> Self {
        let lengths = [batch, places[0], places[1], places[2]];
        let inner = |axis: usize| lengths[axis + 1..].iter().product::<usize>().max(1);
        let axis = (0..3).find(|axis| inner(*axis) <= most).unwrap_or(3);
        let (n, inner) = (lengths[axis].max(1), inner(axis));
        let vectors =
            |c: usize| (n / c) * (c * inner).div_ceil(LANES) + (n % c * inner).div_ceil(LANES);
        let largest = (most / inner).clamp(1, n);
        // Of those that waste least the largest; none much smaller than may be.
        let chunk = (largest.div_ceil(2)..=largest)
            .rev()
            .min_by_key(|c| (vectors(*c), n.div_ceil(*c)))
            .unwrap_or(1);
        Self {
            batch,
            places,
            axis,
            chunk,
            chunks: n.div_ceil(chunk),
        }
    }

    /// The most places of a box.
    pub(super) fn largest(&self) -> usize {
        let lengths = [self.batch, self.places[0], self.places[1], self.places[2]];
        self.chunk * lengths[self.axis + 1..].iter().product::<usize>()
    }

    /// How many boxes there are.
    pub(super) fn count(&self) -> usize {
        let lengths = [self.batch, self.places[0], self.places[1], self.places[2]];
        lengths[..self.axis].iter().product::<usize>() * self.chunks
    }

    /// The `i`-th box; boxes come in the order of memory.
    pub(super) fn part(&self, i: usize) -> Part {
        let lengths = [self.batch, self.places[0], self.places[1], self.places[2]];
        let (mut first, mut len) = ([0; 4], lengths);
        first[self.axis] = i % self.chunks * self.chunk;
        len[self.axis] = self.chunk.min(lengths[self.axis] - first[self.axis]);
        let mut rest = i / self.chunks;
        for d in (0..self.axis).rev() {
            (first[d], len[d]) = (rest % lengths[d], 1);
            rest /= lengths[d];
        }
        Part {
            image: first[0],
            images: len[0],
            first: [first[1], first[2], first[3]],
            len: [len[1], len[2], len[3]],
        }
    }

    /// The largest length of a box on each axis of space.
    pub(super) fn longest(&self) -> [usize; 3] {
        let mut len = [1, self.places[0], self.places[1], self.places[2]];
        len[1..].iter_mut().take(self.axis).for_each(|n| *n = 1);
        if self.axis > 0 {
            len[self.axis] = self.chunk;
        }
        [len[1], len[2], len[3]]
    }
}

/// Places of a vector.
const LANES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_cover_every_place_once_and_in_order() {
        for (batch, places, most) in [
            (1, [1, 1, 1], 1),
            (3, [1, 26, 26], 300),
            (5, [1, 7, 7], 256),
            (2, [3, 5, 40], 64),
            (2, [1, 1, 1000], 100),
            (2, [4, 4, 4], 20),
            (7, [1, 1, 3], 1),
        ] {
            let cut = Cut::new(batch, places, most);
            let mut seen = Vec::new();
            for part in (0..cut.count()).map(|i| cut.part(i)) {
                assert!(part.images * part.places() <= most.max(1));
                for image in part.image..part.image + part.images {
                    for p0 in part.first[0]..part.first[0] + part.len[0] {
                        for p1 in part.first[1]..part.first[1] + part.len[1] {
                            for p2 in part.first[2]..part.first[2] + part.len[2] {
                                let place = (p0 * places[1] + p1) * places[2] + p2;
                                seen.push(image * places.iter().product::<usize>() + place);
                            }
                        }
                    }
                }
                (0..3).for_each(|d| assert!(part.len[d] <= cut.longest()[d]));
            }
            let all = batch * places.iter().product::<usize>();
            assert_eq!(seen, (0..all).collect::<Vec<_>>());
        }
    }

    #[test]
    fn taps_a_whole_step_apart_share_a_plane() {
        let axis = |step, shifts: &[isize]| Axis {
            from: 30,
            places: 10,
            step,
            shifts: shifts.to_vec(),
            to: 10,
            to_first: 0,
            to_step: 1,
        };
        let planes = axis(2, &[-1, 0, 1]).planes(10);
        // -1 and 1 are a step apart.
        assert_eq!(planes.first, [-1, -2]);
        assert_eq!(
            (planes.reach, &planes.taps[..]),
            (1, &[(0, 0), (1, 1), (0, 1)][..])
        );
        assert!(axis(1, &[0, 1, 2]).is_plain(&axis(1, &[0, 1, 2]).planes(10)));
        assert!(!axis(1, &[-1, 0, 1]).is_plain(&axis(1, &[-1, 0, 1]).planes(10)));
        let far = axis(1, &[-1000, 0, 1000]).planes(10);
        assert_eq!((far.first.len(), far.reach), (3, 0));
    }
}
