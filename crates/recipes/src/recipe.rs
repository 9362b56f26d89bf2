//! What a recipe is: a model, its data and its training, with the result that is promised.

use crate::cost::Estimate;
use crate::large_models::Writer;
use crate::promise::{Measured, Promise, Unit};
use crate::run::{Config, Fingerprints, Run};
use eras_nn::Fitted;
use eras_report::{Animation, Picture};
use eras_tensor::{Error, Result, Tensor};
use eras_train::{Callback, LrSearch, Score};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use toml::Table;

/// The five eras of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// 1943-1956: the McCulloch-Pitts neuron, Hebb's rule.
    FirstLight,
    /// 1957-1969: the perceptron, ADALINE.
    Perceptron,
    /// 1969-1989: Hopfield nets, Boltzmann machines, backpropagation.
    Connectionism,
    /// 1989-2017: from the multilayer perceptron to attention.
    DeepLearning,
    /// Since 2017: the Transformer and what came of it.
    LargeModels,
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstLight => "1 First light, 1943-1956",
            Self::Perceptron => "2 The perceptron, 1957-1969",
            Self::Connectionism => "3 Connectionism, 1969-1989",
            Self::DeepLearning => "4 Deep learning, 1989-2017",
            Self::LargeModels => "5 Large models, since 2017",
        })
    }
}

/// What `eras list` says of a recipe.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// The name by which it is trained.
    pub name: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// When it belongs.
    pub era: Era,
    /// Author, year and title of the paper.
    pub paper: &'static str,
    /// The data it learns from.
    pub data: &'static str,
    /// The result that is promised, with its origin.
    pub promise: &'static str,
}

impl Card {
    /// The year of its first paper, as its line of papers says.
    #[must_use]
    pub fn year(&self) -> Option<u16> {
        let numbers = self.paper.split(|c: char| !c.is_ascii_digit());
        numbers
            .filter(|number| number.len() == 4)
            .find_map(|number| number.parse().ok())
    }
}

/// What a training is given besides its settings.
pub struct Job<'a> {
    /// Where it leaves what it makes.
    pub run: &'a Run,
    /// Whether to go on from the run's latest checkpoint.
    pub resume: bool,
    /// Told what happens, besides the recipe's own callbacks.
    pub observers: Vec<Box<dyn Callback>>,
    /// Becomes true when the user asks to stop.
    pub stop: Arc<AtomicBool>,
    /// Where to say what is being done, a line at a time.
    pub say: &'a dyn Fn(&str),
}

impl fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("run", &self.run)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}

/// How a training ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What came of it: loss and metrics on the test set.
    pub measured: Vec<Measured>,
    /// Seconds from the first to the last epoch.
    pub seconds: f64,
    /// Why the training ended early, if it did.
    pub stopped: Option<String>,
}

/// What a run's model is worth on a test set.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Loss and metrics.
    pub score: Score,
    /// The name of the data set.
    pub data: String,
    /// The test set's fingerprint, where it is known ([`eras_data::Dataset::fingerprint`]).
    pub data_sha256: Option<String>,
}

/// What a model says of one file: labels with their probabilities, most likely first.
pub type Prediction = Vec<(String, f64)>;

/// What samples are wanted of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRequest {
    /// How many.
    pub count: usize,
    /// What they are drawn by: the same samples for the same seed.
    pub draw: Draw,
    /// Of which class, where the model can be told one.
    pub class: Option<String>,
}

/// What samples are drawn by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// A seed.
    Seed(u64),
    /// The way from the samples of one seed to those of another.
    Between(u64, u64),
}

/// Samples, one for each that was wanted.
#[derive(Debug, Clone)]
pub enum Sampled {
    /// Pictures.
    Pictures(Vec<Picture>),
    /// Videos, or the way from one sample to another; all have as many frames.
    Animations(Vec<Animation>),
}

/// A model, its data and its training.
pub trait Recipe: Sync {
    /// What it is and what it promises.
    fn card(&self) -> Card;

    /// What holds for its default settings.
    fn promises(&self) -> Vec<Promise>;

    /// How a number is read that training and evaluation report beside the loss: of a classifier, as a share.
    fn unit(&self, number: &str) -> Unit {
        let _ = number;
        Unit::Share
    }

    /// All settings with their defaults.
    fn defaults(&self) -> Table;

    /// The defaults for the data in a folder of one's own, where they depend on how much there is, and for a training that
    /// begins from a run, whose network and pictures are then the usual ones.
    ///
    /// # Errors
    /// If the run cannot be read.
    fn defaults_for(&self, data: Option<&Path>, from: Option<&Path>) -> Result<Table> {
        let _ = (data, from);
        Ok(self.defaults())
    }

    /// Checks all settings and loads the data, before anything is written.
    ///
    /// # Errors
    /// If a setting cannot be used or the data cannot be had.
    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>>;

    /// Evaluates a run on its test set, or on `data`.
    ///
    /// # Errors
    /// If the run has no checkpoint of this model, or the data cannot be had; an experiment has none.
    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let _ = (run, data);
        Err(self.is_an_experiment())
    }

    /// What the run's model says of each file; the outer error is that of the run, the inner those of the files.
    ///
    /// # Errors
    /// If the run has no checkpoint of this model; an experiment has none.
    fn predict(&self, run: &Run, files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        let _ = (run, files);
        Err(self.is_an_experiment())
    }

    /// Draws samples from the run's model.
    ///
    /// # Errors
    /// If the model makes none (the default), cannot be told a class, does not know this one, or the run has no checkpoint
    /// of it.
    fn sample(&self, run: &Run, request: &SampleRequest) -> Result<Sampled> {
        let _ = (run, request);
        let name = self.card().name;
        Err(Error::usage(format!(
            "`{name}` has nothing to sample: its model makes no pictures"
        )))
    }

    /// The run's model that writes texts, with its tokenizer.
    ///
    /// # Errors
    /// If the model writes none (the default), or the run has no checkpoint of it.
    fn writer(&self, run: &Run) -> Result<Writer> {
        let _ = run;
        let name = self.card().name;
        Err(Error::usage(format!(
            "`{name}` has nothing to generate: its model writes no texts"
        )))
    }

    /// What is said to those who ask for more than its report.
    fn is_an_experiment(&self) -> Error {
        let name = self.card().name;
        Error::usage(format!(
            "`{name}` has no model that tells classes: see its report, and `eras sample` if it draws"
        ))
    }
}

/// A training whose settings are good and whose data is there.
pub trait Prepared {
    /// What tells its data from other data, if it has any.
    fn data_sha256(&self) -> Fingerprints {
        Fingerprints::default()
    }

    /// The hash ([`eras_train::hash`]) of the model in the folder that [`Config::from`] names, where the training is built on it;
    /// `None` where it may begin with those of its weights that fit ([`begin_from`](Self::begin_from)).
    fn origin_sha256(&self) -> Option<&str> {
        None
    }

    /// Begins with these weights instead of random ones.
    ///
    /// # Errors
    /// If their names, types and shapes are not those of the model; its own are then untouched.
    fn begin_with(&mut self, weights: &[(String, Tensor)]) -> Result<()> {
        let _ = weights;
        Err(Error::usage("an experiment has no weights to begin with"))
    }

    /// Begins with those of these weights, which are another model's, that fit; tells what was taken and what not.
    ///
    /// # Errors
    /// If none of them fits.
    fn begin_from(&mut self, weights: &[(String, Tensor)]) -> Result<Fitted> {
        let _ = weights;
        Err(Error::usage("this recipe does not begin from another run"))
    }

    /// What the training will cost, from a summary of the model and ten steps on a copy of its weights; `None` where it
    /// has no steps.
    ///
    /// # Errors
    /// If there is not memory enough, or the data cannot be read.
    fn estimate(&mut self) -> Result<Option<Estimate>> {
        Ok(None)
    }

    /// Tries learning rates from 1e-6 to 10, one step each, on a copy of the weights.
    ///
    /// # Errors
    /// If the data cannot be read, or nothing has a learning rate.
    fn find_lr(&mut self) -> Result<LrSearch> {
        Err(Error::usage("an experiment has no learning rate to find"))
    }

    /// Trains, and leaves checkpoints, metrics and the report in the run's folder.
    ///
    /// # Errors
    /// If something cannot be written, or the training diverged or was interrupted.
    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome>;
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_recipe_says_its_year() {
        for recipe in crate::ALL {
            let card = recipe.card();
            assert!(card.year().is_some_and(|year| year >= 1943), "{card:?}");
        }
        let years = crate::ALL.iter().map(|recipe| recipe.card().year());
        assert_eq!(years.take(2).collect::<Vec<_>>(), [Some(1943), Some(1949)]);
    }
}
