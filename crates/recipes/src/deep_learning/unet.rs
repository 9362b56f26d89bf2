//! The U-Net on overlapping shapes in noise: which pixel belongs to what (Ronneberger, Fischer & Brox 2015).

use crate::classification::check_loop;
use crate::cost::{self, Estimate};
use crate::experiment::{self, Findings};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Job, Outcome, Prediction, Prepared, Recipe};
use crate::run::{Config, Fingerprints, Run};
use crate::settings::{self, to_table};
use crate::training::{self, Trained};
use eras_data::{Dataset, Shapes};
use eras_models::deep_learning::UNet;
use eras_nn::{Adam, Layer, Mode, Module, Schedule, Summary, cross_entropy, summary};
use eras_report::{Picture, Section, Shown, Table, format};
use eras_tensor::{Error, Result, Rng, Tensor, no_grad};
use eras_train::{Accuracy, Confusion, Goal, Iou, MeanIou, Metric, Score, Snapshot, Trainer};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;

/// `eras train unet`.
#[derive(Debug)]
pub struct UNetRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    epochs: usize,
    batch_size: usize,
    /// Of the weights, the pictures and their order.
    seed: u64,
    /// Pictures of an epoch: the same in each.
    samples: usize,
    /// Height and width of a picture.
    size: usize,
    /// The standard deviation of its noise.
    noise: f64,
    /// Channels at full size.
    channels: usize,
    /// How often the size is halved.
    levels: usize,
    /// Of the first step; it falls to 0 along a half cosine.
    lr: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 5,
            batch_size: 16,
            seed: 0,
            samples: 16_000,
            size: 48,
            noise: 0.1,
            channels: 16,
            levels: 3,
            lr: 0.002,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        check_loop(self.epochs, self.batch_size)?;
        let halves = u32::try_from(self.levels)
            .ok()
            .and_then(|levels| 1usize.checked_shl(levels));
        let rules = [
            (self.samples > 0, "samples", "at least 1"),
            ((1..=8).contains(&self.levels), "levels", "1 to 8"),
            (
                (8..=512).contains(&self.size)
                    && halves.is_some_and(|parts| self.size.is_multiple_of(parts)),
                "size",
                "8 to 512, and to be halved once a level",
            ),
            (
                (0.0..=1.0).contains(&self.noise),
                "noise",
                "a number from 0 to 1",
            ),
            (
                self.channels > 0 && self.channels.is_multiple_of(8),
                "channels",
                "a multiple of 8",
            ),
            (
                self.lr.is_finite() && self.lr > 0.0,
                "lr",
                "a number above 0",
            ),
        ];
        settings::want(&rules)
    }

    fn model(&self) -> UNet {
        UNet::new(
            1,
            Shapes::CLASSES.len(),
            self.channels,
            self.levels,
            &mut Rng::new(self.seed),
        )
    }

    /// Pictures of other seeds than the training's are another set.
    fn data(&self, len: usize, seed: u64) -> Shapes {
        Shapes::new(len, seed).size(self.size).noise(self.noise)
    }

    fn trainer(&self) -> Trainer {
        let steps = (self.epochs * self.samples.div_ceil(self.batch_size)) as u64;
        let trainer = Trainer::new(Adam::new(self.lr), of_pixels)
            .batch_size(self.batch_size)
            .epochs(self.epochs)
            .seed(self.seed)
            .schedule(Schedule::cosine(steps, 0.0))
            .metric(Accuracy)
            .metric(MeanIou);
        (1..Shapes::CLASSES.len()).fold(trainer, |trainer, class| trainer.metric(Iou(class)))
    }
}

/// The mean cross entropy of a pixel: logits `(B, H, W, K)`, classes `(B, H, W)`.
fn of_pixels(logits: &Tensor, classes: &Tensor) -> Tensor {
    cross_entropy(&logits.flatten(0, 2), &classes.flatten(0, 2))
}

fn settings(config: &Config) -> Result<Settings> {
    let settings: Settings = settings::read(&config.settings)?;
    settings.check()?;
    Ok(settings)
}

fn experiment(settings: Settings) -> Experiment {
    /// Pictures that no training sees, and their seed's distance from the training's.
    const TEST: usize = 500;
    const OTHER: u64 = 1 << 32;
    Experiment {
        train: settings.data(settings.samples, settings.seed),
        test: settings.data(TEST, settings.seed.wrapping_add(OTHER)),
        model: settings.model(),
        settings,
    }
}

impl Recipe for UNetRecipe {
    fn card(&self) -> Card {
        Card {
            name: "unet",
            title: "U-Net: what each pixel belongs to",
            era: Era::DeepLearning,
            paper: "Ronneberger, Fischer & Brox 2015, U-Net: Convolutional networks for biomedical image segmentation",
            data: "made on the fly: discs, rectangles and triangles that overlap in noise, with exact masks",
            promise: "mean IoU on fresh pictures at least 90%",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        vec![Promise {
            name: "test_mean_iou",
            unit: Unit::Share,
            bound: Bound::AtLeast(0.9),
        }]
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        if let Some(folder) = &config.data {
            return Err(Error::usage(format!(
                "`unet` makes its pictures itself and reads none from {}",
                folder.display()
            )));
        }
        Ok(Box::new(experiment(settings(config)?)))
    }

    fn evaluate(&self, run: &Run, _data: Option<&Path>) -> Result<Evaluation> {
        let mut experiment = experiment(settings(run.config())?);
        let (snapshot, _) = Snapshot::load_latest(&run.checkpoints())?;
        experiment
            .model
            .load_state(&snapshot.weights())
            .map_err(|e| e.at(run.folder()))?;
        let trainer = experiment.settings.trainer();
        Ok(Evaluation {
            score: trainer.evaluate(&experiment.model, &experiment.test)?,
            data: "shapes".into(),
            data_sha256: experiment.test.fingerprint(),
        })
    }

    fn predict(&self, _run: &Run, _files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        Err(Error::usage(
            "`unet` tells of each pixel what it belongs to, and of a picture no class; see its report",
        ))
    }
}

struct Experiment {
    settings: Settings,
    train: Shapes,
    test: Shapes,
    model: UNet,
}

impl Prepared for Experiment {
    fn data_sha256(&self) -> Fingerprints {
        Fingerprints::of(&self.train, &self.test)
    }

    fn begin_with(&mut self, weights: &[(String, Tensor)]) -> Result<()> {
        self.model.load_state(weights)
    }

    fn estimate(&mut self) -> Result<Option<Estimate>> {
        let (trainer, summary) = (self.settings.trainer(), self.summary());
        let samples = trainer.samples_per_step().min(self.train.len());
        let step = summary.step(samples, trainer.optimizer());
        cost::check_memory(&step)?;
        let forecast = trainer.forecast(&mut self.model, &self.train, &self.test)?;
        Ok(Some(Estimate::of_passes(summary, step, forecast)))
    }

    fn train(mut self: Box<Self>, mut job: Job<'_>) -> Result<Outcome> {
        let (start, run) = (Instant::now(), job.run);
        let best = Some(Goal::largest("val_mean_iou"));
        let begun = training::begin(&mut job, best, 0)?;
        let mut trainer = self.settings.trainer().stop_when(job.stop);
        for callback in begun.callbacks {
            trainer = trainer.boxed_callback(callback);
        }
        let history = match &begun.snapshot {
            Some(snapshot) => trainer.resume(&mut self.model, &self.train, &self.test, snapshot),
            None => trainer.fit(&mut self.model, &self.train, &self.test),
        };
        let history = history.map_err(|error| training::how_to_go_on(error, run))?;
        let test = history.epochs.last().and_then(|epoch| epoch.valid.clone());
        let test = test.ok_or_else(|| Error::new("the training ended without an epoch"))?;

        let summary = self.summary();
        let step = summary.step(self.train.len(), trainer.optimizer());
        let flops = step.flops + summary.forward_flops(self.test.len());
        let trained = Trained {
            history: &history,
            spent: begun
                .meter
                .stop(&history, history.epochs.len() as u64 * flops),
            sha256: eras_train::hash(&self.model.state()),
            curves: &[
                ("Loss", &[("training", "loss"), ("test", "val_loss")]),
                (
                    "Mean intersection over union",
                    &[("training", "mean_iou"), ("test", "val_mean_iou")],
                ),
            ],
        };
        let findings = Findings {
            measured: measured(&test),
            sections: vec![self.pictures()?, self.classes(&test)?],
        };
        let story = include_str!("../../stories/unet.md");
        experiment::report(&UNetRecipe, story, run, findings, Some(trained), start)
    }
}

fn measured(test: &Score) -> Vec<Measured> {
    let number = |name: &str, value, unit| Measured::new(format!("test_{name}"), value, unit);
    let share = |name| number(name, test.get(name).unwrap_or(f64::NAN), Unit::Share);
    vec![
        share("mean_iou"),
        share("accuracy"),
        number("loss", test.loss, Unit::Plain),
    ]
}

impl Experiment {
    fn summary(&self) -> Summary {
        let size = self.settings.size;
        summary(&self.model, [1, size, size])
    }

    /// Logits of the pixels of test pictures, `(B, H, W, K)`, beside the pictures and the truth.
    fn look(&self, indices: &[usize]) -> Result<[Tensor; 3]> {
        let batch = self.test.batch(indices)?;
        let logits = no_grad(|| self.model.apply(&batch.x, &Mode::eval()));
        Ok([batch.x, batch.y, logits])
    }

    /// Pictures, what is true of them, and what the network says, in colours.
    fn pictures(&self) -> Result<Section> {
        const SHOWN: usize = 10;
        let indices: Vec<usize> = (0..SHOWN).collect();
        let [x, truth, logits] = self.look(&indices)?;
        let said = logits.argmax(-1);
        let shown = indices.iter().map(|&i| {
            let gray: Vec<u8> = x
                .select(0, i)
                .to_vec::<f32>()
                .iter()
                .map(|x| (255.0 * x.clamp(0.0, 1.0)).round() as u8)
                .collect();
            let size = self.settings.size;
            let parts = [
                Picture::grey(size, size, gray),
                coloured(&truth.select(0, i).to_vec(), size),
                coloured(&said.select(0, i).to_vec(), size),
            ];
            let right = truth.select(0, i).eq(&said.select(0, i));
            let share = right.to_dtype(eras_tensor::Dtype::F32).mean(..).item();
            Shown {
                picture: Picture::grid(&parts, 3),
                caption: format!("{} of the pixels", format::percent(share)),
                detail: "seen, true, said".into(),
            }
        });
        Ok(Section::new("Pictures")
            .note("Test pictures")
            .text("Blue are discs, orange are rectangles, green are triangles. Where shapes overlap, the last one lies on top.")
            .pictures(shown.collect()))
    }

    /// How well each class is found, and what it is taken for.
    fn classes(&self, test: &Score) -> Result<Section> {
        const CHUNK: usize = 50;
        let mut totals = Vec::new();
        let all: Vec<usize> = (0..self.test.len()).collect();
        for chunk in all.chunks(CHUNK) {
            let [_, truth, logits] = self.look(chunk)?;
            Confusion.update(&mut totals, &logits, &truth);
        }
        let names = Shapes::CLASSES;
        let head = ["what it is", "found", "IoU"].map(str::to_owned);
        let mut table = Table::new(
            head.into_iter()
                .chain(names.map(|name| format!("as {name}"))),
        );
        for (class, row) in totals.chunks_exact(names.len()).enumerate() {
            let pixels: f64 = row.iter().sum();
            let iou = if class == 0 {
                Iou(0).value(&totals)
            } else {
                test.get(&format!("iou_{class}")).unwrap_or(f64::NAN)
            };
            let found = format::percent(row[class] / pixels);
            let shares = row.iter().map(|n| format::percent(n / pixels));
            let cells = [names[class].to_owned(), found, format::percent(iou)];
            table = table.row(cells.into_iter().chain(shares));
        }
        Ok(Section::new("Classes")
            .note("Of the pixels of each, what the network says")
            .table(table))
    }
}

/// Each class in its colour.
fn coloured(classes: &[i64], size: usize) -> Picture {
    const COLOURS: [[u8; 3]; 4] = [[24, 24, 27], [96, 165, 250], [251, 146, 60], [74, 222, 128]];
    let pixels = classes.iter().flat_map(|&class| COLOURS[class as usize]);
    Picture::rgb(size, size, pixels.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(key: &str, value: toml::Value) -> String {
        let mut config = Config::new("unet", UNetRecipe.defaults(), 1);
        config.settings.insert(key.into(), value);
        let error = UNetRecipe.prepare(&config).err().expect("refused");
        error.to_string()
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let wanted = "setting `size` wants 8 to 512, and to be halved once a level";
        assert_eq!(refusal("size", 60.into()), wanted);
        assert_eq!(refusal("size", 1024.into()), wanted);
        assert_eq!(
            refusal("levels", 64.into()),
            "setting `levels` wants 1 to 8"
        );
        assert_eq!(
            refusal("channels", 12.into()),
            "setting `channels` wants a multiple of 8"
        );
    }

    #[test]
    fn a_small_training_writes_its_page_and_can_be_evaluated() {
        let mut config = Config::new("unet", UNetRecipe.defaults(), 1);
        for (key, value) in [("epochs", 1), ("samples", 32), ("size", 16), ("levels", 1)] {
            config.settings.insert(key.into(), value.into());
        }
        config.settings.insert("channels".into(), 8.into());
        let folder = std::env::temp_dir().join(format!("eras-unet-{}", std::process::id()));
        let prepared = UNetRecipe.prepare(&config).unwrap();
        let run = Run::create(&folder, config).unwrap();
        let job = Job {
            run: &run,
            resume: false,
            observers: Vec::new(),
            stop: std::sync::Arc::default(),
            say: &|_| (),
        };
        let outcome = prepared.train(job).unwrap();
        let evaluated = UNetRecipe.evaluate(&run, None).unwrap().score;
        assert_eq!(
            outcome.measured[0].value,
            evaluated.get("mean_iou").unwrap()
        );
        let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
        assert!(page.contains("as triangle"));
        drop(run);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn test_pictures_are_others_than_the_training_s() {
        let experiment = experiment(Settings::default());
        let first = |data: &Shapes| data.batch(&[0]).expect("made").x.to_vec::<f32>();
        assert_ne!(first(&experiment.train), first(&experiment.test));
    }
}
