//! The conditional adversarial net on digits and clothes (Mirza & Osindero 2014, arXiv:1411.1784).

use super::adversarial::{self, Common, Contest, Game, Players};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prepared, Recipe, SampleRequest, Sampled};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use eras_data::{Batch, Mnist};
use eras_models::deep_learning::cgan::{Cgan, Discriminator};
use eras_models::deep_learning::gan::discriminator_loss;
use eras_nn::{Mode, Sgd};
use eras_tensor::{Result, Rng, Tensor, no_grad};
use eras_train::{Learner, Parts, Step};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train cgan`.
#[derive(Debug)]
pub struct CganRecipe;

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

impl Recipe for CganRecipe {
    fn card(&self) -> Card {
        Card {
            name: "cgan",
            title: "The conditional adversarial net: digits to order",
            era: Era::DeepLearning,
            paper: "Mirza & Osindero 2014, Conditional generative adversarial nets",
            data: "MNIST (embedded), or Fashion-MNIST",
            promise: "90% of 10,000 samples read as the class that was asked for",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![promise("as_asked_for", Unit::Share, Bound::AtLeast(0.9))]
    }

    fn unit(&self, number: &str) -> Unit {
        adversarial::unit(number)
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        Ok(Box::new(game(config, config.data.as_deref())?))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let config = run.config();
        let game = game(config, data.or(config.data.as_deref()))?;
        adversarial::evaluate(game, run)
    }

    fn sample(&self, run: &Run, request: &SampleRequest) -> Result<Sampled> {
        let settings = settings(run.config())?;
        adversarial::sample(Duel::new(&settings), &settings.common.dataset, run, request)
    }
}

/// The settings of a run, checked.
fn settings(config: &Config) -> Result<Settings> {
    let settings: Settings = settings::read(&config.settings)?;
    settings.common.check()?;
    let rules = [
        (settings.noise > 0, "noise", "at least 1"),
        (
            settings.scale > 0.0 && settings.scale <= 16.0,
            "scale",
            "a number above 0, at most 16",
        ),
    ];
    settings::want(&rules)?;
    adversarial::check_optimizer(settings.lr, ("momentum", settings.momentum))?;
    Ok(settings)
}

fn game(config: &Config, folder: Option<&Path>) -> Result<Game<Duel>> {
    let settings = settings(config)?;
    let data = settings.common.data(folder)?;
    Ok(Game {
        recipe: &CganRecipe,
        story: include_str!("../../stories/cgan.md"),
        contest: Duel::new(&settings),
        common: settings.common,
        data,
    })
}

struct Duel {
    cgan: Cgan,
    players: Players,
    noise: usize,
    batch_size: usize,
}

impl Duel {
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
            noise,
            batch_size: settings.common.batch_size,
        }
    }
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
        let made = generator.forward(&z, classes, mode);
        let logits = |judge: &Discriminator, x: &Tensor| judge.forward(x, classes, mode);
        self.players
            .round(generator, discriminator, &real, &made, logits)
    }

    fn parts(&mut self) -> Parts<'_> {
        self.players.parts(&mut self.cgan)
    }
}

impl Contest for Duel {
    const CONDITIONAL: bool = true;

    fn samples_per_step(&self) -> usize {
        self.batch_size
    }

    fn noise(&self, n: usize, rng: &mut Rng) -> Tensor {
        Tensor::uniform([n, self.noise], 0.0, 1.0, rng)
    }

    /// Uniform noise fills a cube, and so does what lies between.
    fn between(&self, a: &Tensor, b: &Tensor, t: f64) -> Tensor {
        a * (1.0 - t) + b * t
    }

    fn pictures(&self, z: &Tensor, classes: &Tensor) -> Tensor {
        let x = self.cgan.generator.forward(z, classes, &Mode::eval());
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
