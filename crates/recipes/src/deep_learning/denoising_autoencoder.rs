//! The denoising autoencoder on digits and clothes (Vincent, Larochelle, Bengio & Manzagol 2008).

use super::autoencoder::{ERRORS, given_back, squared_error};
use super::codes;
use crate::drawing;
use crate::experiment::Findings;
use crate::minimization::{Learned, Task};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use crate::small_gray::{self, Common};
use eras_data::{Batch, Dataset, Images};
use eras_models::deep_learning::{DenoisingAutoencoder, spoil};
use eras_nn::{Layer, Mode};
use eras_report::{Chart, Picture, Section, Series};
use eras_tensor::{ConvOptions, Dtype, Error, Result, Rng, Tensor, no_grad};
use eras_train::{Forward, Objective};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train denoising-autoencoder`.
#[derive(Debug)]
pub struct DenoisingAutoencoderRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(flatten)]
    common: Common,
    /// Units of the hidden layer.
    hidden: usize,
    /// The share of pixels put to 0; with 0 it is an ordinary autoencoder.
    noise: f64,
    /// Epochs of an ordinary one, to compare with; 0 for none.
    plain_epochs: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            common: Common::new(20),
            hidden: 500,
            noise: 0.5,
            plain_epochs: 20,
        }
    }
}

impl Settings {
    fn model(&self, data: &Images) -> DenoisingAutoencoder {
        let pixels = data.shape().iter().product();
        DenoisingAutoencoder::new(pixels, self.hidden, &mut Rng::new(self.common.seed))
    }
}

impl Recipe for DenoisingAutoencoderRecipe {
    fn card(&self) -> Card {
        Card {
            name: "denoising-autoencoder",
            title: "The denoising autoencoder: what half a picture was",
            era: Era::DeepLearning,
            paper: "Vincent, Larochelle, Bengio & Manzagol 2008, Extracting and composing robust features with denoising autoencoders",
            data: "MNIST (embedded), or Fashion-MNIST",
            promise: "of half of the pixels put out, at most 25% of the squared error left; at most a third of what an ordinary one leaves",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![
            promise("error_left", Unit::Share, Bound::AtMost(0.25)),
            promise("part_of_plain_error", Unit::Share, Bound::AtMost(1.0 / 3.0)),
        ]
    }

    fn unit(&self, _number: &str) -> Unit {
        Unit::Plain
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        Ok(Box::new(task(config, config.data.as_deref())?))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let config = run.config();
        task(config, data.or(config.data.as_deref()))?.evaluate(run)
    }

    fn predict(&self, _run: &Run, _files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        Err(Error::usage(
            "`denoising-autoencoder` learns no classes; see its report",
        ))
    }
}

fn task(config: &Config, folder: Option<&Path>) -> Result<Task<DenoisingAutoencoder, Clean>> {
    let settings: Settings = settings::read(&config.settings)?;
    settings.common.check()?;
    small_gray::check_sizes(&[settings.hidden], 1)?;
    let noise = (0.0..1.0).contains(&settings.noise);
    settings::want(&[(noise, "noise", "a share from 0 to below 1")])?;
    let data = settings.common.data(folder)?.map(|set| set.flat());
    Ok(Task {
        recipe: &DenoisingAutoencoderRecipe,
        story: include_str!("../../stories/denoising-autoencoder.md"),
        name: settings.common.dataset.clone(),
        trainer: settings
            .common
            .trainer(settings.common.epochs, data[0].len()),
        checkpoint_steps: settings.common.checkpoint_steps,
        origin_sha256: None,
        watch: None,
        keeps: Vec::new(),
        model: settings.model(&data[0]),
        data,
        objective: Clean {
            noise: settings.noise,
        },
        curves: ERRORS,
        show: Box::new(move |learned| findings(&settings, learned)),
    })
}

/// The cross entropy of pixels with those that come back after a share of them was put to 0, summed over a picture.
#[derive(Debug, Clone, Copy)]
struct Clean {
    noise: f64,
}

impl Objective<DenoisingAutoencoder> for Clean {
    fn numbers(&self) -> Vec<&'static str> {
        vec!["squared_error"]
    }

    fn forward(&self, model: &DenoisingAutoencoder, batch: &Batch, mode: &Mode) -> Forward {
        let spoiled = spoil(&batch.x, self.noise, &mut mode.rng());
        given_back(&model.clean(&spoiled), &batch.x)
    }
}

/// The stream of a seed for what is spoiled to be looked at, and to be measured.
const SHOWN: u64 = 3;
const MEASURED: u64 = 4;

fn findings(settings: &Settings, learned: &Learned<'_, DenoisingAutoencoder>) -> Result<Findings> {
    let Learned { model, test, .. } = *learned;
    let plain = if settings.plain_epochs > 0 && settings.noise > 0.0 {
        (learned.say)("an ordinary autoencoder, to compare with ..");
        let plain = settings.model(test);
        let trainer = settings
            .common
            .trainer(settings.plain_epochs, learned.train.len());
        Some(learned.beside(plain, &Clean { noise: 0.0 }, trainer)?)
    } else {
        None
    };
    let back = |model: &DenoisingAutoencoder, x: &Tensor| no_grad(|| model.apply(x, &Mode::eval()));
    let error = |noise: f64, clean: &dyn Fn(&Tensor) -> Tensor| {
        let rng = &mut Rng::at(settings.common.seed, MEASURED, 0);
        squared_error(test, |x| clean(&spoil(x, noise, rng)))
    };
    let spoiled = error(settings.noise, &Tensor::clone)?;
    let cleaned = error(settings.noise, &|x| back(model, x))?;
    let mut measured = Vec::new();
    if settings.noise > 0.0 {
        measured.push(Measured::new("error_left", cleaned / spoiled, Unit::Share));
    }
    if let Some(plain) = &plain {
        let part = cleaned / error(settings.noise, &|x| back(plain, x))?;
        measured.push(Measured::new("part_of_plain_error", part, Unit::Share));
    }
    measured.push(Measured::new("squared_error", cleaned, Unit::Plain));

    let levels: Vec<f64> = (0..9).map(|i| f64::from(i) / 10.0).collect();
    let line = |name: &str, clean: &dyn Fn(&Tensor, f64) -> Tensor| {
        let at = |&noise: &f64| Ok((noise, error(noise, &|x| clean(x, noise))?));
        let points = levels.iter().map(at).collect::<Result<Vec<_>>>()?;
        Ok::<_, Error>(Series::new(name, points))
    };
    let mut chart = Chart::new("What is left at other shares of pixels put out")
        .x_label("share of pixels put to 0")
        .y_label("squared error of a test picture")
        .series(line("as spoiled", &|x, _| x.clone())?)
        .series(line("filled in from neighbours", &|x, noise| {
            fill(x, noise, test.shape())
        })?);
    if let Some(plain) = &plain {
        chart = chart.series(line("ordinary", &|x, _| back(plain, x))?);
    }
    chart = chart.series(line("denoising", &|x, _| back(model, x))?);

    let x = test.batch(&codes::one_of_each(test))?.x;
    let seen = spoil(
        &x,
        settings.noise,
        &mut Rng::at(settings.common.seed, SHOWN, 0),
    );
    let mut rows = vec![seen.clone(), fill(&seen, settings.noise, test.shape())];
    rows.extend(plain.iter().map(|plain| back(plain, &seen)));
    rows.extend([back(model, &seen), x]);
    let names = match plain {
        Some(_) => {
            "spoiled, filled in from neighbours, by an ordinary autoencoder, by this one, as it was"
        }
        None => "spoiled, filled in from neighbours, by this one, as it was",
    };
    let pictures = Section::new("Cleaned")
        .note("What is seen, and what it is taken for")
        .text(format!(
            "Each pixel was put to 0 with a probability of {}; nothing says which. The row filled in from neighbours takes every black \
             pixel for the mean of the eight around it, as bright as they were on average before: no learning is needed for that.",
            settings.noise
        ))
        .pictures(vec![codes::wide(codes::rows(&rows, test.shape()), names, "")])
        .chart(chart);
    let mut filters = vec![codes::wide(grid(model, test), "this one", "")];
    filters.extend(
        plain
            .iter()
            .map(|plain| codes::wide(grid(plain, test), "an ordinary one", "")),
    );
    let filters = Section::new("Filters")
        .note("What each hidden unit looks for: white for ink, black for none")
        .pictures(filters);
    Ok(Findings {
        measured,
        sections: vec![pictures, filters],
    })
}

/// Every pixel of 0 becomes the mean of its eight neighbours over the share of them that was left: `(B, V)`.
fn fill(x: &Tensor, noise: f64, shape: [usize; 3]) -> Tensor {
    let planes = codes::as_pictures(x, shape);
    let mut around = [1.0f32; 9];
    around[4] = 0.0;
    let weight = Tensor::from_slice(&around, [1, 1, 3, 3]) / (8.0 * (1.0 - noise));
    let mean = planes
        .conv(&weight, None, &ConvOptions::new().padding(1))
        .clamp(0.0, 1.0);
    let filled = planes.eq(0.0).where_(&mean, &planes);
    filled.reshape(x.shape()).to_dtype(Dtype::F32)
}

/// The weights of the first hidden units.
fn grid(model: &DenoisingAutoencoder, test: &Images) -> Picture {
    const SHOWN: usize = 60;
    let [_, height, width] = test.shape();
    let count = SHOWN.min(model.weight.shape()[0]);
    let filters: Vec<Picture> = (0..count)
        .map(|unit| drawing::signed(&model.weight.select(0, unit).to_vec(), [height, width]))
        .collect();
    Picture::grid_on(255, &filters, 12)
}
