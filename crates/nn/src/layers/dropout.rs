//! Dropout.

use crate::watch::Watch;
use crate::{Layer, Mode, Module};
use eras_tensor::Tensor;

/// In training each element becomes 0 with probability `p`, and is divided by 1 - p otherwise (Srivastava et al.
/// 2014, "Dropout"); in evaluation nothing happens.
///
/// Shapes: any, unchanged.
///
/// ```
/// use eras::prelude::*;
///
/// let (drop, x) = (Dropout::new(0.5), Tensor::ones([1000]));
/// let y = drop.forward(&x, &Mode::train(7, 0)).to_vec::<f32>();
/// assert!(y.iter().all(|y| *y == 0.0 || *y == 2.0) && y.contains(&0.0) && y.contains(&2.0));
/// assert_eq!(drop.forward(&x, &Mode::eval()).to_vec::<f32>(), [1.0; 1000]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Module)]
pub struct Dropout {
    /// The part that is dropped.
    pub p: f64,
}

impl Dropout {
    /// Drops the part `p`.
    ///
    /// # Panics
    /// If `p` is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn new(p: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&p),
            "dropout: p is the part to drop, from 0 to 1, not {p}"
        );
        Self { p }
    }

    /// `x` with other elements dropped at each call and step, the same for the same seed.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let watch = Watch::begin();
        let y = if mode.is_training() {
            x.dropout(self.p, &mode.rng())
        } else {
            x.clone()
        };
        watch.end("Dropout", self, y)
    }
}

impl Layer for Dropout {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.forward(x, mode)
    }
}

/// In training whole channels become 0 with probability `p`, and are divided by 1 - p otherwise: neighbours in an image
/// say the same, so that one of them dropped alone would not be missed (Tompson et al. 2015, arXiv:1411.4280). In
/// evaluation nothing happens.
///
/// Shapes: `x (B, C, ..)`, unchanged.
///
/// ```
/// use eras::prelude::*;
///
/// let (drop, x) = (Dropout2d::new(0.5), Tensor::ones([8, 16, 3, 3]));
/// let y = drop.forward(&x, &Mode::train(7, 0));
/// // A channel is dropped as a whole or not at all.
/// assert_eq!(y.amax([2, 3]).to_vec::<f32>(), y.amin([2, 3]).to_vec::<f32>());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Module)]
pub struct Dropout2d {
    /// The part of the channels that is dropped.
    pub p: f64,
}

impl Dropout2d {
    /// Drops the part `p` of the channels.
    ///
    /// # Panics
    /// If `p` is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn new(p: f64) -> Self {
        Self {
            p: Dropout::new(p).p,
        }
    }

    /// `x (B, C, ..)` with other channels dropped at each call and step, the same for the same seed.
    ///
    /// # Panics
    /// In training if there are fewer than two axes.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let watch = Watch::begin();
        let y = if mode.is_training() {
            x.dropout2d(self.p, &mode.rng())
        } else {
            x.clone()
        };
        watch.end("Dropout2d", self, y)
    }
}

impl Layer for Dropout2d {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.forward(x, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_layers_and_two_steps_drop_different_elements() {
        let (drop, x) = (Dropout::new(0.5), Tensor::ones([100]));
        let of = |mode: &Mode| drop.forward(&x, mode).to_vec::<f32>();
        let mode = Mode::train(1, 0);
        let (first, second) = (of(&mode), of(&mode));
        assert_ne!(first, second);
        assert_eq!(first, of(&Mode::train(1, 0)));
        assert_ne!(first, of(&Mode::train(1, 1)));
        assert_ne!(first, of(&Mode::train(2, 0)));
    }

    #[test]
    fn channels_are_dropped_in_training_alone() {
        let (drop, x) = (Dropout2d::new(0.5), Tensor::ones([4, 8, 2, 2]));
        let y = drop.forward(&x, &Mode::train(1, 0)).to_vec::<f32>();
        assert!(y.contains(&0.0) && y.contains(&2.0));
        assert_eq!(drop.forward(&x, &Mode::eval()).to_vec::<f32>(), [1.0; 128]);
    }

    #[test]
    #[should_panic(expected = "dropout: p is the part to drop, from 0 to 1, not 50")]
    fn percents_are_refused() {
        let _drop = Dropout::new(50.0);
    }
}
