//! The conditional adversarial net on digits and clothes (Mirza & Osindero 2014, arXiv:1411.1784).

use super::adversarial::{self, Adversarial, Common, Contest, Players};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Era, Recipe};
use crate::settings;
use eras_data::{Batch, Images, Mnist};
use eras_models::deep_learning::cgan::{Cgan, Discriminator};
use eras_models::deep_learning::gan::discriminator_loss;
use eras_nn::{Mode, Sgd, Summary};
use eras_tensor::{Result, Rng, Tensor, no_grad};
use eras_train::{Learner, Parts, Step};
use serde::{Deserialize, Serialize};

/// `eras train cgan`.
pub const CGAN: &dyn Recipe = &Adversarial::<Duel>::new();

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(flatten)]
    common: Common,
    /// Numbers that a picture is made of.
    noise: usize,
    /// Of the paper's hidden units.
    scale: f64,
    /// Of stochastic gradient descent.
    lr: f64,
    momentum: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            common: Common::new(20, 100),
            noise: 100,
            scale: 1.0,
            lr: 0.1,
            momentum: 0.5,
        }
    }
}

struct Duel {
    cgan: Cgan,
    players: Players,
    batch_size: usize,
}

impl Learner for Duel {
    fn numbers(&self) -> Vec<&'static str> {
        Players::NUMBERS.to_vec()
    }

    fn step(&mut self, batch: &Batch, mode: &Mode) -> Step {
        let (real, classes) = (batch.x.flatten(1, -1), &batch.y);
        let z = self.noise(real.shape()[0], &mut mode.rng());
        let Cgan {
            generator,
            discriminator,
        } = &mut self.cgan;
        let made = generator.forward(&z, classes);
        let logits = |judge: &Discriminator, x: &Tensor| judge.forward(x, classes, mode);
        self.players
            .round(generator, discriminator, &real, &made, logits)
    }

    fn parts(&mut self) -> Parts<'_> {
        self.players.parts(&mut self.cgan)
    }
}

impl Contest for Duel {
    type Settings = Settings;

    const CARD: Card = Card {
        name: "cgan",
        title: "The conditional adversarial net: digits to order",
        era: Era::DeepLearning,
        paper: "Mirza & Osindero 2014, Conditional generative adversarial nets",
        data: "MNIST (embedded), or Fashion-MNIST",
        promise: "90% of 10,000 samples read as the class that was asked for; Fréchet distance at most 10 in LeNet's features",
    };
    const PROMISES: &'static [Promise] = &[
        Promise {
            name: "as_asked_for",
            unit: Unit::Share,
            bound: Bound::AtLeast(0.9),
        },
        Promise {
            name: "frechet_distance",
            unit: Unit::Plain,
            bound: Bound::AtMost(10.0),
        },
    ];
    const STORY: &'static str = include_str!("../../stories/cgan.md");
    const CONDITIONAL: bool = true;

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn check(settings: &Settings) -> Result<()> {
        let rules = [
            (settings.noise > 0, "noise", "at least 1"),
            (
                settings.scale > 0.0 && settings.scale <= 16.0,
                "scale",
                "a number above 0, at most 16",
            ),
        ];
        settings::want(&rules)?;
        adversarial::check_optimizer(settings.lr, ("momentum", settings.momentum))
    }

    fn new(settings: &Settings) -> Self {
        let Settings {
            noise,
            scale,
            lr,
            momentum,
            ..
        } = *settings;
        let (pixels, classes) = (28 * 28, Mnist::CLASSES.len()); // as many as Fashion-MNIST's
        let rng = &mut Rng::new(settings.common.seed);
        Self {
            cgan: Cgan::scaled(scale, noise, pixels, classes, rng),
            players: Players::new(Sgd::new(lr).momentum(momentum)),
            batch_size: settings.common.batch_size,
        }
    }

    fn begin(&mut self, train: &Images) -> Result<()> {
        self.cgan.begin_at(&adversarial::mean_picture(train)?);
        Ok(())
    }

    fn summary(&self) -> Summary {
        Summary::of(&self.cgan, |n| {
            let (z, mode) = (self.noise(n, &mut Rng::new(0)), &Mode::train(0, 0));
            let Cgan {
                generator,
                discriminator,
            } = &self.cgan;
            let classes = Tensor::from(vec![0i64; n]);
            discriminator.forward(&generator.forward(&z, &classes), &classes, mode)
        })
    }

    fn samples_per_step(&self) -> usize {
        self.batch_size
    }

    fn noise(&self, n: usize, rng: &mut Rng) -> Tensor {
        self.cgan.generator.latent(n, rng)
    }

    /// Uniform noise fills a cube, and so does what lies between.
    fn between(&self, a: &Tensor, b: &Tensor, t: f64) -> Tensor {
        a * (1.0 - t) + b * t
    }

    fn pictures(&self, z: &Tensor, classes: &Tensor) -> Tensor {
        let x = self.cgan.generator.forward(z, classes);
        x.reshape([x.shape()[0], 1, 28, 28])
    }

    fn held_out(&self, real: &Tensor, made: &Tensor, classes: &Tensor) -> f64 {
        let logits = |x: &Tensor| {
            let x = x.flatten(1, -1);
            self.cgan.discriminator.forward(&x, classes, &Mode::eval())
        };
        no_grad(|| discriminator_loss(&logits(real), &logits(made)).item())
    }
}
