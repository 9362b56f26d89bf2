//! What recipes have in common that make an objective small on small gray pictures: settings, training with checkpoints and
//! logs, the page, evaluation.

use crate::classification::check_loop;
use crate::cost::{self, Estimate};
use crate::experiment::{self, Findings};
use crate::machine;
use crate::recipe::{Evaluation, Job, Outcome, Prepared, Recipe};
use crate::run::{Fingerprints, Run};
use crate::settings;
use crate::small_gray;
use crate::training::{self, Trained};
use eras_data::{Dataset, Images};
use eras_nn::{Adam, Mode, Module, Schedule, Summary};
use eras_tensor::{Error, Result, Tensor};
use eras_train::{Goal, LrSearch, Objective, Score, Trainer};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Settings of all of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Common {
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    /// Of the weights, the order of the pictures, and all that is drawn.
    pub(crate) seed: u64,
    /// Adam's, of the first step; it falls to 0 along a half cosine.
    pub(crate) lr: f64,
    /// `mnist` or `fashion-mnist`.
    pub(crate) dataset: String,
    /// Of the training set, the first so many pictures; 0 for all.
    pub(crate) limit: usize,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    pub(crate) checkpoint_steps: u64,
}

impl Common {
    pub(crate) fn new(epochs: usize) -> Self {
        Self {
            epochs,
            batch_size: 128,
            seed: 0,
            lr: 1e-3,
            dataset: "mnist".into(),
            limit: 0,
            checkpoint_steps: 0,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_loop(self.epochs, self.batch_size)?;
        let lr = self.lr.is_finite() && self.lr > 0.0;
        settings::want(&[(lr, "lr", "a number above 0")])?;
        small_gray::check(&self.dataset)
    }

    /// Training and test set.
    pub(crate) fn data(&self, folder: Option<&Path>) -> Result<[Images; 2]> {
        small_gray::find(&self.dataset, self.limit, folder)
    }

    /// For so many epochs of so many `samples`.
    pub(crate) fn trainer(&self, epochs: usize, samples: usize) -> Trainer {
        let steps = epochs * samples.div_ceil(self.batch_size);
        Trainer::for_objective(Adam::new(self.lr))
            .batch_size(self.batch_size)
            .epochs(epochs)
            .seed(self.seed)
            .schedule(Schedule::cosine(steps as u64, 0.0))
    }
}

/// Refuses hidden layers without units, and codes without numbers.
pub(crate) fn check_sizes(hidden: &[usize], latent: usize) -> Result<()> {
    let rules = [
        (
            hidden.iter().all(|&units| units > 0),
            "hidden",
            "layers of at least one unit",
        ),
        (latent > 0, "latent", "at least 1"),
    ];
    settings::want(&rules)
}

/// A model, and what it is to make small.
pub(crate) struct Task<M, O> {
    pub(crate) recipe: &'static dyn Recipe,
    pub(crate) story: &'static str,
    pub(crate) common: Common,
    /// Training and test set.
    pub(crate) data: [Images; 2],
    pub(crate) model: M,
    pub(crate) objective: O,
    /// The charts of the training ([`Trained::curves`]).
    pub(crate) curves: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    /// What there is to show of it once it has learned.
    pub(crate) show: Show<M>,
}

type Show<M> = Box<dyn Fn(&Learned<'_, M>) -> Result<Findings>>;

/// What a training came to.
pub(crate) struct Learned<'a, M> {
    pub(crate) model: &'a M,
    /// On the test set.
    pub(crate) score: &'a Score,
    pub(crate) train: &'a Images,
    pub(crate) test: &'a Images,
    pub(crate) common: &'a Common,
    run: &'a Run,
    pub(crate) say: &'a dyn Fn(&str),
    pub(crate) stop: &'a Arc<AtomicBool>,
}

impl<M> Learned<'_, M> {
    /// The number called `name` on the test set.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.score.get(name).unwrap_or(f64::NAN)
    }

    /// Trains another model in the same way, for the page alone.
    pub(crate) fn beside<N: Module>(
        &self,
        mut model: N,
        objective: &impl Objective<N>,
        epochs: usize,
    ) -> Result<N> {
        let trainer = self.common.trainer(epochs, self.train.len());
        let trainer = trainer.stop_when(self.stop.clone());
        let done = trainer.minimize(objective, &mut model, self.train, None);
        done.map_err(|error| training::how_to_go_on(error, self.run))?;
        Ok(model)
    }
}

impl<M: Module, O: Objective<M>> Task<M, O> {
    fn trainer(&self) -> Trainer {
        self.common.trainer(self.common.epochs, self.data[0].len())
    }

    /// What layers there are and what they cost, by a look at the first picture.
    fn summary(&self) -> Result<Summary> {
        let few = |n: usize| self.data[0].batch(&vec![0; n]);
        let batches = [few(2)?, few(3)?];
        Ok(Summary::of(&self.model, |n| {
            let batch = &batches[n - 2];
            self.objective
                .forward(&self.model, batch, &Mode::train(0, 0))
                .loss
        }))
    }

    /// Loss and numbers of the run's latest checkpoint on the test set.
    pub(crate) fn evaluate(mut self, run: &Run) -> Result<Evaluation> {
        training::load(&mut self.model, run)?;
        let [_, test] = &self.data;
        Ok(Evaluation {
            score: self.trainer().measure(&self.objective, &self.model, test)?,
            data_sha256: test.fingerprint(),
            data: self.common.dataset,
        })
    }
}

impl<M: Module, O: Objective<M>> Prepared for Task<M, O> {
    fn data_sha256(&self) -> Fingerprints {
        let [train, test] = &self.data;
        Fingerprints {
            train: train.fingerprint(),
            test: test.fingerprint(),
        }
    }

    fn begin_with(&mut self, weights: &[(String, Tensor)]) -> Result<()> {
        self.model.load_state(weights)
    }

    fn find_lr(&mut self) -> Result<LrSearch> {
        const STEPS: usize = 200;
        let (trainer, [train, _]) = (self.trainer(), &self.data);
        trainer.find_lr_of(&self.objective, &mut self.model, train, 1e-6..=10.0, STEPS)
    }

    fn estimate(&mut self) -> Result<Option<Estimate>> {
        let (trainer, summary) = (self.trainer(), self.summary()?);
        let [train, test] = &self.data;
        let samples = trainer.samples_per_step().min(train.len());
        let step = summary.step(samples, trainer.optimizer());
        cost::check_memory(&step)?;
        let forecast = trainer.forecast_of(&self.objective, &mut self.model, train, Some(test))?;
        Ok(Some(Estimate {
            memory: cost::memory(&step),
            free: machine::free_memory(),
            summary,
            step,
            forecast,
        }))
    }

    fn train(mut self: Box<Self>, mut job: Job<'_>) -> Result<Outcome> {
        let (start, run) = (Instant::now(), job.run);
        let best = Some(Goal::smallest("val_loss"));
        let begun = training::begin(&mut job, best, self.common.checkpoint_steps)?;
        let mut trainer = self.trainer().stop_when(job.stop.clone());
        for callback in begun.callbacks {
            trainer = trainer.boxed_callback(callback);
        }
        let (objective, [train, test]) = (&self.objective, &self.data);
        let history = match &begun.snapshot {
            Some(from) => trainer.minimize_on(objective, &mut self.model, train, Some(test), from),
            None => trainer.minimize(objective, &mut self.model, train, Some(test)),
        };
        let history = history.map_err(|error| training::how_to_go_on(error, run))?;
        let score = history.epochs.last().and_then(|epoch| epoch.valid.clone());
        let score = score.ok_or_else(|| Error::new("the training ended without an epoch"))?;
        let summary = self.summary()?;
        let flops = summary.step(train.len(), trainer.optimizer()).flops
            + summary.forward_flops(test.len());
        let spent = begun
            .meter
            .stop(&history, history.epochs.len() as u64 * flops);
        (job.say)("looking at what was learned ..");
        let findings = (self.show)(&Learned {
            model: &self.model,
            score: &score,
            train,
            test,
            common: &self.common,
            run,
            say: job.say,
            stop: &job.stop,
        })?;
        let trained = Trained {
            history: &history,
            spent,
            sha256: eras_train::hash(&self.model.state()),
            curves: self.curves,
        };
        experiment::report(self.recipe, self.story, run, findings, Some(trained), start)
    }
}
