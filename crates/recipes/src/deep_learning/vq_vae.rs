//! The vector-quantized autoencoder on digits and clothes, and a PixelCNN over its codes (van den Oord, Vinyals & Kavukcuoglu
//! 2017, arXiv:1711.00937).
//!
//! Both learn at once, each from its own terms of one loss: codes are numbers without slope, so that the prior, which learns
//! what follows what, moves nothing else.

use super::codes;
use super::judge::Judge;
use super::sampling::{self, SHOWN};
use super::vae::{BOUNDS, JUDGED, seen};
use crate::drawing;
use crate::experiment::Findings;
use crate::minimization::{Learned, Task};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe, SampleRequest, Sampled};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use crate::small_gray::Common;
use crate::training;
use eras_data::{Batch, Dataset, Images};
use eras_models::deep_learning::{Codebook, PixelCnn, Quantized, VqVae};
use eras_nn::{Layer, Mode, Module};
use eras_report::{Chart, Picture, Scale, Section, Series, Table, format};
use eras_tensor::{Error, Result, Rng, Tensor, no_grad};
use eras_train::{Forward, Objective};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train vq-vae`.
#[derive(Debug)]
pub struct VqVaeRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(flatten)]
    common: Common,
    /// Channels inside.
    hidden: usize,
    /// How many codes there are, and of how many numbers each is. More give pictures back more exactly, and are harder to
    /// foresee.
    codes: usize,
    width: usize,
    /// Codes are running means of the vectors that chose them, in which the past counts as much; with 0 they learn by their
    /// gradient.
    decay: f64,
    /// How much vectors are held to their codes.
    beta: f64,
    /// Whether each pixel is drawn as a bit, anew each time, with its gray as probability; else the gray itself is learned.
    bits: bool,
    /// Channels and residual blocks of the prior.
    prior_channels: usize,
    prior_blocks: usize,
    /// Samples that the judge sees.
    judged: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            common: Common {
                lr: 2e-3,
                ..Common::new(8)
            },
            hidden: 32,
            codes: 8,
            width: 16,
            decay: 0.99,
            beta: 0.25,
            bits: true,
            prior_channels: 48,
            prior_blocks: 3,
            judged: 10_000,
        }
    }
}

impl Settings {
    fn of(config: &Config) -> Result<Self> {
        let settings: Self = settings::read(&config.settings)?;
        settings.common.check()?;
        let even = |n: usize| n > 0 && n.is_multiple_of(2);
        let rules = [
            (even(settings.hidden), "hidden", "an even number above 0"),
            (settings.codes > 0, "codes", "at least 1"),
            (settings.width > 0, "width", "at least 1"),
            (
                (0.0..1.0).contains(&settings.decay),
                "decay",
                "a number from 0 to below 1",
            ),
            (
                settings.beta.is_finite() && settings.beta >= 0.0,
                "beta",
                "a number from 0",
            ),
            (
                even(settings.prior_channels),
                "prior_channels",
                "an even number above 0",
            ),
            (settings.judged >= 10, "judged", "at least 10"),
        ];
        settings::want(&rules)?;
        Ok(settings)
    }

    fn model(&self) -> Model {
        let rng = &mut Rng::new(self.common.seed);
        let book = match self.decay {
            0.0 => Codebook::learned(self.codes, self.width, rng),
            decay => Codebook::averaged(self.codes, self.width, decay, rng),
        };
        Model {
            vae: VqVae::new(1, self.hidden, book, rng),
            prior: PixelCnn::new(self.codes, self.prior_channels, self.prior_blocks, rng),
        }
    }
}

/// Codes for pictures, and what follows what among them.
#[derive(Debug, Module)]
struct Model {
    vae: VqVae,
    prior: PixelCnn,
}

impl Model {
    /// Pictures that nobody drew, as the probabilities of their pixels: `(n, 1, H, W)`.
    fn sample(&self, n: usize, [_, height, width]: [usize; 3], rng: &mut Rng) -> Tensor {
        const CHUNK: usize = 500;
        let parts: Vec<Tensor> = (0..n)
            .step_by(CHUNK)
            .map(|start| {
                let size = [height / 4, width / 4];
                self.vae
                    .draw(&self.prior.sample(CHUNK.min(n - start), size, rng))
            })
            .collect();
        Tensor::concat(&parts, 0)
    }
}

impl Recipe for VqVaeRecipe {
    fn card(&self) -> Card {
        Card {
            name: "vq-vae",
            title: "The vector-quantized autoencoder: pictures in 49 words",
            era: Era::DeepLearning,
            paper: "van den Oord, Vinyals & Kavukcuoglu 2017, Neural discrete representation learning",
            data: "MNIST (embedded), pixels drawn as bits; or Fashion-MNIST",
            promise: "of 8 codes at least 6 in use (perplexity); bound on the test set at least -115 nats a digit",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![
            promise("code_perplexity", Unit::Plain, Bound::AtLeast(6.0)),
            promise("test_bound", Unit::Plain, Bound::AtLeast(-115.0)),
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
        Err(Error::usage("`vq-vae` learns no classes; see its report"))
    }

    /// Between samples lies what the decoder makes of vectors between codes.
    fn sample(&self, run: &Run, request: &SampleRequest) -> Result<Sampled> {
        sampling::no_class(request)?;
        let mut model = Settings::of(run.config())?.model();
        training::load(&mut model, run)?;
        let Model { vae, prior } = &model;
        Ok(sampling::sampled(
            request,
            |rng| {
                vae.codebook
                    .look_up(&prior.sample(request.count, [7, 7], rng))
            },
            |a, b, t| a * (1.0 - t) + b * t,
            |vectors, _, _| vae.decode(vectors).sigmoid(),
        ))
    }
}

fn task(config: &Config, folder: Option<&Path>) -> Result<Task<Model, Words>> {
    let settings = Settings::of(config)?;
    let data = settings.common.data(folder)?.map(|set| set.planes());
    Ok(Task {
        recipe: &VqVaeRecipe,
        story: include_str!("../../stories/vq-vae.md"),
        name: settings.common.dataset.clone(),
        trainer: settings
            .common
            .trainer(settings.common.epochs, data[0].len()),
        checkpoint_steps: settings.common.checkpoint_steps,
        origin_sha256: None,
        watch: None,
        keeps: Vec::new(),
        model: settings.model(),
        data,
        objective: Words {
            bits: settings.bits,
            beta: settings.beta,
        },
        curves: BOUNDS,
        show: Box::new(move |learned| findings(&settings, learned)),
    })
}

/// What codes tell, what they leave to be told, and how far vectors are from them.
#[derive(Debug, Clone, Copy)]
struct Words {
    bits: bool,
    beta: f64,
}

impl Objective<Model> for Words {
    fn numbers(&self) -> Vec<&'static str> {
        vec!["bound", "divergence", "commitment"]
    }

    fn forward(&self, model: &Model, batch: &Batch, mode: &Mode) -> Forward {
        let x = seen(&batch.x, self.bits, &mut mode.rng());
        let found = model.vae.forward(&x, mode);
        let Quantized {
            codes,
            commitment,
            pull,
            ..
        } = &found.quantized;
        let reconstruction = found.unlikeliness(&x).mean(..);
        // A picture has one code, so that what it tells is its unlikeliness.
        let divergence = model.prior.unlikeliness(codes).mean(..);
        let commitment = commitment.mean(..);
        let bound = -(reconstruction.item() + divergence.item());
        Forward {
            numbers: vec![bound, divergence.item(), commitment.item()],
            loss: reconstruction + divergence + pull.mean(..) + commitment * self.beta,
            output: None,
        }
    }
}

fn findings(settings: &Settings, learned: &Learned<'_, Model>) -> Result<Findings> {
    let Learned { model, test, .. } = *learned;
    let seed = settings.common.seed;
    let counts = counts(model, test, settings.codes)?;
    let perplexity = perplexity(&counts);
    let mut sections = vec![
        reconstructions(model, test)?,
        samples(settings, model, test.shape(), &mut Rng::at(seed, SHOWN, 0)),
        usage(&counts, perplexity),
        evidence(learned, test),
    ];
    (learned.say)("judging samples ..");
    let judge = Judge::learn(learned.train, test, learned.stop)?;
    let rng = &mut Rng::at(seed, JUDGED, 0);
    let verdict = judge.judge(&model.sample(settings.judged, test.shape(), rng));
    let of_test = judge.of_test(test, settings.judged)?;
    let of_noise = judge.of_noise(settings.judged);
    sections.push(judge.section(&verdict, &of_test, &of_noise));
    Ok(Findings {
        measured: vec![
            Measured::new("test_bound", learned.number("bound"), Unit::Plain),
            Measured::new("code_perplexity", perplexity, Unit::Plain),
            Measured::new("frechet_distance", verdict.frechet, Unit::Plain),
        ],
        sections,
    })
}

/// How often each of `codes` stands in pictures of `set`.
fn counts(model: &Model, set: &Images, codes: usize) -> Result<Vec<u64>> {
    let found = codes::of_first(set, set.len(), |x| model.vae.codes(x))?;
    let mut counts = vec![0; codes];
    for code in found.to_vec::<i64>() {
        counts[code as usize] += 1;
    }
    Ok(counts)
}

/// How many codes, all as frequent, would be as hard to foresee.
fn perplexity(counts: &[u64]) -> f64 {
    let all: u64 = counts.iter().sum();
    let shares = counts.iter().map(|&count| count as f64 / all as f64);
    let entropy: f64 = shares.filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
    entropy.exp()
}

fn reconstructions(model: &Model, test: &Images) -> Result<Section> {
    let x = test.batch(&codes::one_of_each(test))?.x;
    let back = no_grad(|| model.vae.apply(&x, &Mode::eval()));
    let grid = model.vae.codes(&x);
    let [_, height, width] = [grid.shape()[0], grid.shape()[1], grid.shape()[2]];
    let rows = codes::rows(&[x, back], test.shape());
    Ok(Section::new("Reconstructions")
        .note("Through words and back")
        .text(format!(
            "Each picture becomes {height} x {width} numbers of codes, and comes back from these alone."
        ))
        .pictures(vec![codes::wide(rows, "seen, and given back", "")]))
}

fn samples(settings: &Settings, model: &Model, shape: [usize; 3], rng: &mut Rng) -> Section {
    const SIDE: usize = 10;
    let grid = |x: &Tensor, columns| Picture::grid(&drawing::pictures(x), columns);
    let drawn = grid(&model.sample(SIDE * SIDE, shape, rng), SIDE);
    let [_, height, width] = shape;
    let size = [SIDE, height / 4, width / 4];
    let any: Vec<i64> = (0..size.iter().product())
        .map(|_| rng.below(settings.codes) as i64)
        .collect();
    let any = grid(&model.vae.draw(&Tensor::from_slice(&any, size)), SIDE);
    Section::new("Samples")
        .note("Pictures that nobody drew")
        .text(
            "The prior, a PixelCNN, has learned which code follows which; it draws one after another, from the upper left. None is left \
             out; shown are the probabilities of the pixels. Below, codes drawn without it, each as likely as any other: words that \
             make no sentence.",
        )
        .pictures(vec![
            codes::wide(drawn, "samples", ""),
            codes::wide(any, "codes by chance", ""),
        ])
}

fn usage(counts: &[u64], perplexity: f64) -> Section {
    let mut sorted: Vec<u64> = counts.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let all: u64 = sorted.iter().sum();
    let points = (1..).zip(&sorted);
    let points = points
        .map(|(rank, count)| (f64::from(rank), *count as f64 / all as f64))
        .collect();
    let used = counts.iter().filter(|count| **count > 0).count();
    Section::new("Words")
        .note("How often each code is used")
        .text(format!(
            "{used} of {} codes stand in pictures of the test set. Their frequencies are as hard to foresee as {} equally frequent codes: \
             that is the perplexity.",
            counts.len(),
            format::significant(perplexity),
        ))
        .chart(
            Chart::new("Share of all places, the most frequent code first")
                .x_label("code")
                .y_scale(Scale::Log)
                .series(Series::new("share", points)),
        )
}

fn evidence(learned: &Learned<'_, Model>, test: &Images) -> Section {
    let [bound, divergence] = ["bound", "divergence"].map(|name| learned.number(name));
    let [_, height, width] = test.shape();
    let places = (height / 4 * (width / 4)) as f64;
    let nats = |x: f64| format!("{x:.2}");
    let uniform = places * (learned.model.vae.codebook.vectors().shape()[0] as f64).ln();
    Section::new("Evidence")
        .note("What a picture costs in words")
        .text(
            "A picture has one code at each place, so that ln p(x) ≥ ln p(codes) + ln p(x|codes): what the codes say, and what they \
             leave to be said. The first is what the prior has learned to foresee.",
        )
        .table(
            Table::new(["of a test picture, in nats", ""])
                .row(["its codes, if all were as likely", &nats(uniform)])
                .row(["its codes, as the prior foresees them", &nats(divergence)])
                .row(["what is still to be told", &nats(-bound - divergence)])
                .row(["the bound: minus the last two", &nats(bound)]),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_perplexity_is_the_number_of_codes_where_all_are_as_frequent() {
        assert!((perplexity(&[5, 5, 5, 5, 0]) - 4.0).abs() < 1e-12);
        assert!((perplexity(&[9, 0]) - 1.0).abs() < 1e-12);
    }
}
