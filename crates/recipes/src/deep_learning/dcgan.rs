//! The deep convolutional adversarial net on digits and clothes (Radford, Metz & Chintala 2015, arXiv:1511.06434).

use super::adversarial::{self, Adversarial, Common, Contest, Players, signed, unsigned};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Era, Recipe};
use crate::settings;
use eras_data::Batch;
use eras_models::deep_learning::dcgan::{Dcgan, Discriminator};
use eras_models::deep_learning::gan::discriminator_loss;
use eras_nn::{Adam, Mode, Summary};
use eras_tensor::{Result, Rng, Tensor, no_grad};
use eras_train::{Learner, Parts, Step};
use serde::{Deserialize, Serialize};

/// `eras train dcgan`.
pub const DCGAN: &dyn Recipe = &Adversarial::<Duel>::new();

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(flatten)]
    common: Common,
    /// Numbers that a picture is made of.
    noise: usize,
    /// Channels at 14 x 14; at 7 x 7 there are twice as many.
    width: usize,
    /// Adam's.
    lr: f64,
    beta1: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            common: Common::new(12, 128),
            noise: 100,
            width: 64,
            lr: 4e-4,
            beta1: 0.5,
        }
    }
}

struct Duel {
    dcgan: Dcgan,
    players: Players,
    noise: usize,
    batch_size: usize,
}

impl Learner for Duel {
    fn numbers(&self) -> Vec<&'static str> {
        Players::NUMBERS.to_vec()
    }

    fn step(&mut self, batch: &Batch, mode: &Mode) -> Step {
        let real = signed(&batch.x);
        let z = self.noise(real.shape()[0], &mut mode.rng());
        let Dcgan {
            generator,
            discriminator,
        } = &mut self.dcgan;
        let made = generator.forward(&z, mode);
        // Real and made pictures are batches of their own, each with its own statistics.
        let logits = |judge: &Discriminator, x: &Tensor| judge.forward(x, mode);
        self.players
            .round(generator, discriminator, &real, &made, logits)
    }

    fn parts(&mut self) -> Parts<'_> {
        self.players.parts(&mut self.dcgan)
    }
}

impl Contest for Duel {
    type Settings = Settings;

    const CARD: Card = Card {
        name: "dcgan",
        title: "The deep convolutional adversarial net",
        era: Era::DeepLearning,
        paper: "Radford, Metz & Chintala 2015, Unsupervised representation learning with deep convolutional generative adversarial networks",
        data: "MNIST (embedded), or Fashion-MNIST",
        promise: "each class 5% to 18% of 10,000 samples, as LeNet sees them; Fréchet distance at most 15",
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
            bound: Bound::AtMost(0.18),
        },
        Promise {
            name: "frechet_distance",
            unit: Unit::Plain,
            bound: Bound::AtMost(15.0),
        },
    ];
    const STORY: &'static str = include_str!("../../stories/dcgan.md");

    fn common(settings: &Settings) -> &Common {
        &settings.common
    }

    fn check(settings: &Settings) -> Result<()> {
        let rules = [
            (settings.noise > 0, "noise", "at least 1"),
            (settings.width > 0, "width", "at least 1"),
        ];
        settings::want(&rules)?;
        adversarial::check_optimizer(settings.lr, ("beta1", settings.beta1))
    }

    fn new(settings: &Settings) -> Self {
        let rng = &mut Rng::new(settings.common.seed);
        Self {
            dcgan: Dcgan::new(settings.noise, settings.width, rng),
            players: Players::new(Adam::new(settings.lr).betas(settings.beta1, 0.999)),
            noise: settings.noise,
            batch_size: settings.common.batch_size,
        }
    }

    fn summary(&self) -> Summary {
        Summary::of(&self.dcgan, |n| {
            let (z, mode) = (self.noise(n, &mut Rng::new(0)), &Mode::train(0, 0));
            let Dcgan {
                generator,
                discriminator,
            } = &self.dcgan;
            discriminator.forward(&generator.forward(&z, mode), mode)
        })
    }

    fn samples_per_step(&self) -> usize {
        self.batch_size
    }

    fn noise(&self, n: usize, rng: &mut Rng) -> Tensor {
        Tensor::randn([n, self.noise], rng)
    }

    fn pictures(&self, z: &Tensor, _classes: &Tensor) -> Tensor {
        unsigned(&self.dcgan.generator.forward(z, &Mode::eval()))
    }

    fn held_out(&self, real: &Tensor, made: &Tensor, _classes: &Tensor) -> f64 {
        let logits = |x: &Tensor| {
            let x = signed(x);
            self.dcgan.discriminator.forward(&x, &Mode::eval())
        };
        no_grad(|| discriminator_loss(&logits(real), &logits(made)).item())
    }
}
