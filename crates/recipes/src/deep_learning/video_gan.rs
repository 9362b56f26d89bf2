//! An adversarial net that makes videos of moving digits (Vondrick, Pirsiavash & Torralba 2016, arXiv:1609.02612).

mod seen;

use super::adversarial::{self, Players, signed, unsigned};
use super::judge::Judge;
use super::sampling::{self, SHOWN};
use crate::classification;
use crate::cost::{self, Estimate};
use crate::drawing;
use crate::experiment::{self, Findings};
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{
    Card, Draw, Era, Evaluation, Job, Outcome, Prepared, Recipe, SampleRequest, Sampled,
};
use crate::run::{Config, Fingerprints, Run};
use crate::settings::{self, to_table};
use crate::small_gray;
use crate::training::{self, Trained};
use eras_data::{Batch, Dataset, Images, MovingDigits};
use eras_models::deep_learning::gan::discriminator_loss;
use eras_models::deep_learning::video_gan::{Discriminator, FRAMES, Generator, SIDE, VideoGan};
use eras_nn::{Adam, Mode, Module, Summary};
use eras_report::{Animation, Moving, Picture, Section};
use eras_tensor::{Error, Result, Rng, Tensor, count, no_grad};
use eras_train::{Course, Learner, Parts, Score, Snapshot, Step};
use seen::Seen;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `eras train video-gan`.
#[derive(Debug)]
pub struct VideoGanRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    epochs: usize,
    batch_size: usize,
    seed: u64,
    /// Videos of an epoch; they are made as they are asked for.
    videos: usize,
    /// Of the digits, the first so many; 0 for all.
    limit: usize,
    /// Numbers that a video is made of.
    noise: usize,
    /// Channels of the generator at half the size; at a quarter there are twice as many.
    width: usize,
    /// The same of the judge of videos, and of that of two frames.
    video_width: usize,
    frame_width: usize,
    /// How often the second judge sees two frames of each video.
    pairs: usize,
    /// Adam's, of the generator and of the judges.
    lr: f64,
    judge_lr: f64,
    beta1: f64,
    /// Of the mean of the generator: how much of it is kept from step to step.
    mean: f64,
    /// Videos that are made to be judged.
    judged: usize,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    checkpoint_steps: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 8,
            batch_size: 32,
            seed: 0,
            videos: 12_800,
            limit: 0,
            noise: 100,
            width: 48,
            video_width: 32,
            frame_width: 64,
            pairs: 2,
            lr: 4e-4,
            judge_lr: 2e-4,
            beta1: 0.5,
            mean: 0.998,
            judged: 500,
            checkpoint_steps: 0,
        }
    }
}

impl Settings {
    fn course(&self) -> Course {
        Course::new()
            .batch_size(self.batch_size)
            .epochs(self.epochs)
            .seed(self.seed)
    }
}

impl Recipe for VideoGanRecipe {
    fn card(&self) -> Card {
        Card {
            name: "video-gan",
            title: "An adversarial net that makes videos",
            era: Era::DeepLearning,
            paper: "Vondrick, Pirsiavash & Torralba 2016, Generating videos with scene dynamics, arXiv:1609.02612",
            data: "Moving digits, made from MNIST (embedded)",
            promise: "frames in which LeNet-5 is sure of a digit at 70%, that move at least 0.4 times as far as real ones, and whose Fréchet distance is at most 70; what they show melts as it moves",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![
            promise("confidence", Unit::Share, Bound::AtLeast(0.7)),
            promise("motion", Unit::Share, Bound::AtLeast(0.4)),
            promise("motion", Unit::Share, Bound::AtMost(1.5)),
            promise("frechet_distance", Unit::Plain, Bound::AtMost(70.0)),
        ]
    }

    fn unit(&self, number: &str) -> Unit {
        adversarial::unit(number)
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        Ok(Box::new(game(config, config.data.as_deref())?))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let config = run.config();
        let mut game = game(config, data.or(config.data.as_deref()))?;
        training::load(&mut game.duel.gan, run)?;
        let judge = Judge::learn(&game.train, &game.test, &Arc::default())?;
        Ok(Evaluation {
            score: score(&game.duel, &judge, &game.real()?),
            data: "moving digits".into(),
            data_sha256: game.test.fingerprint(),
        })
    }

    fn sample(&self, run: &Run, request: &SampleRequest) -> Result<Sampled> {
        sampling::no_class(request)?;
        let mut duel = Duel::new(&settings(run.config())?);
        training::load(&mut duel.gan, run)?;
        let noise = |seed| duel.noise(request.count, &mut Rng::at(seed, SHOWN, 0));
        match request.draw {
            Draw::Seed(seed) => Ok(Sampled::Animations(animations(&duel.videos(&noise(seed))))),
            Draw::Between(..) => Err(Error::usage(
                "this model makes videos, and what lies between two would have to be shown in time, too: wanted a seed",
            )),
        }
    }
}

/// The settings of a run, checked.
fn settings(config: &Config) -> Result<Settings> {
    let settings: Settings = settings::read(&config.settings)?;
    classification::check_loop(settings.epochs, settings.batch_size)?;
    let widths = [settings.width, settings.video_width, settings.frame_width];
    let rules = [
        (settings.batch_size > 1, "batch_size", "at least 2"),
        (
            settings.videos >= settings.batch_size,
            "videos",
            "at least a batch",
        ),
        (settings.noise > 0, "noise", "at least 1"),
        (
            widths.iter().all(|width| *width > 0),
            "width",
            "at least 1, as `video_width` and `frame_width` do",
        ),
        (
            settings.judge_lr.is_finite() && settings.judge_lr > 0.0,
            "judge_lr",
            "a number above 0",
        ),
        (
            (0.0..1.0).contains(&settings.mean),
            "mean",
            "a number from 0 to below 1",
        ),
        (settings.judged >= 2, "judged", "at least 2"),
    ];
    settings::want(&rules)?;
    adversarial::check_optimizer(settings.lr, ("beta1", settings.beta1))?;
    Ok(settings)
}

fn game(config: &Config, folder: Option<&Path>) -> Result<Game> {
    let settings = settings(config)?;
    let [train, test] = small_gray::find("mnist", settings.limit, folder)?;
    Ok(Game {
        duel: Duel::new(&settings),
        train,
        test,
    })
}

/// The stream of a seed for what is drawn to be judged.
const JUDGED: u64 = 4;

struct Game {
    duel: Duel,
    train: Images,
    test: Images,
}

/// Videos of the digits of `images`.
fn moving(images: &Images, count: usize, seed: u64) -> MovingDigits {
    MovingDigits::new(images, count, seed)
        .frames(FRAMES)
        .size(SIDE)
        .digits(1)
}

/// What learns: the players without the mean, which only follows.
#[derive(Module)]
struct Both {
    generator: Generator,
    discriminator: Discriminator,
}

struct Duel {
    gan: VideoGan,
    players: Players,
    settings: Settings,
}

impl Duel {
    fn new(settings: &Settings) -> Self {
        let rng = &mut Rng::new(settings.seed);
        Self {
            gan: VideoGan::new(
                settings.noise,
                [settings.width, settings.video_width, settings.frame_width],
                rng,
            ),
            players: {
                let adam = |lr| Adam::new(lr).betas(settings.beta1, 0.999);
                Players::unequal(adam(settings.judge_lr), adam(settings.lr))
            },
            settings: settings.clone(),
        }
    }

    /// The layers of the generator, and of the judges as they look at what is made of so many noises.
    fn summary(&self) -> Summary {
        let both = Both {
            generator: self.gan.generator.clone(),
            discriminator: self.gan.discriminator.clone(),
        };
        Summary::of(&both, |n| {
            let z = Tensor::zeros([n, self.settings.noise]);
            let made = both.generator.forward(&z, &Mode::train(0, 0));
            let pairs = vec![[0, 1]; self.settings.pairs];
            both.discriminator
                .forward(&made, &pairs, &Mode::train(0, 0))
        })
    }

    fn noise(&self, n: usize, rng: &mut Rng) -> Tensor {
        Tensor::randn([n, self.settings.noise], rng)
    }

    /// Videos `(n, 1, T, H, W)` within [0, 1] of noise `(n, noise)`, by the mean of the generator, a few at a time.
    fn videos(&self, z: &Tensor) -> Tensor {
        const CHUNK: usize = 32;
        let n = z.shape()[0];
        let parts = (0..n).step_by(CHUNK).map(|start| {
            let z = z.narrow(0, start, CHUNK.min(n - start));
            no_grad(|| self.gan.mean.forward(&z, &Mode::eval()))
        });
        unsigned(&Tensor::concat(&parts.collect::<Vec<_>>(), 0))
    }

    /// The videos that are judged: always from the same noise.
    fn judged(&self) -> Tensor {
        let rng = &mut Rng::at(self.settings.seed, JUDGED, 0);
        self.videos(&self.noise(self.settings.judged, rng))
    }
}

/// Two frames of a video, the earlier first.
fn pair(rng: &mut Rng) -> [usize; 2] {
    let first = rng.below(FRAMES - 1);
    [first, first + 1 + rng.below(FRAMES - 1 - first)]
}

impl Learner for Duel {
    fn numbers(&self) -> Vec<&'static str> {
        Players::NUMBERS.to_vec()
    }

    fn step(&mut self, batch: &Batch, mode: &Mode) -> Step {
        let (real, rng) = (signed(&batch.x), &mut mode.rng());
        let z = self.noise(real.shape()[0], rng);
        let pairs: Vec<[usize; 2]> = (0..self.settings.pairs).map(|_| pair(rng)).collect();
        let VideoGan {
            generator,
            discriminator,
            ..
        } = &mut self.gan;
        let made = generator.forward(&z, mode);
        let logits = |judge: &Discriminator, x: &Tensor| judge.forward(x, &pairs, mode);
        let step = self
            .players
            .round(generator, discriminator, &real, &made, logits);
        self.gan.follow(1.0 - self.settings.mean);
        step
    }

    fn parts(&mut self) -> Parts<'_> {
        self.players.parts(&mut self.gan)
    }
}

impl Game {
    /// As many videos of test digits as are judged.
    fn real(&self) -> Result<Tensor> {
        let Settings { judged, seed, .. } = self.duel.settings;
        let videos = moving(&self.test, judged, seed);
        Ok(videos.batch(&(0..judged).collect::<Vec<_>>())?.x)
    }
}

impl Prepared for Game {
    fn data_sha256(&self) -> Fingerprints {
        Fingerprints::of(&self.train, &self.test)
    }

    fn begin_with(&mut self, weights: &[(String, Tensor)]) -> Result<()> {
        self.duel.gan.load_state(weights)
    }

    fn estimate(&mut self) -> Result<Option<Estimate>> {
        let settings = &self.duel.settings;
        let course = settings.course();
        let videos = moving(&self.train, settings.videos, settings.seed);
        let (batch, summary) = (settings.batch_size, self.duel.summary());
        let optimizers = self.duel.parts().optimizers;
        let pass = summary.step(batch, optimizers[0].1);
        // A step holds more than a pass of both: what does not fit that fits no step.
        cost::check_memory(&pass)?;
        let forecast = course.forecast(&mut self.duel, &videos)?;
        Ok(Some(Estimate::of_steps(summary, &pass, forecast)))
    }

    fn train(self: Box<Self>, mut job: Job<'_>) -> Result<Outcome> {
        let (start, run, mut game) = (Instant::now(), job.run, *self);
        (job.say)("a judge learns the digits ..");
        let judge = Judge::learn(&game.train, &game.test, &job.stop)?;
        let real = game.real()?;
        let settings = game.duel.settings.clone();
        let begun = training::begin(&mut job, None, settings.checkpoint_steps)?;
        let mut course = settings.course().stop_when(job.stop.clone());
        for callback in begun.callbacks {
            course = course.boxed_callback(callback);
        }
        let mut watched = Watched {
            epoch: begun.snapshot.as_ref().map_or(0, Snapshot::epoch),
            duel: &mut game.duel,
            judge: &judge,
            real: &real,
            run,
        };
        if begun.snapshot.is_none() {
            watched.draw_strip()?;
        }
        let before = count::flops();
        let videos = moving(&game.train, settings.videos, settings.seed);
        let history = course
            .run(&mut watched, &videos, begun.snapshot.as_ref())
            .map_err(|error| training::how_to_go_on(error, run))?;
        let spent = begun.meter.stop(&history, count::flops() - before);

        (job.say)("judging ..");
        let made = Seen::of(&judge, &game.duel.judged());
        let of_real = Seen::of(&judge, &real);
        let rng = &mut Rng::at(settings.seed, JUDGED, 1);
        let of_noise = Seen::of(&judge, &Tensor::uniform(real.shape(), 0.0, 1.0, rng));
        let findings = Findings {
            measured: made.measured(&of_real),
            sections: vec![
                samples(&game.duel, &real, run)?,
                adversarial::growth(run, history.epochs.len()),
                seen::section(&judge, [&made, &of_real, &of_noise]),
            ],
        };
        let trained = Trained {
            history: &history,
            spent,
            sha256: eras_train::hash(&game.duel.gan.state()),
            curves: &[
                (
                    "Losses",
                    &[
                        ("discriminator", "loss"),
                        ("on test digits", "val_loss"),
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
                ("The same digit at both ends", &[("made", "val_same_digit")]),
                ("Fréchet distance", &[("made", "val_frechet_distance")]),
            ],
        };
        let story = include_str!("../../stories/video-gan.md");
        experiment::report(&VideoGanRecipe, story, run, findings, Some(trained), start)
    }
}

/// A duel that is judged after each epoch, and shows what it makes of the same noise.
struct Watched<'a> {
    duel: &'a mut Duel,
    judge: &'a Judge,
    real: &'a Tensor,
    run: &'a Run,
    epoch: usize,
}

impl Learner for Watched<'_> {
    fn numbers(&self) -> Vec<&'static str> {
        self.duel.numbers()
    }

    fn step(&mut self, batch: &Batch, mode: &Mode) -> Step {
        self.duel.step(batch, mode)
    }

    fn parts(&mut self) -> Parts<'_> {
        self.duel.parts()
    }

    fn score(&mut self) -> Result<Option<Score>> {
        self.epoch += 1;
        self.draw_strip()?;
        Ok(Some(score(self.duel, self.judge, self.real)))
    }
}

impl Watched<'_> {
    /// Leaves the frames of a video in the run's folder, of the same noise each time.
    fn draw_strip(&self) -> Result<()> {
        let z = self
            .duel
            .noise(1, &mut Rng::at(self.duel.settings.seed, SHOWN, 0));
        let frames = drawing::pictures(&frames(&self.duel.videos(&z)));
        let row = Picture::grid(&frames, FRAMES);
        self.run.write(&adversarial::strip(self.epoch), &row.png())
    }
}

fn score(duel: &Duel, judge: &Judge, real: &Tensor) -> Score {
    /// Videos on which the discriminator's loss is measured.
    const HELD_OUT: usize = 64;
    let made = duel.judged();
    let n = HELD_OUT.min(made.shape()[0]);
    let logits = |x: &Tensor| {
        let x = signed(&x.narrow(0, 0, n));
        duel.gan
            .discriminator
            .forward(&x, &[[0, FRAMES - 1]], &Mode::eval())
    };
    let loss = no_grad(|| discriminator_loss(&logits(real), &logits(&made)).item());
    let measured = Seen::of(judge, &made).measured(&Seen::of(judge, real));
    let metrics = measured.into_iter().map(|m| (m.name, m.value));
    Score {
        loss,
        metrics: metrics.collect(),
    }
}

/// `(N, 1, T, H, W)` to frames `(N T, 1, H, W)`.
fn frames(videos: &Tensor) -> Tensor {
    let &[n, _, time, height, width] = videos.shape() else {
        panic!(
            "frames: videos {:?} must be (N, 1, T, H, W)",
            videos.shape()
        );
    };
    videos.reshape([n * time, 1, height, width])
}

const DELAY: Duration = Duration::from_millis(150);

/// Each of the videos `(N, 1, T, H, W)` within [0, 1].
fn animations(videos: &Tensor) -> Vec<Animation> {
    let pictures = drawing::pictures(&frames(videos));
    let each = pictures.chunks(videos.shape()[2]);
    each.map(|frames| Animation::new(frames.to_vec(), DELAY))
        .collect()
}

fn samples(duel: &Duel, real: &Tensor, run: &Run) -> Result<Section> {
    const SHOWN_VIDEOS: usize = 24;
    const COLUMNS: usize = 6;
    let rng = &mut Rng::at(duel.settings.seed, SHOWN, 1 << 40);
    let made = duel.videos(&duel.noise(SHOWN_VIDEOS, rng));
    let made = Animation::grid(&animations(&made), COLUMNS);
    run.write("samples.png", &made.png())?;
    let n = SHOWN_VIDEOS.min(real.shape()[0]);
    let real = Animation::grid(&animations(&real.narrow(0, 0, n)), COLUMNS);
    let moving = |animation, caption: &str, detail: &str| Moving {
        animation,
        caption: caption.into(),
        detail: detail.into(),
    };
    Ok(Section::new("Samples")
        .note("Videos that nobody took")
        .text(format!(
            "{FRAMES} frames of {SIDE} x {SIDE} pixels, then again from the first. From noise that was not drawn before, and \
             none left out."
        ))
        .animations(vec![
            moving(made, "made", "by the generator"),
            moving(real, "real", "digits of the test set, moved"),
        ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, scratch, weights};

    fn train(folder: &Path, stop: Option<u64>, resume: bool) -> Result<Outcome> {
        let small = [
            "epochs=2",
            "batch_size=10",
            "videos=100",
            "limit=200",
            "noise=4",
            "width=2",
            "video_width=2",
            "frame_width=2",
            "judged=12",
        ];
        testing::train(&VideoGanRecipe, &small, folder, stop, resume)
    }

    #[test]
    fn a_mean_that_only_follows_is_not_counted_among_what_learns() {
        let duel = Duel::new(&Settings::default());
        let VideoGan {
            generator,
            discriminator,
            ..
        } = &duel.gan;
        let summary = duel.summary();
        let players = generator.count_params() + discriminator.count_params();
        assert_eq!(summary.params, players);
        assert_eq!(summary.rows[0].path, "generator.project");
    }

    #[test]
    fn a_game_that_was_stopped_ends_with_the_same_bits_numbers_and_videos() {
        let (whole, cut) = (scratch("video-whole"), scratch("video-cut"));
        let first = train(&whole, None, false).unwrap();
        // In the middle of the second epoch.
        let error = train(&cut, Some(14), false).unwrap_err();
        assert!(error.is_interrupted(), "{error}");
        assert_ne!(weights(&cut), weights(&whole));
        let second = train(&cut, None, true).unwrap();
        assert_eq!(weights(&cut), weights(&whole));
        assert_eq!(first.measured, second.measured);
        for file in ["epoch-000.png", "epoch-002.png", "samples.png"] {
            let [a, b] = [&whole, &cut].map(|folder| std::fs::read(folder.join(file)).unwrap());
            assert!(a == b, "{file} differs");
        }
        let page = std::fs::read_to_string(cut.join("report.html")).unwrap();
        for title in ["Samples", "Growth", "Judged"] {
            assert!(page.contains(&format!("<h2>{title}</h2>")), "{title}");
        }
        // Untrained as it is, it makes one and the same.
        assert!(page.contains("Of the first frames: Modes have collapsed"));
        let run = Run::open(&cut).unwrap();
        let sample = |draw, class| {
            let request = SampleRequest {
                count: 3,
                draw,
                class,
            };
            VideoGanRecipe.sample(&run, &request)
        };
        let Sampled::Animations(videos) = sample(Draw::Seed(7), None).unwrap() else {
            panic!("wanted videos");
        };
        assert_eq!((videos.len(), videos[0].frames().len()), (3, FRAMES));
        assert!(sample(Draw::Between(1, 2), None).unwrap_err().is_usage());
        assert!(
            sample(Draw::Seed(0), Some("3".into()))
                .unwrap_err()
                .is_usage()
        );
        let evaluation = VideoGanRecipe.evaluate(&run, None).unwrap();
        for measured in &second.measured {
            assert_eq!(evaluation.score.get(&measured.name), Some(measured.value));
        }
        drop(run);
        for folder in [whole, cut] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        for (assignment, wanted) in [
            ("batch_size=1", "`batch_size` wants at least 2"),
            ("videos=3", "`videos` wants at least a batch"),
            ("mean=1.0", "`mean` wants a number from 0 to below 1"),
            ("judge_lr=0.0", "`judge_lr` wants a number above 0"),
            ("frame_width=0", "`width` wants at least 1, as"),
        ] {
            let folder = scratch("video-refused");
            let error =
                testing::train(&VideoGanRecipe, &[assignment], &folder, None, false).unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains(wanted),
                "{error}"
            );
        }
    }
}
