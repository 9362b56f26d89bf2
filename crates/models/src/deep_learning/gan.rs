//! Generative adversarial nets: a counterfeiter and the police, each learning from the other.
//!
//! Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville & Bengio 2014, arXiv:1406.2661.
//!
//! ```text
//! the game         min_G max_D   E ln D(x) + E ln (1 − D(G(z)))
//! discriminator    descends      −ln D(x) − ln (1 − D(G(z)))
//! generator        descends      −ln D(G(z))
//! ```
//!
//! The generator's loss is the one that the paper advises: the same fixed point, and a slope where D is sure. Sizes are those
//! that the authors published for MNIST: rectified units in the generator, maxout and dropout in the discriminator.
//!
//! Differs from the paper: weights begin as Glorot's, not uniform within ±0.05 and ±0.005; the output's bias begins at 0, not
//! at the log odds of each pixel; the discriminator ends in a logit, whose logistic function is in the loss.
//!
//! Axes: `B` batch.

use eras_nn::{Activation, Dense, Dropout, Maxout, Module, Sequential, bce_with_logits};
use eras_tensor::{Rng, Tensor};

/// Both players.
///
/// ```
/// use eras::models::deep_learning::gan::Gan;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let gan = Gan::new(100, 784, rng);
/// let pictures = gan.generator.apply(&Tensor::randn([2, 100], rng), &Mode::eval());
/// assert_eq!(pictures.shape(), [2, 784]);
/// assert_eq!(gan.discriminator.apply(&pictures, &Mode::eval()).shape(), [2, 1]);
/// ```
#[derive(Debug, Module)]
pub struct Gan {
    /// Noise `(B, noise)` to pictures `(B, pixels)` within (0, 1).
    pub generator: Sequential,
    /// Pictures `(B, pixels)` to the logit `(B, 1)` of their being real.
    pub discriminator: Sequential,
}

impl Gan {
    /// The published sizes: two hidden layers of 1,200 units here, of 240 units with 5 pieces there.
    #[must_use]
    pub fn new(noise: usize, pixels: usize, rng: &mut Rng) -> Self {
        Self::with_units(noise, pixels, [1200, 240], rng)
    }

    /// With so many units in each hidden layer of the generator and of the discriminator.
    #[must_use]
    pub fn with_units(
        noise: usize,
        pixels: usize,
        [rectified, maxout]: [usize; 2],
        rng: &mut Rng,
    ) -> Self {
        const PIECES: usize = 5;
        let generator = Sequential::new()
            .add(Dense::new(noise, rectified, rng).relu())
            .add(Dense::new(rectified, rectified, rng).relu())
            .add(Dense::new(rectified, pixels, rng).activation(Activation::Sigmoid));
        let discriminator = Sequential::new()
            .add(Dropout::new(0.2))
            .add(Maxout::new(pixels, maxout, PIECES, rng))
            .add(Dropout::new(0.5))
            .add(Maxout::new(maxout, maxout, PIECES, rng))
            .add(Dropout::new(0.5))
            .add(Dense::new(maxout, 1, rng));
        Self {
            generator,
            discriminator,
        }
    }
}

/// What a discriminator makes small, given its logits `(B, 1)` for real pictures and for made ones:
/// `−ln D(x) − ln (1 − D(G(z)))`. It is 2 ln 2 where it cannot tell them apart.
///
/// ```
/// use eras::models::deep_learning::gan::discriminator_loss;
/// use eras::prelude::*;
///
/// let unsure = Tensor::zeros([3, 1]);
/// assert!((discriminator_loss(&unsure, &unsure).item() - 2.0 * 2f64.ln()).abs() < 1e-6);
/// ```
#[must_use]
pub fn discriminator_loss(real: &Tensor, made: &Tensor) -> Tensor {
    bce_with_logits(real, &Tensor::ones_like(real))
        + bce_with_logits(made, &Tensor::zeros_like(made))
}

/// What a generator makes small, given the discriminator's logits `(B, 1)` for what it made: `−ln D(G(z))`.
#[must_use]
pub fn generator_loss(made: &Tensor) -> Tensor {
    bce_with_logits(made, &Tensor::ones_like(made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Layer, Mode, Optimizer};

    #[test]
    fn the_generator_learns_where_the_data_lie() {
        let rng = &mut Rng::new(0);
        let mut gan = Gan::with_units(2, 2, [32, 16], rng);
        let mut players = [0, 1].map(|_| Adam::new(1e-3).betas(0.5, 0.999));
        // Pairs of numbers around (0.7, 0.2), within (0, 1) as pixels are.
        let data = |rng: &mut Rng| Tensor::randn([64, 2], rng) * 0.03 + Tensor::from([0.7f32, 0.2]);
        for step in 0..1500 {
            let mode = Mode::train(0, step);
            let made = gan.generator.apply(&Tensor::randn([64, 2], rng), &mode);
            let Gan {
                generator,
                discriminator,
            } = &mut gan;
            let loss = discriminator_loss(
                &discriminator.apply(&data(rng), &mode),
                &discriminator.apply(&made.detach(), &mode),
            );
            players[0].step(discriminator, &loss.backward());
            let loss = discriminator.frozen(|judge| generator_loss(&judge.apply(&made, &mode)));
            players[1].step(generator, &loss.backward());
        }
        let made = gan
            .generator
            .apply(&Tensor::randn([1000, 2], rng), &Mode::eval());
        let mean = made.mean(0).to_vec::<f32>();
        // It began around (0.5, 0.5).
        assert!(
            (mean[0] - 0.7).abs() < 0.1 && (mean[1] - 0.2).abs() < 0.1,
            "{mean:?}"
        );
        let spread = made.std(1, 0).to_vec::<f32>();
        assert!(spread.iter().all(|s| *s < 0.15), "{spread:?}");
    }

    #[test]
    fn the_losses_are_what_the_logits_say() {
        let (real, made) = (Tensor::from([[2.0f64]]), Tensor::from([[-1.0f64]]));
        let ln_d = |logit: f64| -(1.0 + (-logit).exp()).ln();
        let loss = discriminator_loss(&real, &made).item();
        assert!((loss - (-ln_d(2.0) - ln_d(1.0))).abs() < 1e-12);
        assert!((generator_loss(&made).item() + ln_d(-1.0)).abs() < 1e-12);
    }
}
