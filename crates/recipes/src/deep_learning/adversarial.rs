//! What adversarial recipes have in common: the round of the game, the course, and a report by a judge.

use super::judge::{Judge, Verdict};
use crate::classification;
use crate::cost::Spent;
use crate::drawing;
use crate::experiment::{self, Findings};
use crate::promise::{Measured, Unit};
use crate::recipe::{Evaluation, Job, Outcome, Prepared, Recipe};
use crate::run::{Fingerprints, Run};
use crate::settings;
use crate::training::{self, Trained};
use eras_data::{Color, Dataset, FashionMnist, Images, Mnist, Search};
use eras_models::deep_learning::gan::{discriminator_loss, generator_loss};
use eras_nn::{Adam, Mode, Module, Optimizer};
use eras_report::{Picture, Section, Shown, format};
use eras_tensor::{Dtype, Error, Result, Rng, Tensor, count, nearest, no_grad};
use eras_train::{Course, Learner, Parts, Score, Snapshot, Step};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;

/// Settings of all of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Common {
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    pub(crate) seed: u64,
    /// `mnist` or `fashion-mnist`.
    pub(crate) dataset: String,
    /// Of the training set, the first so many pictures; 0 for all.
    pub(crate) limit: usize,
    /// Pictures that are made to be judged.
    pub(crate) judged: usize,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    pub(crate) checkpoint_steps: u64,
}

impl Common {
    pub(crate) fn new(epochs: usize, batch_size: usize) -> Self {
        Self {
            epochs,
            batch_size,
            seed: 0,
            dataset: "mnist".into(),
            limit: 0,
            judged: 10_000,
            checkpoint_steps: 0,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        classification::check_loop(self.epochs, self.batch_size)?;
        let rules = [
            (self.batch_size > 1, "batch_size", "at least 2"),
            (self.judged >= 10, "judged", "at least 10"),
        ];
        settings::want(&rules)?;
        let sets = ["mnist", "fashion-mnist"];
        if !sets.contains(&self.dataset.as_str()) {
            let hint = nearest(&self.dataset, &sets);
            return Err(Error::usage(format!(
                "setting `dataset` is `{}`, which is not known here; {hint}",
                self.dataset
            )));
        }
        Ok(())
    }

    /// Training and test set.
    pub(crate) fn data(&self, folder: Option<&Path>) -> Result<[Images; 2]> {
        let search = Search::given(folder);
        let [train, test] = if self.dataset == "fashion-mnist" {
            FashionMnist::find(&search).map(|set| [set.train, set.test])
        } else {
            Mnist::find(&search).map(|set| [set.train, set.test])
        }?;
        if self.limit == 0 || self.limit >= train.len() {
            return Ok([train, test]);
        }
        let kept: Vec<u8> = (0..self.limit)
            .flat_map(|i| train.pixels(i))
            .copied()
            .collect();
        let labels = train.labels()[..self.limit].to_vec();
        Ok([
            Images::new(kept, train.shape(), labels, train.classes())?,
            test,
        ])
    }
}

/// The optimizers of a generator and a discriminator that plays by logits.
#[derive(Debug)]
pub(crate) struct Players {
    pub(crate) discriminator: Adam,
    pub(crate) generator: Adam,
}

impl Players {
    /// What a round reports beside the discriminator's loss.
    pub(crate) const NUMBERS: [&str; 3] = ["generator_loss", "real_as_real", "made_as_real"];

    pub(crate) fn new(lr: f64, beta1: f64) -> Self {
        let adam = || Adam::new(lr).betas(beta1, 0.999);
        Self {
            discriminator: adam(),
            generator: adam(),
        }
    }

    /// A step of the discriminator, then one of the generator, which made the pictures `made`.
    pub(crate) fn round<D: Module>(
        &mut self,
        generator: &mut dyn Module,
        discriminator: &mut D,
        real: &Tensor,
        made: &Tensor,
        logits: impl Fn(&D, &Tensor) -> Tensor,
    ) -> Step {
        let of_real = logits(discriminator, real);
        let of_made = logits(discriminator, &made.detach());
        let loss = discriminator_loss(&of_real, &of_made);
        self.discriminator.step(discriminator, &loss.backward());
        // Only the generator learns from this: the slope passes through the discriminator, whose own is not computed.
        let fooled = discriminator.frozen(|held| generator_loss(&logits(held, made)));
        self.generator.step(generator, &fooled.backward());
        let as_real = |logits: &Tensor| logits.gt(0.0).to_dtype(Dtype::F32).mean(..).item();
        Step {
            loss: loss.item(),
            numbers: vec![fooled.item(), as_real(&of_real), as_real(&of_made)],
        }
    }
}

impl Players {
    /// The players' weights under one, and both optimizers.
    pub(crate) fn parts<'a>(&'a mut self, model: &'a mut dyn Module) -> Parts<'a> {
        let optimizers: Vec<(&'static str, &mut dyn Optimizer)> = vec![
            ("discriminator", &mut self.discriminator),
            ("generator", &mut self.generator),
        ];
        Parts { model, optimizers }
    }
}

/// Refuses what Adam would.
pub(crate) fn check_adam(lr: f64, beta1: f64) -> Result<()> {
    let rules = [
        (lr.is_finite() && lr > 0.0, "lr", "a number above 0"),
        (
            (0.0..1.0).contains(&beta1),
            "beta1",
            "a number from 0 to below 1",
        ),
    ];
    settings::want(&rules)
}

/// A chart: its title, and the numbers of an epoch with the names of their lines.
pub(crate) type Curve = (&'static str, &'static [(&'static str, &'static str)]);

/// Two networks that learn from each other, of which one makes pictures of 28 x 28.
pub(crate) trait Contest: Learner {
    /// Whether pictures are made of a class that is asked for.
    const CONDITIONAL: bool = false;
    /// The charts of the training.
    const CURVES: &'static [Curve] = &[
        (
            "Losses",
            &[
                ("discriminator", "loss"),
                ("on the test set", "val_loss"),
                ("generator", "generator_loss"),
            ],
        ),
        (
            "What the discriminator takes for real",
            &[
                ("of the real", "real_as_real"),
                ("of the made", "made_as_real"),
            ],
        ),
        ("Fréchet distance", &[("made", "val_frechet_distance")]),
    ];

    /// Pictures of the training set that a step sees.
    fn samples_per_step(&self) -> usize;

    /// Noise `(n, noise)`.
    fn noise(&self, n: usize, rng: &mut Rng) -> Tensor;

    /// Noise on the way from `a` to `b`, of the same kind, at `t` from 0 to 1. For normal noise along an arc, for what lies
    /// on the straight line is shorter.
    fn between(&self, a: &Tensor, b: &Tensor, t: f64) -> Tensor {
        let angle = t * std::f64::consts::FRAC_PI_2;
        a * angle.cos() + b * angle.sin()
    }

    /// What the generator makes of `z (n, noise)` and `classes (n)`: `(n, 1, 28, 28)` within [0, 1].
    fn pictures(&self, z: &Tensor, classes: &Tensor) -> Tensor;

    /// The first loss of a step, without a step, for pictures `real` and `made` `(n, 1, 28, 28)` within [0, 1] of these
    /// classes.
    fn held_out(&self, real: &Tensor, made: &Tensor, classes: &Tensor) -> f64;
}

/// Pictures generated together.
const CHUNK: usize = 500;

/// `n` pictures `(n, 1, 28, 28)` within [0, 1], each of the class that `class` gives it.
pub(crate) fn make(
    contest: &impl Contest,
    n: usize,
    rng: &mut Rng,
    class: impl Fn(usize) -> i64,
) -> Tensor {
    no_grad(|| {
        let parts: Vec<Tensor> = (0..n)
            .step_by(CHUNK)
            .map(|start| {
                let end = n.min(start + CHUNK);
                let classes: Vec<i64> = (start..end).map(&class).collect();
                contest.pictures(&contest.noise(end - start, rng), &Tensor::from(classes))
            })
            .collect();
        Tensor::concat(&parts, 0)
    })
}

/// Pictures within [0, 1] as a tanh draws them, within [−1, 1].
pub(crate) fn signed(x: &Tensor) -> Tensor {
    x * 2.0 - 1.0
}

/// The way back.
pub(crate) fn unsigned(x: &Tensor) -> Tensor {
    x * 0.5 + 0.5
}

/// The streams of a seed for what is drawn to be looked at, and to be judged.
const SHOWN: u64 = 3;
const JUDGED: u64 = 4;

/// A game whose settings are good and whose data is there.
pub(crate) struct Game<C> {
    pub(crate) recipe: &'static dyn Recipe,
    pub(crate) story: &'static str,
    pub(crate) common: Common,
    pub(crate) data: [Images; 2],
    pub(crate) contest: C,
}

impl<C: Contest> Prepared for Game<C> {
    fn data_sha256(&self) -> Fingerprints {
        let [train, test] = &self.data;
        Fingerprints {
            train: train.fingerprint(),
            test: test.fingerprint(),
        }
    }

    fn begin_with(&mut self, weights: &[(String, Tensor)]) -> Result<()> {
        self.contest.parts().model.load_state(weights)
    }

    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        train(*self, job)
    }
}

/// Pictures from the same noise, after each epoch.
const STRIP: usize = 16;

fn train<C: Contest>(mut game: Game<C>, mut job: Job<'_>) -> Result<Outcome> {
    let (start, run) = (Instant::now(), job.run);
    let [train, test] = &game.data;
    (job.say)("a judge learns the real pictures ..");
    let judge = Judge::learn(train, test, &job.stop)?;
    let begun = training::begin(&mut job, None, game.common.checkpoint_steps)?;
    let mut course = Course::new()
        .batch_size(game.contest.samples_per_step())
        .epochs(game.common.epochs)
        .seed(game.common.seed)
        .stop_when(job.stop.clone());
    for callback in begun.callbacks {
        course = course.boxed_callback(callback);
    }
    let epoch = begun.snapshot.as_ref().map_or(0, Snapshot::epoch);
    let mut watched = Watched {
        contest: &mut game.contest,
        judge: &judge,
        common: &game.common,
        test,
        run,
        epoch,
    };
    if begun.snapshot.is_none() {
        watched.draw_strip()?;
    }
    let before = count::flops();
    let history = course
        .run(&mut watched, &train.planes(), begun.snapshot.as_ref())
        .map_err(|error| training::how_to_go_on(error, run))?;
    let spent: Spent = begun.meter.stop(&history, count::flops() - before);

    (job.say)("judging ..");
    let verdict = judge.judge(&judged(&game.contest, &game.common, judge.classes().len()));
    let of_test = judge.of_test(test, game.common.judged)?;
    let of_noise = judge.of_noise(game.common.judged);
    let sections = vec![
        samples(&game, run)?,
        growth(run, history.epochs.len())?,
        judge.section(&verdict, &of_test, &of_noise),
        neighbours(&game)?,
    ];
    let model = game.contest.parts().model.state();
    let trained = Trained {
        history: &history,
        spent,
        sha256: eras_train::hash(&model),
        curves: C::CURVES,
    };
    let findings = Findings {
        measured: measured(&game.contest, &game.common, &judge, &verdict),
        sections,
    };
    experiment::report(game.recipe, game.story, run, findings, Some(trained), start)
}

/// What the judge is shown.
fn judged(contest: &impl Contest, common: &Common, classes: usize) -> Tensor {
    let rng = &mut Rng::at(common.seed, JUDGED, 0);
    make(contest, common.judged, rng, |i| (i % classes) as i64)
}

fn measured<C: Contest>(
    contest: &C,
    common: &Common,
    judge: &Judge,
    verdict: &Verdict,
) -> Vec<Measured> {
    let mut all = vec![
        Measured::new("frechet_distance", verdict.frechet, Unit::Plain),
        Measured::new("smallest_class", verdict.smallest(), Unit::Share),
        Measured::new("largest_class", verdict.largest(), Unit::Share),
        Measured::new("confidence", verdict.confidence, Unit::Share),
        Measured::new("variety", verdict.variety(), Unit::Share),
    ];
    if C::CONDITIONAL {
        // Of those that were shown to it, how many it reads as what was asked for.
        let classes = judge.classes().len();
        let pictures = judged(contest, common, classes);
        let mut right = 0;
        for start in (0..common.judged).step_by(CHUNK) {
            let part = pictures.narrow(0, start, CHUNK.min(common.judged - start));
            let (seen, ..) = judge.read(&part);
            let asked = (start..).map(|i| (i % classes) as i64);
            right += seen.into_iter().zip(asked).filter(|(a, b)| a == b).count();
        }
        let share = right as f64 / common.judged as f64;
        all.insert(0, Measured::new("as_asked_for", share, Unit::Share));
    }
    all
}

/// A contest that is judged after each epoch, and shows what it makes of the same noise.
struct Watched<'a, C> {
    contest: &'a mut C,
    judge: &'a Judge,
    common: &'a Common,
    test: &'a Images,
    run: &'a Run,
    epoch: usize,
}

impl<C: Contest> Learner for Watched<'_, C> {
    fn numbers(&self) -> Vec<&'static str> {
        self.contest.numbers()
    }

    fn step(&mut self, batch: &eras_data::Batch, mode: &Mode) -> Step {
        self.contest.step(batch, mode)
    }

    fn parts(&mut self) -> Parts<'_> {
        self.contest.parts()
    }

    fn score(&mut self) -> Result<Option<Score>> {
        self.epoch += 1;
        self.draw_strip()?;
        score(self.contest, self.common, self.judge, self.test).map(Some)
    }
}

/// Real and made pictures on which the discriminator's loss is measured.
const HELD_OUT: usize = 1000;

fn score(contest: &impl Contest, common: &Common, judge: &Judge, test: &Images) -> Result<Score> {
    let made = judged(contest, common, judge.classes().len());
    let verdict = judge.judge(&made);
    let n = HELD_OUT.min(test.len()).min(common.judged);
    let real = test.planes().batch(&(0..n).collect::<Vec<_>>())?;
    let labels = real.y.to_vec::<i64>();
    let rng = &mut Rng::at(common.seed, JUDGED, 1 << 40);
    let made = make(contest, n, rng, |i| labels[i]);
    Ok(Score {
        loss: contest.held_out(&real.x, &made, &real.y),
        metrics: vec![
            ("frechet_distance".into(), verdict.frechet),
            ("confidence".into(), verdict.confidence),
            ("smallest_class".into(), verdict.smallest()),
            ("largest_class".into(), verdict.largest()),
            ("variety".into(), verdict.variety()),
        ],
    })
}

impl<C: Contest> Watched<'_, C> {
    /// Leaves a row of pictures in the run's folder, of the same noise each time.
    fn draw_strip(&self) -> Result<()> {
        let classes = self.judge.classes().len();
        let rng = &mut Rng::at(self.common.seed, SHOWN, 0);
        let made = make(&*self.contest, STRIP, rng, |i| (i % classes) as i64);
        let row = Picture::grid(&drawing::pictures(&made), STRIP);
        self.run.write(&strip(self.epoch), &row.png())
    }
}

fn strip(epoch: usize) -> String {
    format!("epoch-{epoch:03}.png")
}

/// Loss and the judge's numbers for the run's latest checkpoint.
pub(crate) fn evaluate<C: Contest>(mut game: Game<C>, run: &Run) -> Result<Evaluation> {
    load(&mut game.contest, run)?;
    let [train, test] = &game.data;
    let judge = Judge::learn(train, test, &std::sync::Arc::default())?;
    Ok(Evaluation {
        score: score(&game.contest, &game.common, &judge, test)?,
        data: game.common.dataset.clone(),
        data_sha256: test.fingerprint(),
    })
}

/// Puts the weights of the run's latest checkpoint into the players.
pub(crate) fn load(contest: &mut impl Contest, run: &Run) -> Result<()> {
    let (snapshot, _) = Snapshot::load_latest(&run.checkpoints())?;
    let model = contest.parts().model;
    model
        .load_state(&snapshot.weights())
        .map_err(|e| e.at(run.folder()))
}

/// A grid of what the generator makes, also as a file.
fn samples<C: Contest>(game: &Game<C>, run: &Run) -> Result<Section> {
    let classes = game.data[0].classes();
    let rng = &mut Rng::at(game.common.seed, SHOWN, 1 << 40);
    let (side, text) = if C::CONDITIONAL {
        let columns = classes.join(", ");
        let text = format!("A column for each class that was asked for: {columns}.");
        (classes.len(), text)
    } else {
        let text = "From noise that was not drawn before, and none left out.".to_owned();
        (8, text)
    };
    let made = make(&game.contest, side * 8, rng, |i| (i % classes.len()) as i64);
    let grid = Picture::grid(&drawing::pictures(&made), side);
    run.write("samples.png", &grid.png())?;
    Ok(Section::new("Samples")
        .note("Pictures that nobody took")
        .text(text)
        .pictures(vec![Shown {
            picture: grid,
            caption: "samples".into(),
            detail: String::new(),
        }]))
}

/// What became of the same noise.
fn growth(run: &Run, epochs: usize) -> Result<Section> {
    let (mut rows, mut shown) = (Vec::new(), Vec::new());
    for epoch in milestones(epochs) {
        let path = run.folder().join(strip(epoch));
        // One that was lost leaves the others.
        if let Ok(picture) = eras_data::Picture::read(&path, None, Color::Gray) {
            let [_, height, width] = picture.shape;
            rows.push(Picture::grey(width, height, picture.pixels));
            shown.push(epoch.to_string());
        }
    }
    let section = Section::new("Growth").note("The same noise, as training goes on");
    if rows.is_empty() {
        return Ok(section.text("The pictures of the epochs are no longer there."));
    }
    Ok(section
        .text(format!(
            "Each row is made of the same noise, from above after {} epochs.",
            shown.join(", ")
        ))
        .pictures(vec![Shown {
            picture: Picture::grid(&rows, 1),
            caption: "growth".into(),
            detail: String::new(),
        }]))
}

/// The beginning, doubling epochs, and the last.
fn milestones(epochs: usize) -> Vec<usize> {
    let doubling = std::iter::successors(Some(1), |n| Some(2 * n));
    let mut all = vec![0];
    all.extend(doubling.take_while(|&n| n < epochs));
    all.push(epochs);
    all
}

/// Made pictures, and the training pictures that are nearest to them: a generator that learned by heart would be found out.
fn neighbours<C: Contest>(game: &Game<C>) -> Result<Section> {
    const COUNT: usize = 12;
    const ROWS: usize = 5000;
    let train = game.data[0].flat();
    let classes = train.classes().len();
    let rng = &mut Rng::at(game.common.seed, SHOWN, 2 << 40);
    let made = make(&game.contest, COUNT, rng, |i| (i % classes) as i64);
    let flat = made.flatten(1, -1); // (COUNT, 784)
    let mut best = [(f32::INFINITY, 0); COUNT];
    let all: Vec<usize> = (0..train.len()).collect();
    for chunk in all.chunks(ROWS) {
        let x = train.batch(chunk)?.x;
        // |a − b|² = |a|² − 2 a·b + |b|², of which the first is the same for all.
        let distance = x.sqr().sum(1) - flat.matmul(&x.t()) * 2.0; // (COUNT, rows)
        let (least, at) = (distance.amin(1), distance.argmin(1));
        for (i, (d, at)) in least
            .to_vec::<f32>()
            .into_iter()
            .zip(at.to_vec::<i64>())
            .enumerate()
        {
            if d < best[i].0 {
                best[i] = (d, chunk[at as usize]);
            }
        }
    }
    let made = drawing::pictures(&made);
    let pairs = made.into_iter().zip(best).map(|(made, (_, nearest))| {
        let real = classification::picture(&train, nearest);
        Shown {
            picture: Picture::grid(&[made, real], 2),
            caption: train.classes()[train.labels()[nearest] as usize].clone(),
            detail: format!(
                "picture {} of the training set",
                format::count(nearest as u64)
            ),
        }
    });
    Ok(Section::new("No copies")
        .note("Made, and the nearest of the training set")
        .pictures(pairs.collect()))
}
