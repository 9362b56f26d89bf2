//! Channels laid out in space, and back.

use super::window::last_axes;
use crate::Tensor;

impl Tensor {
    /// Groups of r² channels as squares of r x r elements (Shi et al. 2016, arXiv:1609.05158): a larger image of fewer
    /// channels.
    ///
    /// Shapes: `x (.., C r², H, W)` to `(.., C, H r, W r)`, with the channels in PyTorch's order.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([[[1.0f32, 5.0]], [[2.0, 6.0]], [[3.0, 7.0]], [[4.0, 8.0]]]); // (4, 1, 2)
    /// let y = x.pixel_shuffle(2);
    /// assert_eq!(y.shape(), [1, 2, 4]);
    /// assert_eq!(y.to_vec::<f32>(), [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer than three axes, the channels do not divide into squares, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn pixel_shuffle(&self, r: usize) -> Self {
        let [channels, h, w] = last_axes("pixel_shuffle", self);
        let square = r.saturating_mul(r);
        assert!(
            square > 0 && channels.is_multiple_of(square),
            "pixel_shuffle: {channels} channels of {:?} do not divide into squares of {r} x {r}",
            self.shape()
        );
        let c = channels / square;
        let outer = &self.shape()[..self.rank() - 3];
        let n = outer.iter().product();
        self.reshape([n, c, r, r, h, w])
            .permute([0, 1, 4, 2, 5, 3]) // (n, C, H, r, W, r)
            .reshape([outer, &[c, h * r, w * r]].concat())
    }

    /// Squares of r x r elements as r² channels: what [`pixel_shuffle`](Self::pixel_shuffle) does, undone.
    ///
    /// Shapes: `x (.., C, H r, W r)` to `(.., C r², H, W)`.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([[[1.0f32, 2.0], [3.0, 4.0]]]);
    /// assert_eq!(x.pixel_unshuffle(2).shape(), [4, 1, 1]);
    /// ```
    ///
    /// # Panics
    /// If there are fewer than three axes, height or width do not divide by `r`, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn pixel_unshuffle(&self, r: usize) -> Self {
        let [c, h, w] = last_axes("pixel_unshuffle", self);
        assert!(
            r > 0 && h.is_multiple_of(r) && w.is_multiple_of(r),
            "pixel_unshuffle: height and width of {:?} do not divide by {r}",
            self.shape()
        );
        let outer = &self.shape()[..self.rank() - 3];
        let n = outer.iter().product();
        self.reshape([n, c, h / r, r, w / r, r])
            .permute([0, 1, 3, 5, 2, 4]) // (n, C, r, r, H, W)
            .reshape([outer, &[c * r * r, h / r, w / r]].concat())
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    vec![
        Check::new("pixel_shuffle")
            .case([normal([2, 12, 2, 3], 1)], |x| x[0].pixel_shuffle(2))
            .case([normal([9, 1, 2], 1)], |x| x[0].pixel_shuffle(3))
            .case([normal([0, 3, 2, 2], 1)], |x| x[0].pixel_shuffle(1))
            .bad(
                "pixel_shuffle: 6 channels of [6, 2, 2] do not divide into squares of 2 x 2",
                || Tensor::zeros([6, 2, 2]).pixel_shuffle(2),
            )
            .bad("pixel_shuffle: x [4, 2] does not have 3 axes", || {
                Tensor::zeros([4, 2]).pixel_shuffle(2)
            }),
        Check::new("pixel_unshuffle")
            .case([normal([2, 3, 4, 6], 1)], |x| x[0].pixel_unshuffle(2))
            .case([normal([2, 9, 3], 1)], |x| x[0].pixel_unshuffle(3))
            .bad(
                "pixel_unshuffle: height and width of [1, 2, 3] do not divide by 2",
                || Tensor::zeros([1, 2, 3]).pixel_unshuffle(2),
            ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_the_same() {
        let x = Tensor::randn([2, 8, 3, 5], &mut crate::Rng::new(0));
        let back = x.pixel_shuffle(2).pixel_unshuffle(2);
        assert_eq!(back.to_vec::<f32>(), x.to_vec::<f32>());
    }
}
