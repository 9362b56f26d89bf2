//! What a trainer adds up over an epoch.

use crate::metric::{Metric, share};
use crate::number;
use crate::score::Score;
use eras_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Something that is reported beside the loss.
#[derive(Clone, Copy)]
pub(crate) enum Measure<'a> {
    /// Of the model's outputs.
    Metric(&'a dyn Metric),
    /// The mean over the samples of a number that each batch has.
    Number(&'a str),
}

impl Measure<'_> {
    fn name(self) -> String {
        match self {
            Self::Metric(metric) => metric.name(),
            Self::Number(name) => name.to_owned(),
        }
    }

    fn value(self, totals: &[f64]) -> f64 {
        match self {
            Self::Metric(metric) => metric.value(totals),
            Self::Number(_) => share(totals),
        }
    }
}

/// What is added to the totals: a batch, and what came of it.
pub(crate) struct Counted<'a> {
    pub(crate) samples: usize,
    pub(crate) mean_loss: f64,
    pub(crate) numbers: &'a [f64],
    pub(crate) output: Option<&'a Tensor>,
    pub(crate) y: &'a Tensor,
}

/// Running sums of loss, metrics and numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    /// Of the losses of all samples.
    #[serde(with = "number")]
    loss: f64,
    pub(crate) samples: usize,
    #[serde(with = "number::lists")]
    metrics: Vec<Vec<f64>>,
}

impl Totals {
    /// Panics if there is not a number for each that was named, or metrics but no output.
    pub(crate) fn add(&mut self, of: &Counted<'_>, measures: &[Measure<'_>]) {
        let samples = of.samples as f64;
        self.loss += of.mean_loss * samples;
        self.samples += of.samples;
        self.metrics.resize(measures.len(), Vec::new());
        let mut numbers = of.numbers.iter();
        for (measure, totals) in measures.iter().zip(&mut self.metrics) {
            match measure {
                Measure::Metric(metric) => {
                    let Some(output) = of.output else {
                        panic!("metric `{}`: the objective gives no output", metric.name())
                    };
                    metric.update(totals, output, of.y);
                }
                Measure::Number(name) => {
                    let Some(number) = numbers.next() else {
                        panic!("number `{name}`: the objective names it, and does not give it")
                    };
                    totals.resize(2, 0.0);
                    totals[0] += number * samples;
                    totals[1] += samples;
                }
            }
        }
        assert!(
            numbers.next().is_none(),
            "the objective gives more numbers than it names"
        );
    }

    pub(crate) fn score(&self, measures: &[Measure<'_>]) -> Score {
        let totals = measures.iter().zip(&self.metrics);
        Score {
            loss: self.loss / self.samples as f64,
            metrics: totals
                .map(|(measure, totals)| (measure.name(), measure.value(totals)))
                .collect(),
        }
    }
}
