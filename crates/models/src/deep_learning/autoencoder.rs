//! The autoencoder: a network that gives back what it is shown, through a code that is smaller (Rumelhart, Hinton & Williams
//! 1986; Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks").
//!
//! ```text
//! code       z = encoder(x)          a linear output: codes lie anywhere
//! back       x' = σ(decoder(z))
//! ```
//!
//! Differs from the paper: rectified units where it had logistic ones, and no restricted Boltzmann machines to begin with,
//! which these make needless.
//!
//! Axes: `B` pictures, `V` pixels, `Z` numbers of a code.

use super::Mlp;
use eras_nn::{Layer, Mode, Module};
use eras_tensor::{Rng, Tensor};

/// Encoder and decoder of dense layers: `(B, V)` to `(B, Z)` and back.
///
/// ```
/// use eras::models::deep_learning::Autoencoder;
/// use eras::prelude::*;
///
/// // Four pictures of four pixels through a code of two numbers.
/// let rng = &mut Rng::new(0);
/// let x = Tensor::arange(4).one_hot(4);
/// let mut model = Autoencoder::new(4, &[16], 2, rng);
/// let mut adam = Adam::new(0.01);
/// for _ in 0..500 {
///     let loss = bce_with_logits(&model.decode(&model.encode(&x)), &x);
///     adam.step(&mut model, &loss.backward());
/// }
/// let back = model.apply(&x, &Mode::eval());
/// assert!((back - &x).abs().amax(..).item() < 0.2);
/// ```
#[derive(Debug, Module)]
pub struct Autoencoder {
    encoder: Mlp,
    decoder: Mlp,
    latent: usize,
}

impl Autoencoder {
    /// For pictures of `pixels`, with hidden layers of these sizes on the way to a code of `latent` numbers, and the same
    /// in reverse on the way back.
    ///
    /// # Panics
    /// If `latent` is 0.
    #[must_use]
    #[track_caller]
    pub fn new(pixels: usize, hidden: &[usize], latent: usize, rng: &mut Rng) -> Self {
        assert!(latent > 0, "Autoencoder: a code has at least one number");
        let back: Vec<usize> = hidden.iter().rev().copied().collect();
        Self {
            encoder: Mlp::new(pixels, hidden, latent, 0.0, rng),
            decoder: Mlp::new(latent, &back, pixels, 0.0, rng),
            latent,
        }
    }

    /// Numbers of a code.
    #[must_use]
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// The code of `x (B, V)`: `(B, Z)`.
    ///
    /// # Panics
    /// If the last axis of `x` is not `V`.
    #[must_use]
    #[track_caller]
    pub fn encode(&self, x: &Tensor) -> Tensor {
        self.encoder.forward(x, &Mode::eval())
    }

    /// The log-odds of each pixel: `z (B, Z)` to `(B, V)`.
    ///
    /// # Panics
    /// If the last axis of `z` is not `Z`.
    #[must_use]
    #[track_caller]
    pub fn decode(&self, z: &Tensor) -> Tensor {
        self.decoder.forward(z, &Mode::eval())
    }
}

/// Gives `x (B, V)` back, pixels from 0 to 1.
impl Layer for Autoencoder {
    #[track_caller]
    fn apply(&self, x: &Tensor, _: &Mode) -> Tensor {
        self.decode(&self.encode(x)).sigmoid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Optimizer, bce_with_logits};
    use eras_tensor::Dtype;

    #[test]
    fn one_number_tells_what_lies_on_a_curve_and_no_line_would_do() {
        // A bump that wanders over 16 pixels: one number says where. Two principal components keep little of it.
        let rng = &mut Rng::new(0);
        let place = Tensor::linspace(0.0, 15.0, 64).unsqueeze(1);
        let x = (-(place - Tensor::arange(16).to_dtype(Dtype::F32)).sqr() / 2.0).exp(); // (64, 16)
        let mut model = Autoencoder::new(16, &[64, 64], 1, rng);
        let mut adam = Adam::new(2e-3);
        for _ in 0..1500 {
            let loss = bce_with_logits(&model.decode(&model.encode(&x)), &x);
            adam.step(&mut model, &loss.backward());
        }
        let error = |back: &Tensor| (back - &x).sqr().mean(..).item();
        let ours = error(&model.apply(&x, &Mode::eval()));
        // The best of all rank-one maps keeps less than the mean does not: its error is bounded below by 15 of 16
        // components, of which the largest holds under a third of the variance here.
        let line = error(&x.mean(0).unsqueeze(0).expand([64, 16])) * 2.0 / 3.0;
        assert!(ours < 0.1 * line, "{ours} and {line}");
    }
}
