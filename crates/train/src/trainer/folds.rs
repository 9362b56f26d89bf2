//! Cross-validation.

use super::Trainer;
use crate::score::Score;
use eras_data::Dataset;
use eras_nn::Layer;
use eras_tensor::{Result, Tensor};

/// What came of a cross-validation (see [`Trainer::cross_validate`]).
#[derive(Debug, Clone)]
pub struct CrossValidation<M> {
    /// The model of each fold, trained on all samples outside of it.
    pub models: Vec<M>,
    /// Loss and metrics of each model on its fold.
    pub scores: Vec<Score>,
    /// For every sample what the model that had not seen it gave, in the order of the set: `(N, ..)`.
    pub outputs: Tensor,
}

impl<M> CrossValidation<M> {
    /// Mean and standard deviation over the folds of a metric, or of `loss`; `None` if it was not measured.
    ///
    /// The deviation is that of a sample, with one degree of freedom taken off.
    #[must_use]
    pub fn summary(&self, name: &str) -> Option<(f64, f64)> {
        let value = |score: &Score| match name {
            "loss" => Some(score.loss),
            name => score.get(name),
        };
        let values: Vec<f64> = self.scores.iter().map(value).collect::<Option<_>>()?;
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let spread = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        Some((mean, (spread / (n - 1.0)).sqrt()))
    }
}

impl Trainer {
    /// Trains `folds` models, each on all samples outside of its fold, and asks each about its fold
    /// ([`Dataset::folds`], drawn with the trainer's seed). `model` makes the model of a fold, counted from 0.
    ///
    /// Callbacks are told of one training after the other.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// # fn main() -> eras::Result<()> {
    /// let rng = &mut Rng::new(0);
    /// let x = Tensor::randn([60, 2], rng);
    /// let y: Vec<i64> = x.to_vec::<f32>().chunks(2).map(|x| i64::from(x[0] > x[1])).collect();
    /// let data = TensorDataset::new(x, Tensor::from(y))?;
    /// let trainer = Trainer::new(Adam::new(0.1), cross_entropy).batch_size(16).epochs(20).metric(Accuracy);
    /// let result = trainer.cross_validate(&data, 5, |fold| Linear::new(2, 2, &mut Rng::new(fold as u64)))?;
    /// let (mean, deviation) = result.summary("accuracy").expect("it was measured");
    /// assert!(mean > 0.8 && deviation < 0.2);
    /// assert_eq!(result.outputs.shape(), [60, 2]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    ///
    /// # Panics
    /// If `folds` is less than 2 or more than there are samples.
    #[track_caller]
    pub fn cross_validate<M: Layer>(
        &self,
        data: &dyn Dataset,
        folds: usize,
        mut model: impl FnMut(usize) -> M,
    ) -> Result<CrossValidation<M>> {
        let folds = (&data).folds(folds, self.seed);
        let (mut models, mut scores, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
        let mut order: Vec<i64> = vec![0; data.len()];
        let mut seen = 0;
        for (i, (train, held_out)) in folds.iter().enumerate() {
            let mut model = model(i);
            self.run(&self.supervised(), &mut model, train, None, None)?;
            scores.push(self.evaluate(&model, held_out)?);
            outputs.push(self.predict(&model, held_out)?);
            models.push(model);
            for &at in held_out.indices() {
                order[at] = seen;
                seen += 1;
            }
        }
        let outputs = Tensor::concat(&outputs.iter().collect::<Vec<_>>(), 0);
        Ok(CrossValidation {
            models,
            scores,
            outputs: outputs.index_select(0, &Tensor::from(order)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trainer;
    use eras_data::{Dataset, TensorDataset};
    use eras_nn::{Buffer, Layer, Mode, Module, Sgd};

    /// Answers what it was made with: a parameter that training leaves alone, as its gradient is 0.
    #[derive(Debug, Module)]
    struct Constant {
        value: eras_nn::Param,
        number: Buffer,
    }

    impl Layer for Constant {
        fn apply(&self, x: &Tensor, _: &Mode) -> Tensor {
            x * 0.0 + &*self.value * 0.0 + self.number.get()
        }
    }

    #[test]
    fn every_sample_is_answered_by_the_model_that_did_not_see_it() {
        let x = Tensor::zeros([7, 1]);
        let data = TensorDataset::new(x.clone(), x).unwrap();
        let trainer = Trainer::new(Sgd::new(0.1), |y, _| y.mean(..)).seed(3);
        let result = trainer
            .cross_validate(&data, 3, |fold| Constant {
                value: eras_nn::Param::new(&Tensor::zeros([1])),
                number: Buffer::new(&Tensor::full([1], fold as f64, eras_tensor::Dtype::F32)),
            })
            .unwrap();
        let answers = result.outputs.to_vec::<f32>();
        for (fold, (_, held_out)) in data.folds(3, 3).iter().enumerate() {
            for &at in held_out.indices() {
                assert_eq!(answers[at], fold as f32);
            }
        }
        assert_eq!(result.summary("loss"), Some((1.0, 1.0)));
        assert_eq!(result.summary("accuracy"), None);
        assert_eq!((result.models.len(), answers.len()), (3, 7));
    }
}
