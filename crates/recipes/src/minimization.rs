//! What recipes have in common that make an objective small: training with checkpoints and logs, what it costs, the page,
//! evaluation.

use crate::cost::{self, Estimate};
use crate::experiment::{self, Findings};
use crate::recipe::{Evaluation, Job, Outcome, Prepared, Recipe};
use crate::run::{Fingerprints, Run};
use crate::training::{self, Trained};
use eras_data::{Dataset, Images};
use eras_nn::{Mode, Module, Summary};
use eras_tensor::{Error, Result, Tensor};
use eras_train::{Callback, Goal, History, LrSearch, Objective, Score, Trainer};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// A model, its data, and what it is to make small.
pub(crate) struct Task<M, O, D = Images> {
    pub(crate) recipe: &'static dyn Recipe,
    pub(crate) story: &'static str,
    /// Of the data.
    pub(crate) name: String,
    /// Training and test set.
    pub(crate) data: [D; 2],
    pub(crate) model: M,
    pub(crate) objective: O,
    pub(crate) trainer: Trainer,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    pub(crate) checkpoint_steps: u64,
    /// The hash of the model in the folder that the training is built on, if on one.
    pub(crate) origin_sha256: Option<String>,
    /// Is told of each epoch, and may leave something in the run.
    pub(crate) watch: Option<Watch>,
    /// What the run keeps beside the weights, by the names of the files.
    pub(crate) keeps: Vec<(&'static str, Vec<u8>)>,
    /// The charts of the training ([`Trained::curves`]).
    pub(crate) curves: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    /// What there is to show of it once it has learned.
    pub(crate) show: Show<M, D>,
}

type Watch = Box<dyn FnOnce(&Run) -> Box<dyn Callback>>;

type Show<M, D> = Box<dyn Fn(&Learned<'_, M, D>) -> Result<Findings>>;

/// What a training came to.
pub(crate) struct Learned<'a, M, D = Images> {
    pub(crate) model: &'a M,
    /// On the test set.
    pub(crate) score: &'a Score,
    /// The smallest loss on the test set after any epoch.
    pub(crate) best_loss: f64,
    pub(crate) train: &'a D,
    pub(crate) test: &'a D,
    /// Of the model.
    pub(crate) summary: &'a Summary,
    pub(crate) history: &'a History,
    /// Samples of the training set that were gone through in a second, in the mean.
    pub(crate) samples_per_second: f64,
    pub(crate) run: &'a Run,
    pub(crate) say: &'a dyn Fn(&str),
    pub(crate) stop: &'a Arc<AtomicBool>,
}

impl<M, D: Dataset> Learned<'_, M, D> {
    /// The number called `name` on the test set.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.score.get(name).unwrap_or(f64::NAN)
    }

    /// Trains another model on the same set, for the page alone.
    pub(crate) fn beside<N: Module>(
        &self,
        mut model: N,
        objective: &impl Objective<N>,
        trainer: Trainer,
    ) -> Result<N> {
        let trainer = trainer.stop_when(self.stop.clone());
        let done = trainer.minimize(objective, &mut model, self.train, None);
        done.map_err(|error| training::how_to_go_on(error, self.run))?;
        Ok(model)
    }
}

impl<M: Module, O: Objective<M>, D: Dataset> Task<M, O, D> {
    /// What layers there are and what they cost, by a look at the first sample; where they differ in length, at one as long as
    /// the mean.
    fn summary(&self) -> Result<Summary> {
        let sample = self.data[0].lengths().map_or(0, |lengths| mean(&lengths));
        let few = |n: usize| self.data[0].batch(&vec![sample; n]);
        let batches = [few(2)?, few(3)?];
        Ok(Summary::of(&self.model, |n| {
            let batch = &batches[n - 2];
            self.objective
                .forward(&self.model, batch, &Mode::train(0, 0))
                .loss
        }))
    }

    /// Is built on the model of this hash.
    pub(crate) fn built_on(mut self, sha256: String) -> Self {
        self.origin_sha256 = Some(sha256);
        self
    }

    /// Loss and numbers of the run's latest checkpoint on the test set.
    pub(crate) fn evaluate(mut self, run: &Run) -> Result<Evaluation> {
        training::load(&mut self.model, run)?;
        self.measured()
    }

    /// Loss and numbers of the model as it is on the test set.
    pub(crate) fn measured(self) -> Result<Evaluation> {
        let [_, test] = &self.data;
        Ok(Evaluation {
            score: self.trainer.measure(&self.objective, &self.model, test)?,
            data_sha256: test.fingerprint(),
            data: self.name,
        })
    }
}

impl<M: Module, O: Objective<M>, D: Dataset> Prepared for Task<M, O, D> {
    fn data_sha256(&self) -> Fingerprints {
        let [train, test] = &self.data;
        Fingerprints::of(train, test)
    }

    fn origin_sha256(&self) -> Option<&str> {
        self.origin_sha256.as_deref()
    }

    fn begin_with(&mut self, weights: &[(String, Tensor)]) -> Result<()> {
        self.model.load_state(weights)
    }

    fn find_lr(&mut self) -> Result<LrSearch> {
        const STEPS: usize = 200;
        let (trainer, [train, _]) = (&self.trainer, &self.data);
        trainer.find_lr_of(&self.objective, &mut self.model, train, 1e-6..=10.0, STEPS)
    }

    fn estimate(&mut self) -> Result<Option<Estimate>> {
        let (trainer, summary) = (&self.trainer, self.summary()?);
        let [train, test] = &self.data;
        let samples = trainer.samples_per_step_of(train)?;
        let step = summary.step(samples, trainer.optimizer());
        cost::check_memory(&step)?;
        let forecast = trainer.forecast_of(&self.objective, &mut self.model, train, Some(test))?;
        Ok(Some(Estimate::of_passes(summary, step, forecast)))
    }

    fn train(self: Box<Self>, mut job: Job<'_>) -> Result<Outcome> {
        let (start, run) = (Instant::now(), job.run);
        let summary = self.summary()?;
        let Self {
            recipe,
            objective,
            data: [train, test],
            mut model,
            mut trainer,
            ..
        } = *self;
        for (name, bytes) in &self.keeps {
            run.write(name, bytes)?;
        }
        let best = Some(Goal::smallest("val_loss"));
        let begun = training::begin(&mut job, best, self.checkpoint_steps)?;
        trainer = trainer.stop_when(job.stop.clone());
        for callback in begun.callbacks {
            trainer = trainer.boxed_callback(callback);
        }
        if let Some(watch) = self.watch {
            trainer = trainer.boxed_callback(watch(run));
        }
        let history = match &begun.snapshot {
            Some(from) => trainer.minimize_on(&objective, &mut model, &train, Some(&test), from),
            None => trainer.minimize(&objective, &mut model, &train, Some(&test)),
        };
        let history = history.map_err(|error| training::how_to_go_on(error, run))?;
        let score = history.epochs.last().and_then(|epoch| epoch.valid.clone());
        let score = score.ok_or_else(|| Error::new("the training ended without an epoch"))?;
        let samples = trainer.samples_per_epoch(&train)?;
        let flops =
            summary.step(samples, trainer.optimizer()).flops + summary.forward_flops(test.len());
        let spent = begun
            .meter
            .stop(&history, history.epochs.len() as u64 * flops);
        (job.say)("looking at what was learned ..");
        let findings = (self.show)(&Learned {
            model: &model,
            score: &score,
            best_loss: best_loss(&history),
            train: &train,
            test: &test,
            summary: &summary,
            history: &history,
            samples_per_second: speed(&history, samples),
            run,
            say: job.say,
            stop: &job.stop,
        })?;
        let trained = Trained {
            history: &history,
            spent,
            sha256: eras_train::hash(&model.state()),
            curves: self.curves,
        };
        experiment::report(recipe, self.story, run, findings, Some(trained), start)
    }
}

fn best_loss(history: &History) -> f64 {
    let losses = history
        .epochs
        .iter()
        .filter_map(|epoch| epoch.valid.as_ref());
    losses.map(|score| score.loss).fold(f64::INFINITY, f64::min)
}

/// The first sample of those whose length is nearest the mean.
fn mean(lengths: &[u32]) -> usize {
    let all: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
    let mean = all / lengths.len().max(1) as u64;
    let far = |i: &usize| u64::from(lengths[*i]).abs_diff(mean);
    (0..lengths.len()).min_by_key(far).unwrap_or(0)
}

/// Samples a second, of epochs of so many.
fn speed(history: &History, samples: usize) -> f64 {
    let seconds: f64 = history.epochs.iter().map(|epoch| epoch.seconds).sum();
    (history.epochs.len() * samples) as f64 / seconds
}

#[cfg(test)]
mod tests {
    use crate::deep_learning::{
        AutoencoderRecipe, CvaeRecipe, DenoisingAutoencoderRecipe, VaeRecipe, VqVaeRecipe,
    };
    use crate::recipe::{Draw, Outcome, Recipe, SampleRequest, Sampled};
    use crate::run::Run;
    use crate::testing::{self, scratch, weights};
    use eras_tensor::Result;
    use std::path::Path;

    /// Trains on the first 320 digits: ten steps an epoch.
    fn train_small(
        recipe: &dyn Recipe,
        more: &[&str],
        folder: &Path,
        stop: Option<u64>,
        resume: bool,
    ) -> Result<Outcome> {
        let small = ["epochs=2", "batch_size=32", "limit=320"];
        testing::train(recipe, &[&small, more].concat(), folder, stop, resume)
    }

    fn samples(
        recipe: &dyn Recipe,
        folder: &Path,
        draw: Draw,
        class: Option<&str>,
    ) -> Result<Sampled> {
        let class = class.map(str::to_owned);
        let request = SampleRequest {
            count: 3,
            draw,
            class,
        };
        recipe.sample(&Run::open(folder)?, &request)
    }

    #[test]
    fn one_that_was_stopped_ends_with_the_same_bits_and_numbers() {
        // The one that keeps more than weights: its codes are running means.
        let recipe = &VqVaeRecipe;
        let small = [
            "hidden=8",
            "codes=8",
            "width=4",
            "prior_channels=8",
            "prior_blocks=1",
            "judged=60",
        ];
        let (whole, cut) = (scratch("vq-vae-whole"), scratch("vq-vae-cut"));
        let first = train_small(recipe, &small, &whole, None, false).unwrap();
        // In the middle of the second epoch.
        let error = train_small(recipe, &small, &cut, Some(13), false).unwrap_err();
        assert!(error.is_interrupted(), "{error}");
        assert_ne!(weights(&cut), weights(&whole));
        let second = train_small(recipe, &small, &cut, None, true).unwrap();
        assert_eq!(weights(&cut), weights(&whole));
        assert_eq!(first.measured, second.measured);
        let evaluation = recipe.evaluate(&Run::open(&cut).unwrap(), None).unwrap();
        assert_eq!(
            evaluation.score.get("bound"),
            Some(second.measured[0].value)
        );

        let Sampled::Pictures(seven) = samples(recipe, &cut, Draw::Seed(7), None).unwrap() else {
            panic!("wanted pictures");
        };
        let way = samples(recipe, &cut, Draw::Between(7, 8), None).unwrap();
        let Sampled::Animations(way) = way else {
            panic!("wanted animations");
        };
        assert_eq!((seven.len(), way.len()), (3, 3));
        assert_eq!(way[1].frames()[0], seven[1]);
        for folder in [whole, cut] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn each_leaves_its_pictures_and_its_numbers_again() {
        /// A recipe, settings, the number of its report that evaluation gives too, and parts of its page.
        type Case<'a> = (&'a dyn Recipe, &'a [&'a str], [&'a str; 2], &'a [&'a str]);
        let cases: [Case<'_>; 4] = [
            (
                &AutoencoderRecipe,
                &["hidden=[16]", "latent=4", "plane_epochs=1"],
                ["squared_error"; 2],
                &["Reconstructions", "No way to draw", "The plane of codes"],
            ),
            (
                &DenoisingAutoencoderRecipe,
                &["hidden=16", "plain_epochs=1"],
                ["squared_error"; 2],
                &["Cleaned", "Filters"],
            ),
            (
                &VaeRecipe,
                &["hidden=[16]", "latent=4", "plane_epochs=1", "judged=60"],
                ["test_bound", "bound"],
                &[
                    "Evidence",
                    "Samples",
                    "Ways",
                    "The plane of codes",
                    "Judged",
                ],
            ),
            (
                &CvaeRecipe,
                &["hidden=[16]", "latent=4", "judged=60"],
                ["test_bound", "bound"],
                &["Samples", "The hand", "Read by Bayes", "Judged"],
            ),
        ];
        for (recipe, more, [measured, evaluated], titles) in cases {
            let name = recipe.card().name;
            let folder = scratch(name);
            let outcome = train_small(recipe, more, &folder, None, false).unwrap();
            let found = outcome
                .measured
                .iter()
                .find(|number| number.name == measured);
            let found = found.unwrap_or_else(|| panic!("{name}: {measured}")).value;
            let evaluation = recipe.evaluate(&Run::open(&folder).unwrap(), None).unwrap();
            let again = evaluation.score.get(evaluated).unwrap();
            // What is spoiled to be measured is drawn anew.
            let within = if name.starts_with("denoising") {
                0.01 * found
            } else {
                0.0
            };
            assert!(
                (found - again).abs() <= within,
                "{name}: {found} and {again}"
            );
            let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
            for title in titles {
                assert!(page.contains(&format!("<h2>{title}")), "{name}: {title}");
            }
            match name {
                "vae" => {
                    let refused = samples(recipe, &folder, Draw::Seed(0), Some("3")).unwrap_err();
                    assert!(refused.is_usage(), "{refused}");
                    samples(recipe, &folder, Draw::Seed(0), None).unwrap();
                }
                "cvae" => {
                    samples(recipe, &folder, Draw::Seed(0), Some("3")).unwrap();
                    let refused = samples(recipe, &folder, Draw::Seed(0), Some("x")).unwrap_err();
                    assert!(
                        refused.to_string().starts_with("there is no class `x`"),
                        "{refused}"
                    );
                }
                _ => {}
            }
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        for (recipe, assignment, wanted) in [
            (
                &VaeRecipe as &dyn Recipe,
                "latent=0",
                "`latent` wants at least 1",
            ),
            (
                &VaeRecipe,
                "hidden=[0]",
                "`hidden` wants layers of at least one unit",
            ),
            (&VaeRecipe, "dataset=mnits", "did you mean `mnist`?"),
            (&CvaeRecipe, "lr=0.0", "`lr` wants a number above 0"),
            (
                &AutoencoderRecipe,
                "latent=1000",
                "`latent` wants at most as many as there are pixels",
            ),
            (
                &DenoisingAutoencoderRecipe,
                "noise=1.0",
                "`noise` wants a share from 0 to below 1",
            ),
            (
                &VqVaeRecipe,
                "hidden=7",
                "`hidden` wants an even number above 0",
            ),
            (
                &VqVaeRecipe,
                "decay=1.0",
                "`decay` wants a number from 0 to below 1",
            ),
        ] {
            let folder = scratch("refused");
            let error = testing::train(recipe, &[assignment], &folder, None, false).unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains(wanted),
                "{error}"
            );
            assert!(!folder.exists());
        }
    }
}
