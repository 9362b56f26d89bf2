//! The multilayer perceptron on handwritten digits: 784-512-512-10, trained by Adadelta (Zeiler 2012,
//! arXiv:1212.5701), as Keras' example `mnist_mlp`.
//!
//! The test set is validated on after each epoch, as in that example; nothing is chosen by it.

use crate::classifier::{Classifier, Common, Loss, accuracy};
use crate::descent::Adaptive;
use crate::promise::Promise;
use crate::recipe::{Card, Era};
use crate::settings;
use eras_models::deep_learning::Mlp;
use eras_tensor::{Result, Rng};
use eras_train::Trainer;
use serde::{Deserialize, Serialize};

/// `eras train mlp`.
#[derive(Debug)]
pub struct MlpRecipe;

/// A run of before a setting existed has its default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Units of each hidden layer.
    hidden: Vec<usize>,
    /// The share of hidden units silenced in training.
    dropout: f64,
    #[serde(flatten)]
    adadelta: Adaptive,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hidden: vec![512, 512],
            dropout: 0.0,
            adadelta: Adaptive::default(),
        }
    }
}

impl Classifier for MlpRecipe {
    type Settings = Settings;
    type Model = Mlp;

    const CARD: Card = Card {
        name: "mlp",
        title: "Multilayer perceptron 784-512-512-10 with ReLU",
        era: Era::DeepLearning,
        paper: "Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors",
        data: "MNIST (embedded)",
        promise: "test accuracy at least 98.2% in 12 epochs (Keras' mnist_mlp with Adadelta 1.0: 98.45%)",
    };
    const PROMISES: &'static [Promise] = &[accuracy(0.982)];
    const STORY: &'static str = include_str!("../../stories/mlp.md");
    const IS_FLAT: bool = true;

    fn common() -> Common {
        Common::default()
    }

    fn check(settings: &Settings) -> Result<()> {
        settings::want(&[
            (
                settings.hidden.iter().all(|&n| n > 0),
                "hidden",
                "layers of at least one unit",
            ),
            (
                (0.0..1.0).contains(&settings.dropout),
                "dropout",
                "a share from 0 to below 1",
            ),
        ])?;
        settings.adadelta.check()
    }

    fn model(settings: &Settings, shape: [usize; 3], classes: usize, rng: &mut Rng) -> Result<Mlp> {
        let Settings {
            hidden, dropout, ..
        } = settings;
        Ok(Mlp::new(
            shape.iter().product(),
            hidden,
            classes,
            *dropout,
            rng,
        ))
    }

    fn trainer(settings: &Settings, loss: Loss, weight_decay: f64, _steps: u64) -> Result<Trainer> {
        Ok(Trainer::new(
            settings.adadelta.optimizer(weight_decay),
            loss,
        ))
    }
}
