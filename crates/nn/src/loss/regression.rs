//! Losses of numbers: squared, absolute, and between the two.

use eras_tensor::{Reduction, Tensor};

/// The mean squared error.
///
/// Shapes: targets as the predictions.
///
/// ```
/// use eras::prelude::*;
///
/// let (x, t) = (Tensor::from([1.0f32, 4.0]), Tensor::from([1.0f32, 2.0]));
/// assert_eq!(mse(&x, &t).item(), 2.0);
/// assert_eq!(mae(&x, &t).item(), 1.0);
/// ```
///
/// # Panics
/// If shapes or dtypes differ: nothing is broadcast here, where that is nearly always a mistake.
#[must_use]
#[track_caller]
pub fn mse(predictions: &Tensor, targets: &Tensor) -> Tensor {
    predictions.mse(targets, Reduction::Mean)
}

/// The mean absolute error, PyTorch's `l1_loss`.
///
/// Shapes: targets as the predictions.
///
/// # Panics
/// If shapes or dtypes differ.
#[must_use]
#[track_caller]
pub fn mae(predictions: &Tensor, targets: &Tensor) -> Tensor {
    predictions.mae(targets, Reduction::Mean)
}

/// The mean of d²/2 where |d| ≤ δ, else δ(|d| - δ/2), for d = prediction - target (Huber 1964, "Robust Estimation of
/// a Location Parameter").
///
/// Shapes: targets as the predictions.
///
/// # Panics
/// If shapes or dtypes differ, or `delta` is not positive.
#[must_use]
#[track_caller]
pub fn huber(predictions: &Tensor, targets: &Tensor, delta: f64) -> Tensor {
    predictions.huber(targets, delta, Reduction::Mean)
}

/// Huber's loss divided by β, so that its slope far away is 1 (Girshick 2015, arXiv:1504.08083).
///
/// Shapes: targets as the predictions.
///
/// # Panics
/// If shapes or dtypes differ, or `beta` is negative.
#[must_use]
#[track_caller]
pub fn smooth_l1(predictions: &Tensor, targets: &Tensor, beta: f64) -> Tensor {
    predictions.smooth_l1(targets, beta, Reduction::Mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_away_the_robust_losses_are_straight_lines() {
        let (x, t) = (Tensor::from([10.0f64]), Tensor::from([0.0]));
        assert_eq!(huber(&x, &t, 2.0).item(), 18.0);
        assert_eq!(smooth_l1(&x, &t, 2.0).item(), 9.0);
    }

    #[test]
    #[should_panic(
        expected = "mse: predictions f32 [4, 1] want targets of the same shape and dtype, not f32 [4]"
    )]
    fn a_forgotten_axis_is_not_broadcast() {
        let _loss = mse(&Tensor::zeros([4, 1]), &Tensor::zeros([4]));
    }
}
