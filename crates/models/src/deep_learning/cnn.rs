//! The small convolutional network of Keras' example `mnist_cnn`, by which a generation learned what convolution does.
//!
//! ```text
//! convolution 3x3, 32, ReLU      convolution 3x3, 64, ReLU      max pooling 2x2, dropout 0.25
//! dense 128, ReLU, dropout 0.5   dense, one logit a class
//! ```
//!
//! Weights begin as Keras': Glorot's uniform distribution (Glorot & Bengio 2010), biases at zero.
//!
//! Axes: `B` batch, `C` channels, `H` and `W` height and width.

use crate::FeatureMaps;
use eras_nn::{Conv2d, Dense, Dropout, Init, Layer, Mode, Module};
use eras_tensor::{Rng, Tensor};

/// `(B, C, H, W)` to logits `(B, classes)`.
///
/// ```
/// use eras::models::deep_learning::Cnn;
/// use eras::prelude::*;
///
/// let model = Cnn::new([1, 28, 28], 10, &mut Rng::new(0));
/// assert_eq!(model.apply(&Tensor::zeros([2, 1, 28, 28]), &Mode::eval()).shape(), [2, 10]);
/// assert_eq!(model.count_params(), 1_199_882);
/// ```
#[derive(Debug, Module)]
pub struct Cnn {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Dense,
    fc2: Dense,
}

impl Cnn {
    /// For pictures of `shape` (channels, height, width).
    ///
    /// # Panics
    /// If a side is shorter than 6 pixels.
    #[must_use]
    #[track_caller]
    pub fn new(shape: [usize; 3], classes: usize, rng: &mut Rng) -> Self {
        let [channels, height, width] = shape;
        assert!(
            height >= 6 && width >= 6,
            "Cnn: pictures are of 6x6 pixels at least, not {height}x{width}"
        );
        let mut conv = |c_in, c_out| {
            let conv = Conv2d::new(c_in, c_out, 3, rng).relu();
            conv.with_init(Init::glorot_uniform(), rng)
        };
        let (conv1, conv2) = (conv(channels, 32), conv(32, 64));
        let pooled = 64 * ((height - 4) / 2) * ((width - 4) / 2);
        Self {
            conv1,
            conv2,
            fc1: Dense::new(pooled, 128, rng).relu(),
            fc2: Dense::new(128, classes, rng),
        }
    }

    /// What each convolution makes of `x (B, C, H, W)`: `(B, 32, H - 2, W - 2)` and `(B, 64, H - 4, W - 4)`.
    ///
    /// # Panics
    /// If `x` has another shape.
    #[must_use]
    #[track_caller]
    pub fn maps(&self, x: &Tensor) -> [Tensor; 2] {
        let first = self.conv1.forward(x);
        let second = self.conv2.forward(&first);
        [first, second]
    }

    /// The filters of the first convolution, `(32, C, 3, 3)`.
    #[must_use]
    pub fn filters(&self) -> &Tensor {
        &self.conv1.weight
    }
}

impl FeatureMaps for Cnn {
    #[track_caller]
    fn feature_maps(&self, x: &Tensor, _mode: &Mode) -> Tensor {
        let [_, maps] = self.maps(x);
        maps
    }

    #[track_caller]
    fn head(&self, maps: &Tensor, mode: &Mode) -> Tensor {
        let h = Dropout::new(0.25).forward(&maps.max_pool([2, 2]), mode);
        let h = self.fc1.forward(&h.flatten(1, -1)); // (B, 128)
        self.fc2.forward(&Dropout::new(0.5).forward(&h, mode))
    }
}

impl Layer for Cnn {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.head(&self.feature_maps(x, mode), mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_wherever_it_stands() {
        let model = Cnn::new([1, 12, 12], 3, &mut Rng::new(0));
        let cross = |row: usize, column: usize| {
            let mut x = vec![0.0f32; 144];
            for d in 0..3 {
                x[(row + 1) * 12 + column + d] = 1.0;
                x[(row + d) * 12 + column + 1] = 1.0;
            }
            let x = Tensor::from(x).reshape([1, 1, 12, 12]);
            let [_, maps] = model.maps(&x); // (1, 64, 8, 8)
            maps.narrow(2, row - 2, 3)
                .narrow(3, column - 2, 3)
                .to_vec::<f32>()
        };
        // Sums are rounded in another order at another place.
        let off = |(a, b): (&f32, &f32)| (a - b).abs();
        let (here, there) = (cross(2, 2), cross(5, 7));
        let worst = here.iter().zip(&there).map(off).fold(0.0, f32::max);
        let largest = here.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        assert!(largest > 0.05 && worst < 1e-6, "{worst} of {largest}");
    }

    #[test]
    #[should_panic(expected = "Cnn: pictures are of 6x6 pixels at least, not 28x5")]
    fn pictures_that_are_too_small_are_refused() {
        let _model = Cnn::new([1, 28, 5], 10, &mut Rng::new(0));
    }
}
