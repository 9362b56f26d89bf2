//! What keeps a classifier of pictures from learning its training set by heart: settings that such recipes share.

use crate::settings;
use eras_data::{Augment, CutMix, Mixup};
use eras_nn::CrossEntropy;
use eras_tensor::{Result, Tensor};
use eras_train::{EarlyStopping, Goal, Trainer};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Regularization {
    /// How strongly the optimizer draws weights to zero.
    pub(crate) weight_decay: f64,
    /// The part of each target that is spread over all classes.
    label_smoothing: f64,
    /// Alpha of mixup; 0 for none. With CutMix too, each batch is treated by one of the two.
    mixup: f64,
    /// Alpha of CutMix; 0 for none.
    cutmix: f64,
    /// Pictures are moved by up to so many pixels each way.
    crop: usize,
    /// Every second picture is mirrored.
    flip: bool,
    /// Pictures are turned by up to so many degrees.
    rotate: f64,
    /// How often a rectangle of a picture is covered by noise.
    erase: f64,
    /// Epochs without a better validation loss until the training stops; 0 for never.
    patience: usize,
}

impl Regularization {
    /// What suits small photographs: each is moved by up to four pixels, and every second mirrored (He et al. 2015).
    pub(crate) fn of_photographs(weight_decay: f64) -> Self {
        Self {
            weight_decay,
            crop: 4,
            flip: true,
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let alpha = |x: f64| x.is_finite() && x >= 0.0;
        let rules = [
            (alpha(self.weight_decay), "weight_decay", "a number from 0"),
            (
                (0.0..1.0).contains(&self.label_smoothing),
                "label_smoothing",
                "a share from 0 to below 1",
            ),
            (alpha(self.mixup), "mixup", "a number from 0"),
            (alpha(self.cutmix), "cutmix", "a number from 0"),
            (
                (0.0..=180.0).contains(&self.rotate),
                "rotate",
                "degrees from 0 to 180",
            ),
            (
                (0.0..=1.0).contains(&self.erase),
                "erase",
                "a probability from 0 to 1",
            ),
        ];
        settings::want(&rules)
    }

    /// Cross entropy, with smoothed labels and weighed classes if they are wanted.
    pub(crate) fn loss(
        &self,
        weights: Option<&[f64]>,
    ) -> impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + use<> {
        let mut criterion = CrossEntropy::new().label_smoothing(self.label_smoothing);
        if let Some(weights) = weights {
            let weights: Vec<f32> = weights.iter().map(|weight| *weight as f32).collect();
            criterion = criterion.weight(&Tensor::from(weights));
        }
        move |logits, targets| criterion.loss(logits, targets)
    }

    /// The trainer with all that is wanted, for pictures of this shape and so many classes.
    pub(crate) fn apply(&self, mut trainer: Trainer, shape: [usize; 3], classes: usize) -> Trainer {
        if self.patience > 0 {
            let goal = Goal::smallest("val_loss");
            trainer = trainer.callback(EarlyStopping::new(goal, self.patience));
        }
        let changes = self.crop > 0 || self.flip || self.rotate > 0.0 || self.erase > 0.0;
        let mixup = (self.mixup > 0.0).then(|| Mixup::new(self.mixup, classes));
        let cutmix = (self.cutmix > 0.0).then(|| CutMix::new(self.cutmix, classes, shape));
        if !changes && mixup.is_none() && cutmix.is_none() {
            return trainer;
        }
        let mut augment = Augment::new(shape)
            .crop(self.crop)
            .rotate(self.rotate)
            .erase(self.erase);
        if self.flip {
            augment = augment.flip();
        }
        trainer.augment(move |batch, rng| {
            let batch = augment.apply(batch, rng);
            match (&mixup, &cutmix) {
                (Some(mixup), None) => mixup.apply(batch, rng),
                (None, Some(cutmix)) => cutmix.apply(batch, rng),
                (Some(mixup), Some(_)) if rng.below(2) == 0 => mixup.apply(batch, rng),
                (Some(_), Some(cutmix)) => cutmix.apply(batch, rng),
                (None, None) => batch,
            }
        })
    }
}
