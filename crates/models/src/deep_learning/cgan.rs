//! The conditional adversarial net: both players are told what the picture is to show.
//!
//! Mirza & Osindero 2014, "Conditional generative adversarial nets", arXiv:1411.1784.
//!
//! ```text
//! the game     min_G max_D   E ln D(x | y) + E ln (1 − D(G(z | y) | y))
//! ```
//!
//! The sizes are the paper's, and so is the dropout in both players. In the generator it is noise that a picture is made of, as
//! `z` is, and never off: what is learned under it hardly looks at `z`, and without it all pictures of a class would be alike.
//! (So do Isola, Zhu, Zhou & Efros 2017, arXiv:1611.07004.)
//!
//! Weights of the generator begin as He et al. have them, those of the discriminator within ±0.005; this paper does not say.
//!
//! Differs from the paper: the discriminator ends in a logit, whose logistic function is in the loss.
//!
//! Axes: `B` batch, `C` classes.

use super::gan::log_odds;
use eras_nn::{Activation, Dense, Dropout, Init, Maxout, Mode, Module};
use eras_tensor::{Dtype, Rng, Tensor};

/// Both players. Their losses are those of [`gan`](super::gan).
///
/// ```
/// use eras::models::deep_learning::cgan::Cgan;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let cgan = Cgan::new(100, 784, 10, rng);
/// let (z, classes) = (cgan.generator.latent(2, rng), Tensor::from([3i64, 7]));
/// let pictures = cgan.generator.forward(&z, &classes);
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
        let dense = |d_in, d_out, rng: &mut Rng| {
            Dense::with_init(d_in, d_out, Init::he_normal(), rng).relu()
        };
        let narrow = Init::uniform(-0.005, 0.005);
        let maxout = |d_in, units, pieces, rng: &mut Rng| {
            Maxout::with_init(d_in, units, pieces, narrow, rng)
        };
        let generator = Generator {
            of_noise: dense(noise, n(200.0), rng),
            of_class: dense(classes, n(1000.0), rng),
            together: dense(n(200.0) + n(1000.0), n(1200.0), rng),
            output: dense(n(1200.0), pixels, rng).activation(Activation::Sigmoid),
            classes,
        };
        let discriminator = Discriminator {
            of_picture: maxout(pixels, n(240.0), 5, rng),
            of_class: maxout(classes, n(50.0), 5, rng),
            together: maxout(n(240.0) + n(50.0), n(240.0), 4, rng),
            output: Dense::with_init(n(240.0), 1, narrow, rng),
            dropout: Dropout::new(0.5),
            classes,
        };
        Self {
            generator,
            discriminator,
        }
    }

    /// As [`Gan::begin_at`](super::gan::Gan::begin_at): begins to draw with pixels as light as `mean (pixels)`, in any class.
    ///
    /// # Panics
    /// If there are more or fewer pixels.
    #[track_caller]
    pub fn begin_at(&mut self, mean: &Tensor) {
        if let Some(bias) = &mut self.generator.output.linear.bias {
            bias.set(&log_odds(mean));
        }
    }
}

impl Generator {
    /// What `n` pictures are made of, `(n, noise + units)`: noise uniform in [0, 1), and for each hidden unit 0 if it is left out,
    /// which half of them are, else 2.
    #[must_use]
    pub fn latent(&self, n: usize, rng: &mut Rng) -> Tensor {
        let [noise, hidden @ ..] = self.widths();
        let noise = Tensor::uniform([n, noise], 0.0, 1.0, rng);
        let drawn = Tensor::uniform([n, hidden.iter().sum()], 0.0, 1.0, rng);
        let kept = drawn.lt(0.5).to_dtype(Dtype::F32) * 2.0;
        Tensor::concat(&[noise, kept], 1)
    }

    /// [`latent`](Self::latent) `z (B, noise + units)` and `classes (B)` in `i64` to pictures `(B, pixels)` within (0, 1).
    ///
    /// # Panics
    /// If the shapes do not fit, or there is no such class.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, z: &Tensor, classes: &Tensor) -> Tensor {
        let parts = z.split(1, &self.widths());
        let [noise, of_noise, of_class, together] = &parts[..] else {
            unreachable!("as many parts as widths")
        };
        let z = self.of_noise.forward(noise) * of_noise;
        let y = self.of_class.forward(&classes.one_hot(self.classes)) * of_class;
        let h = self.together.forward(&Tensor::concat(&[z, y], 1)) * together;
        self.output.forward(&h)
    }

    /// How many of the numbers of a latent are noise, and how many belong to each hidden layer.
    fn widths(&self) -> [usize; 4] {
        let units = |layer: &Dense| layer.linear.weight.shape()[0];
        [
            self.of_noise.linear.weight.shape()[1],
            units(&self.of_noise),
            units(&self.of_class),
            units(&self.together),
        ]
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
            let made = generator.forward(&generator.latent(60, rng), &classes);
            let loss = discriminator_loss(
                &discriminator.forward(&real, &classes, &mode),
                &discriminator.forward(&made.detach(), &classes, &mode),
            );
            players[0].step(discriminator, &loss.backward());
            let loss = discriminator
                .frozen(|judge| generator_loss(&judge.forward(&made, &classes, &mode)));
            players[1].step(generator, &loss.backward());
        }
        let z = cgan.generator.latent(60, rng);
        let made = cgan.generator.forward(&z, &classes);
        assert_eq!(made.argmax(1).to_vec::<i64>(), classes.to_vec::<i64>());
        assert!(made.to_vec::<f32>().iter().all(|x| (0.0..=1.0).contains(x)));
    }

    #[test]
    fn it_begins_with_pictures_as_light_as_the_data() {
        let rng = &mut Rng::new(0);
        let mut cgan = Cgan::scaled(0.1, 4, 3, 2, rng);
        let mean = Tensor::from([[0.02f32, 0.5, 0.9]]);
        cgan.begin_at(&mean.select(0, 0));
        // With all units left out a picture is what the bias makes of it.
        let z = Tensor::zeros_like(&cgan.generator.latent(1, rng));
        let made = cgan.generator.forward(&z, &Tensor::from([1i64]));
        let off = (made - mean).abs().amax(..).item();
        assert!(off < 1e-6, "{off}");
    }

    #[test]
    fn the_same_noise_draws_differently_where_other_units_are_left_out() {
        let rng = &mut Rng::new(0);
        let cgan = Cgan::scaled(0.1, 4, 3, 2, rng);
        let z = cgan.generator.latent(2, rng);
        let units = z.narrow(1, 4, z.shape()[1] - 4);
        let kept = units.to_vec::<f32>();
        assert!(kept.contains(&0.0) && kept.iter().all(|k| [0.0, 2.0].contains(k)));
        let noise = z.narrow(0, 0, 1).narrow(1, 0, 4);
        let z = Tensor::concat(&[Tensor::concat(&[&noise, &noise], 0), units], 1);
        let made = cgan.generator.forward(&z, &Tensor::from([1i64, 1]));
        let off = made.select(0, 0) - made.select(0, 1);
        assert!(off.abs().amax(..).item() > 1e-3);
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
        let z = cgan.generator.latent(1, &mut Rng::new(0));
        let _x = cgan.generator.forward(&z, &Tensor::from([3i64]));
    }
}
