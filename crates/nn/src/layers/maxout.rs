//! Maxout.

use super::Linear;
use crate::watch::Watch;
use crate::{Init, Module};
use eras_tensor::{Rng, Tensor};

/// Units that are each the largest of several affine maps of the last axis (Goodfellow et al. 2013, arXiv:1302.4389): a
/// convex function that is learned piece by piece.
///
/// Shapes: `x (B, in)` to `y (B, units)`. The maps are one, `(pieces · units, in)`, with all units' first pieces first.
///
/// ```
/// use eras::nn::Maxout;
/// use eras::prelude::*;
///
/// let layer = Maxout::new(3, 4, 5, &mut Rng::new(0));
/// assert_eq!(layer.forward(&Tensor::ones([2, 3])).shape(), [2, 4]);
/// assert_eq!(layer.linear.weight.shape(), [5 * 4, 3]);
/// ```
#[derive(Debug, Clone, Module)]
pub struct Maxout {
    /// All affine maps.
    pub linear: Linear,
    /// How many maps each unit chooses from.
    pub pieces: usize,
}

impl Maxout {
    /// `units` units of `pieces` maps each. Draws weights as Glorot for one piece; biases begin at zero.
    ///
    /// # Panics
    /// If `pieces` is 0.
    #[must_use]
    #[track_caller]
    pub fn new(d_in: usize, units: usize, pieces: usize, rng: &mut Rng) -> Self {
        let bound = (6.0 / (d_in as f64 + units as f64).max(1.0)).sqrt();
        Self::with_init(d_in, units, pieces, Init::uniform(-bound, bound), rng)
    }

    /// Draws the weights of all pieces from `init`; biases begin at zero.
    ///
    /// # Panics
    /// If `pieces` is 0.
    #[must_use]
    #[track_caller]
    pub fn with_init(d_in: usize, units: usize, pieces: usize, init: Init, rng: &mut Rng) -> Self {
        assert!(pieces > 0, "maxout: wanted at least 1 piece, got 0");
        let Some(maps) = pieces.checked_mul(units) else {
            panic!("maxout: {units} units of {pieces} pieces each are too many")
        };
        Self {
            linear: Linear::with_init(d_in, maps, init, rng),
            pieces,
        }
    }

    /// `x (B, in)` to `(B, units)`.
    ///
    /// # Panics
    /// If `x` is not `(B, in)`.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let (weight, bias) = (&self.linear.weight, self.linear.bias.as_deref());
        let &[batch, _] = x.shape() else {
            panic!("maxout: x {:?} must be (B, in)", x.shape());
        };
        let watch = Watch::begin();
        let units = weight.shape()[0] / self.pieces;
        let maps = x.linear(weight, bias);
        let y = maps.reshape([batch, self.pieces, units]).amax(1);
        watch.end("Maxout", self, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_the_largest_of_its_maps_and_only_that_one_learns() {
        let mut layer = Maxout::new(1, 2, 2, &mut Rng::new(0));
        // |x| and max(x, 2 x + 1).
        layer
            .linear
            .weight
            .set(&Tensor::from([[1.0f32], [1.0], [-1.0], [2.0]]));
        let bias = layer.linear.bias.as_mut().expect("a bias");
        bias.set(&Tensor::from([0.0f32, 0.0, 0.0, 1.0]));
        let y = layer.forward(&Tensor::from([[-3.0f32], [0.5]]));
        assert_eq!(y.to_vec::<f32>(), [3.0, -3.0, 0.5, 2.0]);
        let grads = y.sum(..).backward();
        let dw = grads[&layer.linear.weight].to_vec::<f32>();
        assert_eq!(dw, [0.5, -3.0, -3.0, 0.5]);
    }

    #[test]
    #[should_panic(expected = "maxout: x [3] must be (B, in)")]
    fn a_vector_is_refused() {
        let _y = Maxout::new(3, 1, 2, &mut Rng::new(0)).forward(&Tensor::ones([3]));
    }
}
