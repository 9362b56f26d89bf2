//! AlexNet: five convolutions and three dense layers, the network with which deep learning won.
//!
//! Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks", in a form for
//! small pictures:
//!
//! ```text
//! convolution 5x5,  48   max pooling 3x3, stride 2
//! convolution 5x5, 128   max pooling 3x3, stride 2
//! convolution 3x3, 192   convolution 3x3, 192   convolution 3x3, 128   max pooling 3x3, stride 2
//! dropout 0.5, dense 1024   dropout 0.5, dense 1024   dense, one logit a class
//! ```
//!
//! Differs from the paper: pictures of 32x32 where it had 224x224, so that the first filters are 5x5 with stride 1, not 11x11
//! with stride 4; the channels are those that one of its two GPUs held, half of all, and the dense layers have 1024 units
//! instead of 4096. No local response normalization, which later work found to do little (Simonyan & Zisserman 2014). Weights
//! begin as in He et al. 2015 and biases at zero, where it had a standard deviation of 0.01 and biases of 1 in some layers.
//!
//! Axes: `B` batch, `C` channels, `H` and `W` height and width.

use crate::FeatureMaps;
use eras_nn::{Conv2d, Dense, Dropout, Init, Layer, Mode, Module};
use eras_tensor::{Rng, Tensor, Window};

/// `(B, C, H, W)` to logits `(B, classes)`.
///
/// ```
/// use eras::models::deep_learning::AlexNet;
/// use eras::prelude::*;
///
/// let model = AlexNet::new([3, 32, 32], 10, &mut Rng::new(0));
/// assert_eq!(model.apply(&Tensor::zeros([2, 3, 32, 32]), &Mode::eval()).shape(), [2, 10]);
/// assert_eq!(model.count_params(), 3_172_554);
/// ```
#[derive(Debug, Module)]
pub struct AlexNet {
    conv1: Conv2d,
    conv2: Conv2d,
    conv3: Conv2d,
    conv4: Conv2d,
    conv5: Conv2d,
    fc1: Dense,
    fc2: Dense,
    fc3: Dense,
}

impl AlexNet {
    /// For pictures of `shape` (channels, height, width).
    ///
    /// # Panics
    /// If a side is shorter than 15 pixels.
    #[must_use]
    #[track_caller]
    pub fn new(shape: [usize; 3], classes: usize, rng: &mut Rng) -> Self {
        let [channels, height, width] = shape;
        assert!(
            height >= 15 && width >= 15,
            "AlexNet: pictures are of 15x15 pixels at least, not {height}x{width}"
        );
        let he = Init::he_normal();
        let mut conv = |c_in, c_out, kernel: usize| {
            let conv = Conv2d::new(c_in, c_out, kernel, rng).padding(kernel / 2);
            conv.relu().with_init(he, rng)
        };
        let (conv1, conv2) = (conv(channels, 48, 5), conv(48, 128, 5));
        let (conv3, conv4) = (conv(128, 192, 3), conv(192, 192, 3));
        let conv5 = conv(192, 128, 3);
        let pooled = |side: usize| (0..3).fold(side, |side, _| (side - 3) / 2 + 1);
        Self {
            conv1,
            conv2,
            conv3,
            conv4,
            conv5,
            fc1: Dense::with_init(128 * pooled(height) * pooled(width), 1024, he, rng).relu(),
            fc2: Dense::with_init(1024, 1024, he, rng).relu(),
            fc3: Dense::with_init(1024, classes, he, rng),
        }
    }

    /// The filters of the first convolution, `(48, C, 5, 5)`.
    #[must_use]
    pub fn filters(&self) -> &Tensor {
        &self.conv1.weight
    }
}

/// The largest of windows of 3x3 that overlap.
fn pool(x: &Tensor) -> Tensor {
    x.max_pool(Window::new([3, 3]).stride([2, 2]))
}

impl FeatureMaps for AlexNet {
    #[track_caller]
    fn feature_maps(&self, x: &Tensor, _mode: &Mode) -> Tensor {
        let h = pool(&self.conv1.forward(x));
        let h = pool(&self.conv2.forward(&h));
        let h = self.conv4.forward(&self.conv3.forward(&h));
        self.conv5.forward(&h)
    }

    #[track_caller]
    fn head(&self, maps: &Tensor, mode: &Mode) -> Tensor {
        let drop = Dropout::new(0.5);
        let h = pool(maps).flatten(1, -1);
        let h = self.fc1.forward(&drop.forward(&h, mode));
        let h = self.fc2.forward(&drop.forward(&h, mode));
        self.fc3.forward(&h)
    }
}

impl Layer for AlexNet {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.head(&self.feature_maps(x, mode), mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Optimizer, cross_entropy};

    #[test]
    fn four_pictures_are_learned_by_heart() {
        let rng = &mut Rng::new(0);
        let mut model = AlexNet::new([1, 15, 16], 4, rng);
        let x = Tensor::randn([4, 1, 15, 16], rng);
        let y = Tensor::from([0i64, 1, 2, 3]);
        let mut adam = Adam::new(3e-4);
        for step in 0..150 {
            let loss = cross_entropy(&model.apply(&x, &Mode::train(0, step)), &y);
            adam.step(&mut model, &loss.backward());
        }
        let answers = model.apply(&x, &Mode::eval()).argmax(1);
        assert_eq!(answers.to_vec::<i64>(), y.to_vec::<i64>());
    }

    #[test]
    #[should_panic(expected = "AlexNet: pictures are of 15x15 pixels at least, not 14x32")]
    fn pictures_that_are_too_small_are_refused() {
        let _model = AlexNet::new([3, 14, 32], 10, &mut Rng::new(0));
    }
}
