//! The Wasserstein adversarial net with a gradient penalty on digits and clothes (Gulrajani et al. 2017, arXiv:1704.00028).

use super::adversarial::{self, Adversarial, Common, Contest, Curve, signed, unsigned};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Era, Recipe};
use crate::settings;
use eras_data::Batch;
use eras_models::deep_learning::wgan_gp::{WganGp, gradient_penalty};
use eras_nn::{Adam, Mode, Module, Optimizer, Summary};
use eras_tensor::{Result, Rng, Tensor, no_grad};
use eras_train::{Learner, Parts, Step};
use serde::{Deserialize, Serialize};

/// `eras train wgan-gp`.
pub const WGAN_GP: &dyn Recipe = &Adversarial::<Duel>::new();

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

struct Duel {
    wgan: WganGp,
    of_critic: Adam,
    of_generator: Adam,
    settings: Settings,
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
    type Settings = Settings;

    const CARD: Card = Card {
        name: "wgan-gp",
        title: "The Wasserstein adversarial net with a gradient penalty",
        era: Era::DeepLearning,
        paper: "Gulrajani et al. 2017, Improved training of Wasserstein GANs",
        data: "MNIST (embedded), or Fashion-MNIST",
        promise: "each class 5% to 15% of 10,000 samples, as LeNet sees them",
    };
    const PROMISES: &'static [Promise] = &[
        Promise {
            name: "smallest_class",
            unit: Unit::Share,
            bound: Bound::AtLeast(0.05),
        },
        Promise {
            name: "largest_class",
            unit: Unit::Share,
            bound: Bound::AtMost(0.15),
        },
    ];
    const STORY: &'static str = include_str!("../../stories/wgan-gp.md");
    const CURVES: &'static [Curve] = &[
        (
            "The critic's loss",
            &[("training", "loss"), ("on the test set", "val_loss")],
        ),
        ("The distance that the critic sees", &[("made", "distance")]),
        ("Fréchet distance", &[("made", "val_frechet_distance")]),
    ];

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn check(settings: &Settings) -> Result<()> {
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
        adversarial::check_optimizer(settings.lr, ("beta1", settings.beta1))
    }

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

    fn summary(&self) -> Summary {
        Summary::of(&self.wgan, |n| {
            let (z, mode) = (self.noise(n, &mut Rng::new(0)), &Mode::train(0, 0));
            let WganGp { generator, critic } = &self.wgan;
            critic.forward(&generator.forward(&z, mode))
        })
    }

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
