//! Networks in two halves: maps of what is where, and what is made of them.

use eras_nn::{Layer, Mode};
use eras_tensor::Tensor;

/// A classifier of pictures in two halves, between which one can look: `apply(x)` is `head(features(x))`.
pub trait Features: Layer {
    /// The maps of the last convolution: `x (B, C, H, W)` to `(B, K, H', W')`.
    fn features(&self, x: &Tensor, mode: &Mode) -> Tensor;

    /// The logits `(B, classes)` of such maps.
    fn head(&self, features: &Tensor, mode: &Mode) -> Tensor;
}
