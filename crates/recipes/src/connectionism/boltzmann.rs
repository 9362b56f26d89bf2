//! The Boltzmann machine: the encoder of four cases, its dreams, and annealing (Ackley, Hinton & Sejnowski 1985).

use crate::drawing;
use crate::experiment::{self, Findings};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Job, Outcome, Prepared, Recipe};
use crate::run::Config;
use crate::settings::{self, to_table};
use eras_models::connectionism::BoltzmannMachine;
use eras_nn::{Optimizer, Sgd};
use eras_report::{Chart, Diagram, Ending, Section, Series, Shown, Table, format};
use eras_tensor::{Dtype, Result, Rng, Tensor};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// `eras train boltzmann`.
#[derive(Debug)]
pub struct BoltzmannRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// Updates of the encoder.
    updates: usize,
    lr: f64,
    /// Samples for each mean, where means are sampled.
    samples: usize,
    /// Units of the machine that is annealed.
    units: usize,
    seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            updates: 2000,
            lr: 0.3,
            samples: 200,
            units: 14,
            seed: 0,
        }
    }
}

impl Recipe for BoltzmannRecipe {
    fn card(&self) -> Card {
        Card {
            name: "boltzmann",
            title: "The Boltzmann machine: a network that dreams",
            era: Era::Connectionism,
            paper: "Ackley, Hinton & Sejnowski 1985, A learning algorithm for Boltzmann machines",
            data: "built in: the encoder of four cases",
            promise: "two hidden units find a code for four cases, within 0.1 nats of the best; sampling agrees with \
                      counting; cooling slowly finds the deepest valley",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![
            promise("codes", Unit::Count, Bound::AtLeast(4.0)),
            promise("nats_below_the_best", Unit::Plain, Bound::AtMost(0.1)),
            promise("sampling_error", Unit::Plain, Bound::AtMost(0.05)),
            promise("deepest_when_cooled", Unit::Share, Bound::AtLeast(0.9)),
        ]
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let settings: Settings = settings::read(&config.settings)?;
        let rules = [
            (settings.updates > 0, "updates", "at least 1"),
            (settings.lr > 0.0, "lr", "a number above 0"),
            (settings.samples > 0, "samples", "at least 1"),
            ((2..=16).contains(&settings.units), "units", "2 to 16"),
        ];
        settings::want(&rules)?;
        Ok(Box::new(Experiment(settings)))
    }
}

struct Experiment(Settings);

/// Cases of the encoder, a unit each in either group.
const CASES: usize = 4;
const HIDDEN: usize = 2;
const UNITS: usize = 2 * CASES + HIDDEN;
/// Starts of the encoder that are tried: from most, two cases share a code for good.
const STARTS: u64 = 20;

impl Prepared for Experiment {
    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        let start = Instant::now();
        (job.say)("the encoder ..");
        let (machine, learning) = self.encoder()?;
        let (code, codes) = code(&machine)?;
        (job.say)("dreaming ..");
        let (dreams, sampling_error) = self.dreams(&machine)?;
        (job.say)("cooling ..");
        let (cooling, deepest) = self.cooling();
        let best = -(CASES as f64).ln();
        let below = best - machine.log_likelihood(&cases())?;
        let findings = Findings {
            measured: vec![
                Measured::new("codes", codes as f64, Unit::Count),
                Measured::new("nats_below_the_best", below, Unit::Plain),
                Measured::new("sampling_error", sampling_error, Unit::Plain),
                Measured::new("deepest_when_cooled", deepest, Unit::Share),
            ],
            sections: vec![learning, code, dreams, cooling],
        };
        let story = include_str!("../../stories/boltzmann.md");
        experiment::finish(&BoltzmannRecipe, story, job.run, findings, start)
    }
}

/// What is to be seen: in either group of four the same one unit is on. `(4, 8)`
fn cases() -> Tensor {
    let one_of_four = Tensor::arange(CASES).one_hot(CASES).to_dtype(Dtype::F32);
    Tensor::concat(&[&one_of_four, &one_of_four], 1)
}

/// A machine whose two groups hear of each other through the hidden units alone.
fn untaught(seed: u64) -> BoltzmannMachine {
    let mut machine = BoltzmannMachine::new(2 * CASES, HIDDEN, &mut Rng::new(seed));
    machine.disconnect(0..CASES, CASES..2 * CASES);
    machine
}

impl Experiment {
    /// The encoder, from the first start that arrives, and how the likelihood rose: by counting, and by sampling.
    fn encoder(&self) -> Result<(BoltzmannMachine, Section)> {
        let best = -(CASES as f64).ln();
        let mut counted: Option<(BoltzmannMachine, Vec<f64>, u64)> = None;
        for start in 0..STARTS {
            let mut machine = untaught(self.0.seed + start);
            let curve = self.learn(&mut machine, |machine| {
                Ok((machine.clamped_exact(&cases())?, machine.free_exact()?))
            })?;
            let arrived = curve.last().is_some_and(|last| *last > best - 0.1);
            if counted.is_none() || arrived {
                counted = Some((machine, curve, start + 1));
            }
            if arrived {
                break;
            }
        }
        let (machine, exact, starts) = counted.expect("there is a first start");

        // The same start again, from samples alone.
        let rng = &mut Rng::new(self.0.seed);
        let seen = cases().repeat(&[self.0.samples.div_ceil(CASES), 1]);
        let mut chains = Tensor::zeros([self.0.samples, UNITS]);
        let sampled = self.learn(&mut untaught(self.0.seed + starts - 1), |machine| {
            let clamped = machine.clamped_sampled(&seen, SWEEPS, rng);
            Ok((clamped, machine.free_sampled(&mut chains, SWEEPS, rng)))
        })?;
        let every = self.every();
        let points = |curve: &[f64]| {
            let updates = (0..).map(|i| (i * every) as f64);
            updates.zip(curve.iter().copied()).collect::<Vec<_>>()
        };
        let end = points(&exact).last().map_or(0.0, |point| point.0);
        let section = Section::new("Learning")
            .note("⟨s_i s_j⟩ awake less ⟨s_i s_j⟩ asleep")
            .text(format!(
                "Start {starts} of at most {STARTS} found a code for each case. With four cases, equally likely, no machine \
                 gives them more than −ln 4 = {} nats each.",
                format::significant(best)
            ))
            .chart(
                Chart::new("ln P of what is seen")
                    .x_label("update")
                    .y_label("nats a case")
                    .series(Series::new("means counted", points(&exact)))
                    .series(Series::new("means sampled", points(&sampled)))
                    .series(Series::new("the best", vec![(0.0, best), (end, best)])),
            );
        Ok((machine, section))
    }

    /// From one point of a curve to the next, in updates.
    fn every(&self) -> usize {
        const POINTS: usize = 100;
        self.0.updates.div_ceil(POINTS)
    }

    /// Raises the likelihood by the difference of two means, and follows it.
    fn learn(
        &self,
        machine: &mut BoltzmannMachine,
        mut means: impl FnMut(&BoltzmannMachine) -> Result<(Tensor, Tensor)>,
    ) -> Result<Vec<f64>> {
        let mut descent = Sgd::new(self.0.lr);
        let mut curve = vec![machine.log_likelihood(&cases())?];
        for update in 1..=self.0.updates {
            let (clamped, free) = means(machine)?;
            let grads = machine.gradients(&clamped, &free);
            descent.step(machine, &grads);
            if update % self.every() == 0 {
                curve.push(machine.log_likelihood(&cases())?);
            }
        }
        Ok(curve)
    }

    /// What a machine that sees nothing makes up, and how far sampled means are from counted ones.
    fn dreams(&self, machine: &BoltzmannMachine) -> Result<(Section, f64)> {
        const DREAMS: usize = 10_000;
        /// From random states, at falling temperature, until nothing is left of the beginning.
        const COOLING: usize = 40;
        let rng = &mut Rng::new(self.0.seed);
        let mut states = Tensor::uniform([DREAMS, UNITS], 0.0, 1.0, rng)
            .gt(0.5)
            .to_dtype(Dtype::F32);
        for step in 0..COOLING {
            let temperature = 1.0 + 9.0 * (1.0 - step as f64 / COOLING as f64);
            states = machine.gibbs(&states, 0, temperature, 1, rng);
        }
        let sampled = machine.free_sampled(&mut states, SWEEPS, rng);
        let off = (sampled - machine.free_exact()?).abs().amax(..).item();

        let seen = states.narrow(1, 0, 2 * CASES).to_vec::<f32>();
        let mut counts = std::collections::BTreeMap::<Vec<u8>, usize>::new();
        for dream in seen.chunks(2 * CASES) {
            *counts
                .entry(dream.iter().map(|s| *s as u8).collect())
                .or_default() += 1;
        }
        let mut counts: Vec<(Vec<u8>, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut table = Table::new(["dream", "share of dreams", "probability"]);
        for (dream, count) in counts.iter().take(8) {
            let state: Vec<f32> = dream.iter().map(|s| f32::from(*s)).collect();
            let p = machine
                .log_likelihood(&Tensor::from_slice(&state, [1, 2 * CASES]))?
                .exp();
            let text = |half: &[u8]| half.iter().map(u8::to_string).collect::<String>();
            table = table.row([
                format!("{} {}", text(&dream[..CASES]), text(&dream[CASES..])),
                format::percent(*count as f64 / DREAMS as f64),
                format::percent(p),
            ]);
        }
        let section = Section::new("Dreams")
            .note("What it does when nothing is clamped")
            .text(format!(
                "{} dreams, each from a random state that was cooled from temperature 10 to 1. The most frequent ones are the \
                 four cases. Their shares are those that counting all {} states gives; of all means of two units the \
                 largest error is {}.",
                format::count(DREAMS as u64),
                format::count(1 << UNITS),
                format::significant(off)
            ))
            .table(table);
        Ok((section, off))
    }

    /// A random machine whose units cannot all be content: how often its deepest valley is found by cooling it slowly, and
    /// how often by letting it fall.
    fn cooling(&self) -> (Section, f64) {
        const FALLS: usize = 200;
        const STEPS: usize = 60;
        const HOT: f64 = 10.0;
        const COLD: f64 = 0.05;
        let (n, rng) = (self.0.units, &mut Rng::new(self.0.seed));
        let mut machine = BoltzmannMachine::new(n, 0, rng);
        machine.weight.set(&(machine.weight.detach() * 20.0));
        machine.bias.set(&Tensor::randn([n], rng));
        let bits: Vec<f32> = (0..n << n)
            .map(|i| ((i / n) >> (i % n) & 1) as f32)
            .collect();
        let all = machine.energy(&Tensor::from_slice(&bits, [1 << n, n]));
        let deepest = all.amin(..).item();

        let mut run = |temperature: &dyn Fn(usize) -> f64| {
            let mut states = Tensor::uniform([FALLS, n], 0.0, 1.0, rng)
                .gt(0.5)
                .to_dtype(Dtype::F32);
            let mut curve = vec![(0.0, machine.energy(&states).mean(..).item())];
            for step in 0..STEPS {
                states = machine.gibbs(&states, 0, temperature(step), 1, rng);
                let mean = machine.energy(&states).mean(..).item();
                curve.push(((step + 1) as f64, mean));
            }
            let found = machine.energy(&states).to_vec::<f32>();
            let hits = found
                .iter()
                .filter(|e| f64::from(**e) < deepest + 1e-3)
                .count();
            (curve, hits as f64 / FALLS as f64)
        };
        let (falling, fell) = run(&|_| COLD);
        let (cooling, cooled) =
            run(&|step| HOT * (COLD / HOT).powf(step as f64 / (STEPS - 1) as f64));
        let end = STEPS as f64;
        let section = Section::new("Annealing")
            .note("Hot enough to climb out, then ever colder")
            .text(format!(
                "{n} units with random connections, {FALLS} random beginnings, {STEPS} sweeps each. A cold machine falls into \
                 the valley that is nearest, as a Hopfield network does: the deepest was reached from {} of the beginnings. \
                 Cooled from temperature {HOT} to {COLD} it was reached from {}.",
                format::percent(fell),
                format::percent(cooled)
            ))
            .chart(
                Chart::new("Mean energy")
                    .x_label("sweep")
                    .series(Series::new("cold from the beginning", falling))
                    .series(Series::new("cooled slowly", cooling))
                    .series(Series::new("the deepest", vec![(0.0, deepest), (end, deepest)])),
            );
        (section, cooled)
    }
}

/// Of Gibbs sampling for a mean.
const SWEEPS: usize = 5;

/// The code that the hidden units found, and how many cases it tells apart.
fn code(machine: &BoltzmannMachine) -> Result<(Section, usize)> {
    let mut table = Table::new(["case", "hidden 1 is on", "hidden 2 is on"]);
    let mut codes = Vec::new();
    for case in 0..CASES {
        let means = machine.clamped_exact(&cases().narrow(0, case, 1))?;
        let on = means.diagonal(0, 0, 1).to_vec::<f32>()[2 * CASES..].to_vec();
        let shares = on.iter().map(|p| format::percent(f64::from(*p)));
        table = table.row([(case + 1).to_string()].into_iter().chain(shares));
        codes.push(on.iter().map(|p| *p > 0.5).collect::<Vec<_>>());
    }
    codes.sort();
    codes.dedup();

    let weight = machine.weight.to_vec::<f32>();
    let mut diagram = Diagram::new("The encoder");
    for (column, group) in [(0, "left"), (2, "right")] {
        for case in 1..=CASES {
            diagram = diagram.unit(column, format!("{group} {case}"), "");
        }
    }
    for unit in 1..=HIDDEN {
        diagram = diagram.unit(1, format!("hidden {unit}"), "");
    }
    for hidden in 2 * CASES..UNITS {
        for unit in 0..2 * CASES {
            let ending = if weight[unit * UNITS + hidden] > 0.0 {
                Ending::Excites
            } else {
                Ending::Inhibits
            };
            // A connection has no direction; it is drawn from left to right.
            let (from, to) = if unit < CASES {
                (unit, hidden)
            } else {
                (hidden, unit)
            };
            diagram = diagram.link(from, to, ending);
        }
    }
    let section = Section::new("The code")
        .note("Two bits for four cases, which nobody chose")
        .text(
            "The unit that is on to the left must be on to the right, and all that passes between them are two hidden units.",
        )
        .table(table)
        .diagram(diagram)
        .pictures(vec![Shown {
            picture: drawing::signed(&weight, [UNITS, UNITS]),
            caption: "weights".into(),
            detail: "left, right, hidden; white pulls, black pushes".into(),
        }]);
    Ok((section, codes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused() {
        let mut config = Config::new("boltzmann", BoltzmannRecipe.defaults(), 1);
        config.settings.insert("units".into(), 17.into());
        let error = BoltzmannRecipe.prepare(&config).err().expect("refused");
        assert_eq!(error.to_string(), "setting `units` wants 2 to 16");
    }

    #[test]
    fn sampling_agrees_with_counting_before_and_after_learning() {
        let experiment = Experiment(Settings {
            updates: 50,
            ..Settings::default()
        });
        let mut machine = untaught(1);
        let before = machine.log_likelihood(&cases()).unwrap();
        assert!(experiment.dreams(&machine).unwrap().1 < 0.05);
        let curve = experiment.learn(&mut machine, |machine| {
            Ok((machine.clamped_exact(&cases())?, machine.free_exact()?))
        });
        assert!(*curve.unwrap().last().unwrap() > before + 0.5);
        assert!(experiment.dreams(&machine).unwrap().1 < 0.05);
    }

    #[test]
    fn a_machine_without_weights_has_no_code() {
        let machine = BoltzmannMachine::new(2 * CASES, HIDDEN, &mut Rng::new(0));
        assert!(code(&machine).unwrap().1 < CASES);
    }
}
