//! A learning rate that goes down where nothing gets better.

use crate::callback::Goal;
use crate::score::Epoch;

/// Multiplies the learning rate by a factor whenever a number of the epochs has come no nearer to its goal for some time, as
/// `ReduceLROnPlateau` of PyTorch and Keras.
///
/// It keeps no state: what it does follows from the epochs so far, and is the same after a resumption.
///
/// ```
/// use eras::train::{Goal, Plateau};
///
/// let plateau = Plateau::new(Goal::smallest("val_loss")).factor(0.5).patience(3);
/// ```
#[derive(Debug, Clone)]
pub struct Plateau {
    goal: Goal,
    factor: f64,
    patience: usize,
    cooldown: usize,
    threshold: f64,
    lowest: f64,
}

impl Plateau {
    /// A tenth after more than 10 epochs without a better value of `goal`, PyTorch's defaults (Keras: 10 epochs are enough).
    /// Better is what is better by more than one part in 10,000.
    #[must_use]
    pub fn new(goal: Goal) -> Self {
        Self {
            goal,
            factor: 0.1,
            patience: 10,
            cooldown: 0,
            threshold: 1e-4,
            lowest: 0.0,
        }
    }

    /// What the learning rate is multiplied by each time.
    ///
    /// # Panics
    /// If it does not lie between 0 and 1.
    #[must_use]
    #[track_caller]
    pub fn factor(mut self, factor: f64) -> Self {
        assert!(
            factor > 0.0 && factor < 1.0,
            "Plateau: wanted a factor between 0 and 1, got {factor}"
        );
        self.factor = factor;
        self
    }

    /// How many epochs without a better value are borne: the one after them lowers the rate.
    #[must_use]
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// How many epochs after a reduction are not counted.
    #[must_use]
    pub fn cooldown(mut self, epochs: usize) -> Self {
        self.cooldown = epochs;
        self
    }

    /// By what part of itself a value must be better to count.
    #[must_use]
    pub fn threshold(mut self, part: f64) -> Self {
        self.threshold = part;
        self
    }

    /// The least that the learning rate is multiplied by in all.
    #[must_use]
    pub fn lowest(mut self, factor: f64) -> Self {
        self.lowest = factor;
        self
    }

    /// What the learning rate is multiplied by after these epochs.
    pub(crate) fn reduced(&self, history: &[Epoch]) -> f64 {
        let values = history.iter().map(|epoch| self.goal.value(epoch));
        let (mut best, mut bad, mut cool, mut factor) = (None, 0, 0, 1.0);
        for value in values {
            // A number that is not there, or none, is no better one.
            let value = value.unwrap_or(f64::NAN);
            if self.goal.is_better(value, best, self.threshold) {
                (best, bad) = (Some(value), 0);
            } else {
                bad += 1;
            }
            if cool > 0 {
                (cool, bad) = (cool - 1, 0);
            }
            if bad > self.patience {
                factor = f64::max(factor * self.factor, self.lowest);
                (cool, bad) = (self.cooldown, 0);
            }
        }
        factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Score;

    /// Epochs with these losses.
    fn epochs(losses: &[f64]) -> Vec<Epoch> {
        let epoch = |(i, &loss): (usize, &f64)| Epoch {
            epoch: i + 1,
            train: Score {
                loss,
                metrics: Vec::new(),
            },
            valid: None,
            lr: 0.1,
            seconds: 1.0,
            samples_per_second: 1.0,
            waiting: 0.0,
        };
        losses.iter().enumerate().map(epoch).collect()
    }

    /// The factor after each epoch.
    fn factors(plateau: &Plateau, losses: &[f64]) -> Vec<f64> {
        let history = epochs(losses);
        (1..=history.len())
            .map(|n| plateau.reduced(&history[..n]))
            .collect()
    }

    #[test]
    fn the_rate_goes_down_where_pytorch_lowers_it() {
        // torch.optim.lr_scheduler.ReduceLROnPlateau(factor=0.5, patience=1) on these losses.
        let plateau = Plateau::new(Goal::smallest("loss")).factor(0.5).patience(1);
        let losses = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8];
        assert_eq!(
            factors(&plateau, &losses),
            [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25]
        );
        // The same with cooldown=2.
        assert_eq!(
            factors(&plateau.cooldown(2), &losses),
            [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]
        );
    }

    #[test]
    fn a_gain_below_the_threshold_is_none_and_there_is_a_lowest_rate() {
        let plateau = Plateau::new(Goal::smallest("loss"))
            .patience(0)
            .lowest(0.05);
        let losses = [1.0, 0.99999, 0.5, f64::NAN];
        assert_eq!(factors(&plateau, &losses), [1.0, 0.1, 0.1, 0.05]);
    }
}
