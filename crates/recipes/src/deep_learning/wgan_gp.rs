//! The Wasserstein adversarial net with a gradient penalty on digits and clothes (Gulrajani et al. 2017, arXiv:1704.00028).

use super::adversarial::{self, Common, Contest, Curve, Game, signed, unsigned};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prepared, Recipe};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use eras_data::Batch;
use eras_models::deep_learning::wgan_gp::{WganGp, gradient_penalty};
use eras_nn::{Adam, Mode, Module, Optimizer};
use eras_tensor::{Result, Rng, Tensor, no_grad};
use eras_train::{Learner, Parts, Step};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train wgan-gp`.
#[derive(Debug)]
pub struct WganGpRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(flatten)]
    common: Common,
    /// Numbers that a picture is made of.
    noise: usize,
    /// Channels at 14 x 14; at 7 x 7 there are twice as many.
    width: usize,
    /// Steps of the critic for each of the generator.
    critic_steps: usize,
    /// How much the penalty counts.
    lambda: f64,
    /// Adam's; its `beta2` is 0.9.
    lr: f64,
    beta1: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            common: Common::new(8, 64),
            noise: 100,
            width: 32,
            critic_steps: 5,
            lambda: 10.0,
            lr: 3e-4,
            beta1: 0.0,
        }
    }
}

impl Recipe for WganGpRecipe {
    fn card(&self) -> Card {
        Card {
            name: "wgan-gp",
            title: "The Wasserstein adversarial net with a gradient penalty",
            era: Era::DeepLearning,
            paper: "Gulrajani et al. 2017, Improved training of Wasserstein GANs",
            data: "MNIST (embedded), or Fashion-MNIST",
            promise: "each class 5% to 15% of 10,000 samples, as LeNet sees them",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![
            promise("frechet_distance", Unit::Plain, Bound::AtMost(30.0)),
            promise("smallest_class", Unit::Share, Bound::AtLeast(0.05)),
            promise("largest_class", Unit::Share, Bound::AtMost(0.15)),
        ]
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
}

fn game(config: &Config, folder: Option<&Path>) -> Result<Game<Duel>> {
    let settings: Settings = settings::read(&config.settings)?;
    settings.common.check()?;
    let rules = [
        (settings.noise > 0, "noise", "at least 1"),
        (settings.width > 0, "width", "at least 1"),
        (settings.critic_steps > 0, "critic_steps", "at least 1"),
        (
            settings.lambda.is_finite() && settings.lambda >= 0.0,
            "lambda",
            "a number from 0",
        ),
    ];
    settings::want(&rules)?;
    adversarial::check_adam(settings.lr, settings.beta1)?;
    let data = settings.common.data(folder)?;
    Ok(Game {
        recipe: &WganGpRecipe,
        story: include_str!("../../stories/wgan-gp.md"),
        contest: Duel::new(&settings),
        common: settings.common,
        data,
    })
}

struct Duel {
    wgan: WganGp,
    of_critic: Adam,
    of_generator: Adam,
    settings: Settings,
}

impl Duel {
    fn new(settings: &Settings) -> Self {
        let rng = &mut Rng::new(settings.common.seed);
        let adam = || Adam::new(settings.lr).betas(settings.beta1, 0.9);
        Self {
            wgan: WganGp::new(settings.noise, settings.width, rng),
            of_critic: adam(),
            of_generator: adam(),
            settings: settings.clone(),
        }
    }
}

impl Learner for Duel {
    fn numbers(&self) -> Vec<&'static str> {
        vec!["distance", "penalty", "generator_loss"]
    }

    /// Several steps of the critic, each with pictures of its own, and one of the generator.
    fn step(&mut self, batch: &Batch, mode: &Mode) -> Step {
        let Settings {
            critic_steps,
            lambda,
            common: Common { batch_size, .. },
            ..
        } = self.settings;
        let rng = &mut mode.rng();
        let real = signed(&batch.x);
        let (mut distances, mut penalties) = (0.0, 0.0);
        for i in 0..critic_steps {
            let real = real.narrow(0, i * batch_size, batch_size);
            let z = self.noise(batch_size, rng);
            let WganGp { generator, critic } = &mut self.wgan;
            let made = no_grad(|| generator.forward(&z, mode));
            let distance = critic.forward(&real).mean(..) - critic.forward(&made).mean(..);
            let penalty = gradient_penalty(|x| critic.forward(x), &real, &made, rng);
            distances += distance.item();
            penalties += penalty.item();
            let loss = penalty * lambda - distance;
            self.of_critic.step(critic, &loss.backward());
        }
        let z = self.noise(batch_size, rng);
        let WganGp { generator, critic } = &mut self.wgan;
        let made = generator.forward(&z, mode);
        let loss = -critic.frozen(|held| held.forward(&made).mean(..));
        self.of_generator.step(generator, &loss.backward());
        let [distance, penalty] = [distances, penalties].map(|sum| sum / critic_steps as f64);
        Step {
            loss: lambda * penalty - distance,
            numbers: vec![distance, penalty, loss.item()],
        }
    }

    fn parts(&mut self) -> Parts<'_> {
        let optimizers: Vec<(&'static str, &mut dyn Optimizer)> = vec![
            ("critic", &mut self.of_critic),
            ("generator", &mut self.of_generator),
        ];
        Parts {
            model: &mut self.wgan,
            optimizers,
        }
    }
}

impl Contest for Duel {
    const CURVES: &'static [Curve] = &[
        (
            "The critic's loss",
            &[("training", "loss"), ("on the test set", "val_loss")],
        ),
        ("The distance that the critic sees", &[("made", "distance")]),
        ("Fréchet distance", &[("made", "val_frechet_distance")]),
    ];

    fn samples_per_step(&self) -> usize {
        self.settings.critic_steps * self.settings.common.batch_size
    }

    fn noise(&self, n: usize, rng: &mut Rng) -> Tensor {
        Tensor::randn([n, self.settings.noise], rng)
    }

    fn pictures(&self, z: &Tensor, _classes: &Tensor) -> Tensor {
        unsigned(&self.wgan.generator.forward(z, &Mode::eval()))
    }

    fn held_out(&self, real: &Tensor, made: &Tensor, _classes: &Tensor) -> f64 {
        let critic = &self.wgan.critic;
        let [real, made] = [real, made].map(signed);
        let score = |x: &Tensor| no_grad(|| critic.forward(x).mean(..).item());
        let rng = &mut Rng::new(self.settings.common.seed);
        let penalty = gradient_penalty(|x| critic.forward(x), &real, &made, rng).item();
        self.settings.lambda * penalty - score(&real) + score(&made)
    }
}
