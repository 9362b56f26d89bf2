//! What a training will cost, told before it begins, and what it has cost, told after.

use crate::machine::{self, Energy};
use eras_nn::{StepCost, Summary};
use eras_report::{Headline, format};
use eras_tensor::{Error, Result};
use eras_train::{Forecast, History};
use serde_json::{Map, Value};
use std::fmt;

/// What a training will cost.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// The layers of the model.
    pub summary: Summary,
    /// What a step of the optimizer costs, where it is one pass through the model and back.
    pub step: Option<StepCost>,
    /// What the probe has shown.
    pub forecast: Forecast,
    /// The most memory that the process will use, in bytes, where the system tells what it uses now.
    pub memory: Option<u64>,
    /// What is still to be had, in bytes, where the system tells.
    pub free: Option<u64>,
}

impl Estimate {
    /// Of a training whose steps are passes through the model and back, once it was probed.
    pub(crate) fn of_passes(summary: Summary, step: StepCost, forecast: Forecast) -> Self {
        Self {
            step: Some(step),
            ..Self::of_steps(summary, &step, forecast)
        }
    }

    /// Of a training whose steps are more than the `pass` that the summary shows, once it was probed.
    pub(crate) fn of_steps(summary: Summary, pass: &StepCost, forecast: Forecast) -> Self {
        Self {
            memory: memory(pass),
            free: machine::free_memory(),
            step: None,
            summary,
            forecast,
        }
    }

    /// Floating point operations of the matrix products of a step.
    #[must_use]
    pub fn step_flops(&self) -> u64 {
        self.step.map_or(self.forecast.flops, |step| step.flops)
    }

    /// Floating point operations of the matrix products of all steps.
    #[must_use]
    pub fn flops(&self) -> u64 {
        self.step_flops() * self.forecast.all_steps()
    }

    /// As named numbers.
    #[must_use]
    pub fn entries(&self) -> Map<String, Value> {
        let mut entries = Map::new();
        let mut put = |name: &str, value: Value| _ = entries.insert(name.to_owned(), value);
        put("event", "estimate".into());
        put("parameters", self.summary.params.into());
        put("flops_per_step", self.step_flops().into());
        put("steps", self.forecast.all_steps().into());
        put("flops", self.flops().into());
        put("memory_bytes", self.memory.into());
        put("free_bytes", self.free.into());
        put("step_seconds", self.forecast.step.as_secs_f64().into());
        put("seconds", self.forecast.seconds().into());
        entries
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Forecast {
            epochs,
            steps,
            step,
            ..
        } = self.forecast;
        writeln!(f, "{}", self.summary)?;
        match &self.step {
            Some(step) => writeln!(f, "{step}")?,
            None => writeln!(f, "a step: {}", format::scaled(self.step_flops(), "FLOP"))?,
        }
        let bytes = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), format::bytes);
        writeln!(
            f,
            "memory of the process: about {}; free: {}",
            bytes(self.memory),
            bytes(self.free)
        )?;
        write!(
            f,
            "{epochs} epochs of {steps} steps: {}, about {} ({} a step)",
            format::scaled(self.flops(), "FLOP"),
            format::seconds(self.forecast.seconds()),
            format::seconds(step.as_secs_f64())
        )
    }
}

/// Refuses a training that does not fit the memory that is left, before it begins.
pub(crate) fn check_memory(step: &StepCost) -> Result<()> {
    let wanted = (step.bytes() - step.weights) as u64; // the weights are there
    match machine::free_memory() {
        Some(free) if wanted > free => Err(Error::new(format!(
            "a step of {} examples needs {} beside the weights, but only {} of memory are free; a smaller batch or \
             a smaller model needs less",
            step.batch,
            format::bytes(wanted),
            format::bytes(free)
        ))),
        _ => Ok(()),
    }
}

/// The peak of memory, after a probe: what it has shown, and a checkpoint's file, which is put together in memory.
fn memory(step: &StepCost) -> Option<u64> {
    Some(machine::peak_memory()? + step.weights.max(step.states) as u64)
}

/// Measures what a training takes from the machine.
#[derive(Debug)]
pub(crate) struct Meter {
    energy: Option<Energy>,
}

/// What a training has cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    flops: u64,
    seconds: f64,
    /// Of the processor, where it tells.
    joules: Option<f64>,
}

impl Meter {
    /// For a training that begins now; what one that goes on has taken before, nobody has counted.
    pub(crate) fn start(goes_on: bool) -> Self {
        let energy = if goes_on { None } else { Energy::start() };
        Self { energy }
    }

    pub(crate) fn stop(&self, history: &History, flops: u64) -> Spent {
        Spent {
            flops,
            seconds: history.epochs.iter().map(|epoch| epoch.seconds).sum(),
            joules: self.energy.as_ref().and_then(Energy::joules),
        }
    }
}

impl Spent {
    /// For the head of a report.
    pub(crate) fn headlines(&self) -> Vec<Headline> {
        let share = self.flops as f64 / self.seconds / eras_kernels::peak::f32_all();
        let note = format!(
            "{} of this machine's f32 peak, validation included",
            format::percent(share)
        );
        let spent = format::scaled(self.flops, "FLOP");
        let mut all = vec![Headline::new("computed", spent).note(note)];
        if let Some(joules) = self.joules {
            let note = "of the processor, by its own count";
            all.push(Headline::new("energy", format!("{joules:.0} J")).note(note));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use crate::deep_learning::{DCGAN, UNetRecipe, VaeRecipe, WGAN_GP};
    use crate::recipe::Recipe;
    use crate::testing::{self, scratch, weights};

    #[test]
    fn an_estimate_counts_steps_and_leaves_no_trace() {
        /// A recipe, its settings, and the steps of its epoch.
        type Case<'a> = (&'a dyn Recipe, &'a [&'a str], &'a [&'a str], u64);
        let digits = ["epochs=1", "batch_size=20", "limit=200", "judged=60"];
        let pictures = ["epochs=1", "samples=40"];
        let cases: [Case<'_>; 4] = [
            (DCGAN, &digits, &["noise=8", "width=2"], 10),
            (
                WGAN_GP,
                &digits,
                &["noise=8", "width=2", "critic_steps=2"],
                5,
            ),
            (&VaeRecipe, &digits, &["hidden=[16]", "latent=4"], 10),
            (
                &UNetRecipe,
                &pictures,
                &["channels=8", "levels=1", "size=16", "batch_size=10"],
                4,
            ),
        ];
        for (recipe, common, own, steps) in cases {
            let name = recipe.card().name;
            let settings = [common, own].concat();
            let [plain, probed] =
                ["plain", "probed"].map(|what| scratch(&format!("{name}-{what}")));
            testing::train(recipe, &settings, &plain, None, false).unwrap();
            let estimate = testing::train_estimated(recipe, &settings, &probed).unwrap();
            let estimate = estimate.unwrap_or_else(|| panic!("{name}: found no estimate"));
            assert_eq!(weights(&probed), weights(&plain), "{name}");
            let forecast = estimate.forecast;
            assert_eq!(
                (forecast.epochs, forecast.all_steps()),
                (1, steps),
                "{name}"
            );
            // More than a pass forward, and what was counted is what is said.
            assert!(
                estimate.step_flops() > estimate.summary.forward_flops(10),
                "{name}"
            );
            assert!(estimate.flops() == steps * estimate.step_flops(), "{name}");
            assert!(
                forecast.seconds() > 0.0 && !forecast.validation.is_zero(),
                "{name}"
            );
            let text = estimate.to_string();
            assert!(
                text.contains(&format!("1 epochs of {steps} steps")),
                "{text}"
            );
            for folder in [plain, probed] {
                std::fs::remove_dir_all(folder).unwrap();
            }
        }
    }
}
