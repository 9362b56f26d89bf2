//! Pooling over all of space.

use crate::Module;
use crate::watch::Watch;
use eras_tensor::Tensor;

/// The average of each channel over all of space (Lin, Chen & Yan 2013, arXiv:1312.4400), as Keras'
/// `GlobalAveragePooling`: what stands between convolutions and the last dense layer of a ResNet.
///
/// Shapes: `x (B, C, *space)` to `(B, C)`.
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::from([[[1.0f32, 3.0], [5.0, 7.0]]]); // (1, 2, 2)
/// assert_eq!(GlobalAvgPool.forward(&x).to_vec::<f32>(), [2.0, 6.0]);
/// ```
#[derive(Debug, Clone, Copy, Default, Module)]
pub struct GlobalAvgPool;

impl GlobalAvgPool {
    /// `x (B, C, *space)` to `(B, C)`.
    ///
    /// # Panics
    /// If there are fewer than three axes, or space is empty.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let watch = Watch::begin();
        let y = lines("GlobalAvgPool", x).mean(2);
        watch.end("GlobalAvgPool", self, y)
    }
}

/// The largest of each channel over all of space, as Keras' `GlobalMaxPooling`; of several that are equal the first gets
/// the gradient.
///
/// Shapes: `x (B, C, *space)` to `(B, C)`.
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::from([[[1.0f32, 3.0], [7.0, 5.0]]]); // (1, 2, 2)
/// assert_eq!(GlobalMaxPool.forward(&x).to_vec::<f32>(), [3.0, 7.0]);
/// ```
#[derive(Debug, Clone, Copy, Default, Module)]
pub struct GlobalMaxPool;

impl GlobalMaxPool {
    /// `x (B, C, *space)` to `(B, C)`.
    ///
    /// # Panics
    /// If there are fewer than three axes, or space is empty.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let watch = Watch::begin();
        let y = lines("GlobalMaxPool", x).adaptive_max_pool([1]).squeeze(2);
        watch.end("GlobalMaxPool", self, y)
    }
}

/// `x (B, C, *space)` as `(B, C, n)`.
#[track_caller]
fn lines(op: &str, x: &Tensor) -> Tensor {
    assert!(
        x.rank() >= 3 && x.shape()[2..].iter().all(|n| *n > 0),
        "{op}: x must be (B, C, *space) with elements in space, not {:?}",
        x.shape()
    );
    x.flatten(2, -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_images_and_volumes_become_a_number_for_each_channel() {
        for shape in [&[2, 3, 4][..], &[2, 3, 2, 2], &[2, 3, 1, 2, 2]] {
            let x = Tensor::arange(24)
                .to_dtype(eras_tensor::Dtype::F32)
                .reshape(shape);
            let average = GlobalAvgPool.forward(&x);
            assert_eq!(average.to_vec::<f32>(), [1.5, 5.5, 9.5, 13.5, 17.5, 21.5]);
            let largest = GlobalMaxPool.forward(&x);
            assert_eq!(
                (largest.shape(), largest.sum(..).item()),
                (&[2, 3][..], 78.0)
            );
        }
    }

    #[test]
    #[should_panic(
        expected = "GlobalAvgPool: x must be (B, C, *space) with elements in space, not [2, 3]"
    )]
    fn without_space_there_is_nothing_to_pool() {
        let _y = GlobalAvgPool.forward(&Tensor::zeros([2, 3]));
    }
}
