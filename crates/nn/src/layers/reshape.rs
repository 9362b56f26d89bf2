//! Another shape for each example.

use crate::Module;
use crate::watch::Watch;
use eras_tensor::{Dims, Tensor};

/// Each example of the batch in another shape, as between a dense layer and the convolutions of a generator.
///
/// Shapes: `x (B, ..)` to `(B, *shape)`. One number of the shape may be [`INFER`](eras_tensor::INFER).
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::zeros([2, 7 * 7 * 64]);
/// assert_eq!(Reshape::new([64, 7, 7]).forward(&x).shape(), [2, 64, 7, 7]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Module)]
pub struct Reshape {
    /// The shape of an example.
    #[module(skip)]
    pub shape: Dims,
}

impl Reshape {
    /// To this shape of an example.
    ///
    /// # Panics
    /// If it has more than seven axes: with the batch there may be eight.
    #[must_use]
    #[track_caller]
    pub fn new(shape: impl Into<Dims>) -> Self {
        let shape = shape.into();
        assert!(
            shape.len() < eras_tensor::MAX_RANK,
            "Reshape: {shape:?} and the batch have more axes than a tensor"
        );
        Self { shape }
    }

    /// `x (B, ..)` to `(B, *shape)`.
    ///
    /// # Panics
    /// If `x` is a single number, or its examples have another number of elements.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let Some(batch) = x.shape().first() else {
            panic!("Reshape: shape [] has no first axis to keep");
        };
        let watch = Watch::begin();
        let y = x.reshape([&[*batch], &self.shape[..]].concat());
        watch.end("Reshape", self, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_axis_may_be_left_to_be_found() {
        let layer = Reshape::new([3, eras_tensor::INFER]);
        assert_eq!(layer.forward(&Tensor::zeros([2, 12])).shape(), [2, 3, 4]);
    }

    #[test]
    #[should_panic(expected = "reshape: [2, 12] holds 24 elements, [2, 5] holds 10")]
    fn examples_of_another_size_are_refused() {
        let _y = Reshape::new([5]).forward(&Tensor::zeros([2, 12]));
    }
}
