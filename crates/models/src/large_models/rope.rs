//! The angles of rotary positions, and how they are changed for longer texts.

use eras_nn::Rotary;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// How fast queries and keys turn from place to place (Su et al. 2021, arXiv:2104.09864): pair `i` of the columns of a head
/// by `base^(-2 i / D)`, scaled for texts longer than those that were learned from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rope {
    /// 10,000 in the paper.
    pub base: f64,
    /// How the angles are changed.
    pub scaling: Scaling,
}

/// How the angles of rotary positions are changed for texts longer than those that were learned from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Scaling {
    /// Not at all.
    None,
    /// All are divided by this (Chen et al. 2023, arXiv:2306.15595).
    Linear(f64),
    /// Slow ones are divided by `factor`, fast ones stay, and those between are mixed, as in Llama 3.1 (Grattafiori et al.
    /// 2024, arXiv:2407.21783).
    Llama3 {
        /// See above.
        factor: f64,
        /// Those that turn less often than this in the original context are slow.
        low: f64,
        /// Those that turn more often than this are fast.
        high: f64,
        /// The context, in tokens, that was learned from at first.
        original: f64,
    },
}

impl Rope {
    /// The paper's, with this base.
    #[must_use]
    pub fn new(base: f64) -> Self {
        Self {
            base,
            scaling: Scaling::None,
        }
    }

    /// The angle from place to place of each pair of columns.
    ///
    /// # Panics
    /// If the width is odd or the base not above 0.
    #[must_use]
    #[track_caller]
    pub fn frequencies(&self, head_width: usize) -> Vec<f64> {
        let plain = Rotary::frequencies(head_width, self.base);
        plain
            .into_iter()
            .map(|angle| self.scaling.of(angle))
            .collect()
    }
}

impl Scaling {
    fn of(self, angle: f64) -> f64 {
        match self {
            Self::None => angle,
            Self::Linear(factor) => angle / factor,
            Self::Llama3 {
                factor,
                low,
                high,
                original,
            } => {
                let turns = original * angle / TAU;
                let fast = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                angle * (fast + (1.0 - fast) / factor)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_those_of_the_paper() {
        assert_eq!(Rope::new(10_000.0).frequencies(8), [1.0, 0.1, 0.01, 0.001]);
    }

    #[test]
    fn slow_angles_are_scaled_and_fast_ones_stay() {
        let scaling = Scaling::Llama3 {
            factor: 8.0,
            low: 1.0,
            high: 4.0,
            original: 8192.0,
        };
        let per_turn = TAU / 8192.0;
        assert_eq!(scaling.of(5.0 * per_turn), 5.0 * per_turn);
        assert_eq!(scaling.of(0.5 * per_turn), 0.5 * per_turn / 8.0);
        // Half between: half of each.
        let wanted = 2.5 * per_turn * (0.5 + 0.5 / 8.0);
        assert!((scaling.of(2.5 * per_turn) - wanted).abs() < 1e-15);
        assert_eq!(Scaling::Linear(4.0).of(1.0), 0.25);
    }
}
