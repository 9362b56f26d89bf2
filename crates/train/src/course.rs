//! Trainings whose steps are their own: several losses, several optimizers, as of two networks that play against each
//! other.

use crate::callback::{Callback, Callbacks, Moment};
use crate::checkpoint::{Learned, Position, Snapshot};
use crate::clock::{Clock, counted};
use crate::forecast::{Forecast, tried};
use crate::score::{Epoch, History, Score};
use crate::totals::{Counted, Measure};
use eras_data::{Batch, Dataset, Loader};
use eras_nn::{Mode, Module, Optimizer};
use eras_tensor::{Error, Result, Tensor};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Something that learns by steps of its own; [`Course`] takes it through the epochs.
pub trait Learner {
    /// The names of the numbers that a step reports beside its loss.
    fn numbers(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Learns from a batch. All that is random comes from `mode`.
    fn step(&mut self, batch: &Batch, mode: &Mode) -> Step;

    /// What is saved, and gone on with.
    fn parts(&mut self) -> Parts<'_>;

    /// Loss and further numbers after an epoch, where there is something to measure.
    ///
    /// # Errors
    /// If it cannot be measured.
    fn score(&mut self) -> Result<Option<Score>> {
        Ok(None)
    }
}

/// What a step came to: means over the samples of its batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The loss that is shown first.
    pub loss: f64,
    /// Those that [`Learner::numbers`] names.
    pub numbers: Vec<f64>,
}

/// All that a learner has learned.
pub struct Parts<'a> {
    /// Its weights, of all networks under one.
    pub model: &'a mut dyn Module,
    /// Its optimizers, each by a name of its own. The learning rate that is shown is that of the first.
    pub optimizers: Vec<(&'static str, &'a mut dyn Optimizer)>,
}

impl fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("optimizers", &self.optimizers)
            .finish_non_exhaustive()
    }
}

/// The names of their states have the optimizer's in front.
impl Learned for Vec<(&'static str, &mut dyn Optimizer)> {
    fn lr(&self) -> f64 {
        self.first().map_or(f64::NAN, |(_, first)| first.lr())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let of = |(name, optimizer): &(&str, &mut dyn Optimizer)| {
            let state = optimizer.state().into_iter();
            state
                .map(|(entry, tensor)| (format!("{name}/{entry}"), tensor))
                .collect::<Vec<_>>()
        };
        self.iter().flat_map(of).collect()
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let owner = |entry: &str| entry.split_once('/').map(|(owner, _)| owner.to_owned());
        for (entry, _) in state {
            if !self
                .iter()
                .any(|(name, _)| owner(entry).as_deref() == Some(name))
            {
                return Err(Error::new(format!(
                    "the state of `{entry}` belongs to none of the optimizers"
                )));
            }
        }
        for (name, optimizer) in self {
            let own: Vec<(String, Tensor)> = state
                .iter()
                .filter_map(|(entry, tensor)| {
                    let entry = entry.strip_prefix(*name)?.strip_prefix('/')?;
                    Some((entry.to_owned(), tensor.clone()))
                })
                .collect();
            optimizer.load_state(&own)?;
        }
        Ok(())
    }
}

/// Takes a [`Learner`] through the epochs, with callbacks, checkpoints, interruption and resumption as a
/// [`Trainer`](crate::Trainer) has them. A resumed course ends with the same bits.
///
/// ```
/// use eras::prelude::*;
/// use eras::train::{Course, Learner, Parts, Step};
///
/// /// Two lines, each with an optimizer of its own; the second learns what the first says.
/// struct Pair { lines: Vec<Linear>, first: Sgd, second: Adam }
///
/// impl Learner for Pair {
///     fn numbers(&self) -> Vec<&'static str> { vec!["second_loss"] }
///
///     fn step(&mut self, batch: &Batch, _mode: &Mode) -> Step {
///         let loss = mse(&self.lines[0].forward(&batch.x), &batch.y);
///         self.first.step(&mut self.lines[0], &loss.backward());
///         let said = self.lines[0].forward(&batch.x).detach();
///         let second = mse(&self.lines[1].forward(&batch.x), &said);
///         self.second.step(&mut self.lines[1], &second.backward());
///         Step { loss: loss.item(), numbers: vec![second.item()] }
///     }
///
///     fn parts(&mut self) -> Parts<'_> {
///         let Self { lines, first, second } = self;
///         Parts { model: lines, optimizers: vec![("first", first), ("second", second)] }
///     }
/// }
///
/// # fn main() -> eras::Result<()> {
/// let rng = &mut Rng::new(0);
/// let x = Tensor::randn([64, 2], rng);
/// let data = TensorDataset::new(x.clone(), x.sum_keepdim(1))?;
/// let lines = vec![Linear::new(2, 1, rng), Linear::new(2, 1, rng)];
/// let mut pair = Pair { lines, first: Sgd::new(0.1), second: Adam::new(0.05) };
/// let history = Course::new().batch_size(16).epochs(50).run(&mut pair, &data, None)?;
/// assert!(history.epochs[49].train.loss < 1e-3 && history.series("second_loss")[49] < 1e-2);
/// # Ok(())
/// # }
/// ```
pub struct Course {
    batch_size: usize,
    epochs: usize,
    seed: u64,
    callbacks: Mutex<Vec<Box<dyn Callback>>>,
    stop: Option<Arc<AtomicBool>>,
}

impl Default for Course {
    fn default() -> Self {
        Self::new()
    }
}

impl Course {
    /// Batches of 32, for one epoch, with seed 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            batch_size: 32,
            epochs: 1,
            seed: 0,
            callbacks: Mutex::default(),
            stop: None,
        }
    }

    /// Samples in a batch; the last of an epoch is left out where it would be smaller.
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

    /// The seed of the order of the samples, and of what steps draw.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Tells `callback` what happens.
    #[must_use]
    pub fn callback(self, callback: impl Callback + 'static) -> Self {
        self.boxed_callback(Box::new(callback))
    }

    /// [`callback`](Self::callback), boxed already.
    #[must_use]
    pub fn boxed_callback(mut self, callback: Box<dyn Callback>) -> Self {
        let callbacks = self.callbacks.get_mut();
        callbacks
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(callback);
        self
    }

    /// Stops after the step in which `flag` becomes true, as [`Trainer::stop_when`](crate::Trainer::stop_when).
    #[must_use]
    pub fn stop_when(mut self, flag: Arc<AtomicBool>) -> Self {
        self.stop = Some(flag);
        self
    }

    /// Goes through the epochs, from the beginning or from a snapshot of the same course.
    ///
    /// # Errors
    /// If the set has not a batch, the snapshot belongs to another course, a number of a step is none, a callback fails,
    /// or the course was interrupted.
    pub fn run(
        &self,
        learner: &mut impl Learner,
        data: &dyn Dataset,
        from: Option<&Snapshot>,
    ) -> Result<History> {
        let mut loader = self.loader(data)?;
        let mut at = Position::start(self.seed, self.batch_size, 1, data);
        if let Some(snapshot) = from {
            let mut parts = learner.parts();
            at = snapshot.restore(&at, parts.model, &mut parts.optimizers, None)?;
            loader.seek(eras_data::Position {
                epoch: at.epoch as u64,
                batch: at.batch,
            })?;
        }
        let names = learner.numbers();
        let measures: Vec<Measure<'_>> = names.iter().map(|name| Measure::Number(name)).collect();
        let batches = loader.batches();
        let mut callbacks = Callbacks::lock(&self.callbacks);
        callbacks.start(&at.history)?;
        let mut stopped = None;

        while at.epoch < self.epochs && stopped.is_none() {
            let clock = Clock::start(at.seconds);
            while let Some(batch) = counted(&mut at.waiting, || loader.next_batch())? {
                let step = learner.step(&batch, &Mode::train(self.seed, at.step));
                is_finite(&step, &names, &at)?;
                let counted = Counted {
                    samples: self.batch_size,
                    mean_loss: step.loss,
                    numbers: &step.numbers,
                    output: None,
                    y: &batch.y,
                };
                at.totals.add(&counted, &measures);
                at.advance(1);
                at.seconds = clock.seconds();
                let parts = learner.parts();
                let moment = self.moment(&at, &parts, batches, step.loss, &measures);
                callbacks.step(&moment)?;
                if let Some(flag) = &self.stop
                    && flag.load(Ordering::Relaxed)
                {
                    return callbacks.stop_here(&moment);
                }
            }
            let samples = loader.samples() as f64;
            let trained = clock.seconds();
            at.history.push(Epoch {
                epoch: at.epoch + 1,
                train: at.totals.score(&measures),
                valid: learner.score()?,
                lr: learner.parts().optimizers.lr(),
                seconds: clock.seconds(),
                samples_per_second: samples / trained,
                waiting: at.waiting,
            });
            at.begin_next_epoch();
            let parts = learner.parts();
            let moment = self.moment(&at, &parts, batches, f64::NAN, &measures);
            stopped = callbacks.epoch(&moment)?;
        }
        let history = History {
            epochs: at.history,
            stopped,
        };
        callbacks.end(&history)?;
        Ok(history)
    }

    /// What [`run`](Self::run) will take, from ten steps of it; weights and optimizers are then as they were, and no callback
    /// is told. What [`Learner::score`] takes is not in it.
    ///
    /// # Errors
    /// If the set has not a batch or cannot be read.
    pub fn forecast(&self, learner: &mut impl Learner, data: &dyn Dataset) -> Result<Forecast> {
        let mut loader = self.loader(data)?;
        let parts = learner.parts();
        let (weights, state) = (parts.model.state(), parts.optimizers.state());
        let step = tried(|step| {
            let Some(batch) = loader.next_batch()? else {
                return Ok(false);
            };
            learner.step(&batch, &Mode::train(self.seed, step));
            Ok(true)
        })?;
        let mut parts = learner.parts();
        parts.model.load_state(&weights)?;
        parts.optimizers.load_state(&state)?;
        Ok(Forecast {
            epochs: self.epochs,
            steps: loader.batches(),
            step: step.time,
            flops: step.flops,
            validation: Duration::ZERO,
        })
    }

    fn loader<'a>(&self, data: &'a dyn Dataset) -> Result<Loader<'a>> {
        if data.len() < self.batch_size {
            return Err(Error::new(format!(
                "the data set has {} samples, wanted at least the {} of a batch",
                data.len(),
                self.batch_size
            )));
        }
        let loader = Loader::new(data, self.batch_size);
        Ok(loader.drop_last().shuffle(self.seed))
    }

    fn moment<'a>(
        &self,
        at: &'a Position,
        parts: &'a Parts<'_>,
        batches: usize,
        loss: f64,
        measures: &'a [Measure<'a>],
    ) -> Moment<'a> {
        Moment {
            at,
            epochs: self.epochs,
            batches,
            loss,
            measures,
            optimizer: &parts.optimizers,
            average: None,
            model: &*parts.model,
        }
    }
}

impl fmt::Debug for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Course")
            .field("batch_size", &self.batch_size)
            .field("epochs", &self.epochs)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

fn is_finite(step: &Step, names: &[&str], at: &Position) -> Result<()> {
    let named = names.iter().copied().zip(step.numbers.iter().copied());
    let spoiled = [("loss", step.loss)]
        .into_iter()
        .chain(named)
        .find(|(_, value)| !value.is_finite());
    match spoiled {
        None => Ok(()),
        Some((name, value)) => Err(Error::diverged(format!(
            "step {} (epoch {}): `{name}` is {value}: the training has diverged; a smaller learning rate may help",
            at.step + 1,
            at.epoch + 1
        ))),
    }
}
