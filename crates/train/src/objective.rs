//! What a training makes small, where it is more than a loss of the model's output.

use eras_data::Batch;
use eras_nn::{Layer, Mode};
use eras_tensor::Tensor;

/// What a model of type `M` is trained for: a variational bound, a denoising error, the loss of a language model. Such
/// a training has all that one with [`Trainer::fit`](crate::Trainer::fit) has.
///
/// Any `Fn(&M, &Batch, &Mode) -> Forward` is one:
///
/// ```
/// use eras::prelude::*;
/// use eras::train::Forward;
///
/// # fn main() -> eras::Result<()> {
/// let rng = &mut Rng::new(0);
/// let data = TensorDataset::new(Tensor::randn([64, 3], rng), Tensor::zeros([64, 1]))?;
/// let mut model = Linear::new(3, 3, rng);
/// // To give back what was put in.
/// let same = |model: &Linear, batch: &Batch, _: &Mode| Forward::from(mse(&model.forward(&batch.x), &batch.x));
/// let trainer = Trainer::for_objective(Adam::new(0.05)).batch_size(16).epochs(30);
/// trainer.minimize(&same, &mut model, &data, None)?;
/// assert!(trainer.measure(&same, &model, &data)?.loss < 0.05);
/// # Ok(())
/// # }
/// ```
pub trait Objective<M: ?Sized>: Sync {
    /// The names of the numbers that are reported beside the loss.
    fn numbers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Of how many things the loss of a batch is the mean: its samples (the default), or their tokens where it is of those. Means
    /// over batches count each by this.
    fn count(&self, batch: &Batch) -> usize {
        batch.x.shape().first().copied().unwrap_or(1)
    }

    /// The loss of a batch, as training or evaluation.
    fn forward(&self, model: &M, batch: &Batch, mode: &Mode) -> Forward;
}

/// What came of a batch.
#[derive(Debug, Clone)]
pub struct Forward {
    /// One number: the mean over the samples (or what [`Objective::count`] counts) of what is made small.
    pub loss: Tensor,
    /// Those that [`Objective::numbers`] names, each a mean over the same.
    pub numbers: Vec<f64>,
    /// What the trainer's metrics compare with the batch's `y`, where it has metrics.
    pub output: Option<Tensor>,
}

impl From<Tensor> for Forward {
    fn from(loss: Tensor) -> Self {
        Self {
            loss,
            numbers: Vec::new(),
            output: None,
        }
    }
}

impl<M: ?Sized, F: Fn(&M, &Batch, &Mode) -> Forward + Sync> Objective<M> for F {
    fn forward(&self, model: &M, batch: &Batch, mode: &Mode) -> Forward {
        self(model, batch, mode)
    }
}

/// A loss of the model's output and the batch's `y`.
pub(crate) struct Supervised<'a>(pub(crate) &'a (dyn Fn(&Tensor, &Tensor) -> Tensor + Send + Sync));

impl<M: Layer + ?Sized> Objective<M> for Supervised<'_> {
    fn forward(&self, model: &M, batch: &Batch, mode: &Mode) -> Forward {
        let output = model.apply(&batch.x, mode);
        Forward {
            loss: (self.0)(&output, &batch.y),
            numbers: Vec::new(),
            output: Some(output),
        }
    }
}
