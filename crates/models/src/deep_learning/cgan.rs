//! The conditional adversarial net: both players are told what the picture is to show.
//!
//! Mirza & Osindero 2014, "Conditional generative adversarial nets", arXiv:1411.1784.
//!
//! ```text
//! the game     min_G max_D   E ln D(x | y) + E ln (1 − D(G(z | y) | y))
//! ```
//!
//! The sizes are the paper's, and so is the dropout in both players.
//!
//! Differs from the paper: weights begin as Glorot's (it does not say how); the discriminator ends in a logit, whose logistic
//! function is in the loss.
//!
//! Axes: `B` batch, `C` classes.

use eras_nn::{Activation, Dense, Dropout, Maxout, Mode, Module};
use eras_tensor::{Rng, Tensor};

/// Both players. Their losses are those of [`gan`](super::gan).
///
/// ```
/// use eras::models::deep_learning::cgan::Cgan;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let cgan = Cgan::new(100, 784, 10, rng);
/// let (z, classes) = (Tensor::uniform([2, 100], 0.0, 1.0, rng), Tensor::from([3i64, 7]));
/// let pictures = cgan.generator.forward(&z, &classes, &Mode::eval());
/// assert_eq!(pictures.shape(), [2, 784]);
/// assert_eq!(cgan.discriminator.forward(&pictures, &classes, &Mode::eval()).shape(), [2, 1]);
/// ```
#[derive(Debug, Clone, Module)]
pub struct Cgan {
    /// Draws pictures of a class.
    pub generator: Generator,
    /// Tells them from real pictures of that class.
    pub discriminator: Discriminator,
}

/// Noise and class to a picture: 200 and 1,000 rectified units, 1,200 together.
#[derive(Debug, Clone, Module)]
pub struct Generator {
    of_noise: Dense,
    of_class: Dense,
    together: Dense,
    output: Dense,
    dropout: Dropout,
    classes: usize,
}

/// Picture and class to a logit: 240 and 50 maxout units of 5 pieces, 240 of 4 pieces together.
#[derive(Debug, Clone, Module)]
pub struct Discriminator {
    of_picture: Maxout,
    of_class: Maxout,
    together: Maxout,
    output: Dense,
    dropout: Dropout,
    classes: usize,
}

impl Cgan {
    /// For pictures of so many pixels, each of one of so many classes.
    #[must_use]
    pub fn new(noise: usize, pixels: usize, classes: usize, rng: &mut Rng) -> Self {
        Self::scaled(1.0, noise, pixels, classes, rng)
    }

    /// With `scale` times as many hidden units, rounded up.
    ///
    /// # Panics
    /// If `scale` is not positive.
    #[must_use]
    #[track_caller]
    pub fn scaled(scale: f64, noise: usize, pixels: usize, classes: usize, rng: &mut Rng) -> Self {
        assert!(scale > 0.0, "scaled: wanted a positive scale, got {scale}");
        let n = |units: f64| (scale * units).ceil() as usize;
        let dropout = Dropout::new(0.5);
        let generator = Generator {
            of_noise: Dense::new(noise, n(200.0), rng).relu(),
            of_class: Dense::new(classes, n(1000.0), rng).relu(),
            together: Dense::new(n(200.0) + n(1000.0), n(1200.0), rng).relu(),
            output: Dense::new(n(1200.0), pixels, rng).activation(Activation::Sigmoid),
            dropout,
            classes,
        };
        let discriminator = Discriminator {
            of_picture: Maxout::new(pixels, n(240.0), 5, rng),
            of_class: Maxout::new(classes, n(50.0), 5, rng),
            together: Maxout::new(n(240.0) + n(50.0), n(240.0), 4, rng),
            output: Dense::new(n(240.0), 1, rng),
            dropout,
            classes,
        };
        Self {
            generator,
            discriminator,
        }
    }
}

impl Generator {
    /// Noise `z (B, noise)` and `classes (B)` in `i64` to pictures `(B, pixels)` within (0, 1).
    ///
    /// # Panics
    /// If the shapes do not fit, or there is no such class.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, z: &Tensor, classes: &Tensor, mode: &Mode) -> Tensor {
        let drop = |x: &Tensor| self.dropout.forward(x, mode);
        let z = drop(&self.of_noise.forward(z));
        let y = drop(&self.of_class.forward(&classes.one_hot(self.classes)));
        let h = self.together.forward(&Tensor::concat(&[z, y], 1));
        self.output.forward(&drop(&h))
    }
}

impl Discriminator {
    /// Pictures `x (B, pixels)` and `classes (B)` in `i64` to the logit `(B, 1)` of their being real.
    ///
    /// # Panics
    /// If the shapes do not fit, or there is no such class.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, classes: &Tensor, mode: &Mode) -> Tensor {
        let drop = |x: &Tensor| self.dropout.forward(x, mode);
        let x = drop(&self.of_picture.forward(x));
        let y = drop(&self.of_class.forward(&classes.one_hot(self.classes)));
        let h = self.together.forward(&Tensor::concat(&[x, y], 1));
        self.output.forward(&drop(&h))
    }
}

#[cfg(test)]
mod tests {
    use super::super::gan::{discriminator_loss, generator_loss};
    use super::*;
    use eras_nn::{Adam, Optimizer};

    #[test]
    fn each_class_is_drawn_as_it_was_asked_for() {
        let rng = &mut Rng::new(0);
        let mut cgan = Cgan::scaled(0.05, 4, 3, 3, rng);
        let mut players = [0, 1].map(|_| Adam::new(2e-3).betas(0.5, 0.999));
        // Pixel `y` is light in a picture of class `y`, the others are dark.
        let classes = Tensor::arange(60).remainder(&Tensor::from(3i64));
        let real = classes.one_hot(3) * 0.6 + 0.2;
        for step in 0..1500 {
            let mode = Mode::train(0, step);
            let Cgan {
                generator,
                discriminator,
            } = &mut cgan;
            let z = Tensor::uniform([60, 4], 0.0, 1.0, rng);
            let made = generator.forward(&z, &classes, &mode);
            let loss = discriminator_loss(
                &discriminator.forward(&real, &classes, &mode),
                &discriminator.forward(&made.detach(), &classes, &mode),
            );
            players[0].step(discriminator, &loss.backward());
            let loss = discriminator
                .frozen(|judge| generator_loss(&judge.forward(&made, &classes, &mode)));
            players[1].step(generator, &loss.backward());
        }
        let z = Tensor::uniform([60, 4], 0.0, 1.0, rng);
        let made = cgan.generator.forward(&z, &classes, &Mode::eval());
        assert_eq!(made.argmax(1).to_vec::<i64>(), classes.to_vec::<i64>());
        assert!(made.to_vec::<f32>().iter().all(|x| (0.0..=1.0).contains(x)));
    }

    #[test]
    fn the_sizes_are_the_papers() {
        let cgan = Cgan::new(100, 784, 10, &mut Rng::new(0));
        let generator = 101 * 200 + 11 * 1000 + 1201 * 1200 + 1201 * 784;
        let discriminator = 785 * 1200 + 11 * 250 + 291 * 960 + 241;
        assert_eq!(cgan.generator.count_params(), generator);
        assert_eq!(cgan.discriminator.count_params(), discriminator);
    }

    #[test]
    #[should_panic(expected = "one_hot: index 3 at [0] leaves the 3 classes")]
    fn a_class_that_is_none_is_refused() {
        let cgan = Cgan::scaled(0.01, 4, 3, 3, &mut Rng::new(0));
        let _x =
            cgan.generator
                .forward(&Tensor::zeros([1, 4]), &Tensor::from([3i64]), &Mode::eval());
    }
}
