//! The restricted Boltzmann machine on digits, and its likelihood counted and estimated (Hinton 2002; Tieleman 2008;
//! Salakhutdinov & Murray 2008).

use crate::classification::picture;
use crate::drawing;
use crate::experiment::{self, Findings};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Job, Outcome, Prepared, Recipe};
use crate::run::{Config, Fingerprints};
use crate::settings::{self, to_table};
use eras_data::{Dataset, Images, Mnist, Search};
use eras_models::connectionism::Rbm;
use eras_nn::{Optimizer, Sgd};
use eras_report::{Chart, Picture, Section, Series, Shown, Table, format};
use eras_tensor::{Dtype, Error, Result, Rng, Tensor, no_grad};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// `eras train rbm`.
#[derive(Debug)]
pub struct RbmRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// Hidden units.
    hidden: usize,
    /// Hidden units of the machine that is small enough to be counted.
    small_hidden: usize,
    epochs: usize,
    /// Digits of a step, and samples against which they are held.
    batch_size: usize,
    /// Of the first step; it falls to 0 with the last.
    lr: f64,
    /// Steps and chains of annealed importance sampling.
    ais_steps: usize,
    ais_chains: usize,
    seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hidden: 256,
            small_hidden: 16,
            epochs: 5,
            batch_size: 100,
            lr: 0.1,
            ais_steps: 2000,
            ais_chains: 100,
            seed: 0,
        }
    }
}

impl Recipe for RbmRecipe {
    fn card(&self) -> Card {
        Card {
            name: "rbm",
            title: "The restricted Boltzmann machine: digits dreamt up",
            era: Era::Connectionism,
            paper: "Smolensky 1986; Hinton 2002, Training products of experts by minimizing contrastive divergence; Tieleman 2008",
            data: "MNIST (embedded), pixels drawn as bits",
            promise: "annealed importance sampling within 2 nats of counting; test digits at -115 nats or better",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![
            promise("ais_error", Unit::Plain, Bound::AtMost(2.0)),
            promise("test_log_likelihood", Unit::Plain, Bound::AtLeast(-115.0)),
            promise("reconstruction_error", Unit::Share, Bound::AtMost(0.05)),
        ]
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let settings: Settings = settings::read(&config.settings)?;
        let rules = [
            (settings.hidden > 0, "hidden", "at least 1"),
            (
                (1..=Rbm::MAX_EXACT).contains(&settings.small_hidden),
                "small_hidden",
                "1 to 20",
            ),
            (settings.epochs > 0, "epochs", "at least 1"),
            (settings.batch_size > 0, "batch_size", "at least 1"),
            (settings.lr > 0.0, "lr", "a number above 0"),
            (settings.ais_steps > 0, "ais_steps", "at least 1"),
            (settings.ais_chains > 0, "ais_chains", "at least 1"),
        ];
        settings::want(&rules)?;
        let Mnist { train, test, .. } = Mnist::find(&Search::given(config.data.as_deref()))?;
        Ok(Box::new(Experiment {
            settings,
            train: train.flat(),
            test: test.flat(),
        }))
    }
}

struct Experiment {
    settings: Settings,
    train: Images,
    test: Images,
}

impl Prepared for Experiment {
    fn data_sha256(&self) -> Fingerprints {
        Fingerprints::of(&self.train, &self.test)
    }

    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        let start = Instant::now();
        let rng = &mut Rng::new(self.settings.seed);
        (job.say)("a machine small enough to be counted ..");
        let (counted, ais_error) = self.counted(&job, rng)?;
        (job.say)("learning digits ..");
        let mut errors = Vec::new();
        let rbm = self.learn(
            self.settings.hidden,
            Dreams::Persistent,
            &job,
            rng,
            |rbm, _| {
                errors.push(self.reconstruction_error(rbm)?);
                Ok(())
            },
        )?;
        (job.say)("estimating their likelihood ..");
        let (likelihood, nats) = self.likelihood(&rbm, rng)?;
        let findings = Findings {
            measured: vec![
                Measured::new("test_log_likelihood", nats, Unit::Plain),
                Measured::new("ais_error", ais_error, Unit::Plain),
                Measured::new(
                    "reconstruction_error",
                    *errors.last().unwrap_or(&f64::NAN),
                    Unit::Share,
                ),
            ],
            sections: vec![
                counted,
                self.reconstructions(&rbm, &errors)?,
                self.samples(&rbm, rng),
                self.filters(&rbm),
                likelihood,
            ],
        };
        let story = include_str!("../../stories/rbm.md");
        experiment::finish(&RbmRecipe, story, job.run, findings, start)
    }
}

/// Where the samples come from that the machine is to believe in less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dreams {
    /// One step from the data.
    FromData,
    /// Chains that go on.
    Persistent,
}

/// Test digits by which a machine is judged while it learns.
const JUDGED: usize = 2000;

impl Experiment {
    /// Learns digits, and shows the machine to `look` before the first and after each epoch, with the epoch's number.
    fn learn(
        &self,
        hidden: usize,
        dreams: Dreams,
        job: &Job<'_>,
        rng: &mut Rng,
        mut look: impl FnMut(&Rbm, usize) -> Result<()>,
    ) -> Result<Rbm> {
        let Settings {
            epochs,
            batch_size,
            lr,
            ..
        } = self.settings;
        let visible = self.train.shape().iter().product();
        let mut rbm = Rbm::new(visible, hidden, rng);
        rbm.visible_bias.set(&self.log_odds()?);
        let mut chains = self.bits(
            &self.train,
            &(0..batch_size.min(self.train.len())).collect::<Vec<_>>(),
            rng,
        )?;
        let mut order: Vec<usize> = (0..self.train.len()).collect();
        let (mut descent, mut step) = (Sgd::new(lr), 0);
        let steps = epochs * self.train.len().div_ceil(batch_size);
        look(&rbm, 0)?;
        for epoch in 1..=epochs {
            rng.shuffle(&mut order);
            for batch in order.chunks(batch_size) {
                if job.stop.load(Ordering::Relaxed) {
                    return Err(Error::interrupted("stopped; an experiment keeps nothing"));
                }
                let v = self.bits(&self.train, batch, rng)?;
                let contrast = match dreams {
                    Dreams::FromData => rbm.cd(&v, 1, rng),
                    Dreams::Persistent => rbm.persistent_cd(&v, &mut chains, 1, rng),
                };
                descent.set_lr(lr * (1.0 - f64::from(step) / steps as f64));
                descent.step(&mut rbm, &contrast.backward());
                step += 1;
            }
            look(&rbm, epoch)?;
        }
        Ok(rbm)
    }

    /// Digits as bits, each drawn with its pixel as probability. `(B, V)`
    fn bits(&self, data: &Images, indices: &[usize], rng: &mut Rng) -> Result<Tensor> {
        let x = data.batch(indices)?.x;
        Ok(Tensor::uniform(x.shape(), 0.0, 1.0, rng)
            .lt(&x)
            .to_dtype(Dtype::F32))
    }

    /// `ln(p / (1 − p))` of each pixel's mean over the training set: `(V)`.
    fn log_odds(&self) -> Result<Tensor> {
        const CHUNK: usize = 1000;
        let all: Vec<usize> = (0..self.train.len()).collect();
        let mut sum: Option<Tensor> = None;
        for chunk in all.chunks(CHUNK) {
            let part = self.train.batch(chunk)?.x.sum(0);
            sum = Some(match sum {
                Some(sum) => sum + part,
                None => part,
            });
        }
        // As if one more picture had been seen half on, so that no pixel is impossible.
        let n = self.train.len() as f64 + 1.0;
        let p = (sum.expect("no set is empty") + 0.5) / n;
        Ok((&p / (1.0 - &p)).ln())
    }

    /// Both ways to learn, followed by counting; and annealed importance sampling held against the count.
    fn counted(&self, job: &Job<'_>, rng: &mut Rng) -> Result<(Section, f64)> {
        let Settings {
            small_hidden,
            ais_steps,
            ais_chains,
            ..
        } = self.settings;
        let digits: Vec<usize> = (0..JUDGED.min(self.test.len())).collect();
        let v = self.bits(&self.test, &digits, rng)?;
        let mut chart = Chart::new("ln P of test digits, counted")
            .x_label("epoch")
            .y_label("nats a digit");
        let mut table = Table::new([
            "learned by",
            "ln Z counted",
            "estimated",
            "three standard errors",
            "off by",
        ]);
        let mut worst = 0.0f64;
        for (name, dreams) in [
            ("CD-1", Dreams::FromData),
            ("persistent CD", Dreams::Persistent),
        ] {
            let mut points = Vec::new();
            let rbm = self.learn(small_hidden, dreams, job, rng, |rbm, epoch| {
                points.push((epoch as f64, rbm.log_likelihood(&v)?));
                Ok(())
            })?;
            chart = chart.series(Series::new(name, points));
            let (exact, found) = (
                rbm.log_z()?,
                rbm.ais(&self.log_odds()?, ais_steps, ais_chains, rng),
            );
            worst = worst.max((found.value - exact).abs());
            let [low, high] = found.range.map(|x| format!("{x:.2}"));
            table = table.row([
                name.to_owned(),
                format!("{exact:.2}"),
                format!("{:.2}", found.value),
                format!("{low} to {high}"),
                format!("{:.2}", (found.value - exact).abs()),
            ]);
        }
        let section = Section::new("Counted")
            .note("What learning raises, where it can be known")
            .text(format!(
                "With {small_hidden} hidden units all {} of their states can be summed, and the likelihood is exact. Contrastive \
                 divergence only lowers the probability near the data; persistent chains find what the machine believes \
                 elsewhere. Annealed importance sampling ({} chains, {} steps) estimates the same sum without counting.",
                format::count(1 << small_hidden),
                format::count(ais_chains as u64),
                format::count(ais_steps as u64),
            ))
            .chart(chart)
            .table(table);
        Ok((section, worst))
    }

    /// The mean distance of a test digit's pixels from those that come back.
    fn reconstruction_error(&self, rbm: &Rbm) -> Result<f64> {
        let digits: Vec<usize> = (0..JUDGED.min(self.test.len())).collect();
        let v = self.test.batch(&digits)?.x;
        Ok(no_grad(|| (rbm.reconstruct(&v) - &v).abs().mean(..).item()))
    }

    fn reconstructions(&self, rbm: &Rbm, errors: &[f64]) -> Result<Section> {
        const SHOWN: usize = 10;
        let digits: Vec<usize> = (0..SHOWN.min(self.test.len())).collect();
        let v = self.test.batch(&digits)?.x;
        let back = no_grad(|| rbm.reconstruct(&v));
        let pairs = digits.iter().map(|&i| Shown {
            picture: Picture::grid(
                &[picture(&self.test, i), self.picture(&back.select(0, i))],
                2,
            ),
            caption: self.test.classes()[self.test.labels()[i] as usize].clone(),
            detail: "seen, and given back".into(),
        });
        let points = (0..).map(f64::from).zip(errors.iter().copied()).collect();
        Ok(Section::new("Reconstructions")
            .note("Up to the hidden units and down again")
            .pictures(pairs.collect())
            .chart(
                Chart::new("Reconstruction error")
                    .x_label("epoch")
                    .y_label("mean distance of a pixel")
                    .series(Series::new("test digits", points)),
            ))
    }

    fn samples(&self, rbm: &Rbm, rng: &mut Rng) -> Section {
        const SAMPLES: usize = 48;
        const STEPS: usize = 2000;
        let samples = self.dreams(rbm, SAMPLES, STEPS, rng);
        Section::new("Dreams")
            .note("Digits that nobody wrote")
            .text(format!(
                "{SAMPLES} chains of {} steps of Gibbs sampling, each begun at coin flips; shown are the probabilities of the \
                 last step.",
                format::count(STEPS as u64)
            ))
            .pictures(vec![Shown {
                picture: Picture::grid(&samples, 8),
                caption: "samples".into(),
                detail: String::new(),
            }])
    }

    fn dreams(&self, rbm: &Rbm, count: usize, steps: usize, rng: &mut Rng) -> Vec<Picture> {
        let samples = rbm.sample(count, steps, rng);
        (0..count)
            .map(|i| self.picture(&samples.select(0, i)))
            .collect()
    }

    fn filters(&self, rbm: &Rbm) -> Section {
        const SHOWN: usize = 48;
        let [_, height, width] = self.test.shape();
        let count = SHOWN.min(self.settings.hidden);
        let filters: Vec<Picture> = (0..count)
            .map(|unit| drawing::signed(&rbm.weight.select(0, unit).to_vec(), [height, width]))
            .collect();
        Section::new("Filters")
            .note("What each hidden unit looks for: white for ink, black for none")
            .pictures(vec![Shown {
                picture: Picture::grid_on(255, &filters, 8),
                caption: "weights".into(),
                detail: format!("the first {count} of {} hidden units", self.settings.hidden),
            }])
    }

    /// The mean of `ln P` over the test digits, with `ln Z` estimated.
    fn likelihood(&self, rbm: &Rbm, rng: &mut Rng) -> Result<(Section, f64)> {
        const CHUNK: usize = 1000;
        let log_z = rbm.ais(
            &self.log_odds()?,
            self.settings.ais_steps,
            self.settings.ais_chains,
            rng,
        );
        let all: Vec<usize> = (0..self.test.len()).collect();
        let mut sum = 0.0;
        for chunk in all.chunks(CHUNK) {
            let v = self.bits(&self.test, chunk, rng)?;
            sum -= no_grad(|| rbm.free_energy(&v).sum(..).item());
        }
        let goodness = sum / self.test.len() as f64;
        let [low, high] = log_z.range.map(format::significant);
        let section = Section::new("Likelihood")
            .note("What the machine thinks of digits that it never saw")
            .text(format!(
                "ln Z is about {} ({low} to {high} within three standard errors), so that a test digit has a mean \
                 ln P of {} nats. An estimate of Z may be too low, and the likelihood then too high: what rare states \
                 weigh shows in few chains.",
                format::significant(log_z.value),
                format::significant(goodness - log_z.value)
            ));
        Ok((section, goodness - log_z.value))
    }

    /// Probabilities as gray. `(V)`
    fn picture(&self, p: &Tensor) -> Picture {
        let [_, height, width] = self.test.shape();
        let gray = p
            .to_vec::<f32>()
            .iter()
            .map(|p| (255.0 * p).round() as u8)
            .collect();
        Picture::grey(width, height, gray)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Run;
    use std::sync::Arc;

    #[test]
    fn settings_out_of_range_are_refused() {
        let mut config = Config::new("rbm", RbmRecipe.defaults(), 1);
        config.settings.insert("small_hidden".into(), 21.into());
        let error = RbmRecipe.prepare(&config).err().expect("refused");
        assert_eq!(error.to_string(), "setting `small_hidden` wants 1 to 20");
    }

    #[test]
    fn the_estimate_is_near_the_count_and_both_ways_learn() {
        let Mnist { train, test, .. } = Mnist::load().unwrap();
        let first = |data: &Images, n: usize| {
            let pixels = (0..n).flat_map(|i| data.pixels(i).to_vec()).collect();
            let labels = data.labels()[..n].to_vec();
            Images::new(pixels, data.shape(), labels, data.classes()).unwrap()
        };
        let experiment = Experiment {
            settings: Settings {
                small_hidden: 5,
                epochs: 20,
                batch_size: 10,
                ais_steps: 200,
                ais_chains: 20,
                ..Settings::default()
            },
            train: first(&train, 400).flat(),
            test: first(&test, 100).flat(),
        };
        let folder = std::env::temp_dir().join(format!("eras-rbm-{}", std::process::id()));
        let run = Run::create(&folder, Config::new("rbm", RbmRecipe.defaults(), 1)).unwrap();
        let job = Job {
            run: &run,
            resume: false,
            observers: Vec::new(),
            stop: Arc::default(),
            say: &|_| (),
        };
        let rng = &mut Rng::new(0);
        let (_, error) = experiment.counted(&job, rng).unwrap();
        assert!(error < 2.0, "{error}");
        for dreams in [Dreams::FromData, Dreams::Persistent] {
            let mut errors = Vec::new();
            let look = |rbm: &Rbm, _: usize| {
                errors.push(experiment.reconstruction_error(rbm)?);
                Ok(())
            };
            experiment.learn(20, dreams, &job, rng, look).unwrap();
            assert!(
                errors.len() == 21 && errors[20] < 0.9 * errors[0],
                "{errors:?}"
            );
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
