//! The multilayer perceptron on handwritten digits: 784-512-512-10, trained by Adadelta (Zeiler 2012,
//! arXiv:1212.5701), as Keras' example `mnist_mlp`.
//!
//! The test set is validated on after each epoch, as in that example; nothing is chosen by it.

use crate::classification::{self, Task};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe};
use crate::regularization::Regularization;
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use eras_data::{Dataset, FashionMnist, Images, Mnist, Search};
use eras_models::deep_learning::Mlp;
use eras_nn::Adadelta;
use eras_tensor::{Error, Result, Rng, nearest};
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
    /// What matrix products multiply in: `f32` or `bf16`.
    precision: String,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    checkpoint_steps: u64,
    /// `mnist` or `fashion-mnist`.
    dataset: String,
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
            precision: "f32".into(),
            checkpoint_steps: 0,
            dataset: "mnist".into(),
        }
    }
}

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
        let sets = ["mnist", "fashion-mnist"];
        if !sets.contains(&self.dataset.as_str()) {
            let hint = nearest(&self.dataset, &sets);
            return Err(Error::usage(format!(
                "setting `dataset` is `{}`, which is not known here; {hint}",
                self.dataset
            )));
        }
        Ok(())
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

    /// For pictures of this shape and so many classes.
    fn trainer(&self, shape: [usize; 3], classes: usize) -> Result<Trainer> {
        let precision = classification::precision(&self.precision)?;
        let adadelta = Adadelta::new(self.lr)
            .rho(self.rho)
            .eps(self.eps)
            .weight_decay(self.regularization.weight_decay);
        let trainer = Trainer::new(adadelta, self.regularization.loss())
            .batch_size(self.batch_size)
            .epochs(self.epochs)
            .seed(self.seed)
            .precision(precision)
            .metric(Accuracy);
        Ok(self.regularization.apply(trainer, shape, classes))
    }

    /// Training and test set.
    fn data(&self, folder: Option<&Path>) -> Result<[Images; 2]> {
        let search = Search::given(folder);
        if self.dataset == "fashion-mnist" {
            FashionMnist::find(&search).map(|set| [set.train, set.test])
        } else {
            Mnist::find(&search).map(|set| [set.train, set.test])
        }
    }
}

/// The settings of a run, checked.
fn settings(config: &Config) -> Result<Settings> {
    let settings: Settings = settings::read(&config.settings)?;
    settings.check()?;
    Ok(settings)
}

fn task(settings: &Settings, [train, test]: [Images; 2]) -> Result<Task<Mlp>> {
    let (shape, classes) = (train.shape(), train.classes().len());
    let model = settings.model(shape.iter().product(), classes);
    Ok(Task {
        card: MlpRecipe.card(),
        story: include_str!("../../stories/mlp.md"),
        data: settings.dataset.clone(),
        train,
        test,
        model,
        trainer: settings.trainer(shape, classes)?,
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
        let data = settings.data(config.data.as_deref())?;
        Ok(Box::new(task(&settings, data)?))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let settings = settings(run.config())?;
        let data = settings.data(data.or(run.config().data.as_deref()))?;
        classification::evaluate(task(&settings, data)?, run)
    }

    fn predict(&self, run: &Run, files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        let settings = settings(run.config())?;
        let classes = if settings.dataset == "mnist" {
            Mnist::CLASSES
        } else {
            FashionMnist::CLASSES
        };
        let mut model = settings.model(28 * 28, classes.len());
        classification::predict_small_gray(&mut model, run, files, &classes)
    }
}
