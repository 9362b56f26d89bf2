//! What trains, evaluates and asks models; the loop is in `run`.

mod folds;
mod run;
mod trial;

pub use folds::CrossValidation;

use crate::callback::Callback;
use crate::checkpoint::Snapshot;
use crate::forecast::Forecast;
use crate::metric::Metric;
use crate::objective::{Forward, Objective, Supervised};
use crate::plateau::Plateau;
use crate::score::{History, Score};
use crate::totals::{Counted, Measure, Totals};
use eras_data::{Batch, Dataset, Loader};
use eras_nn::{Average, Layer, Mode, Module, Optimizer, Schedule};
use eras_tensor::{Dtype, Error, Result, Rng, Tensor, matmul_precision, no_grad};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

type Augment = Box<dyn Fn(Batch, &mut Rng) -> Batch + Send + Sync>;
type Loss = Box<dyn Fn(&Tensor, &Tensor) -> Tensor + Send + Sync>;

/// Trains, evaluates and asks models. Built once, used for as many models as you like.
///
/// The loop is [`fit`](Self::fit); for one of your own use the same pieces: [`Loader`], [`Mode`],
/// `loss.backward()` and [`Optimizer::step`].
///
/// ```
/// use eras::prelude::*;
///
/// # fn main() -> eras::Result<()> {
/// // Learn y = x₀ > x₁ from 64 points.
/// let rng = &mut Rng::new(0);
/// let x = Tensor::randn([64, 2], rng);
/// let y: Vec<i64> = x.to_vec::<f32>().chunks(2).map(|x| i64::from(x[0] > x[1])).collect();
/// let data = TensorDataset::new(x, Tensor::from(y))?;
/// let mut model = Sequential::new().add(Dense::new(2, 2, rng));
/// let trainer = Trainer::new(Adam::new(0.1), cross_entropy).batch_size(16).epochs(20).metric(Accuracy);
/// trainer.fit(&mut model, &data, &data)?;
/// assert!(trainer.evaluate(&model, &data)?.accuracy() > 0.9);
/// # Ok(())
/// # }
/// ```
pub struct Trainer {
    optimizer: Box<dyn Optimizer>,
    /// `None` for objectives alone.
    loss: Option<Loss>,
    metrics: Vec<Box<dyn Metric>>,
    callbacks: Mutex<Vec<Box<dyn Callback>>>,
    batch_size: usize,
    epochs: usize,
    seed: u64,
    accumulate: usize,
    steps_per_epoch: Option<usize>,
    augment: Option<Augment>,
    schedule: Option<Schedule>,
    plateau: Option<Plateau>,
    clip: Option<Clip>,
    precision: Dtype,
    averaging: Option<Averaging>,
    non_finite: NonFinite,
    stop: Option<Arc<AtomicBool>>,
}

/// What a trainer does when the loss or a gradient is NaN or infinite. The weights are as yet untouched by it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum NonFinite {
    /// Ends the training with an error that names the first layer whose result is no number.
    #[default]
    Stop,
    /// Leaves the step out and goes on. After 100 such steps in a row the training ends as with `Stop`.
    Skip,
    /// Puts weights and optimizer back to where they were when the epoch began (or the training went on), multiplies the
    /// learning rate by `lr_scale` from then on, and goes on with the next batch. After 10 times the training ends
    /// as with `Stop`.
    RollBack {
        /// What the learning rate is multiplied by, 0.5 for instance.
        lr_scale: f64,
    },
}

#[derive(Debug, Clone, Copy)]
enum Clip {
    Value(f64),
    GlobalNorm(f64),
}

/// Which weights a mean is taken of.
#[derive(Debug, Clone, Copy)]
enum Averaging {
    /// Those after every step, exponentially.
    Steps { decay: f64 },
    /// Those after each epoch from this one on, alike.
    Epochs { from: usize },
}

impl Averaging {
    fn begin(self) -> Average {
        match self {
            Self::Steps { decay } => Average::exponential(decay),
            Self::Epochs { .. } => Average::uniform(),
        }
    }
}

impl Trainer {
    /// A trainer with this optimizer and loss, which maps outputs and targets to one number, the mean over the
    /// batch. Batches of 32, one epoch, seed 0, as long as nothing else is said.
    #[must_use]
    pub fn new(
        optimizer: impl Optimizer + 'static,
        loss: impl Fn(&Tensor, &Tensor) -> Tensor + Send + Sync + 'static,
    ) -> Self {
        Self {
            loss: Some(Box::new(loss)),
            ..Self::for_objective(optimizer)
        }
    }

    /// A trainer that makes an [`Objective`] small by `optimizer`, in batches of 32, for one epoch, with seed 0.
    #[must_use]
    pub fn for_objective(optimizer: impl Optimizer + 'static) -> Self {
        Self {
            optimizer: Box::new(optimizer),
            loss: None,
            metrics: Vec::new(),
            callbacks: Mutex::default(),
            batch_size: 32,
            epochs: 1,
            seed: 0,
            accumulate: 1,
            steps_per_epoch: None,
            augment: None,
            schedule: None,
            plateau: None,
            clip: None,
            precision: Dtype::F32,
            averaging: None,
            non_finite: NonFinite::Stop,
            stop: None,
        }
    }

    /// Samples in a batch; the last batch of an epoch may be smaller. Of samples of different lengths, see [`Loader`].
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        assert!(
            batch_size > 0,
            "batch_size: a batch has at least one sample"
        );
        self.batch_size = batch_size;
        self
    }

    /// How often the training set is gone through.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// The seed of shuffling and dropout.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Measures this too.
    #[must_use]
    pub fn metric(mut self, metric: impl Metric + 'static) -> Self {
        self.metrics.push(Box::new(metric));
        self
    }

    /// Calls this as the training goes on.
    #[must_use]
    pub fn callback(self, callback: impl Callback + 'static) -> Self {
        self.boxed_callback(Box::new(callback))
    }

    /// As [`callback`](Self::callback), for one that is boxed already.
    #[must_use]
    pub fn boxed_callback(self, callback: Box<dyn Callback>) -> Self {
        self.callbacks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(callback);
        self
    }

    /// Multiplies the learning rate by the schedule's factor at each step.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// Lowers the learning rate where a number of the epochs comes no nearer to its goal.
    #[must_use]
    pub fn reduce_on_plateau(mut self, plateau: Plateau) -> Self {
        self.plateau = Some(plateau);
        self
    }

    /// Makes one step from the gradients of `batches` batches, as of one batch that much larger.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn accumulate(mut self, batches: usize) -> Self {
        assert!(
            batches > 0,
            "accumulate: a step is made from at least one batch"
        );
        self.accumulate = batches;
        self
    }

    /// Ends an epoch after so many steps, whatever is left of the set: each epoch sees another part of it. For texts and other
    /// sets too large to be gone through between two looks at the validation set.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn steps_per_epoch(mut self, steps: usize) -> Self {
        assert!(steps > 0, "steps_per_epoch: an epoch has at least one step");
        self.steps_per_epoch = Some(steps);
        self
    }

    /// Changes each batch before it is trained on (random crops, mixup, ..), never those that are evaluated. The
    /// random numbers are the same for the same seed and step, also after a resumption.
    #[must_use]
    pub fn augment(
        mut self,
        change: impl Fn(Batch, &mut Rng) -> Batch + Send + Sync + 'static,
    ) -> Self {
        self.augment = Some(Box::new(change));
        self
    }

    /// Keeps the exponential moving average of the weights after each step: it is what is validated, and what the model
    /// holds when [`fit`](Self::fit) returns. (See [`Average::exponential`].)
    ///
    /// # Panics
    /// If `decay` does not lie in [0, 1).
    #[must_use]
    #[track_caller]
    pub fn ema(mut self, decay: f64) -> Self {
        let averaging = Averaging::Steps { decay };
        _ = averaging.begin();
        self.averaging = Some(averaging);
        self
    }

    /// Keeps the mean of the weights after epoch `from` (counted from 1) and all later ones: it is what is validated from
    /// then on, and what the model holds when [`fit`](Self::fit) returns. (See [`Average::uniform`]; running
    /// statistics of batch norm stay those of the last weights.)
    #[must_use]
    pub fn swa(mut self, from: usize) -> Self {
        self.averaging = Some(Averaging::Epochs { from });
        self
    }

    /// What to do when the loss or a gradient is no number: stop, as long as nothing else is said.
    #[must_use]
    pub fn non_finite(mut self, policy: NonFinite) -> Self {
        self.non_finite = policy;
        self
    }

    /// Limits each element of the gradient to `[-limit, limit]`.
    #[must_use]
    pub fn clip_value(mut self, limit: f64) -> Self {
        self.clip = Some(Clip::Value(limit));
        self
    }

    /// Scales the gradient down where its norm over all parameters is larger than `limit`.
    #[must_use]
    pub fn clip_global_norm(mut self, limit: f64) -> Self {
        self.clip = Some(Clip::GlobalNorm(limit));
        self
    }

    /// What matrix products multiply in: `F32`, or `BF16` with sums, weights and everything else in `f32`
    /// (see [`matmul_precision`]).
    ///
    /// # Panics
    /// If it is another type.
    #[must_use]
    #[track_caller]
    pub fn precision(mut self, dtype: Dtype) -> Self {
        matmul_precision(dtype, || self.precision = dtype);
        self
    }

    /// Stops after the step in which `flag` becomes true (set it from a signal handler, say): callbacks are told, and
    /// [`fit`](Self::fit) returns an error whose [`is_interrupted`](Error::is_interrupted) is true.
    #[must_use]
    pub fn stop_when(mut self, flag: Arc<AtomicBool>) -> Self {
        self.stop = Some(flag);
        self
    }

    /// Trains `model` on `train`, validating on `valid` after each epoch.
    ///
    /// # Errors
    /// If a set is empty, the loss is no longer a number, a callback fails, or the training was interrupted.
    pub fn fit(
        &self,
        model: &mut impl Layer,
        train: &dyn Dataset,
        valid: &dyn Dataset,
    ) -> Result<History> {
        self.run(&self.supervised(), model, train, Some(valid), None)
    }

    /// Goes on from `snapshot` as if the training had never stopped: the same weights at the end, to the bit.
    ///
    /// # Errors
    /// If the snapshot is not of this model, optimizer or data set, or as [`fit`](Self::fit).
    pub fn resume(
        &self,
        model: &mut impl Layer,
        train: &dyn Dataset,
        valid: &dyn Dataset,
        snapshot: &Snapshot,
    ) -> Result<History> {
        self.run(
            &self.supervised(),
            model,
            train,
            Some(valid),
            Some(snapshot),
        )
    }

    /// Loss and metrics of `model` on `data`.
    ///
    /// # Errors
    /// If the set is empty or cannot be read.
    pub fn evaluate(&self, model: &impl Layer, data: &dyn Dataset) -> Result<Score> {
        self.measure(&self.supervised(), model, data)
    }

    /// Trains `model` to make `objective` small on `train`, measuring it on `valid` after each epoch.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn minimize<M: Module>(
        &self,
        objective: &impl Objective<M>,
        model: &mut M,
        train: &dyn Dataset,
        valid: Option<&dyn Dataset>,
    ) -> Result<History> {
        self.run(objective, model, train, valid, None)
    }

    /// Goes on with [`minimize`](Self::minimize) from a snapshot, as [`resume`](Self::resume) does.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub fn minimize_on<M: Module>(
        &self,
        objective: &impl Objective<M>,
        model: &mut M,
        train: &dyn Dataset,
        valid: Option<&dyn Dataset>,
        snapshot: &Snapshot,
    ) -> Result<History> {
        self.run(objective, model, train, valid, Some(snapshot))
    }

    /// The objective's loss and numbers, and the trainer's metrics, over `data`. What the objective draws at random is the
    /// same each time.
    ///
    /// # Errors
    /// If the set is empty or cannot be read.
    pub fn measure<M: Module>(
        &self,
        objective: &impl Objective<M>,
        model: &M,
        data: &dyn Dataset,
    ) -> Result<Score> {
        let (mut totals, measures) = (Totals::default(), self.measures(objective));
        no_grad(|| {
            let (mut loader, mut i) = (self.loader(data)?, 0);
            while let Some(batch) = loader.next_batch()? {
                let mode = Mode::eval_of(self.seed, i);
                self.measure_batch(objective, model, &batch, &mode, &mut totals);
                i += 1;
            }
            Ok(totals.score(&measures))
        })
    }

    fn measure_batch<M: Module>(
        &self,
        objective: &impl Objective<M>,
        model: &M,
        batch: &Batch,
        mode: &Mode,
        totals: &mut Totals,
    ) {
        let of = self.forward(objective, model, batch, mode);
        let counted = Counted {
            samples: objective.count(batch),
            mean_loss: of.loss.item(),
            numbers: &of.numbers,
            output: of.output.as_ref(),
            y: &batch.y,
        };
        totals.add(&counted, &self.measures(objective));
    }

    fn forward<M: Module>(
        &self,
        objective: &impl Objective<M>,
        model: &M,
        batch: &Batch,
        mode: &Mode,
    ) -> Forward {
        matmul_precision(self.precision, || objective.forward(model, batch, mode))
    }

    /// All that is reported beside the loss.
    fn measures<'a, M: Module>(&'a self, objective: &impl Objective<M>) -> Vec<Measure<'a>> {
        let metrics = self.metrics.iter().map(|metric| Measure::Metric(&**metric));
        let numbers = objective.numbers().into_iter().map(Measure::Number);
        metrics.chain(numbers).collect()
    }

    /// The objective of [`Trainer::new`].
    #[track_caller]
    fn supervised(&self) -> Supervised<'_> {
        let Some(loss) = &self.loss else {
            panic!("Trainer: found no loss, wanted one (`Trainer::new`), or a call of `minimize`")
        };
        Supervised(loss)
    }

    /// What [`fit`](Self::fit) will take, from ten steps of it on a copy of the weights; no callback is told.
    ///
    /// # Errors
    /// If a set is empty or cannot be read.
    pub fn forecast(
        &self,
        model: &mut impl Layer,
        train: &dyn Dataset,
        valid: &dyn Dataset,
    ) -> Result<Forecast> {
        self.probe(&self.supervised(), model, train, Some(valid))
    }

    /// [`forecast`](Self::forecast) for [`minimize`](Self::minimize).
    ///
    /// # Errors
    /// If a set is empty or cannot be read.
    pub fn forecast_of<M: Module>(
        &self,
        objective: &impl Objective<M>,
        model: &mut M,
        train: &dyn Dataset,
        valid: Option<&dyn Dataset>,
    ) -> Result<Forecast> {
        self.probe(objective, model, train, valid)
    }

    /// Samples of a step.
    #[must_use]
    pub fn samples_per_step(&self) -> usize {
        self.batch_size * self.accumulate
    }

    /// Samples of a step on `train`, which may have fewer than a batch; of different lengths, in the mean.
    ///
    /// # Errors
    /// If the set is empty.
    pub fn samples_per_step_of(&self, train: &dyn Dataset) -> Result<usize> {
        let a_batch = self.epoch_of(train)?.samples_per_batch();
        Ok((a_batch * self.accumulate).min(train.len()))
    }

    /// Samples of an epoch on `train`; of different lengths, in the mean.
    ///
    /// # Errors
    /// If the set is empty.
    pub fn samples_per_epoch(&self, train: &dyn Dataset) -> Result<usize> {
        Ok(self.epoch_of(train)?.samples())
    }

    /// The optimizer as it begins.
    #[must_use]
    pub fn optimizer(&self) -> &dyn Optimizer {
        &*self.optimizer
    }

    /// The outputs of `model` for all samples of `data`, in order: `(N, ..)`.
    ///
    /// # Errors
    /// If the set is empty or cannot be read.
    pub fn predict(&self, model: &impl Layer, data: &dyn Dataset) -> Result<Tensor> {
        let mut outputs = Vec::new();
        no_grad(|| {
            let mut loader = self.loader(data)?;
            while let Some(batch) = loader.next_batch()? {
                outputs.push(self.outputs(model, &batch.x, &Mode::eval()));
            }
            Ok(Tensor::concat(&outputs.iter().collect::<Vec<_>>(), 0))
        })
    }

    /// What `model` makes of a batch, in the precision that was asked for.
    fn outputs(&self, model: &impl Layer, x: &Tensor, mode: &Mode) -> Tensor {
        matmul_precision(self.precision, || model.apply(x, mode))
    }

    /// The batches of the epochs of a training.
    fn epoch_of<'a>(&self, train: &'a dyn Dataset) -> Result<Loader<'a>> {
        let loader = self.loader(train)?.shuffle(self.seed);
        Ok(match self.steps_per_epoch {
            Some(steps) => loader.at_most(steps.saturating_mul(self.accumulate)),
            None => loader,
        })
    }

    fn loader<'a>(&self, data: &'a dyn Dataset) -> Result<Loader<'a>> {
        if data.is_empty() {
            return Err(Error::new(
                "the data set is empty: found 0 samples, wanted at least one",
            ));
        }
        Ok(Loader::new(data, self.batch_size))
    }
}

impl fmt::Debug for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("optimizer", &self.optimizer)
            .field(
                "metrics",
                &self.metrics.iter().map(|m| m.name()).collect::<Vec<_>>(),
            )
            .field("batch_size", &self.batch_size)
            .field("epochs", &self.epochs)
            .field("seed", &self.seed)
            .field("schedule", &self.schedule)
            .field("clip", &self.clip)
            .field("precision", &self.precision)
            .field("accumulate", &self.accumulate)
            .field("steps_per_epoch", &self.steps_per_epoch)
            .field("averaging", &self.averaging)
            .field("non_finite", &self.non_finite)
            .finish_non_exhaustive()
    }
}
