//! Recipes of classifiers of pictures: each says what its network is, how it is trained and what it promises; the rest is
//! here.

use crate::classification::{self, Explain, Task};
use crate::fine_tuning::FineTuning;
use crate::pictures::{self, Answers, FolderSettings, Sets};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Evaluation, Prediction, Prepared, Recipe};
use crate::regularization::Regularization;
use crate::run::{Config, Run};
use crate::settings::{complete, from_table, to_table};
use crate::standardized::Standardized;
use eras_data::{Dataset, Images};
use eras_nn::Layer;
use eras_report::Section;
use eras_tensor::{Error, Result, Rng, Tensor};
use eras_train::{Accuracy, BalancedAccuracy, Trainer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::Table;

/// A loss of outputs and targets.
pub(crate) type Loss = Box<dyn Fn(&Tensor, &Tensor) -> Tensor + Send + Sync>;

/// What makes a recipe: a network and its training. Settings are those of [`Common`] and its own.
pub(crate) trait Classifier: Sync {
    /// Those of the network and of its optimizer.
    type Settings: Default + Serialize + DeserializeOwned;
    type Model: Layer + 'static;

    const CARD: Card;
    const PROMISES: &'static [Promise];
    /// What it was, why it mattered, where it stopped, what came next.
    const STORY: &'static str;
    /// Whether it sees a picture as one row of numbers.
    const IS_FLAT: bool = false;
    /// What of a picture speaks for a class, where the network has maps that tell.
    const EXPLAIN: Option<Explain<Standardized<Self::Model>>> = None;

    fn common() -> Common;

    fn defaults() -> Self::Settings {
        Self::Settings::default()
    }

    fn check(settings: &Self::Settings) -> Result<()>;

    /// For pictures of this shape.
    fn model(
        settings: &Self::Settings,
        shape: [usize; 3],
        classes: usize,
        rng: &mut Rng,
    ) -> Result<Self::Model>;

    /// A trainer with its optimizer and, over so many steps, its schedule.
    fn trainer(
        settings: &Self::Settings,
        loss: Loss,
        weight_decay: f64,
        steps: u64,
    ) -> Result<Trainer>;

    /// What the report shows of the trained network beside what it shows of all.
    fn sections(model: &Standardized<Self::Model>, test: &Images) -> Result<Vec<Section>> {
        let _ = (model, test);
        Ok(Vec::new())
    }
}

/// Settings that all have. A run of before a setting existed has its default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Common {
    /// How often the training set is gone through.
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    /// Of the weights, the order of the samples, dropout and augmentation.
    pub(crate) seed: u64,
    #[serde(flatten)]
    pub(crate) regularization: Regularization,
    #[serde(flatten)]
    pub(crate) fine_tuning: FineTuning,
    /// What matrix products and convolutions multiply in: `f32` or `bf16`.
    pub(crate) precision: String,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    pub(crate) checkpoint_steps: u64,
    /// `mnist`, `fashion-mnist`, `cifar10`, or `folder`: that of --data, one folder a class.
    pub(crate) dataset: String,
    #[serde(flatten)]
    pub(crate) folder: FolderSettings,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            epochs: 12,
            batch_size: 128,
            seed: 0,
            regularization: Regularization::default(),
            fine_tuning: FineTuning::default(),
            precision: "f32".into(),
            checkpoint_steps: 0,
            dataset: "mnist".into(),
            folder: FolderSettings::default(),
        }
    }
}

/// The sets that are known by name.
const SETS: [&str; 3] = ["mnist", "fashion-mnist", "cifar10"];

impl Common {
    fn check(&self) -> Result<()> {
        classification::check_loop(self.epochs, self.batch_size)?;
        self.regularization.check()?;
        classification::precision(&self.precision)?;
        self.folder.check()?;
        pictures::check_dataset(&self.dataset, &SETS)
    }
}

/// Makes smaller batches and more epochs the defaults for few pictures: a network that begins anew needs a good thousand steps,
/// and batch norm some tens of them in an epoch. The rate of a descent with momentum falls as the batches do (Goyal et al.
/// 2017, arXiv:1706.02677).
fn suit(table: &mut Table, pictures: usize) {
    const STEPS: usize = 1500;
    const STEPS_OF_EPOCH: usize = 30;
    const SMALLEST: usize = 8;
    const LONGEST: usize = 100;
    let number = |table: &Table, key: &str| {
        let found = table.get(key).and_then(|value| value.as_integer());
        found.and_then(|n| usize::try_from(n).ok())
    };
    let (Some(usual), Some(epochs)) = (number(table, "batch_size"), number(table, "epochs")) else {
        return;
    };
    let mut batch = usual;
    while batch > SMALLEST && pictures < STEPS_OF_EPOCH * batch {
        batch /= 2;
    }
    let enough = (STEPS * batch).div_ceil(pictures.max(1)).min(LONGEST);
    table.insert("batch_size".into(), (batch as i64).into());
    table.insert("epochs".into(), (epochs.max(enough) as i64).into());
    let lr = table.get("lr").and_then(|value| value.as_float());
    if let Some(lr) = lr.filter(|_| table.contains_key("momentum")) {
        let less = lr * batch as f64 / usual as f64;
        table.insert("lr".into(), less.into());
    }
}

/// The promise of an accuracy on the test set.
pub(crate) const fn accuracy(least: f64) -> Promise {
    Promise {
        name: "test_accuracy",
        unit: Unit::Share,
        bound: Bound::AtLeast(least),
    }
}

/// Refuses pictures with a side shorter than this.
pub(crate) fn want_size([_, height, width]: [usize; 3], least: usize) -> Result<()> {
    if height.min(width) >= least {
        return Ok(());
    }
    Err(Error::usage(format!(
        "found pictures of {height}x{width}, wanted {least}x{least} at least; those of a folder become so by --set size={least}"
    )))
}

/// All settings of a recipe.
struct Settings<C: Classifier> {
    own: C::Settings,
    common: Common,
}

impl<C: Classifier> Settings<C> {
    fn defaults() -> Table {
        let mut table = to_table(&C::defaults());
        table.extend(to_table(&C::common()));
        table
    }

    fn read(config: &Config) -> Result<Self> {
        let all = complete(Self::defaults(), &config.settings)?;
        let names = to_table(&C::common());
        let (common, own): (Table, Table) = all
            .into_iter()
            .partition(|(key, _)| names.contains_key(key));
        let settings = Self {
            own: from_table(&own)?,
            common: from_table(&common)?,
        };
        settings.common.check()?;
        C::check(&settings.own)?;
        Ok(settings)
    }

    /// The network for what is described by `answers`.
    fn model(&self, answers: &Answers) -> Result<Standardized<C::Model>> {
        let Answers { shape, classes, .. } = answers;
        let rng = &mut Rng::new(self.common.seed);
        let model = C::model(&self.own, *shape, classes.len(), rng)?;
        Ok(match answers.standard(&self.common.dataset) {
            Some(standard) if !C::IS_FLAT => Standardized::new(model, standard),
            _ => Standardized::plain(model),
        })
    }

    /// For a training set of so many samples, whose classes count so much.
    fn trainer(
        &self,
        answers: &Answers,
        samples: usize,
        weights: Option<&[f64]>,
    ) -> Result<Trainer> {
        let Common {
            epochs,
            batch_size,
            seed,
            regularization,
            precision,
            ..
        } = &self.common;
        let steps = (epochs * samples.div_ceil(*batch_size)) as u64;
        let (decay, loss) = (regularization.weight_decay, regularization.loss(weights));
        let mut trainer = C::trainer(&self.own, Box::new(loss), decay, steps)?
            .batch_size(*batch_size)
            .epochs(*epochs)
            .seed(*seed)
            .precision(classification::precision(precision)?)
            .metric(Accuracy);
        if weights.is_some() {
            trainer = trainer.metric(BalancedAccuracy);
        }
        Ok(regularization.apply(trainer, answers.shape, answers.classes.len()))
    }
}

impl<C: Classifier> Recipe for C {
    fn card(&self) -> Card {
        C::CARD
    }

    fn promises(&self) -> Vec<Promise> {
        C::PROMISES.to_vec()
    }

    fn defaults(&self) -> Table {
        Settings::<C>::defaults()
    }

    fn defaults_for(&self, data: Option<&Path>, from: Option<&Path>) -> Result<Table> {
        /// What a network is built by.
        const BUILT_BY: [&str; 3] = ["depth", "stem", "shortcut"];
        let mut table = Settings::<C>::defaults();
        let dataset = C::common().dataset;
        if let Some(pictures) = data.and_then(|data| pictures::count(&dataset, data)) {
            suit(&mut table, pictures);
        }
        let Some(from) = from else {
            return Ok(table);
        };
        let run = Run::open(from)?;
        if let Some(size) = pictures::size_of(&run)? {
            table.insert("size".into(), (size as i64).into());
        }
        if run.config().recipe == C::CARD.name {
            for key in BUILT_BY {
                if let Some(value) = run.config().settings.get(key)
                    && table.contains_key(key)
                {
                    table.insert(key.into(), value.clone());
                }
            }
        }
        Ok(table)
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let settings = Settings::<C>::read(config)?;
        let Common {
            dataset,
            folder,
            fine_tuning,
            checkpoint_steps,
            ..
        } = &settings.common;
        let sets = Sets::load(dataset, folder, config.data.as_deref(), C::IS_FLAT)?;
        let (answers, weights) = (sets.answers(), folder.weights(&sets.counts));
        let mut model = settings.model(&answers)?;
        fine_tuning.apply(&mut model)?;
        let trainer = settings.trainer(&answers, sets.train.len(), weights.as_deref())?;
        Ok(Box::new(Task {
            card: C::CARD,
            story: C::STORY,
            sets,
            weights,
            model,
            trainer,
            explain: C::EXPLAIN,
            sections: C::sections,
            checkpoint_steps: *checkpoint_steps,
        }))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let settings = Settings::<C>::read(run.config())?;
        let Common {
            dataset, folder, ..
        } = &settings.common;
        let set = Sets::load_test(dataset, folder, run, data, C::IS_FLAT)?;
        let answers = Answers {
            shape: set.images.shape(),
            ..Answers::of(run, dataset)?
        };
        let mut model = settings.model(&answers)?;
        let weights = folder.weights(&set.counts);
        let trainer = settings.trainer(&answers, set.images.len(), weights.as_deref())?;
        classification::evaluate(&mut model, &trainer, run, set)
    }

    fn predict(&self, run: &Run, files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        let settings = Settings::<C>::read(run.config())?;
        let answers = Answers::of(run, &settings.common.dataset)?;
        let mut model = settings.model(&answers)?;
        let see = |file: &Path| {
            let x = answers.see(file)?; // (1, C, H, W)
            Ok(if C::IS_FLAT { x.flatten(1, -1) } else { x })
        };
        classification::predict(&mut model, run, files, &answers.classes, see)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_pictures_are_seen_more_often_in_smaller_batches_at_a_lower_rate() {
        let suited = |pictures: usize, momentum: bool| {
            let mut table: Table =
                toml::from_str("batch_size = 128\nepochs = 6\nlr = 0.1").unwrap();
            if momentum {
                table.insert("momentum".into(), 0.9.into());
            }
            suit(&mut table, pictures);
            let whole = |key: &str| table[key].as_integer().unwrap();
            (
                whole("batch_size"),
                whole("epochs"),
                table["lr"].as_float().unwrap(),
            )
        };
        assert_eq!(suited(50_000, true), (128, 6, 0.1));
        assert_eq!(suited(5_000, true), (128, 39, 0.1));
        assert_eq!(suited(450, true), (8, 27, 0.00625));
        assert_eq!(suited(450, false), (8, 27, 0.1));
        assert_eq!(suited(0, false), (8, 100, 0.1));
    }
}
