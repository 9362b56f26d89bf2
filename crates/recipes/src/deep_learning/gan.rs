//! Generative adversarial nets on digits and clothes (Goodfellow et al. 2014, arXiv:1406.2661).

use super::adversarial::{self, Common, Contest, Game, Players};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prepared, Recipe, SampleRequest, Sampled};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use eras_data::{Batch, Dataset};
use eras_models::deep_learning::gan::{Gan, discriminator_loss};
use eras_nn::{Layer, Mode, Sequential, Sgd};
use eras_tensor::{Result, Rng, Tensor, no_grad};
use eras_train::{Learner, Parts, Step};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train gan`.
#[derive(Debug)]
pub struct GanRecipe;

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

impl Recipe for GanRecipe {
    fn card(&self) -> Card {
        Card {
            name: "gan",
            title: "Generative adversarial nets: a counterfeiter and the police",
            era: Era::DeepLearning,
            paper: "Goodfellow et al. 2014, Generative adversarial nets",
            data: "MNIST (embedded), or Fashion-MNIST",
            promise: "Fréchet distance of 10,000 samples at most 75 in LeNet's features, a quarter of that of noise",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![promise(
            "frechet_distance",
            Unit::Plain,
            Bound::AtMost(75.0),
        )]
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
        (settings.hidden > 0, "hidden", "at least 1"),
        (settings.maxout > 0, "maxout", "at least 1"),
    ];
    settings::want(&rules)?;
    adversarial::check_optimizer(settings.lr, ("momentum", settings.momentum))?;
    Ok(settings)
}

fn game(config: &Config, folder: Option<&Path>) -> Result<Game<Duel>> {
    let settings = settings(config)?;
    let data = settings.common.data(folder)?;
    let mut contest = Duel::new(&settings);
    let first: Vec<usize> = (0..data[0].len().min(10_000)).collect();
    contest
        .gan
        .begin_at(&data[0].flat().batch(&first)?.x.mean(0));
    Ok(Game {
        recipe: &GanRecipe,
        story: include_str!("../../stories/gan.md"),
        contest,
        common: settings.common,
        data,
    })
}

/// Of a picture.
const PIXELS: usize = 28 * 28;

struct Duel {
    gan: Gan,
    players: Players,
    noise: usize,
    batch_size: usize,
}

impl Duel {
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
