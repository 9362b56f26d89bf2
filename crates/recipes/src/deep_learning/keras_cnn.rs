//! The convolutional network of Keras' example `mnist_cnn`, trained by Adadelta as there.
//!
//! The test set is validated on after each epoch, as in that example; nothing is chosen by it.

use crate::classification::Explain;
use crate::classifier::{Classifier, Common, Loss, accuracy, want_size};
use crate::descent::Adaptive;
use crate::filters;
use crate::promise::Promise;
use crate::recipe::{Card, Era};
use crate::standardized::Standardized;
use eras_data::Images;
use eras_models::deep_learning::Cnn;
use eras_models::grad_cam;
use eras_report::Section;
use eras_tensor::{Result, Rng};
use eras_train::Trainer;

/// `eras train keras-cnn`.
#[derive(Debug)]
pub struct KerasCnnRecipe;

impl Classifier for KerasCnnRecipe {
    type Settings = Adaptive;
    type Model = Cnn;

    const CARD: Card = Card {
        name: "keras-cnn",
        title: "The convolutional network of Keras' mnist_cnn",
        era: Era::DeepLearning,
        paper: "Chollet et al. 2015, Keras, example mnist_cnn",
        data: "MNIST (embedded)",
        promise: "test accuracy at least 99.1% in 12 epochs (its page states 99.25%)",
    };
    const PROMISES: &'static [Promise] = &[accuracy(0.991)];
    const STORY: &'static str = include_str!("../../stories/keras-cnn.md");
    const EXPLAIN: Option<Explain<Standardized<Cnn>>> = Some(grad_cam);

    fn common() -> Common {
        Common::default()
    }

    fn check(settings: &Adaptive) -> Result<()> {
        settings.check()
    }

    fn model(
        _settings: &Adaptive,
        shape: [usize; 3],
        classes: usize,
        rng: &mut Rng,
    ) -> Result<Cnn> {
        want_size(shape, 6)?;
        Ok(Cnn::new(shape, classes, rng))
    }

    fn trainer(settings: &Adaptive, loss: Loss, weight_decay: f64, _steps: u64) -> Result<Trainer> {
        Ok(Trainer::new(settings.optimizer(weight_decay), loss))
    }

    fn sections(model: &Standardized<Cnn>, test: &Images) -> Result<Vec<Section>> {
        let cnn = model.inner();
        let maps = filters::activations(test, 0, |x| {
            let [first, second] = cnn.maps(&model.see(x));
            vec![("first convolution", first), ("second convolution", second)]
        })?;
        Ok(vec![filters::section(cnn.filters()), maps])
    }
}
