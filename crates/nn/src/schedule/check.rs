//! What the numbers of a schedule must be.

use super::{Fading, Schedule};
use std::fmt::Debug;
use std::ops::RangeBounds;

impl Schedule {
    /// Panics unless all numbers are in range.
    #[track_caller]
    pub(super) fn want_numbers(&self) {
        if let Err(problem) = self.check() {
            panic!("{problem}");
        }
    }

    /// What is wrong with the numbers, if anything: no rate is negative, infinite or not a number because of them.
    pub(super) fn check(&self) -> Result<(), String> {
        const ANY: std::ops::Range<f64> = 0.0..f64::INFINITY;
        match self {
            Self::Constant(factor) => number("constant", "factor", *factor, ANY),
            Self::Step { every, gamma } => {
                count("step", "every", *every)?;
                number("step", "gamma", *gamma, ANY)
            }
            Self::Exponential { gamma } => number("exponential", "gamma", *gamma, ANY),
            Self::Cosine { end, .. } => number("cosine", "end", *end, ANY),
            Self::Linear { start, end, .. } => {
                number("linear", "start", *start, ANY)?;
                number("linear", "end", *end, ANY)
            }
            Self::WarmUp { then, .. } => then.check(),
            Self::OneCycle {
                rise,
                div,
                final_div,
                ..
            } => {
                number("one_cycle", "rise", *rise, 0.0..=1.0)?;
                number("one_cycle", "div", *div, f64::MIN_POSITIVE..f64::INFINITY)?;
                let some = f64::MIN_POSITIVE..f64::INFINITY;
                number("one_cycle", "final_div", *final_div, some)
            }
            Self::Polynomial { power, end, .. } => {
                number("polynomial", "power", *power, ANY)?;
                number("polynomial", "end", *end, ANY)
            }
            Self::InverseTime { every, rate } => {
                count("inverse_time", "every", *every)?;
                number("inverse_time", "rate", *rate, ANY)
            }
            Self::InverseSqrt { warm_up } => count("inverse_sqrt", "warm_up", *warm_up),
            Self::CosineRestarts { steps, growth, end } => {
                count("cosine_restarts", "steps", *steps)?;
                count("cosine_restarts", "growth", *growth)?;
                number("cosine_restarts", "end", *end, ANY)
            }
            Self::Cyclic {
                up,
                down,
                low,
                fading,
            } => {
                count("cyclic", "up", *up)?;
                count("cyclic", "down", *down)?;
                number("cyclic", "low", *low, ANY)?;
                match fading {
                    Fading::Exponential(gamma) => number("cyclic", "gamma", *gamma, 0.0..=1.0),
                    Fading::Never | Fading::Halving => Ok(()),
                }
            }
            Self::Product(all) => all.iter().try_for_each(Self::check),
            Self::Piecewise(pieces) => {
                let begins = pieces.first().is_some_and(|(first, _)| *first == 0);
                if !begins || !pieces.is_sorted_by(|a, b| a.0 < b.0) {
                    let firsts: Vec<u64> = pieces.iter().map(|(first, _)| *first).collect();
                    return Err(format!(
                        "piecewise: wanted pieces that begin at 0 and at later and later steps, got {firsts:?}"
                    ));
                }
                pieces.iter().try_for_each(|(_, one)| one.check())
            }
        }
    }
}

fn number(
    name: &str,
    setting: &str,
    value: f64,
    range: impl RangeBounds<f64> + Debug,
) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!(
        "{name}: {setting} must be in {range:?}, not {value}"
    ))
}

fn count(name: &str, setting: &str, value: u64) -> Result<(), String> {
    if value > 0 {
        return Ok(());
    }
    Err(format!("{name}: {setting} must be at least 1, not 0"))
}
