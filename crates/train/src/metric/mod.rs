//! What is measured beside the loss.
//!
//! A metric keeps no state of its own: it adds to a few running totals, which the trainer holds, saves and
//! restores, and turns them into its value at the end.

mod answers;
mod classes;
mod confusion;
mod distance;
mod probability;
mod ranking;

pub use answers::BinaryAccuracy;
pub use classes::{Accuracy, TopK};
pub use confusion::{
    BalancedAccuracy, CohenKappa, Confusion, F1, Iou, Matthews, MeanIou, Precision, Recall,
    Specificity,
};
pub use distance::{Mae, Mse, R2, Rmse};
pub use probability::{Brier, CalibrationError, Perplexity};
pub use ranking::{Auc, AveragePrecision};

use eras_tensor::{Dtype, Tensor};

/// Something that is measured over a data set, batch by batch.
pub trait Metric: Send + Sync {
    /// The name under which it is reported.
    fn name(&self) -> String;
    /// Adds a batch to the totals, which begin empty. `outputs` are what the model gave, `targets` what was wanted.
    fn update(&self, totals: &mut Vec<f64>, outputs: &Tensor, targets: &Tensor);
    /// The value of the totals; NaN before any batch.
    fn value(&self, totals: &[f64]) -> f64;
}

/// The quotient of two totals.
pub(crate) fn share(totals: &[f64]) -> f64 {
    totals.first().map_or(f64::NAN, |part| part / totals[1])
}

/// Calls `f` with each row of the last axis and its target class, but those whose target is to be ignored. Where targets
/// are probabilities (after mixup, say), the class is the most probable one.
#[track_caller]
fn for_each_row(
    outputs: &Tensor,
    targets: &Tensor,
    ignore: Option<i64>,
    mut f: impl FnMut(&[f32], usize),
) {
    if targets.dtype().is_float() && outputs.rank() > 0 && targets.shape() == outputs.shape() {
        return for_each_row(outputs, &targets.argmax(-1), ignore, f);
    }
    let fits = outputs.rank() > 0 && targets.shape() == &outputs.shape()[..outputs.rank() - 1];
    assert!(
        fits,
        "metric: targets {:?} do not fit outputs {:?} (.., C)",
        targets.shape(),
        outputs.shape()
    );
    let outputs = outputs.detach().to_dtype(Dtype::F32).contiguous();
    let classes = outputs.shape()[outputs.rank() - 1];
    let rows = outputs.as_slice::<f32>().chunks_exact(classes.max(1));
    for (row, target) in rows.zip(targets.to_vec::<i64>()) {
        if Some(target) == ignore {
            continue;
        }
        let known = usize::try_from(target).ok().filter(|&t| t < classes);
        let Some(known) = known else {
            panic!("metric: target {target} is not one of {classes} classes")
        };
        f(row, known);
    }
}

/// The place of the largest; the first of equals.
fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, x) in row.iter().enumerate() {
        if *x > row[best] {
            best = i;
        }
    }
    best
}

/// The value after two batches.
#[cfg(test)]
fn after(metric: &dyn Metric, batches: &[(Tensor, Tensor)]) -> f64 {
    let mut totals = Vec::new();
    for (outputs, targets) in batches {
        metric.update(&mut totals, outputs, targets);
    }
    metric.value(&totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_measured_is_no_number() {
        let all: [&dyn Metric; 20] = [
            &Accuracy,
            &Auc,
            &AveragePrecision,
            &BalancedAccuracy,
            &BinaryAccuracy(0.5),
            &Brier,
            &CalibrationError::default(),
            &CohenKappa,
            &Confusion,
            &F1,
            &Iou(0),
            &Mae,
            &Matthews,
            &MeanIou,
            &Mse,
            &Perplexity::default(),
            &R2,
            &Rmse,
            &Specificity(0),
            &TopK(3),
        ];
        for metric in all {
            assert!(metric.value(&[]).is_nan(), "{}", metric.name());
        }
    }

    #[test]
    fn of_probabilities_the_largest_is_the_target() {
        let outputs = Tensor::from([[0.1f32, 0.9], [0.8, 0.2]]);
        let soft = Tensor::from([[0.3f32, 0.7], [0.4, 0.6]]);
        assert_eq!(after(&Accuracy, &[(outputs, soft)]), 0.5);
    }

    #[test]
    #[should_panic(expected = "metric: target 3 is not one of 3 classes")]
    fn a_target_out_of_range_is_named() {
        after(&Accuracy, &[(Tensor::zeros([1, 3]), Tensor::from([3i64]))]);
    }
}
