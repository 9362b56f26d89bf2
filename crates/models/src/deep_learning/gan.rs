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
//! The generator's loss is the one that the paper advises: the same fixed point, and a slope where D is sure. Sizes and first
//! weights are those that the authors published for MNIST: rectified units in the generator, maxout and dropout in the
//! discriminator, whose weights begin so small that it does not win at once.
//!
//! Differs from the paper: the discriminator ends in a logit, whose logistic function is in the loss.
//!
//! Axes: `B` batch.

use eras_nn::{Activation, Dense, Dropout, Init, Maxout, Module, Sequential, bce_with_logits};
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

    /// With so many units in each hidden layer of the generator and of the discriminator. Weights begin uniform within ±0.05
    /// and ±0.005.
    #[must_use]
    pub fn with_units(
        noise: usize,
        pixels: usize,
        [rectified, maxout]: [usize; 2],
        rng: &mut Rng,
    ) -> Self {
        const PIECES: usize = 5;
        let (wide, narrow) = (Init::uniform(-0.05, 0.05), Init::uniform(-0.005, 0.005));
        let generator = Sequential::new()
            .add(Dense::with_init(noise, rectified, wide, rng).relu())
            .add(Dense::with_init(rectified, rectified, wide, rng).relu())
            .add(Dense::with_init(rectified, pixels, wide, rng).activation(Activation::Sigmoid));
        let discriminator = Sequential::new()
            .add(Dropout::new(0.2))
            .add(Maxout::with_init(pixels, maxout, PIECES, narrow, rng))
            .add(Dropout::new(0.5))
            .add(Maxout::with_init(maxout, maxout, PIECES, narrow, rng))
            .add(Dropout::new(0.5))
            .add(Dense::with_init(maxout, 1, narrow, rng));
        Self {
            generator,
            discriminator,
        }
    }

    /// Begins to draw with pixels as light as those of the data are on average, `(pixels)` within [0, 1]: the bias of the
    /// output is their log odds.
    ///
    /// # Panics
    /// If there are more or fewer pixels.
    #[track_caller]
    pub fn begin_at(&mut self, mean: &Tensor) {
        self.generator.for_each_param_mut(&mut |name, param| {
            if name == "2.bias" {
                param.set(&log_odds(mean));
            }
        });
    }
}

/// What the logistic function makes `mean` of, or nearly so where that is 0 or 1.
pub(super) fn log_odds(mean: &Tensor) -> Tensor {
    let mean = mean.clamp(1e-3, 1.0 - 1e-3);
    (&mean / (1.0 - &mean)).ln()
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
    fn it_begins_at_the_mean_of_the_data() {
        let rng = &mut Rng::new(1);
        let mut gan = Gan::with_units(3, 2, [4, 4], rng);
        gan.begin_at(&Tensor::from([0.25f32, 0.0]));
        let no_noise = Tensor::zeros([1, 3]);
        let x = gan
            .generator
            .apply(&no_noise, &Mode::eval())
            .to_vec::<f32>();
        // Of noise 0 nothing is left but the biases, of which those within are 0.
        assert!(
            (x[0] - 0.25).abs() < 1e-6 && (x[1] - 0.001).abs() < 1e-6,
            "{x:?}"
        );
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
