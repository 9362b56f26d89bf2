//! Adversarial recipes: each says what its two networks are, how they learn from each other and what it promises; the rest is
//! here.

mod game;
mod page;
mod players;

pub(crate) use page::{growth, strip};
pub(crate) use players::Players;

use super::sampling;
use crate::classification;
use crate::promise::{Promise, Unit};
use crate::recipe::{Card, Evaluation, Prepared, Recipe, SampleRequest, Sampled};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use crate::small_gray;
use eras_data::{Dataset, Images};
use eras_nn::Summary;
use eras_tensor::{Result, Rng, Tensor, no_grad};
use eras_train::Learner;
use game::Game;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use std::path::Path;
use toml::Table;

/// Settings of all of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Common {
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    pub(crate) seed: u64,
    /// `mnist` or `fashion-mnist`.
    pub(crate) dataset: String,
    /// Of the training set, the first so many pictures; 0 for all.
    pub(crate) limit: usize,
    /// Pictures that are made to be judged.
    pub(crate) judged: usize,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    pub(crate) checkpoint_steps: u64,
}

impl Common {
    pub(crate) fn new(epochs: usize, batch_size: usize) -> Self {
        Self {
            epochs,
            batch_size,
            seed: 0,
            dataset: "mnist".into(),
            limit: 0,
            judged: 10_000,
            checkpoint_steps: 0,
        }
    }

    fn check(&self) -> Result<()> {
        classification::check_loop(self.epochs, self.batch_size)?;
        let rules = [
            (self.batch_size > 1, "batch_size", "at least 2"),
            (self.judged >= 10, "judged", "at least 10"),
        ];
        settings::want(&rules)?;
        small_gray::check(&self.dataset)
    }
}

/// Refuses a learning rate, and a share (`momentum`, `beta1`) of what is kept from step to step, that optimizers would.
pub(crate) fn check_optimizer(lr: f64, kept: (&str, f64)) -> Result<()> {
    let rules = [
        (lr.is_finite() && lr > 0.0, "lr", "a number above 0"),
        (
            (0.0..1.0).contains(&kept.1),
            kept.0,
            "a number from 0 to below 1",
        ),
    ];
    settings::want(&rules)
}

/// How light each pixel is on average in up to 10,000 pictures: `(H * W)`.
pub(crate) fn mean_picture(train: &Images) -> Result<Tensor> {
    let first: Vec<usize> = (0..train.len().min(10_000)).collect();
    Ok(train.flat().batch(&first)?.x.mean(0))
}

/// A chart: its title, and the numbers of an epoch with the names of their lines.
pub(crate) type Curve = (&'static str, &'static [(&'static str, &'static str)]);

/// Two networks that learn from each other, of which one makes pictures of 28 x 28: what makes a recipe.
pub(crate) trait Contest: Learner + Sized + 'static {
    /// Those of the networks and their optimizers, and the common ones.
    type Settings: Default + Serialize + DeserializeOwned;

    const CARD: Card;
    const PROMISES: &'static [Promise];
    /// What it was, why it mattered, where it stopped, what came next.
    const STORY: &'static str;
    /// Whether pictures are made of a class that is asked for.
    const CONDITIONAL: bool = false;
    /// The charts of the training.
    const CURVES: &'static [Curve] = &[
        (
            "Losses",
            &[
                ("discriminator", "loss"),
                ("on the test set", "val_loss"),
                ("generator", "generator_loss"),
            ],
        ),
        (
            "What the discriminator takes for real",
            &[
                ("of the real", "real_as_real"),
                ("of the made", "made_as_real"),
            ],
        ),
        ("Fréchet distance", &[("made", "val_frechet_distance")]),
    ];

    fn common(settings: &Self::Settings) -> &Common;

    /// Refuses what its own networks and optimizers would.
    fn check(settings: &Self::Settings) -> Result<()>;

    fn new(settings: &Self::Settings) -> Self;

    /// Looks at the training set, before anything is learned.
    fn begin(&mut self, train: &Images) -> Result<()> {
        let _ = train;
        Ok(())
    }

    /// The layers: of the generator, and of the other as it looks at what is made of so many noises.
    fn summary(&self) -> Summary;

    /// Pictures of the training set that a step sees.
    fn samples_per_step(&self) -> usize;

    /// Noise `(n, noise)`.
    fn noise(&self, n: usize, rng: &mut Rng) -> Tensor;

    /// Noise on the way from `a` to `b`, of the same kind, at `t` from 0 to 1.
    fn between(&self, a: &Tensor, b: &Tensor, t: f64) -> Tensor {
        sampling::arc(a, b, t)
    }

    /// What the generator makes of `z (n, noise)` and `classes (n)`: `(n, 1, 28, 28)` within [0, 1].
    fn pictures(&self, z: &Tensor, classes: &Tensor) -> Tensor;

    /// The first loss of a step, without a step, for pictures `real` and `made` `(n, 1, 28, 28)` within [0, 1] of these
    /// classes.
    fn held_out(&self, real: &Tensor, made: &Tensor, classes: &Tensor) -> f64;
}

/// Pictures generated together.
const CHUNK: usize = 500;

/// `n` pictures `(n, 1, 28, 28)` within [0, 1], each of the class that `class` gives it.
fn make(contest: &impl Contest, n: usize, rng: &mut Rng, class: impl Fn(usize) -> i64) -> Tensor {
    no_grad(|| {
        let parts: Vec<Tensor> = (0..n)
            .step_by(CHUNK)
            .map(|start| {
                let end = n.min(start + CHUNK);
                let classes: Vec<i64> = (start..end).map(&class).collect();
                contest.pictures(&contest.noise(end - start, rng), &Tensor::from(classes))
            })
            .collect();
        Tensor::concat(&parts, 0)
    })
}

/// Pictures within [0, 1] as a tanh draws them, within [−1, 1].
pub(crate) fn signed(x: &Tensor) -> Tensor {
    x * 2.0 - 1.0
}

/// The way back.
pub(crate) fn unsigned(x: &Tensor) -> Tensor {
    x * 0.5 + 0.5
}

/// How the numbers are read that a game reports.
pub(crate) fn unit(number: &str) -> Unit {
    match number {
        "generator_loss" | "frechet_distance" | "distance" | "penalty" => Unit::Plain,
        _ => Unit::Share,
    }
}

/// The recipe of a contest.
pub(crate) struct Adversarial<C>(PhantomData<fn() -> C>);

impl<C> Adversarial<C> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

/// The settings of a run, checked.
fn settings<C: Contest>(config: &Config) -> Result<C::Settings> {
    let settings = settings::read(&config.settings)?;
    C::common(&settings).check()?;
    C::check(&settings)?;
    Ok(settings)
}

impl<C: Contest> Recipe for Adversarial<C> {
    fn card(&self) -> Card {
        C::CARD
    }

    fn promises(&self) -> Vec<Promise> {
        C::PROMISES.to_vec()
    }

    fn unit(&self, number: &str) -> Unit {
        unit(number)
    }

    fn defaults(&self) -> Table {
        to_table(&C::Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let settings = settings::<C>(config)?;
        Ok(Box::new(Game::<C>::new(&settings, config.data.as_deref())?))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let config = run.config();
        let settings = settings::<C>(config)?;
        Game::<C>::new(&settings, data.or(config.data.as_deref()))?.evaluate(run)
    }

    fn sample(&self, run: &Run, request: &SampleRequest) -> Result<Sampled> {
        let settings = settings::<C>(run.config())?;
        let dataset = &C::common(&settings).dataset;
        game::sample(C::new(&settings), dataset, run, request)
    }
}
