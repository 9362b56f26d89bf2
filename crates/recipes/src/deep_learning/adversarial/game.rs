//! A contest that is played: training, with a judge that looks on, and what is asked of a run.

use super::{Adversarial, CHUNK, Common, Contest, make, page};
use crate::cost::{self, Estimate, Spent};
use crate::deep_learning::judge::{Judge, Verdict};
use crate::deep_learning::sampling;
use crate::experiment::{self, Findings};
use crate::promise::{Measured, Unit};
use crate::recipe::{Evaluation, Job, Outcome, Prepared, SampleRequest, Sampled};
use crate::run::{Fingerprints, Run};
use crate::small_gray;
use crate::training::{self, Trained};
use eras_data::{Batch, Dataset, Images};
use eras_models::deep_learning::LeNet;
use eras_nn::Mode;
use eras_tensor::{Result, Rng, Tensor, count, no_grad};
use eras_train::{Course, Learner, Parts, Score, Snapshot, Step};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The stream of a seed for what is drawn to be judged.
const JUDGED: u64 = 4;

/// A contest whose settings are good and whose data is there.
pub(super) struct Game<C> {
    pub(super) common: Common,
    /// Training and test set.
    pub(super) data: [Images; 2],
    pub(super) contest: C,
}

impl<C: Contest> Game<C> {
    pub(super) fn new(settings: &C::Settings, folder: Option<&Path>) -> Result<Self> {
        let common = C::common(settings).clone();
        let data = small_gray::find(&common.dataset, common.limit, folder)?;
        let mut contest = C::new(settings);
        contest.begin(&data[0])?;
        Ok(Self {
            common,
            data,
            contest,
        })
    }

    fn course(&self) -> Course {
        Course::new()
            .batch_size(self.contest.samples_per_step())
            .epochs(self.common.epochs)
            .seed(self.common.seed)
    }

    /// Loss and the judge's numbers for the run's latest checkpoint.
    pub(super) fn evaluate(mut self, run: &Run) -> Result<Evaluation> {
        training::load(self.contest.parts().model, run)?;
        let [train, test] = &self.data;
        let judge = Judge::learn(train, test, &Arc::default())?;
        Ok(Evaluation {
            score: score(&self.contest, &self.common, &judge, test)?,
            data_sha256: test.fingerprint(),
            data: self.common.dataset,
        })
    }

    /// How long it takes to make what is judged after an epoch, and to read it: by a part of it, and a judge that has learned
    /// nothing.
    fn validation(&self) -> Duration {
        let n = self.common.judged.min(CHUNK);
        let rng = &mut Rng::new(0);
        let lenet = LeNet::new(self.data[0].classes().len(), rng);
        let start = Instant::now();
        let made = make(&self.contest, n, rng, |_| 0);
        no_grad(|| lenet.features(&made));
        start
            .elapsed()
            .mul_f64(self.common.judged as f64 / n as f64)
    }
}

impl<C: Contest> Prepared for Game<C> {
    fn data_sha256(&self) -> Fingerprints {
        let [train, test] = &self.data;
        Fingerprints::of(train, test)
    }

    fn begin_with(&mut self, weights: &[(String, Tensor)]) -> Result<()> {
        self.contest.parts().model.load_state(weights)
    }

    fn estimate(&mut self) -> Result<Option<Estimate>> {
        let (course, summary) = (self.course(), self.contest.summary());
        let optimizers = self.contest.parts().optimizers;
        let pass = summary.step(self.common.batch_size, optimizers[0].1);
        // A step holds more than a pass of both: what does not fit that fits no step.
        cost::check_memory(&pass)?;
        let mut forecast = course.forecast(&mut self.contest, &self.data[0].planes())?;
        forecast.validation = self.validation();
        Ok(Some(Estimate::of_steps(summary, &pass, forecast)))
    }

    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        train(*self, job)
    }
}

fn train<C: Contest>(mut game: Game<C>, mut job: Job<'_>) -> Result<Outcome> {
    let (start, run) = (Instant::now(), job.run);
    let [train, test] = &game.data;
    (job.say)("a judge learns the real pictures ..");
    let judge = Judge::learn(train, test, &job.stop)?;
    let begun = training::begin(&mut job, None, game.common.checkpoint_steps)?;
    let mut course = game.course().stop_when(job.stop.clone());
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
        page::samples(&game, run)?,
        page::growth(run, history.epochs.len()),
        page::between(&game, run)?,
        judge.section(&verdict, &of_test, &of_noise),
        page::neighbours(&game)?,
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
    let recipe = &Adversarial::<C>::new();
    experiment::report(recipe, C::STORY, run, findings, Some(trained), start)
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

    fn step(&mut self, batch: &Batch, mode: &Mode) -> Step {
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
        let row = page::row(&*self.contest, self.common.seed, classes);
        self.run.write(&page::strip(self.epoch), &row.png())
    }
}

/// What the run's generator makes, for `eras sample`.
pub(super) fn sample<C: Contest>(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deep_learning;
    use crate::recipe::{Draw, Recipe};
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
        let recipe = deep_learning::DCGAN;
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
            (deep_learning::GAN, &["hidden=8", "maxout=4"], "variety"),
            (deep_learning::CGAN, &["scale=0.02"], "as_asked_for"),
            (
                deep_learning::WGAN_GP,
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
}
