//! Residual networks on small photographs: the one of 20 layers for CIFAR-10, and ResNet-18, also for a folder of one's own.
//!
//! The test set is validated on after each epoch; nothing is chosen by it.

use crate::classification::Explain;
use crate::classifier::{Classifier, Common, Loss, accuracy, want_size};
use crate::descent::Descent;
use crate::pictures::FolderSettings;
use crate::promise::Promise;
use crate::recipe::{Card, Era};
use crate::regularization::Regularization;
use crate::settings;
use crate::standardized::Standardized;
use eras_models::deep_learning::{ResNet, Shortcut, Stem};
use eras_models::grad_cam;
use eras_tensor::{Result, Rng};
use eras_train::Trainer;
use serde::{Deserialize, Serialize};

/// `eras train resnet20`.
#[derive(Debug)]
pub struct ResNet20Recipe;

/// `eras train resnet18`.
#[derive(Debug)]
pub struct ResNet18Recipe;

/// Of the networks for CIFAR.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings20 {
    /// 6n + 2: 20, 32, 44, 56, 110.
    depth: usize,
    /// Where the channels double: `padded` with zeros (the paper's A), `projected` by a convolution (B), or `none`, anywhere.
    shortcut: String,
    #[serde(flatten)]
    descent: Descent,
}

impl Default for Settings20 {
    fn default() -> Self {
        Self {
            depth: 20,
            shortcut: "padded".into(),
            descent: Descent {
                lr: 0.1,
                ..Descent::default()
            },
        }
    }
}

impl Classifier for ResNet20Recipe {
    type Settings = Settings20;
    type Model = ResNet;

    const CARD: Card = Card {
        name: "resnet20",
        title: "Residual network of 20 layers",
        era: Era::DeepLearning,
        paper: "He, Zhang, Ren & Sun 2015, Deep residual learning for image recognition, arXiv:1512.03385",
        data: "CIFAR-10, or a folder with one folder a class",
        promise: "test accuracy at least 87% in 44 epochs (the paper: 91.25% in 164)",
    };
    const PROMISES: &'static [Promise] = &[accuracy(0.87)];
    const STORY: &'static str = include_str!("../../stories/resnet20.md");
    const EXPLAIN: Option<Explain<Standardized<ResNet>>> = Some(grad_cam);

    fn common() -> Common {
        Common {
            epochs: 44,
            regularization: Regularization::of_photographs(5e-4),
            dataset: "cifar10".into(),
            ..Common::default()
        }
    }

    fn check(settings: &Settings20) -> Result<()> {
        settings::want(&[(
            settings.depth >= 8 && settings.depth % 6 == 2,
            "depth",
            "6n + 2, as 20, 32 or 56",
        )])?;
        settings::want_word(
            "shortcut",
            &settings.shortcut,
            &["padded", "projected", "none"],
        )?;
        settings.descent.check()
    }

    fn model(
        settings: &Settings20,
        shape: [usize; 3],
        classes: usize,
        rng: &mut Rng,
    ) -> Result<ResNet> {
        want_size(shape, 8)?;
        let shortcut = match settings.shortcut.as_str() {
            "projected" => Shortcut::Projected,
            _ => Shortcut::Padded,
        };
        let model = ResNet::cifar(settings.depth, shape[0], classes, shortcut, rng);
        Ok(match settings.shortcut.as_str() {
            "none" => model.without_shortcuts(),
            _ => model,
        })
    }

    fn trainer(
        settings: &Settings20,
        loss: Loss,
        weight_decay: f64,
        steps: u64,
    ) -> Result<Trainer> {
        settings.descent.trainer(loss, weight_decay, steps)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings18 {
    /// `small`: 3x3 at full resolution, `large`: 7x7 and max pooling, which leave a quarter of each side, or `auto`: large for
    /// pictures of 96x96 or more.
    stem: String,
    /// Whether blocks add what they were given.
    shortcuts: bool,
    #[serde(flatten)]
    descent: Descent,
}

impl Default for Settings18 {
    fn default() -> Self {
        Self {
            stem: "auto".into(),
            shortcuts: true,
            descent: Descent::default(),
        }
    }
}

impl Classifier for ResNet18Recipe {
    type Settings = Settings18;
    type Model = ResNet;

    const CARD: Card = Card {
        name: "resnet18",
        title: "ResNet-18",
        era: Era::DeepLearning,
        paper: "He, Zhang, Ren & Sun 2015, Deep residual learning for image recognition, arXiv:1512.03385",
        data: "CIFAR-10, or a folder with one folder a class",
        promise: "test accuracy at least 82% in 6 epochs",
    };
    const PROMISES: &'static [Promise] = &[accuracy(0.82)];
    const STORY: &'static str = include_str!("../../stories/resnet18.md");
    const EXPLAIN: Option<Explain<Standardized<ResNet>>> = Some(grad_cam);

    fn common() -> Common {
        Common {
            epochs: 6,
            regularization: Regularization::of_photographs(5e-4),
            dataset: "cifar10".into(),
            folder: FolderSettings::of_size(128),
            ..Common::default()
        }
    }

    fn check(settings: &Settings18) -> Result<()> {
        settings::want_word("stem", &settings.stem, &["auto", "small", "large"])?;
        settings.descent.check()
    }

    fn model(
        settings: &Settings18,
        shape: [usize; 3],
        classes: usize,
        rng: &mut Rng,
    ) -> Result<ResNet> {
        want_size(shape, 8)?;
        let [channels, height, width] = shape;
        let stem = match settings.stem.as_str() {
            "large" => Stem::Large,
            "auto" if height.min(width) >= 96 => Stem::Large,
            _ => Stem::Small,
        };
        let model = ResNet::resnet18(channels, classes, stem, rng);
        Ok(match settings.shortcuts {
            true => model,
            false => model.without_shortcuts(),
        })
    }

    fn trainer(
        settings: &Settings18,
        loss: Loss,
        weight_decay: f64,
        steps: u64,
    ) -> Result<Trainer> {
        settings.descent.trainer(loss, weight_decay, steps)
    }
}
