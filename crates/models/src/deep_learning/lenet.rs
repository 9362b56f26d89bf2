//! LeNet-5: convolution and subsampling in turn, the network that read cheques.
//!
//! LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition".
//!
//! ```text
//! C1   6 maps of 28 x 28, filters of 5 x 5          S2   6 of 14 x 14
//! C3  16 maps of 10 x 10, filters of 5 x 5          S4  16 of 5 x 5
//! C5 120 units, which see all of S4                 F6  84 units                  10 classes
//! ```
//!
//! Differs from the paper, as those who build it today do: ReLU where it had a scaled tanh; the largest of four where it had
//! their mean, with a weight and a bias for each map; every map of C3 sees every map of S2 where it had a table of
//! connections; the logits of a softmax where it had distances to drawings of each character; weights begin as Glorot's. The
//! picture's rim, which the paper had in the data (32 x 32), is zeros around 28 x 28.
//!
//! Axes: `B` batch.

use crate::FeatureMaps;
use eras_nn::{Conv2d, Dense, Init, Layer, Mode, Module};
use eras_tensor::{Rng, Tensor};

/// `x (B, 1, 28, 28)` to logits `(B, classes)`.
///
/// ```
/// use eras::models::deep_learning::LeNet;
/// use eras::prelude::*;
///
/// let model = LeNet::new(10, &mut Rng::new(0));
/// let x = Tensor::zeros([2, 1, 28, 28]);
/// assert_eq!(model.forward(&x).shape(), [2, 10]);
/// assert_eq!(model.features(&x).shape(), [2, 84]);
/// assert_eq!(model.count_params(), 61_706);
/// ```
#[derive(Debug, Clone, Module)]
pub struct LeNet {
    c1: Conv2d,
    c3: Conv2d,
    c5: Dense,
    f6: Dense,
    output: Dense,
}

impl LeNet {
    /// How many features there are.
    pub const FEATURES: usize = 84;

    /// For so many classes.
    #[must_use]
    pub fn new(classes: usize, rng: &mut Rng) -> Self {
        let mut conv = |c_in, c_out| {
            let conv = Conv2d::new(c_in, c_out, 5, rng).relu();
            conv.with_init(Init::glorot_uniform(), rng)
        };
        Self {
            c1: conv(1, 6).padding(2),
            c3: conv(6, 16),
            c5: Dense::new(16 * 5 * 5, 120, rng).relu(),
            f6: Dense::new(120, Self::FEATURES, rng).relu(),
            output: Dense::new(Self::FEATURES, classes, rng),
        }
    }

    /// What F6 makes of `x (B, 1, 28, 28)`: `(B, 84)`, none below 0.
    ///
    /// # Panics
    /// If `x` has another shape.
    #[must_use]
    #[track_caller]
    pub fn features(&self, x: &Tensor) -> Tensor {
        let [_, c3] = self.maps(x);
        self.behind(&c3)
    }

    /// The maps C1 `(B, 6, 28, 28)` and C3 `(B, 16, 10, 10)` of `x (B, 1, 28, 28)`.
    ///
    /// # Panics
    /// If `x` has another shape.
    #[must_use]
    #[track_caller]
    pub fn maps(&self, x: &Tensor) -> [Tensor; 2] {
        let &[_, 1, 28, 28] = x.shape() else {
            panic!("LeNet: x {:?} must be (B, 1, 28, 28)", x.shape());
        };
        let c1 = self.c1.forward(x);
        let c3 = self.c3.forward(&c1.max_pool([2, 2]));
        [c1, c3]
    }

    /// The filters of C1, `(6, 1, 5, 5)`.
    #[must_use]
    pub fn filters(&self) -> &Tensor {
        &self.c1.weight
    }

    /// What F6 makes of C3's maps.
    #[track_caller]
    fn behind(&self, c3: &Tensor) -> Tensor {
        let s4 = c3.max_pool([2, 2]).flatten(1, -1); // (B, 16 · 5 · 5)
        self.f6.forward(&self.c5.forward(&s4))
    }

    /// `x (B, 1, 28, 28)` to logits `(B, classes)`.
    ///
    /// # Panics
    /// If `x` has another shape.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.output.forward(&self.features(x))
    }

    /// The logits `(B, classes)` of features `(B, 84)`.
    ///
    /// # Panics
    /// If there are not 84 features.
    #[must_use]
    #[track_caller]
    pub fn logits(&self, features: &Tensor) -> Tensor {
        self.output.forward(features)
    }
}

impl Layer for LeNet {
    #[track_caller]
    fn apply(&self, x: &Tensor, _mode: &Mode) -> Tensor {
        self.forward(x)
    }
}

impl FeatureMaps for LeNet {
    #[track_caller]
    fn feature_maps(&self, x: &Tensor, _mode: &Mode) -> Tensor {
        let [_, c3] = self.maps(x);
        c3
    }

    #[track_caller]
    fn head(&self, maps: &Tensor, _mode: &Mode) -> Tensor {
        self.output.forward(&self.behind(maps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Optimizer, cross_entropy};

    #[test]
    fn eight_pictures_are_learned_by_heart() {
        let rng = &mut Rng::new(0);
        let mut model = LeNet::new(4, rng);
        let x = Tensor::uniform([8, 1, 28, 28], 0.0, 1.0, rng);
        let y = Tensor::from([0i64, 1, 2, 3, 3, 2, 1, 0]);
        let mut adam = Adam::new(2e-3);
        for _ in 0..150 {
            let loss = cross_entropy(&model.forward(&x), &y);
            adam.step(&mut model, &loss.backward());
        }
        assert_eq!(
            model.forward(&x).argmax(1).to_vec::<i64>(),
            y.to_vec::<i64>()
        );
    }

    #[test]
    #[should_panic(expected = "LeNet: x [2, 784] must be (B, 1, 28, 28)")]
    fn rows_of_pixels_are_refused() {
        let _y = LeNet::new(10, &mut Rng::new(0)).forward(&Tensor::zeros([2, 784]));
    }
}
