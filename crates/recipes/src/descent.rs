//! How recipes descend: settings that they share.

use crate::classifier::Loss;
use crate::settings;
use eras_nn::{Adadelta, Schedule, Sgd};
use eras_tensor::Result;
use eras_train::Trainer;
use serde::{Deserialize, Serialize};

/// Adadelta (Zeiler 2012, arXiv:1212.5701) as Keras' examples have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Adaptive {
    lr: f64,
    rho: f64,
    eps: f64,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self {
            lr: 1.0,
            rho: 0.95,
            eps: 1e-7,
        }
    }
}

impl Adaptive {
    pub(crate) fn check(&self) -> Result<()> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        settings::want(&[
            (positive(self.lr), "lr", "a number above 0"),
            (
                (0.0..1.0).contains(&self.rho),
                "rho",
                "a number from 0 to below 1",
            ),
            (positive(self.eps), "eps", "a number above 0"),
        ])
    }

    pub(crate) fn optimizer(&self, weight_decay: f64) -> Adadelta {
        Adadelta::new(self.lr)
            .rho(self.rho)
            .eps(self.eps)
            .weight_decay(weight_decay)
    }
}

/// Stochastic gradient descent with momentum and a falling rate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Descent {
    /// The highest learning rate.
    pub(crate) lr: f64,
    /// How much of the velocity is kept from step to step.
    pub(crate) momentum: f64,
    /// Whether the velocity looks ahead by one step.
    pub(crate) nesterov: bool,
    /// How the rate falls: `one-cycle` (up in the first 30% of the steps, then down along half a cosine), `cosine`, `drops` (to
    /// a tenth after half of the steps, and again after three quarters) or `constant`.
    pub(crate) schedule: String,
}

impl Default for Descent {
    fn default() -> Self {
        Self {
            lr: 0.1,
            momentum: 0.9,
            nesterov: false,
            schedule: "one-cycle".into(),
        }
    }
}

impl Descent {
    pub(crate) fn check(&self) -> Result<()> {
        settings::want(&[
            (
                self.lr.is_finite() && self.lr > 0.0,
                "lr",
                "a number above 0",
            ),
            (
                (0.0..1.0).contains(&self.momentum),
                "momentum",
                "a number from 0 to below 1",
            ),
        ])?;
        self.schedule(1).map(drop)
    }

    fn optimizer(&self, weight_decay: f64) -> Sgd {
        Sgd::new(self.lr)
            .momentum(self.momentum)
            .nesterov(self.nesterov)
            .weight_decay(weight_decay)
    }

    /// A trainer that descends so, over so many steps.
    pub(crate) fn trainer(&self, loss: Loss, weight_decay: f64, steps: u64) -> Result<Trainer> {
        let trainer = Trainer::new(self.optimizer(weight_decay), loss);
        Ok(trainer.schedule(self.schedule(steps)?))
    }

    /// Over so many steps.
    fn schedule(&self, steps: u64) -> Result<Schedule> {
        let drop = |to| Schedule::Constant(to);
        match self.schedule.as_str() {
            "one-cycle" => Ok(Schedule::one_cycle(steps)),
            "cosine" => Ok(Schedule::cosine(steps, 0.0)),
            "constant" => Ok(Schedule::constant()),
            "drops" => {
                let (first, second) = (steps / 2, steps * 3 / 4);
                let pieces = [(0, 1.0), (first, 0.1), (second, 0.01)];
                // A training of three steps has no room for two drops.
                let mut all: Vec<(u64, Schedule)> = Vec::new();
                for (step, factor) in pieces {
                    all.retain(|(before, _)| *before < step);
                    all.push((step, drop(factor)));
                }
                Ok(Schedule::piecewise(all))
            }
            other => {
                let all = ["one-cycle", "cosine", "drops", "constant"];
                Err(settings::unknown_word("schedule", other, &all))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(schedule: &str, steps: u64, at: [u64; 4]) -> [f64; 4] {
        let descent = Descent {
            schedule: schedule.into(),
            ..Descent::default()
        };
        let schedule = descent.schedule(steps).unwrap();
        at.map(|step| schedule.factor(step))
    }

    #[test]
    fn the_rate_falls_over_all_steps() {
        assert_eq!(
            factors("drops", 100, [0, 49, 50, 75]),
            [1.0, 1.0, 0.1, 0.01]
        );
        assert_eq!(factors("drops", 1, [0, 1, 2, 3]), [0.01; 4]);
        assert_eq!(factors("constant", 9, [0, 1, 5, 9]), [1.0; 4]);
        let [first, top, _, last] = factors("one-cycle", 101, [0, 30, 50, 100]);
        assert!(
            (first - 1.0 / 25.0).abs() < 1e-12 && top > 0.99 && last < 1e-4,
            "{first} {top} {last}"
        );
    }

    #[test]
    fn a_schedule_that_is_not_known_is_named() {
        let descent = Descent {
            schedule: "cosin".into(),
            ..Descent::default()
        };
        assert_eq!(
            descent.check().unwrap_err().to_string(),
            "setting `schedule` is `cosin`, which is not known here; did you mean `cosine`?"
        );
    }
}
