//! Deeper and worse: plain networks of two depths against the same with shortcuts, as in figures 1 and 6 of He, Zhang, Ren &
//! Sun 2015 (arXiv:1512.03385).
//!
//! Differs from the paper: the first 10,000 pictures at half their height and width, so that it takes minutes; not moved or
//! mirrored; at a rate that rises and falls once. With `--set halved=false --set samples=50000 --set epochs=164 --set lr=0.1
//! --set schedule=drops --set batch_size=128` it is nearer to it, and takes days on two cores.

use crate::descent::Descent;
use crate::experiment::{self, Findings};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Job, Outcome, Prepared, Recipe};
use crate::run::{Config, Fingerprints};
use crate::settings::{self, to_table};
use eras_data::{Cifar10, Dataset, Images, Search, TensorDataset};
use eras_models::deep_learning::{ResNet, Shortcut};
use eras_nn::cross_entropy;
use eras_report::{Chart, Section, Series, Table, format};
use eras_tensor::{Result, Rng};
use eras_train::{Accuracy, Callback, History, Moment};
use serde::{Deserialize, Serialize};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// `eras train degradation`.
#[derive(Debug)]
pub struct DegradationRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// How often the training set is gone through.
    epochs: usize,
    batch_size: usize,
    /// Of the weights and the order of the samples.
    seed: u64,
    /// The two depths, each 6n + 2.
    shallow: usize,
    deep: usize,
    /// Training pictures, the first of the set; a fifth as many are tested with.
    samples: usize,
    /// Whether pictures lose half of their height and width: the mean of four pixels becomes one.
    halved: bool,
    weight_decay: f64,
    #[serde(flatten)]
    descent: Descent,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 24,
            batch_size: 64,
            seed: 0,
            shallow: 20,
            deep: 56,
            samples: 10_000,
            halved: true,
            weight_decay: 1e-4,
            descent: Descent {
                lr: 0.03,
                ..Descent::default()
            },
        }
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        let is_depth = |n: usize| n >= 8 && n % 6 == 2;
        let rules = [
            (self.epochs > 0, "epochs", "at least 1"),
            (self.batch_size > 1, "batch_size", "at least 2"),
            (
                is_depth(self.shallow),
                "shallow",
                "a depth of 6n + 2, as 20",
            ),
            (
                is_depth(self.deep) && self.deep > self.shallow,
                "deep",
                "a depth of 6n + 2 above `shallow`, as 56",
            ),
            (self.samples >= 100, "samples", "at least 100"),
            (
                self.weight_decay.is_finite() && self.weight_decay >= 0.0,
                "weight_decay",
                "a number from 0",
            ),
        ];
        settings::want(&rules)?;
        self.descent.check()
    }

    /// The first pictures of a set as they are trained on or tested with, each channel of mean 0 and deviation 1.
    fn pictures(&self, images: &Images, count: usize) -> Result<TensorDataset> {
        let count = count.min(images.len());
        let batch = images.planes().batch(&(0..count).collect::<Vec<_>>())?;
        let x = match self.halved {
            true => batch.x.avg_pool([2, 2]),
            false => batch.x,
        };
        let axes = [0, 2, 3];
        let x = (&x - x.mean_keepdim(axes)) / x.std_keepdim(0, axes);
        TensorDataset::new(x, batch.y)?.with_classes(images.classes())
    }
}

impl Recipe for DegradationRecipe {
    fn card(&self) -> Card {
        Card {
            name: "degradation",
            title: "Deeper and worse: plain networks and residual ones",
            era: Era::DeepLearning,
            paper: "He, Zhang, Ren & Sun 2015, Deep residual learning for image recognition, arXiv:1512.03385, figures 1 and 6",
            data: "CIFAR-10",
            promise: "56 plain layers end with a training loss at least 0.2 above that of 20; with shortcuts at most 0.1 above",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, bound| Promise {
            name,
            unit: Unit::Plain,
            bound,
        };
        vec![
            promise("plain_excess", Bound::AtLeast(0.2)),
            promise("residual_excess", Bound::AtMost(0.1)),
        ]
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let settings: Settings = settings::read(&config.settings)?;
        settings.check()?;
        let search = Search::given(config.data.as_deref());
        let Cifar10 { train, test } = Cifar10::find(&search)?;
        Ok(Box::new(Experiment {
            train: settings.pictures(&train, settings.samples)?,
            test: settings.pictures(&test, settings.samples / 5)?,
            settings,
        }))
    }
}

struct Experiment {
    settings: Settings,
    train: TensorDataset,
    test: TensorDataset,
}

/// One of the four networks, trained.
struct Trained {
    depth: usize,
    is_residual: bool,
    /// The loss at each step.
    losses: Vec<f64>,
    history: History,
}

impl Trained {
    /// `plain_56`
    fn name(&self) -> String {
        let kind = if self.is_residual {
            "residual"
        } else {
            "plain"
        };
        format!("{kind}_{}", self.depth)
    }

    /// The mean loss over the last epoch's steps.
    fn loss(&self) -> f64 {
        let last = self.history.epochs.last();
        last.map_or(f64::NAN, |epoch| epoch.train.loss)
    }

    /// On what it was trained with, of each epoch.
    fn errors(&self) -> Vec<f64> {
        let accuracies = self.history.series("accuracy");
        accuracies.iter().map(|share| 1.0 - share).collect()
    }

    fn test_error(&self) -> f64 {
        let last = self.history.series("val_accuracy").pop();
        1.0 - last.unwrap_or(f64::NAN)
    }
}

/// Notes the loss of each step.
struct Note(Arc<Mutex<Vec<f64>>>);

impl Callback for Note {
    fn step(&mut self, moment: &Moment<'_>) -> Result<()> {
        let mut losses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        losses.push(moment.loss());
        Ok(())
    }
}

impl Experiment {
    fn learn(&self, depth: usize, is_residual: bool, stop: &Arc<AtomicBool>) -> Result<Trained> {
        let settings = &self.settings;
        let (channels, classes) = (
            self.train.batch(&[0])?.x.shape()[1],
            self.train.classes().len(),
        );
        let rng = &mut Rng::new(settings.seed);
        let mut model = ResNet::cifar(depth, channels, classes, Shortcut::Padded, rng);
        if !is_residual {
            model = model.without_shortcuts();
        }
        let losses = Arc::new(Mutex::new(Vec::new()));
        let steps = settings.epochs * self.train.len().div_ceil(settings.batch_size);
        let trainer = settings
            .descent
            .trainer(Box::new(cross_entropy), settings.weight_decay, steps as u64)?
            .batch_size(settings.batch_size)
            .epochs(settings.epochs)
            .seed(settings.seed)
            .metric(Accuracy)
            .stop_when(stop.clone())
            .callback(Note(losses.clone()));
        let history = trainer.fit(&mut model, &self.train, &self.test)?;
        let losses = std::mem::take(&mut *losses.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Trained {
            depth,
            is_residual,
            losses,
            history,
        })
    }
}

/// The curves of two depths of one kind.
fn section(pair: &[Trained]) -> Section {
    let (title, note) = if pair[0].is_residual {
        (
            "With shortcuts",
            "The same layers, and additions around them",
        )
    } else {
        ("Plain", "Also on what they are trained with")
    };
    let mut errors = Chart::new("Training error").x_label("epoch").y_percent();
    let mut losses = Chart::new("Training loss").x_label("step");
    let mut table = Table::new(["layers", "training loss", "training error", "test error"]);
    for trained in pair {
        let name = format!("{} layers", trained.depth);
        errors = errors.series(Series::by_epoch(&name, &trained.errors()));
        losses = losses.series(Series::new(name, smoothed(&trained.losses)));
        table = table.row([
            trained.depth.to_string(),
            format::significant(trained.loss()),
            format::percent(trained.errors().pop().unwrap_or(f64::NAN)),
            format::percent(trained.test_error()),
        ]);
    }
    let section = Section::new(title).note(note).chart(errors).chart(losses);
    section.table(table)
}

/// The mean of neighbouring losses, a hundred points at most, each at the last of its steps.
fn smoothed(losses: &[f64]) -> Vec<(f64, f64)> {
    let width = losses.len().div_ceil(100).max(1);
    let means = losses.chunks(width).enumerate();
    means
        .map(|(i, part)| {
            let mean = part.iter().sum::<f64>() / part.len() as f64;
            ((i * width + part.len()) as f64, mean)
        })
        .collect()
}

impl Prepared for Experiment {
    fn data_sha256(&self) -> Fingerprints {
        Fingerprints::of(&self.train, &self.test)
    }

    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        let start = Instant::now();
        let Settings { shallow, deep, .. } = self.settings;
        let mut all = Vec::new();
        for is_residual in [false, true] {
            for depth in [shallow, deep] {
                let trained = self.learn(depth, is_residual, &job.stop)?;
                (job.say)(&format!(
                    "{} layers{}: training loss {}, test error {}",
                    depth,
                    if is_residual { " with shortcuts" } else { "" },
                    format::significant(trained.loss()),
                    format::percent(trained.test_error())
                ));
                all.push(trained);
            }
        }
        let mut measured = Vec::new();
        for (kind, pair) in ["plain", "residual"].into_iter().zip(all.chunks_exact(2)) {
            // How much more the deeper one has lost in the end: above 0, depth has made it worse.
            let excess = pair[1].loss() - pair[0].loss();
            measured.push(Measured::new(format!("{kind}_excess"), excess, Unit::Plain));
        }
        for trained in &all {
            let name = trained.name();
            measured.push(Measured::new(
                format!("{name}_loss"),
                trained.loss(),
                Unit::Plain,
            ));
            let error = trained.test_error();
            measured.push(Measured::new(
                format!("{name}_test_error"),
                error,
                Unit::Share,
            ));
        }
        let sections = all.chunks_exact(2).map(section).collect();
        let story = include_str!("../../stories/degradation.md");
        let findings = Findings { measured, sections };
        experiment::finish(&DegradationRecipe, story, job.run, findings, start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_averaged_and_stand_at_their_last_step() {
        assert_eq!(smoothed(&[3.0, 1.0]), [(1.0, 3.0), (2.0, 1.0)]);
        let many: Vec<f64> = (0..250).map(f64::from).collect();
        let points = smoothed(&many);
        assert_eq!(
            (points.len(), points[0], points[83]),
            (84, (3.0, 1.0), (250.0, 249.0))
        );
        assert_eq!(smoothed(&[]), []);
    }

    #[test]
    fn depths_that_do_not_rise_are_refused() {
        let mut config = Config::new("degradation", DegradationRecipe.defaults(), 1);
        config.settings.insert("deep".into(), 14.into());
        let error = DegradationRecipe.prepare(&config).err().expect("refused");
        assert_eq!(
            error.to_string(),
            "setting `deep` wants a depth of 6n + 2 above `shallow`, as 56"
        );
    }
}
