//! What adversarial recipes have in common: the round of the game, the course, and a report by a judge.

use super::judge::{Judge, Verdict};
use super::sampling::{self, DELAY, SHOWN};
use crate::classification;
use crate::cost::Spent;
use crate::drawing;
use crate::experiment::{self, Findings};
use crate::promise::{Measured, Unit};
use crate::recipe::{Evaluation, Job, Outcome, Prepared, Recipe, SampleRequest, Sampled};
use crate::run::{Fingerprints, Run};
use crate::settings;
use crate::small_gray;
use crate::training::{self, Trained};
use eras_data::{Color, Dataset, Images};
use eras_models::deep_learning::gan::{discriminator_loss, generator_loss};
use eras_nn::{Mode, Module, Optimizer};
use eras_report::{Animation, Moving, Picture, Section, Shown, format};
use eras_tensor::{Dtype, Result, Rng, Tensor, count, no_grad};
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
        small_gray::check(&self.dataset)
    }

    /// Training and test set.
    pub(crate) fn data(&self, folder: Option<&Path>) -> Result<[Images; 2]> {
        small_gray::find(&self.dataset, self.limit, folder)
    }
}

/// The optimizers of a generator and a discriminator that plays by logits.
#[derive(Debug)]
pub(crate) struct Players {
    discriminator: Box<dyn Optimizer>,
    generator: Box<dyn Optimizer>,
}

impl Players {
    /// What a round reports beside the discriminator's loss.
    pub(crate) const NUMBERS: [&str; 3] = ["generator_loss", "real_as_real", "made_as_real"];

    /// Each learns by such an optimizer of its own.
    pub(crate) fn new(optimizer: impl Optimizer + Clone + 'static) -> Self {
        Self {
            discriminator: Box::new(optimizer.clone()),
            generator: Box::new(optimizer),
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
            ("discriminator", &mut *self.discriminator),
            ("generator", &mut *self.generator),
        ];
        Parts { model, optimizers }
    }
}

/// How the numbers are read that a game reports.
pub(crate) fn unit(number: &str) -> Unit {
    match number {
        "generator_loss" | "frechet_distance" | "distance" | "penalty" => Unit::Plain,
        _ => Unit::Share,
    }
}

/// Refuses a learning rate, and a share (`momentum`, `beta1`) of what is kept from step to step, that optimizers would.
pub(crate) fn check_optimizer(lr: f64, kept: (&str, f64)) -> Result<()> {
    let rules = [
        (lr.is_finite() && lr > 0.0, "lr", "a number above 0"),
        (
            (0.0..1.0).contains(&kept.1),
            kept.0,
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

    /// Noise on the way from `a` to `b`, of the same kind, at `t` from 0 to 1.
    fn between(&self, a: &Tensor, b: &Tensor, t: f64) -> Tensor {
        sampling::arc(a, b, t)
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

/// The stream of a seed for what is drawn to be judged.
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
        growth(run, history.epochs.len()),
        between(&game, run)?,
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
        let share = judge.as_asked_for(&pictures, |i| (i % classes) as i64);
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

/// The file in which the pictures of an epoch are kept.
fn strip(epoch: usize) -> String {
    format!("epoch-{epoch:03}.png")
}

/// Loss and the judge's numbers for the run's latest checkpoint.
pub(crate) fn evaluate<C: Contest>(mut game: Game<C>, run: &Run) -> Result<Evaluation> {
    training::load(game.contest.parts().model, run)?;
    let [train, test] = &game.data;
    let judge = Judge::learn(train, test, &std::sync::Arc::default())?;
    Ok(Evaluation {
        score: score(&game.contest, &game.common, &judge, test)?,
        data: game.common.dataset.clone(),
        data_sha256: test.fingerprint(),
    })
}

/// What the run's generator makes, for `eras sample`.
pub(crate) fn sample<C: Contest>(
    mut contest: C,
    dataset: &str,
    run: &Run,
    request: &SampleRequest,
) -> Result<Sampled> {
    if !C::CONDITIONAL {
        sampling::no_class(request)?;
    }
    let classes = Tensor::from(sampling::classes(request, dataset)?);
    training::load(contest.parts().model, run)?;
    Ok(sampling::sampled(
        request,
        |rng| contest.noise(request.count, rng),
        |a, b, t| contest.between(a, b, t),
        |z, start, n| contest.pictures(z, &classes.narrow(0, start, n)),
    ))
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

/// What lies between three noises, from one to the next and back to the first.
fn walk(
    contest: &impl Contest,
    n: usize,
    rng: &mut Rng,
    class: impl Fn(usize) -> i64,
) -> Vec<Tensor> {
    const STEPS: usize = 10;
    let corners: Vec<Tensor> = (0..3).map(|_| contest.noise(n, rng)).collect();
    let classes = Tensor::from((0..n).map(class).collect::<Vec<_>>());
    let frame = |i: usize| {
        let (from, t) = (i / STEPS, (i % STEPS) as f64 / STEPS as f64);
        let (a, b) = (&corners[from], &corners[(from + 1) % corners.len()]);
        no_grad(|| contest.pictures(&contest.between(a, b, t), &classes))
    };
    (0..corners.len() * STEPS).map(frame).collect()
}

/// The walks as an animation, also as a file.
fn between<C: Contest>(game: &Game<C>, run: &Run) -> Result<Section> {
    let classes = game.data[0].classes().len();
    let rng = &mut Rng::at(game.common.seed, SHOWN, 3 << 40);
    let (n, columns) = if C::CONDITIONAL {
        (2 * classes, classes)
    } else {
        (STRIP, STRIP / 2)
    };
    let frames = walk(&game.contest, n, rng, |i| (i % classes) as i64);
    let frames = frames
        .iter()
        .map(|made| Picture::grid(&drawing::pictures(made), columns));
    let animation = Animation::new(frames.collect(), DELAY);
    run.write("between.png", &animation.png())?;
    Ok(Section::new("Between")
        .note("From noise to noise, a step at a time")
        .text(
            "Each picture walks from one noise to a second, a third, and back to the first. What lies on the way was never \
             drawn in training; a generator that knew single pictures by heart would jump.",
        )
        .animations(vec![Moving {
            animation,
            caption: "between".into(),
            detail: String::new(),
        }]))
}

/// What became of the same noise.
fn growth(run: &Run, epochs: usize) -> Section {
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
        return section.text("The pictures of the epochs are no longer there.");
    }
    section
        .text(format!(
            "Each row is made of the same noise, from above after {} epochs.",
            shown.join(", ")
        ))
        .pictures(vec![Shown {
            picture: Picture::grid(&rows, 1),
            caption: "growth".into(),
            detail: String::new(),
        }])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Draw;
    use crate::testing::{self, scratch, weights};

    /// Trains a small game in `folder`, on the first 200 digits, until it is over or `stop` steps were made.
    fn train_small(
        recipe: &dyn Recipe,
        more: &[&str],
        folder: &Path,
        stop: Option<u64>,
        resume: bool,
    ) -> Result<Outcome> {
        let small = [
            "epochs=2",
            "batch_size=20",
            "limit=200",
            "judged=60",
            "noise=8",
        ];
        testing::train(recipe, &[&small, more].concat(), folder, stop, resume)
    }

    #[test]
    fn a_game_that_was_stopped_ends_with_the_same_bits_numbers_and_pictures() {
        let recipe = &super::super::DcganRecipe;
        let (whole, cut) = (scratch("dcgan-whole"), scratch("dcgan-cut"));
        let first = train_small(recipe, &["width=2"], &whole, None, false).unwrap();
        // In the middle of the second epoch.
        let error = train_small(recipe, &["width=2"], &cut, Some(13), false).unwrap_err();
        assert!(error.is_interrupted(), "{error}");
        assert_ne!(weights(&cut), weights(&whole));
        let second = train_small(recipe, &["width=2"], &cut, None, true).unwrap();
        assert_eq!(weights(&cut), weights(&whole));
        assert_eq!(first.measured, second.measured);
        for file in [
            "epoch-000.png",
            "epoch-002.png",
            "samples.png",
            "between.png",
        ] {
            let [a, b] = [&whole, &cut].map(|folder| std::fs::read(folder.join(file)).unwrap());
            assert!(a == b, "{file} differs");
        }
        let page = std::fs::read_to_string(cut.join("report.html")).unwrap();
        for title in ["Samples", "Growth", "Between", "Judged", "No copies"] {
            assert!(page.contains(&format!("<h2>{title}</h2>")), "{title}");
        }
        let run = Run::open(&cut).unwrap();
        let request = |draw, class: Option<&str>| SampleRequest {
            count: 3,
            draw,
            class: class.map(str::to_owned),
        };
        let sample = |request| recipe.sample(&run, &request);
        let Sampled::Pictures(seven) = sample(request(Draw::Seed(7), None)).unwrap() else {
            panic!("wanted pictures");
        };
        let Sampled::Animations(way) = sample(request(Draw::Between(7, 8), None)).unwrap() else {
            panic!("wanted animations");
        };
        assert_eq!((seven.len(), way.len()), (3, 3));
        assert_eq!(way[1].frames()[0], seven[1]);
        let refused = sample(request(Draw::Seed(0), Some("3"))).unwrap_err();
        assert!(refused.is_usage(), "{refused}");
        let evaluation = recipe.evaluate(&Run::open(&cut).unwrap(), None).unwrap();
        let distance = evaluation.score.get("frechet_distance");
        assert_eq!(distance, Some(second.measured[0].value));
        for folder in [whole, cut] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn every_game_is_played_and_judged() {
        let games: [(&dyn Recipe, &[&str], &str); 3] = [
            (
                &super::super::GanRecipe,
                &["hidden=8", "maxout=4"],
                "variety",
            ),
            (&super::super::CganRecipe, &["scale=0.02"], "as_asked_for"),
            (
                &super::super::WganGpRecipe,
                &["width=2", "critic_steps=2"],
                "frechet_distance",
            ),
        ];
        for (recipe, more, number) in games {
            let folder = scratch(recipe.card().name);
            let outcome = train_small(recipe, more, &folder, None, false).unwrap();
            let found = outcome.measured.iter().find(|m| m.name == number);
            assert!(found.is_some_and(|m| m.value.is_finite()), "{number}");
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn growth_is_shown_from_the_beginning_at_doubling_epochs_to_the_end() {
        assert_eq!(milestones(1), [0, 1]);
        assert_eq!(milestones(8), [0, 1, 2, 4, 8]);
        assert_eq!(milestones(10), [0, 1, 2, 4, 8, 10]);
    }
}
