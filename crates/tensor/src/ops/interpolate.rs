//! Interpolation: axes made longer or shorter.

use super::separable::mapped;
use super::window::last_axes;
use crate::Tensor;
use eras_kernels::separable::Sparse;

/// What stands between elements; the words are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// The element that lies there, or before: each is repeated.
    Nearest,
    /// Along each axis the two elements around, by their distance (bilinear where there are two axes).
    Linear {
        /// Whether the first and the last elements stay where they are. Else elements are taken as the middles of pieces
        /// of equal length, so that the result does not depend on the size.
        align_corners: bool,
    },
}

/// How long the last `N` axes become: an array of whole numbers stands for lengths, one of others for factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resize<const N: usize> {
    /// These lengths.
    To([usize; N]),
    /// The lengths times these factors, rounded down.
    By([f64; N]),
}

impl<const N: usize> From<[usize; N]> for Resize<N> {
    fn from(to: [usize; N]) -> Self {
        Self::To(to)
    }
}
impl<const N: usize> From<[f64; N]> for Resize<N> {
    fn from(by: [f64; N]) -> Self {
        Self::By(by)
    }
}

/// How an axis is stretched: element `o` afterwards stands at `o step` before, in units of an element.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    /// Lengths before and after.
    len: usize,
    out: usize,
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A quotient of whole numbers: then places are exact.
    Exact(usize, usize),
    Rounded(f64),
}

impl Stretch {
    fn new(len: usize, out: usize, by: Option<f64>) -> Self {
        let rounded = by.filter(|by| *by * len as f64 != out as f64);
        let step = rounded.map_or(Step::Exact(len, out), |by| Step::Rounded(1.0 / by));
        Self { len, out, step }
    }

    /// As many elements afterwards repeat as the second number, as many before as the first.
    fn period(&self) -> (usize, usize) {
        match self.step {
            Step::Exact(len, out) => {
                let divisor = gcd(len, out).max(1);
                // A single element that all others repeat has no period.
                ((out / divisor).max(1), (len / divisor).max(1))
            }
            Step::Rounded(_) => (1, 1),
        }
    }

    /// The element before `o step`.
    fn before(&self, o: usize) -> usize {
        let at = match self.step {
            Step::Exact(n, d) => (o as u128 * n as u128 / d as u128) as usize,
            Step::Rounded(step) => (o as f64 * step) as usize,
        };
        at.min(self.len - 1)
    }

    /// The element before (o + ½) step - ½, and how far behind it that is.
    fn middle(&self, o: usize) -> (usize, f64) {
        match self.step {
            Step::Exact(n, d) => {
                let (n, d) = (n as u128, d as u128);
                let twice = ((2 * o as u128 + 1) * n).saturating_sub(d); // over 2 d
                let at = (twice / (2 * d)) as usize;
                (at, (twice % (2 * d)) as f64 / (2 * d) as f64)
            }
            Step::Rounded(step) => {
                let at = ((o as f64 + 0.5) * step - 0.5).max(0.0);
                (at as usize, at.fract())
            }
        }
    }

    fn nearest(&self) -> Sparse {
        Sparse::new(self.len, self.out, self.period(), |o, put| {
            put(self.before(o), 1.0)
        })
    }

    fn linear(&self, align_corners: bool) -> Sparse {
        let (last, steps) = (self.len - 1, self.out - 1);
        let ends = Self {
            step: Step::Exact(last, steps.max(1)),
            ..*self
        };
        let period = if align_corners {
            ends.period()
        } else {
            self.period()
        };
        Sparse::new(self.len, self.out, period, |o, put| {
            let (at, part) = if align_corners {
                let place = o as u128 * last as u128;
                let steps = steps.max(1) as u128;
                (
                    (place / steps) as usize,
                    (place % steps) as f64 / steps as f64,
                )
            } else {
                self.middle(o)
            };
            // An element without weight must not be looked at: it may be infinite.
            if at >= last || part == 0.0 {
                put(at.min(last), 1.0);
            } else {
                put(at, 1.0 - part);
                put(at + 1, part);
            }
        })
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Tensor {
    /// The last `N` axes, one, two or three, made longer or shorter.
    ///
    /// Shapes: `x (.., H, W)` to `(.., OH, OW)`.
    ///
    /// As PyTorch's `interpolate` with `nearest`, and with `linear`, `bilinear` or `trilinear`. Factors that do not lead
    /// to whole lengths count as they are given, not as the quotient of the lengths. Nothing is smoothed before an axis
    /// is made shorter.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([1.0f32, 3.0]);
    /// assert_eq!(x.interpolate([4], Interpolation::Nearest).to_vec::<f32>(), [1.0, 1.0, 3.0, 3.0]);
    /// let linear = Interpolation::Linear { align_corners: false };
    /// assert_eq!(x.interpolate([2.0], linear).to_vec::<f32>(), [1.0, 1.5, 2.5, 3.0]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer axes, one of them is empty or would become so, a factor is not positive and finite, or the
    /// elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn interpolate<const N: usize>(
        &self,
        size: impl Into<Resize<N>>,
        how: Interpolation,
    ) -> Self {
        let (size, sides) = (size.into(), last_axes::<N>("interpolate", self));
        let (to, by) = match size {
            Resize::To(to) => (to, None),
            Resize::By(by) => {
                assert!(
                    by.iter().all(|by| *by > 0.0 && by.is_finite()),
                    "interpolate: factors must be positive and finite, not {by:?}"
                );
                (
                    std::array::from_fn(|d| (sides[d] as f64 * by[d]) as usize),
                    Some(by),
                )
            }
        };
        assert!(
            sides.iter().chain(&to).all(|n| *n > 0),
            "interpolate: {sides:?} cannot become {to:?}: no length may be 0"
        );
        mapped("interpolate", self, to, || {
            std::array::from_fn(|d| {
                let stretch = Stretch::new(sides[d], to[d], by.map(|by| by[d]));
                match how {
                    Interpolation::Nearest => stretch.nearest(),
                    Interpolation::Linear { align_corners } => stretch.linear(align_corners),
                }
            })
        })
    }
}

/// What interpolation means, axis after axis, from places in `f64`.
#[cfg(test)]
fn definition<const N: usize>(
    x: &Tensor,
    to: [usize; N],
    by: Option<[f64; N]>,
    how: Interpolation,
) -> Tensor {
    let first = x.rank() - N;
    (0..N).fold(x.clone(), |x, d| {
        let (n, out) = (x.shape()[first + d], to[d]);
        let step = by.map_or(n as f64 / out as f64, |by| 1.0 / by[d]);
        let place = |o: usize| match how {
            Interpolation::Nearest => (o as f64 * step + 1e-9).floor(),
            Interpolation::Linear {
                align_corners: true,
            } => o as f64 * (n - 1) as f64 / (out - 1).max(1) as f64,
            Interpolation::Linear {
                align_corners: false,
            } => ((o as f64 + 0.5) * step - 0.5).max(0.0),
        };
        let at: Vec<f64> = (0..out).map(|o| place(o).min((n - 1) as f64)).collect();
        let take = |f: fn(f64) -> f64| {
            let places: Vec<i64> = at.iter().map(|at| f(*at) as i64).collect();
            x.index_select(first + d, &Tensor::from(places))
        };
        let mut shape = vec![1; N - d];
        shape[0] = out;
        let part: Vec<f64> = at.iter().map(|at| at.fract()).collect();
        let part = Tensor::from(part).to_dtype(x.dtype()).reshape(shape);
        take(f64::floor) * (1.0 - &part) + take(f64::ceil) * part
    })
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let mut check = Check::new("interpolate");
    macro_rules! samples {
        ($($shape:expr, $size:expr;)*) => { $(
            for how in [
                Interpolation::Nearest,
                Interpolation::Linear { align_corners: false },
                Interpolation::Linear { align_corners: true },
            ] {
                check = check
                    .case([normal($shape, 1)], move |x| x[0].interpolate($size, how))
                    .defined_by(move |x| {
                        let y = x[0].interpolate($size, how);
                        let by = match $size.into() {
                            Resize::To(_) => None,
                            Resize::By(by) => Some(by),
                        };
                        definition(&x[0], last_axes("", &y), by, how)
                    });
            }
        )* };
    }
    samples! {
        [2, 3, 4, 5], [8, 10];
        [2, 3, 5, 4], [15, 7];
        [3, 7], [3];
        [2, 9], [2.0];
        [2, 5, 6], [1.7, 0.6];
        [2, 1, 3], [4, 1];
        [3, 1], [1.5];
        [2, 3, 4, 2], [2.0, 2.0, 3.0];
        [0, 3, 3], [6, 6];
        [9, 16, 32], [32, 64]; // more than a task
        [2, 12, 20], [18, 30];
    }
    vec![
        check
            .bad("interpolate: x [3] does not have 2 axes", || {
                Tensor::zeros([3]).interpolate([2, 2], Interpolation::Nearest)
            })
            .bad(
                "interpolate: [3] cannot become [0]: no length may be 0",
                || Tensor::zeros([3]).interpolate([0.3], Interpolation::Nearest),
            )
            .bad(
                "interpolate: [0] cannot become [2]: no length may be 0",
                || Tensor::zeros([0]).interpolate([2], Interpolation::Nearest),
            )
            .bad(
                "interpolate: factors must be positive and finite, not [-2.0]",
                || Tensor::zeros([3]).interpolate([-2.0], Interpolation::Nearest),
            ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_whole_quotients_are_exact() {
        // 1/3 in floating point would put the third element of each three a little too early.
        for (len, out) in [(7, 21), (49, 147), (1000, 3000), (3, 10)] {
            let stretch = Stretch::new(len, out, None);
            assert!((0..out).all(|o| stretch.before(o) == o * len / out));
            let factor = Stretch::new(len, out, Some(out as f64 / len as f64));
            assert!((0..out).all(|o| factor.before(o) == o * len / out));
        }
    }

    #[test]
    fn an_infinite_neighbour_without_weight_does_no_harm() {
        let x = Tensor::from([1.0f32, f32::INFINITY, 5.0]);
        let how = Interpolation::Linear {
            align_corners: true,
        };
        let y = x.interpolate([5], how).to_vec::<f32>();
        assert_eq!((y[0], y[4]), (1.0, 5.0));
        assert!(y[1..4].iter().all(|y| *y == f32::INFINITY));
    }
}
