//! Generative adversarial nets on digits and clothes (Goodfellow et al. 2014, arXiv:1406.2661).

use super::adversarial::{self, Adversarial, Common, Contest, Players};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Era, Recipe};
use crate::settings;
use eras_data::{Batch, Images};
use eras_models::deep_learning::gan::{Gan, discriminator_loss};
use eras_nn::{Layer, Mode, Sequential, Sgd, Summary};
use eras_tensor::{Result, Rng, Tensor, no_grad};
use eras_train::{Learner, Parts, Step};
use serde::{Deserialize, Serialize};

/// `eras train gan`.
pub const GAN: &dyn Recipe = &Adversarial::<Duel>::new();

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(flatten)]
    common: Common,
    /// Numbers that a picture is made of.
    noise: usize,
    /// Units of each hidden layer of the generator, and of the discriminator.
    hidden: usize,
    maxout: usize,
    /// Of stochastic gradient descent.
    lr: f64,
    momentum: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            common: Common::new(20, 100),
            noise: 100,
            hidden: 1200,
            maxout: 240,
            lr: 0.1,
            momentum: 0.5,
        }
    }
}

/// Of a picture.
const PIXELS: usize = 28 * 28;

struct Duel {
    gan: Gan,
    players: Players,
    noise: usize,
    batch_size: usize,
}

impl Learner for Duel {
    fn numbers(&self) -> Vec<&'static str> {
        Players::NUMBERS.to_vec()
    }

    fn step(&mut self, batch: &Batch, mode: &Mode) -> Step {
        let real = batch.x.flatten(1, -1);
        let z = self.noise(real.shape()[0], &mut mode.rng());
        let Gan {
            generator,
            discriminator,
        } = &mut self.gan;
        let made = generator.apply(&z, mode);
        let logits = |judge: &Sequential, x: &Tensor| judge.apply(x, mode);
        self.players
            .round(generator, discriminator, &real, &made, logits)
    }

    fn parts(&mut self) -> Parts<'_> {
        self.players.parts(&mut self.gan)
    }
}

impl Contest for Duel {
    type Settings = Settings;

    const CARD: Card = Card {
        name: "gan",
        title: "Generative adversarial nets: a counterfeiter and the police",
        era: Era::DeepLearning,
        paper: "Goodfellow et al. 2014, Generative adversarial nets",
        data: "MNIST (embedded), or Fashion-MNIST",
        promise: "Fréchet distance of 10,000 samples at most 30 in LeNet's features, a tenth of that of noise",
    };
    const PROMISES: &'static [Promise] = &[Promise {
        name: "frechet_distance",
        unit: Unit::Plain,
        bound: Bound::AtMost(30.0),
    }];
    const STORY: &'static str = include_str!("../../stories/gan.md");

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn check(settings: &Settings) -> Result<()> {
        let rules = [
            (settings.noise > 0, "noise", "at least 1"),
            (settings.hidden > 0, "hidden", "at least 1"),
            (settings.maxout > 0, "maxout", "at least 1"),
        ];
        settings::want(&rules)?;
        adversarial::check_optimizer(settings.lr, ("momentum", settings.momentum))
    }

    fn new(settings: &Settings) -> Self {
        let Settings {
            noise,
            hidden,
            maxout,
            lr,
            momentum,
            ..
        } = *settings;
        let rng = &mut Rng::new(settings.common.seed);
        Self {
            gan: Gan::with_units(noise, PIXELS, [hidden, maxout], rng),
            players: Players::new(Sgd::new(lr).momentum(momentum)),
            noise,
            batch_size: settings.common.batch_size,
        }
    }

    fn begin(&mut self, train: &Images) -> Result<()> {
        self.gan.begin_at(&adversarial::mean_picture(train)?);
        Ok(())
    }

    fn summary(&self) -> Summary {
        Summary::of(&self.gan, |n| {
            let (z, mode) = (self.noise(n, &mut Rng::new(0)), &Mode::train(0, 0));
            let Gan {
                generator,
                discriminator,
            } = &self.gan;
            discriminator.apply(&generator.apply(&z, mode), mode)
        })
    }

    fn samples_per_step(&self) -> usize {
        self.batch_size
    }

    fn noise(&self, n: usize, rng: &mut Rng) -> Tensor {
        Tensor::randn([n, self.noise], rng)
    }

    fn pictures(&self, z: &Tensor, _classes: &Tensor) -> Tensor {
        let x = self.gan.generator.apply(z, &Mode::eval());
        x.reshape([x.shape()[0], 1, 28, 28])
    }

    fn held_out(&self, real: &Tensor, made: &Tensor, _classes: &Tensor) -> f64 {
        let logits = |x: &Tensor| {
            let x = x.flatten(1, -1);
            self.gan.discriminator.apply(&x, &Mode::eval())
        };
        no_grad(|| discriminator_loss(&logits(real), &logits(made)).item())
    }
}
