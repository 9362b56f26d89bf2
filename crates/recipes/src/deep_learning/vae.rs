//! The variational autoencoder on digits and clothes (Kingma & Welling 2013, arXiv:1312.6114).

use super::codes;
use super::judge::Judge;
use super::sampling::{self, SHOWN};
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
use eras_models::deep_learning::Vae;
use eras_nn::{Layer, Mode};
use eras_report::{Picture, Section, Table, format};
use eras_tensor::{Dtype, Error, Result, Rng, Tensor, no_grad};
use eras_train::{Forward, Objective};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train vae`.
#[derive(Debug)]
pub struct VaeRecipe;

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
    /// Epochs of a second model, whose codes are two numbers, for the picture of their plane; 0 for none.
    plane_epochs: usize,
    /// Samples that the judge sees.
    judged: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            common: Common::new(20),
            hidden: vec![500],
            latent: 20,
            bits: true,
            plane_epochs: 10,
            judged: 10_000,
        }
    }
}

/// Of a picture of either set.
pub(super) const PIXELS: usize = 28 * 28;
/// Hidden layers of the second model: the plane has to be folded more often.
const PLANE_HIDDEN: [usize; 2] = [512, 256];

impl Settings {
    fn of(config: &Config) -> Result<Self> {
        let settings: Self = settings::read(&config.settings)?;
        settings.common.check()?;
        small_gray::check_sizes(&settings.hidden, settings.latent)?;
        settings::want(&[(settings.judged >= 10, "judged", "at least 10")])?;
        Ok(settings)
    }

    fn model(&self, hidden: &[usize], latent: usize) -> Vae {
        Vae::new(PIXELS, hidden, latent, &mut Rng::new(self.common.seed))
    }
}

impl Recipe for VaeRecipe {
    fn card(&self) -> Card {
        Card {
            name: "vae",
            title: "The variational autoencoder: digits from normal numbers",
            era: Era::DeepLearning,
            paper: "Kingma & Welling 2013, Auto-encoding variational Bayes; Rezende, Mohamed & Wierstra 2014",
            data: "MNIST (embedded), pixels drawn as bits; or Fashion-MNIST",
            promise: "evidence bound on the test set at least -105 nats a digit, with codes of 20 numbers",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        vec![Promise {
            name: "test_bound",
            unit: Unit::Plain,
            bound: Bound::AtLeast(-105.0),
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
        Err(Error::usage("`vae` learns no classes; see its report"))
    }

    fn sample(&self, run: &Run, request: &SampleRequest) -> Result<Sampled> {
        sampling::no_class(request)?;
        let settings = Settings::of(run.config())?;
        let mut vae = settings.model(&settings.hidden, settings.latent);
        training::load(&mut vae, run)?;
        Ok(sampling::sampled(
            request,
            |rng| Tensor::randn([request.count, settings.latent], rng),
            sampling::arc,
            |z, _, _| codes::as_pictures(&vae.draw(z), [1, 28, 28]),
        ))
    }
}

fn task(config: &Config, folder: Option<&Path>) -> Result<Task<Vae, Evidence>> {
    let settings = Settings::of(config)?;
    let data = settings.common.data(folder)?.map(|set| set.flat());
    Ok(Task {
        recipe: &VaeRecipe,
        story: include_str!("../../stories/vae.md"),
        name: settings.common.dataset.clone(),
        trainer: settings
            .common
            .trainer(settings.common.epochs, data[0].len()),
        checkpoint_steps: settings.common.checkpoint_steps,
        origin_sha256: None,
        watch: None,
        keeps: Vec::new(),
        model: settings.model(&settings.hidden, settings.latent),
        data,
        objective: Evidence {
            bits: settings.bits,
        },
        curves: BOUNDS,
        show: Box::new(move |learned| findings(&settings, learned)),
    })
}

/// The charts of a training that raises a bound.
pub(super) const BOUNDS: &[(&str, &[(&str, &str)])] = &[
    (
        "Evidence bound, nats",
        &[("training", "bound"), ("test", "val_bound")],
    ),
    (
        "What the code tells, nats",
        &[("training", "divergence"), ("test", "val_divergence")],
    ),
];

/// Minus the evidence bound.
#[derive(Debug, Clone, Copy)]
struct Evidence {
    bits: bool,
}

impl Objective<Vae> for Evidence {
    fn numbers(&self) -> Vec<&'static str> {
        vec!["bound", "divergence"]
    }

    fn forward(&self, vae: &Vae, batch: &Batch, mode: &Mode) -> Forward {
        let rng = &mut mode.rng();
        let x = seen(&batch.x, self.bits, rng);
        let found = vae.bound(&x, rng);
        let bound = found.nats().mean(..);
        Forward {
            numbers: vec![bound.item(), found.divergence.mean(..).item()],
            loss: -bound,
            output: None,
        }
    }
}

/// Pixels as the model sees them: `bits`, each drawn with its gray as probability, or the gray itself.
pub(super) fn seen(x: &Tensor, bits: bool, rng: &mut Rng) -> Tensor {
    if !bits {
        return x.clone();
    }
    let drawn = Tensor::uniform(x.shape(), 0.0, 1.0, rng).lt(x);
    drawn.to_dtype(Dtype::F32)
}

/// The stream of a seed for what is drawn to be judged.
pub(super) const JUDGED: u64 = 4;

fn findings(settings: &Settings, learned: &Learned<'_, Vae>) -> Result<Findings> {
    let Learned {
        model: vae, test, ..
    } = *learned;
    let seed = settings.common.seed;
    let (evidence, likelihood, in_use) = evidence(settings, learned)?;
    let mut sections = vec![
        evidence,
        reconstructions(vae, test)?,
        samples(vae, test.shape(), &mut Rng::at(seed, SHOWN, 0)),
        ways(vae, test)?,
    ];
    if settings.latent == 2 {
        sections.push(plane(vae, test, learned.number("bound"))?);
    } else if settings.plane_epochs > 0 {
        (learned.say)("a second model, whose codes are two numbers ..");
        let objective = Evidence {
            bits: settings.bits,
        };
        let second = settings.model(&PLANE_HIDDEN, 2);
        let trainer = settings
            .common
            .trainer(settings.plane_epochs, learned.train.len());
        let second = learned.beside(second, &objective, trainer)?;
        let trainer = settings.common.trainer(1, test.len());
        let bound = -trainer.measure(&objective, &second, test)?.loss;
        sections.push(plane(&second, test, bound)?);
    }
    (learned.say)("judging samples ..");
    let judge = Judge::learn(learned.train, test, learned.stop)?;
    let made = vae.sample(settings.judged, &mut Rng::at(seed, JUDGED, 0));
    let verdict = judge.judge(&codes::as_pictures(&made, test.shape()));
    let of_test = judge.of_test(test, settings.judged)?;
    let of_noise = judge.of_noise(settings.judged);
    sections.push(judge.section(&verdict, &of_test, &of_noise));
    Ok(Findings {
        measured: vec![
            Measured::new("test_bound", learned.number("bound"), Unit::Plain),
            Measured::new("test_log_likelihood", likelihood, Unit::Plain),
            Measured::new("codes_in_use", in_use as f64, Unit::Count),
            Measured::new("frechet_distance", verdict.frechet, Unit::Plain),
        ],
        sections,
    })
}

/// Test pictures whose likelihood is estimated, and codes drawn for each.
const ESTIMATED: usize = 1000;
const DRAWN: usize = 200;

/// What the bound consists of, how far it is from the likelihood, and how many numbers of a code tell anything.
fn evidence(settings: &Settings, learned: &Learned<'_, Vae>) -> Result<(Section, f64, usize)> {
    let Learned {
        model: vae, test, ..
    } = *learned;
    let rng = &mut Rng::at(settings.common.seed, JUDGED, 1 << 40);
    let estimate = |x: &Tensor| vae.log_likelihood(&seen(x, settings.bits, rng), DRAWN, rng);
    let likelihood = codes::of_first(test, ESTIMATED, estimate)?.mean(..).item();
    // How much the mean of each number's guess differs from picture to picture (Burda et al. 2015).
    let means = codes::of_first(test, test.len(), |x| no_grad(|| vae.encode(x).mean))?;
    let in_use = means.var(0, 0).gt(0.01).to_dtype(Dtype::I64).sum(..).item() as usize;
    let (bound, divergence) = (learned.number("bound"), learned.number("divergence"));
    let nats = |x: f64| format!("{x:.2}");
    let table = Table::new(["of a test picture, in nats", ""])
        .row([
            "what the code tells, KL(q ‖ p)".to_owned(),
            nats(divergence),
        ])
        .row([
            "what is still to be told, −ln p(x|z)".to_owned(),
            nats(-bound - divergence),
        ])
        .row(["the bound: minus both".to_owned(), nats(bound)])
        .row([
            format!("ln p(x) by importance sampling, {DRAWN} codes each"),
            nats(likelihood),
        ]);
    let pixels = if settings.bits {
        "Each pixel is a bit, drawn anew with its gray as probability: the number speaks of such pictures of bits, as those of \
         other models of bits do."
    } else {
        "Each gray is taken for the probability of a bit: the number is the mean over all pictures of bits that may be drawn, \
         with a guess that has seen the grays."
    };
    let section = Section::new("Evidence")
        .note("How probable the model thinks pictures that it never saw")
        .text(format!(
            "{pixels} The mean over {} test pictures is at least the bound; importance sampling over the first {} comes closer from \
             below. Of the {} numbers of a code {in_use} tell something: their guesses differ from picture to picture.",
            format::count(test.len() as u64),
            format::count(ESTIMATED.min(test.len()) as u64),
            vae.latent(),
        ))
        .table(table);
    Ok((section, likelihood, in_use))
}

fn reconstructions(vae: &Vae, test: &Images) -> Result<Section> {
    let x = test.batch(&codes::one_of_each(test))?.x;
    let back = no_grad(|| vae.apply(&x, &Mode::eval()));
    let rows = codes::rows(&[x, back], test.shape());
    Ok(Section::new("Reconstructions")
        .note("Through the code and back")
        .pictures(vec![codes::wide(
            rows,
            "seen, and given back",
            "by way of the likeliest code",
        )]))
}

fn samples(vae: &Vae, shape: [usize; 3], rng: &mut Rng) -> Section {
    const SIDE: usize = 10;
    let made = codes::as_pictures(&vae.sample(SIDE * SIDE, rng), shape);
    let grid = Picture::grid(&drawing::pictures(&made), SIDE);
    Section::new("Samples")
        .note("Pictures that nobody drew")
        .text(format!(
            "{} numbers are drawn from the normal distribution and decoded; none is left out. Shown are the probabilities of the pixels.",
            vae.latent()
        ))
        .pictures(vec![codes::wide(grid, "samples", "")])
}

fn ways(vae: &Vae, test: &Images) -> Result<Section> {
    const STEPS: usize = 12;
    let ends = codes::one_of_each(test);
    let from = test.batch(&ends)?.x;
    let to = test.batch(&[&ends[1..], &ends[..1]].concat())?.x;
    let [from, to] = [from, to].map(|x| no_grad(|| vae.encode(&x).mean));
    let drawn = vae.draw(&codes::ways(&from, &to, STEPS));
    let sheet = drawing::sheet(&codes::as_pictures(&drawn, test.shape()), STEPS);
    Ok(Section::new("Ways")
        .note("From one picture to another, straight through the codes")
        .pictures(vec![codes::wide(
            sheet,
            "ways",
            "at either end test pictures, given back; between them nothing that anybody has seen",
        )]))
}

/// A model whose codes are two numbers, of which this was its bound.
fn plane(vae: &Vae, test: &Images, bound: f64) -> Result<Section> {
    const SIDE: usize = 20;
    const POINTS: usize = 3000;
    let drawn = vae.draw(&codes::plane(SIDE));
    let sheet = drawing::sheet(&codes::as_pictures(&drawn, test.shape()), SIDE);
    let places = codes::of_first(test, POINTS, |x| no_grad(|| vae.encode(x).mean))?;
    Ok(Section::new("The plane of codes")
        .note("All that a model with two numbers can draw")
        .text(format!(
            "A model whose codes are two numbers reaches a bound of {bound:.1} nats. What it draws is laid out so that each picture \
             stands for as much probability as any other; beside it the codes of test pictures, which the model was never told the \
             classes of."
        ))
        .pictures(vec![codes::wide(sheet, "what is drawn, over the plane", "")])
        .scatters([codes::scatter("Where test pictures lie", &places, test)]))
}
