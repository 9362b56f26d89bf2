//! The multilayer perceptron on handwritten digits: 784-512-512-10, trained by Adadelta (Zeiler 2012,
//! arXiv:1212.5701), as Keras' example `mnist_mlp`.
//!
//! The test set is validated on after each epoch, as in that example; nothing is chosen by it.

use crate::classification::{self, Task};
use crate::fine_tuning::FineTuning;
use crate::pictures::{self, Answers, FolderSettings, Sets};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe};
use crate::regularization::Regularization;
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use eras_data::Dataset;
use eras_models::deep_learning::Mlp;
use eras_nn::Adadelta;
use eras_tensor::{Result, Rng, Tensor};
use eras_train::{Accuracy, Trainer};
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::Table;

/// `eras train mlp`.
#[derive(Debug)]
pub struct MlpRecipe;

/// A run of before a setting existed has its default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// How often the training set is gone through.
    epochs: usize,
    batch_size: usize,
    /// Of the weights, the order of the samples and dropout.
    seed: u64,
    /// Units of each hidden layer.
    hidden: Vec<usize>,
    /// The share of hidden units silenced in training.
    dropout: f64,
    /// Adadelta's.
    lr: f64,
    rho: f64,
    eps: f64,
    #[serde(flatten)]
    regularization: Regularization,
    #[serde(flatten)]
    fine_tuning: FineTuning,
    /// What matrix products multiply in: `f32` or `bf16`.
    precision: String,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    checkpoint_steps: u64,
    /// `mnist`, `fashion-mnist`, `cifar10`, or `folder`: that of --data, one folder a class.
    dataset: String,
    #[serde(flatten)]
    folder: FolderSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 12,
            batch_size: 128,
            seed: 0,
            hidden: vec![512, 512],
            dropout: 0.0,
            lr: 1.0,
            rho: 0.95,
            eps: 1e-7,
            regularization: Regularization::default(),
            fine_tuning: FineTuning::default(),
            precision: "f32".into(),
            checkpoint_steps: 0,
            dataset: "mnist".into(),
            folder: FolderSettings::default(),
        }
    }
}

/// The sets that the recipe knows by name.
const SETS: [&str; 3] = ["mnist", "fashion-mnist", "cifar10"];

impl Settings {
    fn check(&self) -> Result<()> {
        classification::check_loop(self.epochs, self.batch_size)?;
        let rules = [
            (
                self.hidden.iter().all(|&n| n > 0),
                "hidden",
                "layers of at least one unit",
            ),
            (
                (0.0..1.0).contains(&self.dropout),
                "dropout",
                "a share from 0 to below 1",
            ),
            (
                self.lr.is_finite() && self.lr > 0.0,
                "lr",
                "a number above 0",
            ),
            (
                (0.0..1.0).contains(&self.rho),
                "rho",
                "a number from 0 to below 1",
            ),
            (
                self.eps.is_finite() && self.eps > 0.0,
                "eps",
                "a number above 0",
            ),
        ];
        settings::want(&rules)?;
        self.regularization.check()?;
        classification::precision(&self.precision)?;
        self.folder.check()?;
        pictures::check_dataset(&self.dataset, &SETS)
    }

    fn model(&self, inputs: usize, classes: usize) -> Mlp {
        Mlp::new(
            inputs,
            &self.hidden,
            classes,
            self.dropout,
            &mut Rng::new(self.seed),
        )
    }

    /// For pictures of this shape, of classes that count so much.
    fn trainer(
        &self,
        shape: [usize; 3],
        classes: usize,
        weights: Option<&[f64]>,
    ) -> Result<Trainer> {
        let precision = classification::precision(&self.precision)?;
        let adadelta = Adadelta::new(self.lr)
            .rho(self.rho)
            .eps(self.eps)
            .weight_decay(self.regularization.weight_decay);
        let trainer = Trainer::new(adadelta, self.regularization.loss(weights))
            .batch_size(self.batch_size)
            .epochs(self.epochs)
            .seed(self.seed)
            .precision(precision)
            .metric(Accuracy);
        Ok(self.regularization.apply(trainer, shape, classes))
    }

    fn sets(&self, folder: Option<&Path>) -> Result<Sets> {
        Sets::load(&self.dataset, &self.folder, folder, true)
    }
}

/// The settings of a run, checked.
fn settings(config: &Config) -> Result<Settings> {
    let settings: Settings = settings::read(&config.settings)?;
    settings.check()?;
    Ok(settings)
}

fn task(settings: &Settings, sets: Sets) -> Result<Task<Mlp>> {
    let (shape, classes) = (sets.test.shape(), sets.test.classes().len());
    let mut model = settings.model(shape.iter().product(), classes);
    settings.fine_tuning.apply(&mut model)?;
    let weights = settings.folder.weights(&sets.counts);
    Ok(Task {
        card: MlpRecipe.card(),
        story: include_str!("../../stories/mlp.md"),
        sets,
        model,
        explain: None,
        trainer: settings.trainer(shape, classes, weights.as_deref())?,
        weights,
        checkpoint_steps: settings.checkpoint_steps,
    })
}

impl Recipe for MlpRecipe {
    fn card(&self) -> Card {
        Card {
            name: "mlp",
            title: "Multilayer perceptron 784-512-512-10 with ReLU",
            era: Era::DeepLearning,
            paper: "Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors",
            data: "MNIST (embedded)",
            promise: "test accuracy at least 98.2% in 12 epochs (Keras' mnist_mlp with Adadelta 1.0: 98.45%)",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        vec![Promise {
            name: "test_accuracy",
            unit: Unit::Share,
            bound: Bound::AtLeast(0.982),
        }]
    }

    fn defaults(&self) -> Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let settings = settings(config)?;
        let sets = settings.sets(config.data.as_deref())?;
        Ok(Box::new(task(&settings, sets)?))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let settings = settings(run.config())?;
        let set = Sets::load_test(&settings.dataset, &settings.folder, run, data, true)?;
        let (shape, classes) = (set.images.shape(), set.images.classes().len());
        let mut model = settings.model(shape.iter().product(), classes);
        let weights = settings.folder.weights(&set.counts);
        let trainer = settings.trainer(shape, classes, weights.as_deref())?;
        classification::evaluate(&mut model, &trainer, run, set)
    }

    fn predict(&self, run: &Run, files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        let settings = settings(run.config())?;
        let answers = match Answers::read(run)? {
            Some(answers) => answers,
            None => Answers::of_before(&settings.dataset),
        };
        let mut model = settings.model(answers.shape.iter().product(), answers.classes.len());
        let see = |file: &Path| match answers.is_small_gray() {
            true => {
                let pixels = crate::digit::read(file)?;
                Ok(Tensor::from_slice(&pixels, [1, pixels.len()]))
            }
            false => answers.see(file).map(|x| x.flatten(1, -1)),
        };
        classification::predict(&mut model, run, files, &answers.classes, see)
    }
}
