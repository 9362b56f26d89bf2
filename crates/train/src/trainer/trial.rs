//! Steps that are only tried: what a training will take, and which learning rate suits it. The model stays as it was.

use super::Trainer;
use super::run::Training;
use crate::forecast::{Forecast, tried};
use crate::objective::Objective;
use crate::search::LrSearch;
use crate::totals::Totals;
use eras_data::Dataset;
use eras_nn::{Layer, Mode, Module};
use eras_tensor::{Result, no_grad};
use std::ops::RangeInclusive;
use std::time::Duration;

impl Trainer {
    /// Ten steps and ten batches of validation, after two of each that count for nothing; the model stays as it was.
    pub(super) fn probe<M: Module>(
        &self,
        objective: &impl Objective<M>,
        model: &mut M,
        train: &dyn Dataset,
        valid: Option<&dyn Dataset>,
    ) -> Result<Forecast> {
        let before = model.state();
        let mut training = Training::begin(self, objective, model, train, None)?;
        let step = tried(|_| {
            let Some(batches) = training.next_batches()? else {
                return Ok(false);
            };
            let mut pass = training.forward_and_backward(batches);
            training.update(&mut pass);
            Ok(true)
        })?;
        let steps = training.loader.batches().div_ceil(self.accumulate);
        drop(training);
        model.load_state(&before)?;

        let mut validation = Duration::ZERO;
        if let Some(valid) = valid {
            let (mut loader, mut totals) = (self.loader(valid)?, Totals::default());
            let batch = tried(|i| {
                let Some(batch) = loader.next_batch()? else {
                    return Ok(false);
                };
                let mode = Mode::eval_of(self.seed, i);
                no_grad(|| self.measure_batch(objective, model, &batch, &mode, &mut totals));
                Ok(true)
            })?;
            validation = batch.time * loader.batches() as u32;
        }
        Ok(Forecast {
            epochs: self.epochs,
            steps,
            step: step.time,
            flops: step.flops,
            validation,
        })
    }

    /// Tries learning rates from the least to the largest, each `steps`-th of the way (in equal ratios) for one step
    /// (Smith 2015, arXiv:1506.01186). It ends early where the loss is no number or four times the smallest.
    ///
    /// No schedule applies, and no callback is told.
    ///
    /// # Errors
    /// If the set is empty or cannot be read.
    ///
    /// # Panics
    /// If the rates do not rise from above 0, or there are fewer than 10 steps.
    #[track_caller]
    pub fn find_lr(
        &self,
        model: &mut impl Layer,
        train: &dyn Dataset,
        rates: RangeInclusive<f64>,
        steps: usize,
    ) -> Result<LrSearch> {
        self.search(&self.supervised(), model, train, rates, steps)
    }

    /// [`find_lr`](Self::find_lr) for [`minimize`](Self::minimize).
    ///
    /// # Errors
    /// As [`find_lr`](Self::find_lr).
    ///
    /// # Panics
    /// As [`find_lr`](Self::find_lr).
    #[track_caller]
    pub fn find_lr_of<M: Module>(
        &self,
        objective: &impl Objective<M>,
        model: &mut M,
        train: &dyn Dataset,
        rates: RangeInclusive<f64>,
        steps: usize,
    ) -> Result<LrSearch> {
        self.search(objective, model, train, rates, steps)
    }

    #[track_caller]
    fn search<M: Module>(
        &self,
        objective: &impl Objective<M>,
        model: &mut M,
        train: &dyn Dataset,
        rates: RangeInclusive<f64>,
        steps: usize,
    ) -> Result<LrSearch> {
        let (least, largest) = rates.into_inner();
        assert!(
            least > 0.0 && largest > least && largest.is_finite(),
            "find_lr: found rates from {least} to {largest}, wanted them rising from above 0"
        );
        assert!(
            steps >= 10,
            "find_lr: found {steps} steps, wanted at least 10"
        );
        let before = model.state();
        let mut training = Training::begin(self, objective, model, train, None)?;
        let mut search = LrSearch::default();
        while search.rates.len() < steps && !search.is_over() {
            let Some(batches) = training.next_batches()? else {
                training.begin_next_epoch();
                continue;
            };
            let part = search.rates.len() as f64 / (steps - 1) as f64;
            let rate = least * (largest / least).powf(part);
            let mut pass = training.forward_and_backward(batches);
            search.push(rate, pass.loss);
            if !pass.is_finite() {
                break;
            }
            training.update_at(&mut pass, rate);
        }
        drop(training);
        model.load_state(&before)?;
        Ok(search)
    }
}
