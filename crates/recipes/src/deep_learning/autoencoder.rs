//! The autoencoder on digits and clothes, beside principal components (Hinton & Salakhutdinov 2006).

use super::codes;
use super::principal::Principal;
use crate::experiment::Findings;
use crate::minimization::{Learned, Task};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use crate::small_gray::{self, Common};
use eras_data::{Batch, Dataset, Images};
use eras_models::deep_learning::Autoencoder;
use eras_nn::{Layer, Mode};
use eras_report::{Section, Table, format};
use eras_tensor::{Error, Reduction, Result, Rng, Tensor, no_grad};
use eras_train::{Forward, Objective};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train autoencoder`.
#[derive(Debug)]
pub struct AutoencoderRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(flatten)]
    common: Common,
    /// Units of each hidden layer on the way to the code; back it goes in reverse.
    hidden: Vec<usize>,
    /// Numbers of a code.
    latent: usize,
    /// Epochs of a second model, whose codes are two numbers, for the picture of their plane; 0 for none.
    plane_epochs: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            common: Common::new(20),
            hidden: vec![512, 256],
            latent: 30,
            plane_epochs: 20,
        }
    }
}

impl Settings {
    fn model(&self, data: &Images, latent: usize) -> Autoencoder {
        let pixels = data.shape().iter().product();
        Autoencoder::new(
            pixels,
            &self.hidden,
            latent,
            &mut Rng::new(self.common.seed),
        )
    }
}

impl Recipe for AutoencoderRecipe {
    fn card(&self) -> Card {
        Card {
            name: "autoencoder",
            title: "The autoencoder: digits through thirty numbers",
            era: Era::DeepLearning,
            paper: "Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks",
            data: "MNIST (embedded), or Fashion-MNIST",
            promise: "at most 40% of the squared error that as many principal components leave (the paper: 3.00 of 13.87)",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        vec![Promise {
            name: "part_of_linear_error",
            unit: Unit::Share,
            bound: Bound::AtMost(0.4),
        }]
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
            "`autoencoder` learns no classes; see its report",
        ))
    }
}

fn task(config: &Config, folder: Option<&Path>) -> Result<Task<Autoencoder, GiveBack>> {
    let settings: Settings = settings::read(&config.settings)?;
    settings.common.check()?;
    small_gray::check_sizes(&settings.hidden, settings.latent)?;
    let data = settings.common.data(folder)?.map(|set| set.flat());
    let pixels = data[0].shape().iter().product();
    settings::want(&[(
        settings.latent <= pixels,
        "latent",
        "at most as many as there are pixels",
    )])?;
    Ok(Task {
        recipe: &AutoencoderRecipe,
        story: include_str!("../../stories/autoencoder.md"),
        name: settings.common.dataset.clone(),
        trainer: settings
            .common
            .trainer(settings.common.epochs, data[0].len()),
        checkpoint_steps: settings.common.checkpoint_steps,
        origin_sha256: None,
        watch: None,
        keeps: Vec::new(),
        model: settings.model(&data[0], settings.latent),
        data,
        objective: GiveBack,
        curves: ERRORS,
        show: Box::new(move |learned| findings(&settings, learned)),
    })
}

/// The charts of a training that gives pictures back.
pub(super) const ERRORS: &[(&str, &[(&str, &str)])] = &[
    (
        "Cross entropy, nats a picture",
        &[("training", "loss"), ("test", "val_loss")],
    ),
    (
        "Squared error of a picture",
        &[("training", "squared_error"), ("test", "val_squared_error")],
    ),
];

/// The cross entropy of pixels with those that come back, summed over a picture.
#[derive(Debug, Clone, Copy)]
struct GiveBack;

impl Objective<Autoencoder> for GiveBack {
    fn numbers(&self) -> Vec<&'static str> {
        vec!["squared_error"]
    }

    fn forward(&self, model: &Autoencoder, batch: &Batch, _: &Mode) -> Forward {
        given_back(&model.decode(&model.encode(&batch.x)), &batch.x)
    }
}

/// How far pixels `x (B, V)` are from what came back, as `logits (B, V)`: the cross entropy, and beside it the squared error,
/// both summed over a picture.
pub(super) fn given_back(logits: &Tensor, x: &Tensor) -> Forward {
    let all = x.shape()[0] as f64;
    let error = no_grad(|| (logits.sigmoid() - x).sqr().sum(..).item() / all);
    Forward {
        loss: logits.bce_with_logits(x, Reduction::Sum) * (1.0 / all),
        numbers: vec![error],
        output: None,
    }
}

/// The squared error of a picture, of the mean over `test`, of what `back` gives.
pub(super) fn squared_error(test: &Images, mut back: impl FnMut(&Tensor) -> Tensor) -> Result<f64> {
    let each = codes::of_first(test, test.len(), |x| (back(x) - x).sqr().sum(1))?;
    Ok(each.mean(..).item())
}

fn findings(settings: &Settings, learned: &Learned<'_, Autoencoder>) -> Result<Findings> {
    let Learned { model, test, .. } = *learned;
    (learned.say)("principal components ..");
    let principal = Principal::of(learned.train, settings.latent.max(2))?;
    let linear = |x: &Tensor| {
        let z = principal.encode(x).narrow(1, 0, settings.latent);
        principal.decode(&z)
    };
    let (ours, theirs) = (
        learned.number("squared_error"),
        squared_error(test, linear)?,
    );
    let mut sections = vec![
        reconstructions(model, test, linear, [ours, theirs])?,
        no_way_to_draw(settings, learned)?,
    ];
    if settings.latent == 2 {
        sections.push(plane(model, &principal, test)?);
    } else if settings.plane_epochs > 0 {
        (learned.say)("a second model, whose codes are two numbers ..");
        let second = settings.model(test, 2);
        let trainer = settings
            .common
            .trainer(settings.plane_epochs, learned.train.len());
        let second = learned.beside(second, &GiveBack, trainer)?;
        sections.push(plane(&second, &principal, test)?);
    }
    Ok(Findings {
        measured: vec![
            Measured::new("part_of_linear_error", ours / theirs, Unit::Share),
            Measured::new("squared_error", ours, Unit::Plain),
            Measured::new("linear_squared_error", theirs, Unit::Plain),
        ],
        sections,
    })
}

fn reconstructions(
    model: &Autoencoder,
    test: &Images,
    linear: impl Fn(&Tensor) -> Tensor,
    [ours, theirs]: [f64; 2],
) -> Result<Section> {
    let x = test.batch(&codes::one_of_each(test))?.x;
    let back = no_grad(|| model.apply(&x, &Mode::eval()));
    let rows = codes::rows(&[x.clone(), back, linear(&x)], test.shape());
    let table = Table::new(["squared error of a test picture", ""])
        .row(["autoencoder", &format::significant(ours)])
        .row(["principal components", &format::significant(theirs)]);
    Ok(Section::new("Reconstructions")
        .note("Through the code and back")
        .text(format!(
            "All that is known below is {} numbers. The first row was seen; the second came back from the autoencoder; the third from as \
             many principal components, which are the best that a linear code can do.",
            model.latent()
        ))
        .pictures(vec![codes::wide(rows, "seen, autoencoder, principal components", "")])
        .table(table))
}

/// What is drawn from codes that nobody had, though each of their numbers is as large as it should be.
fn no_way_to_draw(settings: &Settings, learned: &Learned<'_, Autoencoder>) -> Result<Section> {
    const COUNT: usize = 20;
    let Learned { model, train, .. } = *learned;
    let z = codes::of_first(train, train.len(), |x| no_grad(|| model.encode(x)))?;
    let (mean, deviation) = (z.mean(0), z.std(0, 0));
    let noise = Tensor::randn(
        [COUNT, settings.latent],
        &mut Rng::at(settings.common.seed, 3, 0),
    );
    let drawn = no_grad(|| model.decode(&(noise * deviation + mean)).sigmoid());
    let half = COUNT / 2;
    let rows = [drawn.narrow(0, 0, half), drawn.narrow(0, half, half)];
    Ok(Section::new("No way to draw")
        .note("What lies between the codes")
        .text(
            "Codes drawn at random, each number from a normal distribution of the mean and width that it has over the training set. \
             Nothing ever told the network what to make of the places between codes: this is what the variational autoencoder adds.",
        )
        .pictures(vec![codes::wide(codes::rows(&rows, train.shape()), "decoded from chance", "")]))
}

/// Codes of two numbers, of a network and of principal components.
fn plane(model: &Autoencoder, principal: &Principal, test: &Images) -> Result<Section> {
    const POINTS: usize = 3000;
    let ours = codes::of_first(test, POINTS, |x| no_grad(|| model.encode(x)))?;
    let theirs = codes::of_first(test, POINTS, |x| principal.encode(x).narrow(1, 0, 2))?;
    let errors = [
        squared_error(test, |x| no_grad(|| model.apply(x, &Mode::eval())))?,
        squared_error(test, |x| {
            principal.decode(&principal.encode(x).narrow(1, 0, 2))
        })?,
    ];
    let [ours_error, theirs_error] = errors.map(format::significant);
    Ok(Section::new("The plane of codes")
        .note("Two numbers for each picture")
        .text(format!(
            "Neither was told the classes. With two numbers the autoencoder leaves a squared error of {ours_error}, two principal \
             components {theirs_error}."
        ))
        .scatters([
            codes::scatter("Autoencoder", &ours, test),
            codes::scatter("Principal components", &theirs, test),
        ]))
}
