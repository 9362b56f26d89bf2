//! The denoising autoencoder (Vincent, Larochelle, Bengio & Manzagol 2008, "Extracting and composing robust features with
//! denoising autoencoders").
//!
//! ```text
//! spoiled    x~ = x, of which a share is put to 0
//! code       y = σ(W x~ + b)
//! back       z = σ(Wᵀ y + b')        the same W
//! loss       −Σ x ln z + (1 − x) ln(1 − z)         against the x that nobody spoiled
//! ```
//!
//! With nothing spoiled and as many units as pixels it could learn to copy. To put back what is missing it has to know what
//! goes with what.
//!
//! Differs from the paper: each number is put to 0 by itself with the probability `share`, where the paper takes exactly that
//! share of each picture; one layer, not a stack that begins a classifier.
//!
//! Axes: `B` pictures, `V` pixels, `H` hidden units.

use eras_nn::{Init, Layer, Mode, Module, Param};
use eras_tensor::{Reduction, Rng, Tensor};

/// One hidden layer whose weights are used both ways: `(B, V)` to `(B, H)` and back.
///
/// ```
/// use eras::models::deep_learning::DenoisingAutoencoder;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let mut model = DenoisingAutoencoder::new(6, 8, rng);
/// let x = Tensor::from([[1.0f32, 1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]);
/// let mut adam = Adam::new(0.02);
/// for _ in 0..300 {
///     let loss = model.loss(&x, 0.4, rng);
///     adam.step(&mut model, &loss.backward());
/// }
/// // What goes with the first pixel is known.
/// let back = model.apply(&Tensor::from([[1.0f32, 0.0, 0.0, 0.0, 0.0, 0.0]]), &Mode::eval());
/// assert!(back.to_vec::<f32>()[1] > 0.9 && back.to_vec::<f32>()[4] < 0.1);
/// ```
#[derive(Debug, Module)]
pub struct DenoisingAutoencoder {
    /// `(H, V)`
    pub weight: Param,
    /// `(H)`
    pub hidden_bias: Param,
    /// `(V)`
    pub visible_bias: Param,
}

impl DenoisingAutoencoder {
    /// Weights are drawn from Glorot's uniform distribution, biases are 0.
    #[must_use]
    #[track_caller]
    pub fn new(pixels: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self {
            weight: Param::new(&Init::glorot_uniform().draw([hidden, pixels], rng)),
            hidden_bias: Param::new(&Tensor::zeros([hidden])),
            visible_bias: Param::new(&Tensor::zeros([pixels])),
        }
    }

    /// The code of `x (B, V)`: `(B, H)`.
    ///
    /// # Panics
    /// If the last axis of `x` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn encode(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, Some(&self.hidden_bias)).sigmoid()
    }

    /// The log-odds of each pixel: `y (B, H)` to `(B, V)`.
    ///
    /// # Panics
    /// If the last axis of `y` is not `H`.
    #[must_use]
    #[track_caller]
    pub fn decode(&self, y: &Tensor) -> Tensor {
        y.matmul(&self.weight) + &*self.visible_bias
    }

    /// How far `x (B, V)` is from what comes back after a `share` of it was put to 0: the cross entropy in nats, summed
    /// over pixels, the mean over pictures.
    ///
    /// # Panics
    /// If the last axis of `x` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn loss(&self, x: &Tensor, share: f64, rng: &mut Rng) -> Tensor {
        let back = self.decode(&self.encode(&spoil(x, share, rng)));
        let all = x.shape().first().copied().unwrap_or(1).max(1);
        back.bce_with_logits(x, Reduction::Sum) * (1.0 / all as f64)
    }
}

/// Gives `x (B, V)` back, pixels from 0 to 1.
impl Layer for DenoisingAutoencoder {
    #[track_caller]
    fn apply(&self, x: &Tensor, _: &Mode) -> Tensor {
        self.decode(&self.encode(x)).sigmoid()
    }
}

/// `x` with each number put to 0 with the probability `share`.
#[must_use]
pub fn spoil(x: &Tensor, share: f64, rng: &mut Rng) -> Tensor {
    if share == 0.0 {
        return x.clone();
    }
    let is_spoiled = Tensor::uniform(x.shape(), 0.0, 1.0, rng).lt(share);
    x.masked_fill(&is_spoiled, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Optimizer};
    use eras_tensor::Dtype;

    #[test]
    fn the_share_that_is_asked_for_is_spoiled_and_the_rest_left() {
        let rng = &mut Rng::new(0);
        let x = Tensor::uniform([100, 100], 0.5, 1.0, rng);
        let spoiled = spoil(&x, 0.3, rng);
        let gone = spoiled.eq(0.0).to_dtype(Dtype::F32);
        // Five standard errors of 10,000 draws are 0.023.
        assert!((gone.mean(..).item() - 0.3).abs() < 0.023);
        assert_eq!(((&spoiled - &x) * (1.0 - gone)).abs().amax(..).item(), 0.0);
        assert_eq!(spoil(&x, 0.0, rng).to_vec::<f32>(), x.to_vec::<f32>());
    }

    #[test]
    fn both_ways_share_the_weight_and_its_gradient_has_both_parts() {
        let rng = &mut Rng::new(1);
        let model = DenoisingAutoencoder::new(5, 3, rng);
        let x = Tensor::uniform([4, 5], 0.0, 1.0, rng);
        let grads = model.loss(&x, 0.0, rng).backward();
        // −∂/∂W of the cross entropy: (x − z) reaches W through the way back, and its way down through y (1 − y) x.
        let y = model.encode(&x).detach();
        let off = (model.apply(&x, &Mode::eval()).detach() - &x) * 0.25; // (B, V)
        let up = off.matmul(&model.weight.detach().t()) * &y * (1.0 - &y); // (B, H)
        let wanted = y.t().matmul(&off) + up.t().matmul(&x);
        let wrong = (&grads[&*model.weight] - wanted).abs().amax(..).item();
        assert!(wrong < 1e-6, "{wrong}");
    }

    #[test]
    fn what_is_missing_is_put_back_only_by_one_that_learned_to() {
        // Pairs of pixels that are always alike.
        let rng = &mut Rng::new(2);
        let half = Tensor::uniform([400, 8], 0.0, 1.0, rng)
            .lt(0.5)
            .to_dtype(Dtype::F32);
        let x = half.repeat_interleave(1, 2); // (400, 16)
        let mut restored = |share: f64| {
            let mut model = DenoisingAutoencoder::new(16, 32, rng);
            let mut adam = Adam::new(0.01);
            for _ in 0..600 {
                let loss = model.loss(&x, share, rng);
                adam.step(&mut model, &loss.backward());
            }
            // The second of each pair is hidden.
            let seen = &x * Tensor::from([1.0f32, 0.0]).repeat(&[8]);
            let back = model.apply(&seen, &Mode::eval());
            (back - &x).abs().mean(..).item()
        };
        let (plain, denoising) = (restored(0.0), restored(0.3));
        // Left as it was seen, half of the pixels would be off by one in two: 0.25.
        assert!(denoising < 0.1, "{denoising}");
        assert!(denoising < 0.6 * plain, "{denoising} and {plain}");
    }
}
