//! What training and evaluation report.

use crate::number;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Loss and metrics over a data set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Score {
    /// The mean loss of a sample.
    #[serde(with = "number")]
    pub loss: f64,
    /// The metrics by name, in the order in which they were asked for.
    #[serde(with = "number::named")]
    pub metrics: Vec<(String, f64)>,
}

impl Score {
    /// The metric called `name`, or the loss.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        let metric = || {
            self.metrics
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, value)| *value)
        };
        if name == "loss" {
            Some(self.loss)
        } else {
            metric()
        }
    }

    /// The share of samples classified right.
    ///
    /// # Panics
    /// If the trainer was not asked for [`Accuracy`](crate::Accuracy).
    #[must_use]
    #[track_caller]
    pub fn accuracy(&self) -> f64 {
        self.get("accuracy")
            .expect("accuracy was not measured: add .metric(Accuracy) to the trainer")
    }

    /// Loss and metrics as named numbers, each name with `prefix` in front.
    pub(crate) fn entries(&self, prefix: &str) -> impl Iterator<Item = (String, f64)> {
        let all = std::iter::once(("loss", self.loss))
            .chain(self.metrics.iter().map(|(n, v)| (n.as_str(), *v)));
        all.map(move |(name, value)| (format!("{prefix}{name}"), value))
    }
}

/// One epoch of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Loss and metrics on the training set, measured while the weights changed.
    pub train: Score,
    /// Loss and metrics on the validation set after the epoch.
    pub valid: Option<Score>,
    /// The learning rate of the last step.
    #[serde(with = "number")]
    pub lr: f64,
    /// Seconds since the epoch began, validation included.
    pub seconds: f64,
    /// Training samples a second, validation not counted.
    pub samples_per_second: f64,
    /// Seconds in which nothing was computed because the next batch was not there: it was read, decoded or augmented.
    #[serde(default)]
    pub waiting: f64,
}

impl Epoch {
    /// The number called `name` (`loss`, `accuracy`, ..); `val_` in front means the validation set's.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        match name.strip_prefix("val_") {
            Some(name) => self.valid.as_ref()?.get(name),
            None => self.train.get(name),
        }
    }

    /// All numbers with their names, in a fixed order.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, f64)> {
        let mut entries: Vec<_> = self.train.entries("").collect();
        entries.extend(self.valid.iter().flat_map(|score| score.entries("val_")));
        entries.push(("lr".into(), self.lr));
        entries.push(("seconds".into(), self.seconds));
        entries.push(("samples_per_second".into(), self.samples_per_second));
        entries.push(("waiting".into(), self.waiting));
        entries
    }

    /// One line of JSON: `{"event":"epoch","epoch":1,"loss":..,"accuracy":..,"val_loss":..,..}`. What is no number
    /// in JSON (NaN, infinity) becomes `null`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let head = [
            ("event".to_owned(), Value::from("epoch")),
            ("epoch".to_owned(), self.epoch.into()),
        ];
        let numbers = self
            .entries()
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)));
        json_object(head.into_iter().chain(numbers))
    }
}

/// A JSON object on one line, its entries in the order given.
#[must_use]
pub fn json_object(entries: impl IntoIterator<Item = (String, Value)>) -> String {
    let entries: Vec<String> = entries
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(name)))
        .collect();
    format!("{{{}}}", entries.join(","))
}

/// All epochs of a training.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// The epochs in order.
    pub epochs: Vec<Epoch>,
    /// Why the training ended before its last epoch, if it did.
    pub stopped: Option<String>,
}

impl History {
    /// The share of its time in which the training waited for data ([`Epoch::waiting`]); NaN before the first epoch.
    #[must_use]
    pub fn waiting(&self) -> f64 {
        let sum = |f: fn(&Epoch) -> f64| self.epochs.iter().map(f).sum::<f64>();
        sum(|epoch| epoch.waiting) / sum(|epoch| epoch.seconds)
    }

    /// One number by epoch: `loss`, `accuracy`, `val_loss`, ..
    #[must_use]
    pub fn series(&self, name: &str) -> Vec<f64> {
        self.epochs
            .iter()
            .map(|epoch| epoch.get(name).unwrap_or(f64::NAN))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_one_line_of_json_in_a_fixed_order() {
        let train = Score {
            loss: 0.5,
            metrics: vec![("accuracy".into(), 0.9)],
        };
        let valid = Some(Score {
            loss: f64::NAN,
            metrics: vec![("accuracy".into(), 0.8)],
        });
        let epoch = Epoch {
            epoch: 3,
            train,
            valid,
            lr: 1.0,
            seconds: 2.0,
            samples_per_second: 100.0,
            waiting: 0.5,
        };
        assert_eq!(epoch.get("val_accuracy"), Some(0.8));
        assert_eq!(epoch.get("val_f1"), None);
        let json = epoch.to_json();
        let wanted = r#"{"event":"epoch","epoch":3,"loss":0.5,"accuracy":0.9,"val_loss":null,"val_accuracy":0.8,"lr":1.0,"seconds":2.0,"samples_per_second":100.0,"waiting":0.5}"#;
        assert_eq!(json, wanted);

        let mut history = History {
            epochs: vec![epoch.clone(), epoch],
            stopped: None,
        };
        history.epochs[1].waiting = 0.1;
        assert!((history.waiting() - 0.15).abs() < 1e-12);
        assert!(History::default().waiting().is_nan());
    }
}
