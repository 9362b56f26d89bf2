//! LeNet-5 on handwritten digits.
//!
//! The test set is validated on after each epoch; nothing is chosen by it.

use crate::classification::Explain;
use crate::classifier::{Classifier, Common, Loss, accuracy};
use crate::descent::Descent;
use crate::filters;
use crate::promise::Promise;
use crate::recipe::{Card, Era};
use crate::standardized::Standardized;
use eras_data::Images;
use eras_models::deep_learning::LeNet;
use eras_models::grad_cam;
use eras_report::Section;
use eras_tensor::{Error, Result, Rng};
use eras_train::Trainer;

/// `eras train lenet`.
#[derive(Debug)]
pub struct LeNetRecipe;

impl Classifier for LeNetRecipe {
    type Settings = Descent;
    type Model = LeNet;

    const CARD: Card = Card {
        name: "lenet",
        title: "LeNet-5",
        era: Era::DeepLearning,
        paper: "LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document recognition",
        data: "MNIST (embedded)",
        promise: "test accuracy at least 99.0% in 12 epochs (the paper: 99.05%)",
    };
    const PROMISES: &'static [Promise] = &[accuracy(0.990)];
    const STORY: &'static str = include_str!("../../stories/lenet.md");
    const EXPLAIN: Option<Explain<Standardized<LeNet>>> = Some(grad_cam);

    fn defaults() -> Descent {
        Descent {
            lr: 0.05,
            ..Descent::default()
        }
    }

    fn common() -> Common {
        Common {
            batch_size: 64,
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
    ) -> Result<LeNet> {
        if shape != [1, 28, 28] {
            return Err(Error::usage(format!(
                "LeNet-5 sees gray pictures of 28x28, not {shape:?}; a folder becomes such by --set size=28 --set gray=true"
            )));
        }
        Ok(LeNet::new(classes, rng))
    }

    fn trainer(settings: &Descent, loss: Loss, weight_decay: f64, steps: u64) -> Result<Trainer> {
        settings.trainer(loss, weight_decay, steps)
    }

    fn sections(model: &Standardized<LeNet>, test: &Images) -> Result<Vec<Section>> {
        let lenet = model.inner();
        let maps = filters::activations(test, 0, |x| {
            let [c1, c3] = lenet.maps(&model.see(x));
            vec![("C1", c1), ("C3", c3)]
        })?;
        Ok(vec![filters::section(lenet.filters()), maps])
    }
}
