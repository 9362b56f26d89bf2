//! The Hopfield network on digits, its capacity, and the modern network beside it (Hopfield 1982; Amit, Gutfreund &
//! Sompolinsky 1985; Ramsauer et al. 2020).

use crate::experiment::{self, Findings};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Job, Outcome, Prepared, Recipe};
use crate::run::{Config, Fingerprints};
use crate::settings::{self, to_table};
use eras_data::{Dataset, Images, Mnist, Search};
use eras_models::connectionism::{Hopfield, ModernHopfield, capacity};
use eras_report::{Chart, Picture, Section, Series, Shown, format};
use eras_tensor::{Result, Rng, Tensor, no_grad};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// `eras train hopfield`.
#[derive(Debug)]
pub struct HopfieldRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// Digits that the network of 1982 is to remember; each of another class, as unlike each other as can be found.
    digits: usize,
    /// Digits that the modern network is to remember.
    modern_digits: usize,
    /// The share of bits turned over before a recall.
    noise: f64,
    /// Units of the networks whose capacity is measured.
    units: usize,
    /// Recalls at each load.
    trials: usize,
    seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            digits: 3,
            modern_digits: 1000,
            noise: 0.3,
            units: 500,
            trials: 40,
            seed: 0,
        }
    }
}

impl Recipe for HopfieldRecipe {
    fn card(&self) -> Card {
        Card {
            name: "hopfield",
            title: "The Hopfield network: memories as valleys",
            era: Era::Connectionism,
            paper: "Hopfield 1982, Neural networks and physical systems with emergent collective computational abilities",
            data: "MNIST (embedded), and random patterns",
            promise: "three digits mostly recalled from 30% noise; the energy never rises; the break of its capacity near 0.138",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![
            promise("digits_recalled", Unit::Share, Bound::AtLeast(0.75)),
            promise("energy_rises", Unit::Count, Bound::AtMost(0.0)),
            // With few units the break is not sharp, and comes later than with infinitely many.
            promise("capacity", Unit::Plain, Bound::AtLeast(0.12)),
            promise("capacity", Unit::Plain, Bound::AtMost(0.18)),
            promise("modern_digits_recalled", Unit::Share, Bound::AtLeast(0.95)),
        ]
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let settings: Settings = settings::read(&config.settings)?;
        let search = Search::given(config.data.as_deref());
        let digits = Mnist::find(&search)?.train;
        let rules = [
            ((1..=10).contains(&settings.digits), "digits", "1 to 10"),
            (
                (1..=digits.len()).contains(&settings.modern_digits),
                "modern_digits",
                "from 1 to as many as there are",
            ),
            (
                (0.0..=0.5).contains(&settings.noise),
                "noise",
                "a share from 0 to 0.5",
            ),
            (settings.units >= 20, "units", "at least 20"),
            (settings.trials > 0, "trials", "at least 1"),
        ];
        settings::want(&rules)?;
        Ok(Box::new(Experiment { settings, digits }))
    }
}

struct Experiment {
    settings: Settings,
    digits: Images,
}

impl Prepared for Experiment {
    fn data_sha256(&self) -> Fingerprints {
        Fingerprints {
            train: self.digits.fingerprint(),
            test: None,
        }
    }

    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        let start = Instant::now();
        let rng = &mut Rng::new(self.settings.seed);
        (job.say)("remembering digits ..");
        let (memories, recalled, rises) = self.memories(rng);
        (job.say)("measuring the capacity ..");
        let (loads, load) = self.loads(rng);
        (job.say)("the modern network ..");
        let (modern, modern_recalled) = self.modern(rng);
        let findings = Findings {
            measured: vec![
                Measured::new("digits_recalled", recalled, Unit::Share),
                Measured::new("capacity", load, Unit::Plain),
                Measured::new("energy_rises", rises as f64, Unit::Count),
                Measured::new("modern_digits_recalled", modern_recalled, Unit::Share),
            ],
            sections: vec![memories, loads, modern],
        };
        let story = include_str!("../../stories/hopfield.md");
        experiment::finish(&HopfieldRecipe, story, job.run, findings, start)
    }
}

/// Two states count as the same where so many of their bits, less those that differ, are the same.
pub(crate) const SAME: f64 = 0.98;

/// Digit `index` as a state: 1 where the pen was, else -1. `(784)`
fn state(digits: &Images, index: usize) -> Tensor {
    let pixels = digits.pixels(index);
    let spins: Vec<f32> = pixels
        .iter()
        .map(|x| if *x > 127 { 1.0 } else { -1.0 })
        .collect();
    Tensor::from_slice(&spins, [spins.len()])
}

/// So many digits of different classes, each chosen to resemble those before it least.
pub(crate) fn chosen(digits: &Images, count: usize) -> Vec<Tensor> {
    /// Where they are looked for.
    const CANDIDATES: usize = 2000;
    let candidates = CANDIDATES.min(digits.len());
    let states: Vec<Tensor> = (0..candidates).map(|i| state(digits, i)).collect();
    let labels = digits.labels();
    let mut chosen = vec![0];
    while chosen.len() < count {
        let other_class = |i: &usize| chosen.iter().all(|j| labels[*i] != labels[*j]);
        let alike = |i: &usize| {
            let overlaps = chosen
                .iter()
                .map(|j| overlap(&states[*i], &states[*j]).abs());
            overlaps.fold(0.0, f64::max)
        };
        let next = (0..candidates).filter(other_class);
        let next = next.min_by(|a, b| alike(a).total_cmp(&alike(b)));
        let Some(next) = next else { break };
        chosen.push(next);
    }
    chosen.into_iter().map(|i| states[i].clone()).collect()
}

/// What still counts as remembered.
const KEPT: f64 = 0.9;

/// The load at which the overlap after a recall falls below what counts as remembered, between two of those measured; NaN
/// if it does not.
pub(crate) fn break_at(loads: &[f64], overlaps: &[f64]) -> f64 {
    let falls = overlaps
        .windows(2)
        .position(|pair| pair[0] >= KEPT && pair[1] < KEPT);
    falls.map_or(f64::NAN, |i| {
        let part = (overlaps[i] - KEPT) / (overlaps[i] - overlaps[i + 1]);
        loads[i] + part * (loads[i + 1] - loads[i])
    })
}

impl Experiment {
    /// The share of recalls that came back to their digit, and how often the energy rose.
    fn memories(&self, rng: &mut Rng) -> (Section, f64, usize) {
        const SWEEPS: usize = 20;
        /// Of each digit, every one from other noise.
        const RECALLS: usize = 20;
        let chosen = chosen(&self.digits, self.settings.digits);
        let mut net = Hopfield::new(chosen[0].len());
        let warning = net.store(&Tensor::stack(&chosen.iter().collect::<Vec<_>>(), 0));
        let (mut hits, mut rises) = (0, 0);
        let mut pictures = Vec::new();
        let mut chart = Chart::new("Energy").x_label("sweep");
        for (i, digit) in chosen.iter().enumerate() {
            for trial in 0..RECALLS {
                let noisy = noisy(digit, self.settings.noise, rng);
                let recall = net.recall(&noisy, SWEEPS, rng);
                let same = overlap(&recall.state, digit);
                hits += usize::from(same >= SAME);
                let pairs = recall.energies.windows(2);
                rises += pairs.filter(|pair| pair[1] > pair[0]).count();
                if trial > 0 {
                    continue; // the first is shown
                }
                let sweeps = (0..).map(f64::from);
                let points: Vec<(f64, f64)> = sweeps.zip(recall.energies.iter().copied()).collect();
                chart = chart.series(Series::new(format!("memory {}", i + 1), points));
                pictures.push(Shown {
                    picture: Picture::grid(
                        &[digit, &noisy, &recall.state].map(|s| self.picture(s)),
                        3,
                    ),
                    caption: format!("memory {}", i + 1),
                    detail: format!("overlap {}", format::percent(same)),
                });
            }
        }
        let mut section = Section::new("Memories")
            .note("What was stored, the same under noise, and what the net made of it");
        if let Some(warning) = warning {
            section = section.text(format!("Warning: {warning}."));
        }
        let section = section
            .text(format!(
                "{} digits in {} units, {} of the bits turned over. Random patterns would be kept by the hundred; but digits \
                 resemble each other, if only by the paper around them, and those that do run together: with four \
                 (`--set digits=4`) hardly any comes back.",
                chosen.len(),
                chosen[0].len(),
                format::percent(self.settings.noise)
            ))
            .pictures(pictures)
            .chart(chart);
        let recalls = chosen.len() * RECALLS;
        (section, hits as f64 / recalls as f64, rises)
    }

    /// The load at which a recall from a memory itself falls below an overlap of 0.9.
    fn loads(&self, rng: &mut Rng) -> (Section, f64) {
        let loads: Vec<f64> = (5..=25).map(|load| f64::from(load) / 100.0).collect();
        let overlaps = capacity(self.settings.units, &loads, self.settings.trials, rng);
        let load = break_at(&loads, &overlaps);
        let points: Vec<(f64, f64)> = loads.iter().copied().zip(overlaps).collect();
        let section = Section::new("Capacity")
            .note("How much of a memory is left after a recall that began at it")
            .text(format!(
                "{} units, random patterns, {} recalls at each load. The overlap falls below {KEPT} at {} patterns for each \
                 unit; with infinitely many units it breaks at {}.",
                self.settings.units,
                self.settings.trials,
                format::significant(load),
                Hopfield::CRITICAL_LOAD
            ))
            .chart(
                Chart::new("Overlap after recall")
                    .x_label("patterns for each unit")
                    .series(Series::new("overlap", points)),
            );
        (section, load)
    }

    /// The share of digits that the modern network recalls in one step.
    fn modern(&self, rng: &mut Rng) -> (Section, f64) {
        /// How sharply it tells patterns from each other.
        const BETA: f64 = 1.0;
        let count = self.settings.modern_digits;
        let states: Vec<Tensor> = (0..count).map(|i| state(&self.digits, i)).collect();
        let patterns = Tensor::stack(&states.iter().collect::<Vec<_>>(), 0);
        let net = ModernHopfield::new(&patterns, BETA);
        let noisy: Vec<Tensor> = states
            .iter()
            .map(|s| noisy(s, self.settings.noise, rng))
            .collect();
        let found = no_grad(|| net.forward(&Tensor::stack(&noisy.iter().collect::<Vec<_>>(), 0)));
        let recalled: Vec<Tensor> = (0..count).map(|i| found.select(0, i)).collect();
        let hits = recalled
            .iter()
            .zip(&states)
            .filter(|(a, b)| overlap(a, b) >= SAME)
            .count();
        let shown = (0..count.min(8)).map(|i| Shown {
            picture: Picture::grid(
                &[&states[i], &noisy[i], &recalled[i]].map(|s| self.picture(s)),
                3,
            ),
            caption: self.digits.classes()[self.digits.labels()[i] as usize].clone(),
            detail: format!(
                "overlap {}",
                format::percent(overlap(&recalled[i], &states[i]))
            ),
        });
        let section = Section::new("The modern network")
            .note("softmax(β ξ Xᵀ) X, one step")
            .text(format!(
                "{} digits in the same number of units, {} of them recalled in one step. That step is the attention of the \
                 Transformer with the memories as keys and values.",
                format::count(count as u64),
                format::count(hits as u64)
            ))
            .pictures(shown.collect());
        (section, hits as f64 / count as f64)
    }

    /// A state of bits or of numbers between them.
    fn picture(&self, state: &Tensor) -> Picture {
        let [_, height, width] = self.digits.shape();
        let gray = |x: &f32| (127.5 + 127.5 * x.clamp(-1.0, 1.0)).round() as u8;
        Picture::grey(
            width,
            height,
            state.to_vec::<f32>().iter().map(gray).collect(),
        )
    }
}

/// The share of bits that are the same, less the share of those that differ.
pub(crate) fn overlap(a: &Tensor, b: &Tensor) -> f64 {
    (a * b).mean(..).item()
}

/// The state with this share of its bits turned over.
pub(crate) fn noisy(state: &Tensor, share: f64, rng: &mut Rng) -> Tensor {
    let mut spins = state.to_vec::<f32>();
    let mut order: Vec<usize> = (0..spins.len()).collect();
    rng.shuffle(&mut order);
    let count = (share * spins.len() as f64).round() as usize;
    for i in &order[..count] {
        spins[*i] = -spins[*i];
    }
    Tensor::from_slice(&spins, [spins.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(key: &str, value: toml::Value) -> Result<Box<dyn Prepared>> {
        let mut config = Config::new("hopfield", HopfieldRecipe.defaults(), 1);
        config.settings.insert(key.into(), value);
        HopfieldRecipe.prepare(&config)
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (key, value, wanted) in [
            (
                "digits",
                toml::Value::from(11),
                "setting `digits` wants 1 to 10",
            ),
            (
                "noise",
                0.7.into(),
                "setting `noise` wants a share from 0 to 0.5",
            ),
            ("units", 3.into(), "setting `units` wants at least 20"),
        ] {
            let error = prepared(key, value).err().expect("refused").to_string();
            assert_eq!(error, wanted);
        }
    }

    #[test]
    fn digits_come_back_from_noise_and_the_energy_falls() {
        let settings = Settings {
            modern_digits: 50,
            units: 100,
            trials: 3,
            ..Settings::default()
        };
        let digits = Mnist::load().unwrap().train;
        let experiment = Experiment { settings, digits };
        let rng = &mut Rng::new(1);
        let (section, recalled, rises) = experiment.memories(rng);
        assert!(recalled >= 0.75 && rises == 0, "{recalled}, {rises} rises");
        assert!(experiment.modern(rng).1 > 0.95);
        let (_, load) = experiment.loads(rng);
        assert!((0.05..0.25).contains(&load), "{load}");
        let page = eras_report::Report::new("x").section(section).render();
        assert!(page.contains("memory 3"));
    }

    #[test]
    fn noise_turns_over_as_many_bits_as_asked() {
        let state = Tensor::full([100], 1.0, eras_tensor::Dtype::F32);
        let noisy = noisy(&state, 0.3, &mut Rng::new(0));
        assert!((overlap(&noisy, &state) - 0.4).abs() < 1e-6);
    }
}
