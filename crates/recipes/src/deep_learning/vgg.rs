//! VGG on small photographs.
//!
//! The test set is validated on after each epoch; nothing is chosen by it.

use crate::classification::Explain;
use crate::classifier::{Classifier, Common, Loss, accuracy, want_size};
use crate::descent::Descent;
use crate::promise::Promise;
use crate::recipe::{Card, Era};
use crate::regularization::Regularization;
use crate::settings;
use crate::standardized::Standardized;
use eras_models::deep_learning::Vgg;
use eras_models::grad_cam;
use eras_tensor::{Result, Rng};
use eras_train::Trainer;
use serde::{Deserialize, Serialize};

/// `eras train vgg`.
#[derive(Debug)]
pub struct VggRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Layers with weights, the paper's three dense ones counted: 11, 13, 16 or 19.
    depth: usize,
    #[serde(flatten)]
    descent: Descent,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            depth: 11,
            descent: Descent {
                lr: 0.05,
                ..Descent::default()
            },
        }
    }
}

impl Classifier for VggRecipe {
    type Settings = Settings;
    type Model = Vgg;

    const CARD: Card = Card {
        name: "vgg",
        title: "VGG for small photographs, with batch norm",
        era: Era::DeepLearning,
        paper: "Simonyan & Zisserman 2014, Very deep convolutional networks for large-scale image recognition, arXiv:1409.1556",
        data: "CIFAR-10, or a folder with one folder a class",
        promise: "test accuracy at least 83% in 10 epochs",
    };
    const PROMISES: &'static [Promise] = &[accuracy(0.83)];
    const STORY: &'static str = include_str!("../../stories/vgg.md");
    const EXPLAIN: Option<Explain<Standardized<Vgg>>> = Some(grad_cam);

    fn common() -> Common {
        Common {
            epochs: 10,
            regularization: Regularization::of_photographs(5e-4),
            dataset: "cifar10".into(),
            ..Common::default()
        }
    }

    fn check(settings: &Settings) -> Result<()> {
        settings::want(&[(
            [11, 13, 16, 19].contains(&settings.depth),
            "depth",
            "one of the paper's: 11, 13, 16 or 19",
        )])?;
        settings.descent.check()
    }

    fn model(settings: &Settings, shape: [usize; 3], classes: usize, rng: &mut Rng) -> Result<Vgg> {
        want_size(shape, 32)?;
        Ok(Vgg::new(settings.depth, shape[0], classes, rng))
    }

    fn trainer(settings: &Settings, loss: Loss, weight_decay: f64, steps: u64) -> Result<Trainer> {
        settings.descent.trainer(loss, weight_decay, steps)
    }
}
