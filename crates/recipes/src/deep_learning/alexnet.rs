//! AlexNet on small photographs.
//!
//! The test set is validated on after each epoch; nothing is chosen by it.

use crate::classification::Explain;
use crate::classifier::{Classifier, Common, Loss, accuracy, want_size};
use crate::descent::Descent;
use crate::filters;
use crate::promise::Promise;
use crate::recipe::{Card, Era};
use crate::regularization::Regularization;
use crate::standardized::Standardized;
use eras_data::Images;
use eras_models::deep_learning::AlexNet;
use eras_models::grad_cam;
use eras_report::Section;
use eras_tensor::{Result, Rng};
use eras_train::Trainer;

/// `eras train alexnet`.
#[derive(Debug)]
pub struct AlexNetRecipe;

impl Classifier for AlexNetRecipe {
    type Settings = Descent;
    type Model = AlexNet;

    const CARD: Card = Card {
        name: "alexnet",
        title: "AlexNet for small photographs",
        era: Era::DeepLearning,
        paper: "Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural networks",
        data: "CIFAR-10, or a folder with one folder a class",
        promise: "test accuracy at least 78% in 15 epochs",
    };
    const PROMISES: &'static [Promise] = &[accuracy(0.78)];
    const STORY: &'static str = include_str!("../../stories/alexnet.md");
    const EXPLAIN: Option<Explain<Standardized<AlexNet>>> = Some(grad_cam);

    fn defaults() -> Descent {
        Descent {
            lr: 0.02,
            ..Descent::default()
        }
    }

    fn common() -> Common {
        Common {
            epochs: 15,
            regularization: Regularization::of_photographs(5e-4),
            dataset: "cifar10".into(),
            ..Common::default()
        }
    }

    fn check(settings: &Descent) -> Result<()> {
        settings.check()
    }

    fn model(
        _settings: &Descent,
        shape: [usize; 3],
        classes: usize,
        rng: &mut Rng,
    ) -> Result<AlexNet> {
        want_size(shape, 15)?;
        Ok(AlexNet::new(shape, classes, rng))
    }

    fn trainer(settings: &Descent, loss: Loss, weight_decay: f64, steps: u64) -> Result<Trainer> {
        settings.trainer(loss, weight_decay, steps)
    }

    fn sections(model: &Standardized<AlexNet>, _test: &Images) -> Result<Vec<Section>> {
        Ok(vec![filters::section(model.inner().filters())])
    }
}
