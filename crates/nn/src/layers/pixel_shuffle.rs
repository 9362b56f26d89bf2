//! Channels laid out in space, and back.

use crate::Module;
use crate::watch::Watch;
use eras_tensor::Tensor;

/// Groups of r² channels as squares of r x r elements (Shi et al. 2016, arXiv:1609.05158): behind a convolution, an
/// upsampling that is learned.
///
/// Shapes: `x (B, C r², H, W)` to `(B, C, H r, W r)`.
///
/// ```
/// use eras::prelude::*;
///
/// assert_eq!(PixelShuffle::new(2).forward(&Tensor::zeros([1, 12, 4, 5])).shape(), [1, 3, 8, 10]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Module)]
pub struct PixelShuffle {
    /// How much longer height and width become.
    pub factor: usize,
}

impl PixelShuffle {
    /// Squares of `factor` x `factor`.
    #[must_use]
    pub fn new(factor: usize) -> Self {
        Self { factor }
    }

    /// Maps `x (B, C r², H, W)` to `(B, C, H r, W r)`.
    ///
    /// # Panics
    /// If the channels do not divide into squares.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let watch = Watch::begin();
        let y = x.pixel_shuffle(self.factor);
        watch.end("PixelShuffle", self, y)
    }
}

/// Squares of r x r elements as r² channels: what [`PixelShuffle`] does, undone.
///
/// Shapes: `x (B, C, H r, W r)` to `(B, C r², H, W)`.
///
/// ```
/// use eras::prelude::*;
///
/// assert_eq!(PixelUnshuffle::new(2).forward(&Tensor::zeros([1, 3, 8, 10])).shape(), [1, 12, 4, 5]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Module)]
pub struct PixelUnshuffle {
    /// How much shorter height and width become.
    pub factor: usize,
}

impl PixelUnshuffle {
    /// Squares of `factor` x `factor`.
    #[must_use]
    pub fn new(factor: usize) -> Self {
        Self { factor }
    }

    /// Maps `x (B, C, H r, W r)` to `(B, C r², H, W)`.
    ///
    /// # Panics
    /// If height or width do not divide by the factor.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let watch = Watch::begin();
        let y = x.pixel_unshuffle(self.factor);
        watch.end("PixelUnshuffle", self, y)
    }
}
