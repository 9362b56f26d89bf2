//! Axes of space made longer.

use crate::Module;
use crate::watch::Watch;
use eras_tensor::{Interpolation, PerAxis, Resize, Tensor};

/// All axes of space made longer (or shorter), by repetition or interpolation, as PyTorch's `Upsample`.
///
/// Shapes: `x (B, C, *space)`, one to three axes, to `(B, C, *space')`.
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::zeros([2, 3, 4, 6]);
/// assert_eq!(Upsample::by(2.0).forward(&x).shape(), [2, 3, 8, 12]);
/// assert_eq!(Upsample::to([5, 5]).linear().forward(&x).shape(), [2, 3, 5, 5]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Module)]
pub struct Upsample {
    #[module(skip)]
    size: Size,
    /// What stands between elements.
    #[module(skip)]
    pub how: Interpolation,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Size {
    By(f64),
    To(PerAxis),
}

impl Upsample {
    /// By this factor, the results rounded down; each element is repeated.
    ///
    /// # Panics
    /// If `factor` is not positive and finite.
    #[must_use]
    #[track_caller]
    pub fn by(factor: f64) -> Self {
        assert!(
            factor > 0.0 && factor.is_finite(),
            "Upsample: the factor must be positive and finite, not {factor}"
        );
        Self {
            size: Size::By(factor),
            how: Interpolation::Nearest,
        }
    }

    /// To this length: one number for all axes of space, or one for each. Each element is repeated.
    #[must_use]
    #[track_caller]
    pub fn to(length: impl Into<PerAxis>) -> Self {
        Self {
            size: Size::To(length.into()),
            how: Interpolation::Nearest,
        }
    }

    /// By distance from the elements around: linear, bilinear, trilinear.
    #[must_use]
    pub fn linear(mut self) -> Self {
        self.how = Interpolation::Linear {
            align_corners: false,
        };
        self
    }

    /// As [`linear`](Self::linear), with the first and the last element of each axis where they are.
    #[must_use]
    pub fn linear_corners(mut self) -> Self {
        self.how = Interpolation::Linear {
            align_corners: true,
        };
        self
    }

    /// Maps `x (B, C, *space)` to `(B, C, *space')`.
    ///
    /// # Panics
    /// If `x` does not have one to three axes of space, or as many as lengths were given for, or one of them is empty or
    /// would become so.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let watch = Watch::begin();
        let y = match x.rank() {
            3 => x.interpolate(self.size::<1>(), self.how),
            4 => x.interpolate(self.size::<2>(), self.how),
            5 => x.interpolate(self.size::<3>(), self.how),
            _ => panic!(
                "Upsample: x must be (B, C, *space) with one to three axes of space, not {:?}",
                x.shape()
            ),
        };
        watch.end("Upsample", self, y)
    }

    #[track_caller]
    fn size<const N: usize>(&self) -> Resize<N> {
        match &self.size {
            Size::By(factor) => Resize::By([*factor; N]),
            Size::To(length) => Resize::To(length.each("Upsample", "length")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_by_hand() {
        let x = Tensor::from([[[0.0f32, 4.0]]]);
        let of = |layer: Upsample| layer.forward(&x).to_vec::<f32>();
        assert_eq!(of(Upsample::by(2.0)), [0.0, 0.0, 4.0, 4.0]);
        assert_eq!(of(Upsample::to(3)), [0.0, 0.0, 4.0]);
        assert_eq!(of(Upsample::by(2.0).linear()), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(
            of(Upsample::to([5]).linear_corners()),
            [0.0, 1.0, 2.0, 3.0, 4.0]
        );
    }

    #[test]
    #[should_panic(expected = "Upsample: length [2, 2] names 2 axes of space, wanted 1")]
    fn lengths_of_another_space_are_refused() {
        let _y = Upsample::to([2, 2]).forward(&Tensor::zeros([1, 1, 3]));
    }
}
