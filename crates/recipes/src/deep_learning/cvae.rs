//! The conditional variational autoencoder on digits and clothes (Sohn, Lee & Yan 2015).

use super::codes;
use super::judge::Judge;
use super::sampling::{self, SHOWN};
use super::vae::{BOUNDS, JUDGED, PIXELS, seen};
use crate::digit;
use crate::drawing;
use crate::experiment::Findings;
use crate::minimization::{Learned, Task};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe, SampleRequest, Sampled};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use crate::small_gray::{self, Common};
use crate::training;
use eras_data::{Batch, Dataset, Images};
use eras_models::deep_learning::ConditionalVae;
use eras_nn::Mode;
use eras_report::{Picture, Section, Table, format};
use eras_tensor::{Result, Rng, Tensor, no_grad};
use eras_train::{Forward, Objective};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train cvae`.
#[derive(Debug)]
pub struct CvaeRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    #[serde(flatten)]
    common: Common,
    /// Units of each hidden layer on the way to the code; back it goes in reverse.
    hidden: Vec<usize>,
    /// Numbers of a code.
    latent: usize,
    /// Whether each pixel is drawn as a bit, anew each time, with its gray as probability; else the gray itself is learned.
    bits: bool,
    /// Samples that the judge sees.
    judged: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            common: Common::new(10),
            hidden: vec![512, 512, 512],
            latent: 10,
            bits: true,
            judged: 10_000,
        }
    }
}

impl Settings {
    fn of(config: &Config) -> Result<Self> {
        let settings: Self = settings::read(&config.settings)?;
        settings.common.check()?;
        small_gray::check_sizes(&settings.hidden, settings.latent)?;
        settings::want(&[(settings.judged >= 10, "judged", "at least 10")])?;
        Ok(settings)
    }

    fn model(&self) -> ConditionalVae {
        let classes = small_gray::classes(&self.common.dataset).len();
        let rng = &mut Rng::new(self.common.seed);
        ConditionalVae::new(PIXELS, classes, &self.hidden, self.latent, rng)
    }
}

impl Recipe for CvaeRecipe {
    fn card(&self) -> Card {
        Card {
            name: "cvae",
            title: "The conditional variational autoencoder: what is written, and by what hand",
            era: Era::DeepLearning,
            paper: "Sohn, Lee & Yan 2015, Learning structured output representation using deep conditional generative models",
            data: "MNIST (embedded), pixels drawn as bits; or Fashion-MNIST",
            promise: "90% of 10,000 samples read as the digit that was asked for; 95% of the test set read right by Bayes' rule",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![
            promise("as_asked_for", Unit::Share, Bound::AtLeast(0.9)),
            promise("test_accuracy", Unit::Share, Bound::AtLeast(0.95)),
            promise("test_bound", Unit::Plain, Bound::AtLeast(-103.0)),
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

    /// By Bayes' rule, where every class is as frequent.
    fn predict(&self, run: &Run, files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        let settings = Settings::of(run.config())?;
        let classes = small_gray::classes(&settings.common.dataset);
        let mut vae = settings.model();
        training::load(&mut vae, run)?;
        let one = |file: &&Path| {
            let pixels = digit::read(file)?;
            let x = Tensor::from_slice(&pixels, [1, pixels.len()]);
            let p = bounds(&vae, &x, &mut Rng::new(settings.common.seed)).softmax(-1);
            let named = classes.iter().map(|class| (*class).to_owned());
            let mut prediction: Prediction = named
                .zip(p.to_vec::<f32>().into_iter().map(f64::from))
                .collect();
            prediction.sort_by(|a, b| b.1.total_cmp(&a.1));
            Ok(prediction)
        };
        Ok(files.iter().map(one).collect())
    }

    fn sample(&self, run: &Run, request: &SampleRequest) -> Result<Sampled> {
        let settings = Settings::of(run.config())?;
        let classes = sampling::classes(request, &settings.common.dataset)?;
        let (mut vae, classes) = (settings.model(), Tensor::from(classes));
        training::load(&mut vae, run)?;
        let draw = |z: &Tensor, start, n| vae.draw(z, &classes.narrow(0, start, n));
        Ok(sampling::sampled(
            request,
            |rng| Tensor::randn([request.count, settings.latent], rng),
            sampling::arc,
            |z, start, n| codes::as_pictures(&draw(z, start, n), [1, 28, 28]),
        ))
    }
}

fn task(config: &Config, folder: Option<&Path>) -> Result<Task<ConditionalVae, Evidence>> {
    let settings = Settings::of(config)?;
    let data = settings.common.data(folder)?.map(|set| set.flat());
    Ok(Task {
        recipe: &CvaeRecipe,
        story: include_str!("../../stories/cvae.md"),
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
        objective: Evidence {
            bits: settings.bits,
        },
        curves: BOUNDS,
        show: Box::new(move |learned| findings(&settings, learned)),
    })
}

/// Minus the evidence bound, where the class is known.
#[derive(Debug, Clone, Copy)]
struct Evidence {
    bits: bool,
}

impl Objective<ConditionalVae> for Evidence {
    fn numbers(&self) -> Vec<&'static str> {
        vec!["bound", "divergence"]
    }

    fn forward(&self, vae: &ConditionalVae, batch: &Batch, mode: &Mode) -> Forward {
        let rng = &mut mode.rng();
        let x = seen(&batch.x, self.bits, rng);
        let found = vae.bound(&x, &batch.y, rng);
        let bound = found.nats().mean(..);
        Forward {
            numbers: vec![bound.item(), found.divergence.mean(..).item()],
            loss: -bound,
            output: None,
        }
    }
}

/// The bounds of `x (B, V)` as each class, the mean over codes that are drawn several times: `(B, K)`.
fn bounds(vae: &ConditionalVae, x: &Tensor, rng: &mut Rng) -> Tensor {
    const DRAWN: usize = 8;
    let each: Vec<Tensor> = (0..DRAWN).map(|_| vae.bounds(x, rng)).collect();
    Tensor::stack(&each, 0).mean(0)
}

fn findings(settings: &Settings, learned: &Learned<'_, ConditionalVae>) -> Result<Findings> {
    let Learned {
        model: vae, test, ..
    } = *learned;
    let seed = settings.common.seed;
    (learned.say)("reading the test set by Bayes' rule ..");
    let (reading, accuracy) = reading(settings, learned)?;
    (learned.say)("judging samples ..");
    let judge = Judge::learn(learned.train, test, learned.stop)?;
    let classes = test.classes().len();
    let asked = |i: usize| (i % classes) as i64;
    let each: Vec<i64> = (0..settings.judged).map(asked).collect();
    let made = vae.sample(&Tensor::from(each), &mut Rng::at(seed, JUDGED, 0));
    let made = codes::as_pictures(&made, test.shape());
    let verdict = judge.judge(&made);
    let of_test = judge.of_test(test, settings.judged)?;
    let of_noise = judge.of_noise(settings.judged);
    Ok(Findings {
        measured: vec![
            Measured::new(
                "as_asked_for",
                judge.as_asked_for(&made, asked),
                Unit::Share,
            ),
            Measured::new("test_accuracy", accuracy, Unit::Share),
            Measured::new("test_bound", learned.number("bound"), Unit::Plain),
            Measured::new("frechet_distance", verdict.frechet, Unit::Plain),
        ],
        sections: vec![
            samples(vae, test, &mut Rng::at(seed, SHOWN, 0)),
            hands(vae, test)?,
            reading,
            judge.section(&verdict, &of_test, &of_noise),
        ],
    })
}

/// Samples of each class that is asked for.
fn samples(vae: &ConditionalVae, test: &Images, rng: &mut Rng) -> Section {
    const COLUMNS: usize = 12;
    let classes = test.classes();
    let asked: Vec<i64> = (0..classes.len() as i64)
        .flat_map(|class| [class; COLUMNS])
        .collect();
    let made = codes::as_pictures(&vae.sample(&Tensor::from(asked), rng), test.shape());
    let grid = Picture::grid(&drawing::pictures(&made), COLUMNS);
    Section::new("Samples")
        .note("To order")
        .text(format!(
            "A row for each class that was asked for: {}. None is left out; shown are the probabilities of the pixels.",
            classes.join(", ")
        ))
        .pictures(vec![codes::wide(grid, "samples", "")])
}

/// The code read off a picture, drawn as every class.
fn hands(vae: &ConditionalVae, test: &Images) -> Result<Section> {
    let from = test.batch(&codes::one_of_each(test))?;
    let z = no_grad(|| vae.encode(&from.x, &from.y).mean); // (n, Z)
    let (n, classes) = (z.shape()[0], test.classes().len());
    let as_all = Tensor::arange(classes).repeat(&[n]);
    let drawn = vae.draw(&z.repeat_interleave(0, classes), &as_all);
    let drawn = drawn.reshape([n, classes, drawn.shape()[1]]);
    // The picture itself stands before its row.
    let all = Tensor::concat(&[&from.x.unsqueeze(1), &drawn], 1);
    let all = codes::as_pictures(&all, test.shape());
    let grid = Picture::grid(&drawing::pictures(&all), classes + 1);
    Ok(Section::new("The hand")
        .note("What the code keeps when the class is known")
        .text(
            "On the left test pictures; in their rows what is drawn from the code of each, as every class in turn. The code was told \
             no class: it keeps what the class does not say, as slant, width and weight.",
        )
        .pictures(vec![codes::wide(grid, "one code, every class", "")]))
}

/// How many test pictures are likeliest as what they are.
fn reading(settings: &Settings, learned: &Learned<'_, ConditionalVae>) -> Result<(Section, f64)> {
    let Learned {
        model: vae, test, ..
    } = *learned;
    let rng = &mut Rng::at(settings.common.seed, JUDGED, 1 << 40);
    let all = codes::of_first(test, test.len(), |x| {
        let x = seen(x, settings.bits, rng);
        bounds(vae, &x, rng)
    })?;
    let labels = Tensor::from_slice(test.labels(), [test.len()]);
    let best = all.argmax(1).to_vec::<i64>();
    let right = best
        .iter()
        .zip(test.labels())
        .filter(|(a, b)| a == b)
        .count();
    let accuracy = right as f64 / test.len() as f64;
    // Of each picture: the bound as what it is, and as the best of the others.
    let own = all.gather(1, &labels.unsqueeze(1)).squeeze(1);
    let is_own = labels.one_hot(test.classes().len()).gt(0.5);
    let other = all.masked_fill(&is_own, f64::NEG_INFINITY).amax(1);
    let nats = |x: &Tensor| format!("{:.2}", x.mean(..).item());
    let table = Table::new(["mean bound of a test picture, in nats", ""])
        .row(["as what it is".to_owned(), nats(&own)])
        .row(["as the likeliest of the others".to_owned(), nats(&other)]);
    let section = Section::new("Read by Bayes' rule")
        .note("A model that draws can also read")
        .text(format!(
            "The same picture is more probable as one class than as another. Where all classes are as frequent, the likeliest is the \
             best guess: {} of {} test pictures are read right, by a model that was never trained to.",
            format::percent(accuracy),
            format::count(test.len() as u64),
        ))
        .table(table);
    Ok((section, accuracy))
}
