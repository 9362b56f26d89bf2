//! An adversarial net that makes videos of moving digits (Vondrick, Pirsiavash & Torralba 2016, arXiv:1609.02612).

use super::adversarial::{self, Players, signed, unsigned};
use super::judge::{Judge, Verdict};
use crate::classification;
use crate::drawing;
use crate::experiment::{self, Findings};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{
    Card, Draw, Era, Evaluation, Job, Outcome, Prepared, Recipe, SampleRequest, Sampled,
};
use crate::run::{Config, Fingerprints, Run};
use crate::settings::{self, to_table};
use crate::training::{self, Trained};
use eras_data::{Batch, Dataset, Images, Mnist, MovingDigits, Search};
use eras_models::deep_learning::gan::discriminator_loss;
use eras_models::deep_learning::video_gan::{Discriminator, FRAMES, SIDE, Scene, VideoGan};
use eras_nn::{Adam, Mode, Module};
use eras_report::{Animation, Moving, Picture, Section, Table, format};
use eras_tensor::{Error, Result, Rng, Tensor, count, no_grad};
use eras_train::{Course, Learner, Parts, Score, Snapshot, Step};
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
    /// Numbers that a video is made of.
    noise: usize,
    /// Channels at half the size; below there are twice and four times as many.
    width: usize,
    /// Adam's.
    lr: f64,
    beta1: f64,
    /// How much it costs to show the foreground.
    sparsity: f64,
    /// Videos that are made to be judged.
    judged: usize,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    checkpoint_steps: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 32,
            seed: 0,
            videos: 6400,
            noise: 100,
            width: 32,
            lr: 2e-4,
            beta1: 0.5,
            sparsity: 0.1,
            judged: 500,
            checkpoint_steps: 0,
        }
    }
}

impl Recipe for VideoGanRecipe {
    fn card(&self) -> Card {
        Card {
            name: "video-gan",
            title: "An adversarial net that makes videos",
            era: Era::DeepLearning,
            paper: "Vondrick, Pirsiavash & Torralba 2016, Generating videos with scene dynamics",
            data: "Moving digits, made from MNIST (embedded)",
            promise: "digits that move as far as real ones, within a half, and stay what they are in half of the videos",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![
            promise("same_digit", Unit::Share, Bound::AtLeast(0.5)),
            promise("motion", Unit::Share, Bound::AtLeast(0.5)),
            promise("motion", Unit::Share, Bound::AtMost(1.5)),
            promise("confidence", Unit::Share, Bound::AtLeast(0.7)),
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
        let mut duel = Duel::new(&settings(run.config())?);
        if request.class.is_some() {
            return Err(Error::usage("this generator cannot be told a class"));
        }
        let Draw::Seed(seed) = request.draw else {
            return Err(Error::usage(
                "between videos there is no way to show: wanted a seed",
            ));
        };
        training::load(&mut duel.gan, run)?;
        let z = duel.noise(request.count, &mut Rng::at(seed, SHOWN, 0));
        Ok(Sampled::Animations(animations(&duel.videos(&z))))
    }
}

/// The settings of a run, checked.
fn settings(config: &Config) -> Result<Settings> {
    let settings: Settings = settings::read(&config.settings)?;
    classification::check_loop(settings.epochs, settings.batch_size)?;
    let rules = [
        (settings.batch_size > 1, "batch_size", "at least 2"),
        (
            settings.videos >= settings.batch_size,
            "videos",
            "at least a batch",
        ),
        (settings.noise > 0, "noise", "at least 1"),
        (settings.width > 0, "width", "at least 1"),
        (
            settings.sparsity.is_finite() && settings.sparsity >= 0.0,
            "sparsity",
            "a number from 0",
        ),
        (settings.judged >= 2, "judged", "at least 2"),
    ];
    settings::want(&rules)?;
    adversarial::check_optimizer(settings.lr, ("beta1", settings.beta1))?;
    Ok(settings)
}

fn game(config: &Config, folder: Option<&Path>) -> Result<Game> {
    let settings = settings(config)?;
    let Mnist { train, test } = Mnist::find(&Search::given(folder))?;
    Ok(Game {
        duel: Duel::new(&settings),
        train,
        test,
    })
}

/// The streams of a seed for what is drawn to be looked at, and to be judged.
const SHOWN: u64 = 3;
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
            gan: VideoGan::new(settings.noise, settings.width, rng),
            players: Players::new(Adam::new(settings.lr).betas(settings.beta1, 0.999)),
            settings: settings.clone(),
        }
    }

    fn noise(&self, n: usize, rng: &mut Rng) -> Tensor {
        Tensor::randn([n, self.settings.noise], rng)
    }

    /// Scenes from noise `(n, noise)`, a few at a time.
    fn scenes(&self, z: &Tensor) -> Vec<Scene> {
        const CHUNK: usize = 32;
        let n = z.shape()[0];
        let parts = (0..n).step_by(CHUNK).map(|start| {
            let z = z.narrow(0, start, CHUNK.min(n - start));
            no_grad(|| self.gan.generator.forward(&z, &Mode::eval()))
        });
        parts.collect()
    }

    /// Videos `(n, 1, T, H, W)` within [0, 1] from noise.
    fn videos(&self, z: &Tensor) -> Tensor {
        let videos = self.scenes(z);
        let videos: Vec<Tensor> = videos.iter().map(Scene::video).collect();
        unsigned(&Tensor::concat(&videos, 0))
    }

    /// The videos that are judged: always from the same noise.
    fn judged(&self) -> Tensor {
        let rng = &mut Rng::at(self.settings.seed, JUDGED, 0);
        self.videos(&self.noise(self.settings.judged, rng))
    }
}

impl Learner for Duel {
    fn numbers(&self) -> Vec<&'static str> {
        Players::NUMBERS.to_vec()
    }

    fn step(&mut self, batch: &Batch, mode: &Mode) -> Step {
        let real = signed(&batch.x);
        let z = self.noise(real.shape()[0], &mut mode.rng());
        let VideoGan {
            generator,
            discriminator,
        } = &mut self.gan;
        let scene = generator.forward(&z, mode);
        let shown = scene.mask.mean(..) * self.settings.sparsity;
        let logits = |judge: &Discriminator, x: &Tensor| judge.forward(x, mode);
        let made = scene.video();
        self.players
            .round(generator, discriminator, &real, &made, logits, Some(&shown))
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
        Fingerprints {
            train: self.train.fingerprint(),
            test: self.test.fingerprint(),
        }
    }

    fn begin_with(&mut self, weights: &[(String, Tensor)]) -> Result<()> {
        self.duel.gan.load_state(weights)
    }

    fn train(self: Box<Self>, mut job: Job<'_>) -> Result<Outcome> {
        let (start, run, mut game) = (Instant::now(), job.run, *self);
        (job.say)("a judge learns the digits ..");
        let judge = Judge::learn(&game.train, &game.test, &job.stop)?;
        let real = game.real()?;
        let settings = game.duel.settings.clone();
        let begun = training::begin(&mut job, None, settings.checkpoint_steps)?;
        let mut course = Course::new()
            .batch_size(settings.batch_size)
            .epochs(settings.epochs)
            .seed(settings.seed)
            .stop_when(job.stop.clone());
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
        let findings = Findings {
            measured: made.measured(&of_real),
            sections: vec![
                samples(&game.duel, &real, run)?,
                scenes(&game.duel),
                adversarial::growth(run, history.epochs.len()),
                seen(&made, &of_real),
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
        duel.gan.discriminator.forward(&x, &Mode::eval())
    };
    let loss = no_grad(|| discriminator_loss(&logits(real), &logits(&made)).item());
    let measured = Seen::of(judge, &made).measured(&Seen::of(judge, real));
    let metrics = measured.into_iter().map(|m| (m.name, m.value));
    Score {
        loss,
        metrics: metrics.collect(),
    }
}

/// What a judge of digits sees in videos.
struct Seen {
    verdict: Verdict,
    /// The share of the videos whose first and last frame show the same digit.
    same: f64,
    /// How many pixels the figure moves from a frame to the next.
    motion: f64,
}

impl Seen {
    /// Of videos `(N, 1, T, H, W)` within [0, 1].
    fn of(judge: &Judge, videos: &Tensor) -> Self {
        let &[count, _, time, height, width] = videos.shape() else {
            panic!("Seen: videos {:?} must be (N, 1, T, H, W)", videos.shape());
        };
        let x = videos.contiguous();
        let (mut windows, mut way) = (Vec::with_capacity(count * time), 0.0);
        for video in x.as_slice::<f32>().chunks_exact(time * height * width) {
            let mut last = None;
            for frame in video.chunks_exact(height * width) {
                let centre = centre(frame, width);
                windows.extend(window(frame, width, centre));
                let from = last.replace(centre).unwrap_or(centre);
                way += (centre[0] - from[0]).hypot(centre[1] - from[1]);
            }
        }
        let windows = Tensor::from_slice(&windows, [count * time, 1, WINDOW, WINDOW]);
        let (seen, ..) = judge.read(&windows);
        let same = seen.chunks_exact(time).filter(|of| of[0] == of[time - 1]);
        Self {
            same: same.count() as f64 / count as f64,
            motion: way / (count * (time - 1)) as f64,
            verdict: judge.judge(&windows),
        }
    }

    fn measured(&self, real: &Self) -> Vec<Measured> {
        vec![
            Measured::new("same_digit", self.same, Unit::Share),
            Measured::new("motion", self.motion / real.motion, Unit::Share),
            Measured::new("confidence", self.verdict.confidence, Unit::Share),
            Measured::new("frechet_distance", self.verdict.frechet, Unit::Plain),
        ]
    }
}

/// What the judge reads.
const WINDOW: usize = 28;

/// The centre of mass of the light in a frame, in pixels from above and from the left; the middle where there is none.
fn centre(frame: &[f32], width: usize) -> [f64; 2] {
    let (mut mass, mut at) = (0.0, [0.0; 2]);
    for (i, &pixel) in frame.iter().enumerate() {
        // Hints of light all over would draw the centre to the middle.
        let pixel = f64::from(pixel) - 0.2;
        if pixel > 0.0 {
            mass += pixel;
            at[0] += pixel * (i / width) as f64;
            at[1] += pixel * (i % width) as f64;
        }
    }
    if mass > 0.0 {
        at.map(|sum| sum / mass)
    } else {
        [(frame.len() / width) as f64 / 2.0, width as f64 / 2.0]
    }
}

/// The 28 x 28 pixels around `centre`, as far as the frame goes.
fn window(frame: &[f32], width: usize, centre: [f64; 2]) -> Vec<f32> {
    let height = frame.len() / width;
    // The pixel at 14 of 28 is right of and below the middle, where MNIST has its centre of mass.
    let from = |centre: f64, side: usize| {
        let from = (centre + 0.5).round() - WINDOW as f64 / 2.0;
        from.clamp(0.0, (side - WINDOW) as f64) as usize
    };
    let (top, left) = (from(centre[0], height), from(centre[1], width));
    let rows = frame.chunks_exact(width).skip(top).take(WINDOW);
    rows.flat_map(|row| &row[left..left + WINDOW])
        .copied()
        .collect()
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

/// What some videos are put together from.
fn scenes(duel: &Duel) -> Section {
    const COUNT: usize = 6;
    let rng = &mut Rng::at(duel.settings.seed, SHOWN, 2 << 40);
    let scenes = duel.scenes(&duel.noise(COUNT, rng));
    let scene = &scenes[0];
    let still = scene.background.expand([COUNT, 1, FRAMES, SIDE, SIDE]);
    let rows = [
        unsigned(&scene.foreground),
        scene.mask.clone(),
        unsigned(&still),
        unsigned(&scene.video()),
    ];
    let all: Vec<Animation> = rows.iter().flat_map(animations).collect();
    Section::new("Scenes")
        .note("What moves, in front of what stays")
        .text(
            "From above: the foreground, the mask that says where it is seen, the background, which is one picture for all \
             frames, and the video that they make.",
        )
        .animations(vec![Moving {
            animation: Animation::grid(&all, COUNT),
            caption: "scenes".into(),
            detail: String::new(),
        }])
}

/// What the judge has seen, beside what it sees in real videos.
fn seen(made: &Seen, real: &Seen) -> Section {
    let mut table = Table::new([
        "videos",
        "same digit at both ends",
        "pixels a frame",
        "confidence",
        "Fréchet distance",
    ]);
    for (name, seen) in [("made", made), ("real, of test digits", real)] {
        table = table.row([
            name.to_owned(),
            format::percent(seen.same),
            format::significant(seen.motion),
            format::percent(seen.verdict.confidence),
            format::significant(seen.verdict.frechet),
        ]);
    }
    Section::new("Judged")
        .note("By a LeNet-5 that has learned the digits")
        .text(
            "In each frame LeNet-5 reads the 28 x 28 pixels around the centre of what is light. Motion is how far that centre \
             goes from a frame to the next. The Fréchet distance is that of LeNet's 84 features in all these windows to those \
             of the training digits, each taken for a normal distribution: |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½).",
        )
        .table(table)
}
