//! What happens as a training goes on: progress, logs, checkpoints, early stopping.

use crate::checkpoint::{Learned, Position, Snapshot};
use crate::score::{Epoch, History, Score};
use crate::totals::Measure;
use eras_nn::{Average, Module};
use eras_tensor::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Is told what happens in a training, in the order in which callbacks were added.
///
/// An error ends the training. What a callback needs to know of the time before a resumption it finds in the
/// history at the start.
pub trait Callback: Send {
    /// A training begins, or goes on after these epochs.
    ///
    /// # Errors
    /// If what the callback needs cannot be had.
    fn start(&mut self, history: &[Epoch]) -> Result<()> {
        let _ = history;
        Ok(())
    }

    /// A step was made.
    ///
    /// # Errors
    /// If something could not be written.
    fn step(&mut self, moment: &Moment<'_>) -> Result<()> {
        let _ = moment;
        Ok(())
    }

    /// An epoch is complete, validation included.
    ///
    /// # Errors
    /// If something could not be written.
    fn epoch(&mut self, moment: &Moment<'_>) -> Result<Control> {
        let _ = moment;
        Ok(Control::Continue)
    }

    /// Something went wrong and was overcome: a step was skipped, say.
    ///
    /// # Errors
    /// If something could not be written.
    fn notice(&mut self, text: &str) -> Result<()> {
        let _ = text;
        Ok(())
    }

    /// The user asked to stop; this is the last call.
    ///
    /// # Errors
    /// If something could not be written.
    fn interrupted(&mut self, moment: &Moment<'_>) -> Result<()> {
        let _ = moment;
        Ok(())
    }

    /// The training is over.
    ///
    /// # Errors
    /// If something could not be written.
    fn end(&mut self, history: &History) -> Result<()> {
        let _ = history;
        Ok(())
    }
}

/// Whether to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop for this reason; no error.
    Stop(String),
}

/// Where a training stands when a callback is called.
pub struct Moment<'a> {
    pub(crate) at: &'a Position,
    pub(crate) epochs: usize,
    pub(crate) batches: usize,
    pub(crate) loss: f64,
    pub(crate) measures: &'a [Measure<'a>],
    pub(crate) optimizer: &'a dyn Learned,
    pub(crate) average: Option<&'a Average>,
    pub(crate) model: &'a dyn Module,
}

impl Moment<'_> {
    /// Complete epochs.
    #[must_use]
    pub fn epoch(&self) -> usize {
        self.at.epoch
    }

    /// Epochs in all.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.epochs
    }

    /// Batches of this epoch that are done.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.at.batch
    }

    /// Batches of an epoch.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// Steps since the beginning.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.at.step
    }

    /// The model as it is now.
    #[must_use]
    pub fn model(&self) -> &dyn Module {
        self.model
    }

    /// The loss of the step just made; NaN between epochs.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// Loss and metrics over this epoch so far.
    #[must_use]
    pub fn so_far(&self) -> Score {
        self.at.totals.score(self.measures)
    }

    /// Samples of this epoch that are done.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.at.totals.samples
    }

    /// Seconds of this epoch so far.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.at.seconds
    }

    /// The learning rate of the last step.
    #[must_use]
    pub fn lr(&self) -> f64 {
        self.optimizer.lr()
    }

    /// The epochs that are complete.
    #[must_use]
    pub fn history(&self) -> &[Epoch] {
        &self.at.history
    }

    /// All that is needed to go on from here.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(self.at, self.model, self.optimizer, self.average)
    }
}

impl std::fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moment")
            .field("at", self.at)
            .field("epochs", &self.epochs)
            .finish_non_exhaustive()
    }
}

/// All callbacks, told in order.
pub(crate) struct Callbacks<'a>(MutexGuard<'a, Vec<Box<dyn Callback>>>);

impl<'a> Callbacks<'a> {
    pub(crate) fn lock(callbacks: &'a Mutex<Vec<Box<dyn Callback>>>) -> Self {
        Self(callbacks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn start(&mut self, history: &[Epoch]) -> Result<()> {
        self.0
            .iter_mut()
            .try_for_each(|callback| callback.start(history))
    }
    pub(crate) fn step(&mut self, moment: &Moment<'_>) -> Result<()> {
        self.0
            .iter_mut()
            .try_for_each(|callback| callback.step(moment))
    }
    pub(crate) fn notice(&mut self, text: &str) -> Result<()> {
        self.0
            .iter_mut()
            .try_for_each(|callback| callback.notice(text))
    }
    fn interrupted(&mut self, moment: &Moment<'_>) -> Result<()> {
        self.0
            .iter_mut()
            .try_for_each(|callback| callback.interrupted(moment))
    }
    /// Tells all of an interruption, which is the error.
    pub(crate) fn stop_here<T>(&mut self, moment: &Moment<'_>) -> Result<T> {
        self.interrupted(moment)?;
        let (epoch, step) = (moment.epoch() + 1, moment.step());
        Err(Error::interrupted(format!(
            "stopped in epoch {epoch} after step {step}"
        )))
    }
    pub(crate) fn end(&mut self, history: &History) -> Result<()> {
        self.0
            .iter_mut()
            .try_for_each(|callback| callback.end(history))
    }
    /// The reason to stop, if a callback has one. All are told of the epoch, whatever one of them says.
    pub(crate) fn epoch(&mut self, moment: &Moment<'_>) -> Result<Option<String>> {
        let mut stop = None;
        for callback in self.0.iter_mut() {
            if let Control::Stop(reason) = callback.epoch(moment)? {
                stop.get_or_insert(reason);
            }
        }
        Ok(stop)
    }
}

/// A number of an epoch to be made small or large: `val_loss`, `val_accuracy`, ..
#[derive(Debug, Clone)]
pub struct Goal {
    name: String,
    largest: bool,
}

impl Goal {
    /// The smaller the better.
    #[must_use]
    pub fn smallest(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            largest: false,
        }
    }

    /// The larger the better.
    #[must_use]
    pub fn largest(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            largest: true,
        }
    }

    /// The number that an epoch has.
    pub(crate) fn value(&self, epoch: &Epoch) -> Option<f64> {
        epoch.get(&self.name)
    }

    /// Whether `value` is better than `best` by more than this part of it.
    pub(crate) fn is_better(&self, value: f64, best: Option<f64>, part: f64) -> bool {
        let margin = |best: f64| part * best.abs();
        !value.is_nan()
            && best.is_none_or(|best| {
                if self.largest {
                    value > best + margin(best)
                } else {
                    value < best - margin(best)
                }
            })
    }

    /// The index of the best epoch, the first of equals.
    ///
    /// # Errors
    /// If the epochs have no number of this name.
    pub fn best(&self, history: &[Epoch]) -> Result<Option<usize>> {
        let mut best: Option<(usize, f64)> = None;
        for (i, epoch) in history.iter().enumerate() {
            let Some(value) = epoch.get(&self.name) else {
                let known: Vec<String> =
                    epoch.entries().into_iter().map(|(name, _)| name).collect();
                let message = format!(
                    "no number of an epoch is called `{}`; there are {}",
                    self.name,
                    known.join(", ")
                );
                return Err(Error::usage(message));
            };
            let better = best.is_none_or(|(_, b)| if self.largest { value > b } else { value < b });
            if better && !value.is_nan() {
                best = Some((i, value));
            }
        }
        Ok(best.map(|(i, _)| i))
    }
}

/// Stops when the goal has not come nearer for `patience` epochs.
#[derive(Debug, Clone)]
pub struct EarlyStopping {
    goal: Goal,
    patience: usize,
}

impl EarlyStopping {
    /// Stops after `patience` epochs without a better value of `goal`.
    #[must_use]
    pub fn new(goal: Goal, patience: usize) -> Self {
        Self { goal, patience }
    }
}

impl Callback for EarlyStopping {
    fn epoch(&mut self, moment: &Moment<'_>) -> Result<Control> {
        let history = moment.history();
        let best = self.goal.best(history)?.map_or(0, |i| i + 1);
        if history.len() - best < self.patience.max(1) {
            return Ok(Control::Continue);
        }
        Ok(Control::Stop(format!(
            "{} was best in epoch {best} and not again for {} epochs",
            self.goal.name, self.patience
        )))
    }
}

/// Writes one line of JSON an epoch, each at once. After a resumption the lines of epochs that will be trained again
/// are dropped.
#[derive(Debug)]
pub struct JsonLog(Log);

/// Writes one row an epoch, with a header.
#[derive(Debug)]
pub struct CsvLog(Log);

impl JsonLog {
    /// Writes to `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(Log { path: path.into() })
    }
}

impl CsvLog {
    /// Writes to `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(Log { path: path.into() })
    }
}

impl Callback for JsonLog {
    fn start(&mut self, history: &[Epoch]) -> Result<()> {
        self.0.write(history, |epochs, file| {
            epochs
                .iter()
                .try_for_each(|epoch| writeln!(file, "{}", epoch.to_json()))
        })
    }
    fn epoch(&mut self, moment: &Moment<'_>) -> Result<Control> {
        self.start(moment.history()).map(|()| Control::Continue)
    }
}

impl Callback for CsvLog {
    fn start(&mut self, history: &[Epoch]) -> Result<()> {
        self.0.write(history, |epochs, file| {
            for (i, epoch) in epochs.iter().enumerate() {
                let entries = epoch.entries();
                if i == 0 {
                    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
                    writeln!(file, "epoch,{}", names.join(","))?;
                }
                let values: Vec<String> =
                    entries.iter().map(|(_, value)| value.to_string()).collect();
                writeln!(file, "{},{}", epoch.epoch, values.join(","))?;
            }
            Ok(())
        })
    }
    fn epoch(&mut self, moment: &Moment<'_>) -> Result<Control> {
        self.start(moment.history()).map(|()| Control::Continue)
    }
}

/// A small text file that is written whole each time, so that it never holds half a line.
#[derive(Debug)]
struct Log {
    path: PathBuf,
}

impl Log {
    fn write(
        &self,
        history: &[Epoch],
        content: impl FnOnce(&[Epoch], &mut BufWriter<&File>) -> std::io::Result<()>,
    ) -> Result<()> {
        eras_formats::files::replace(&self.path, |file| content(history, file))
    }
}

/// Keeps checkpoints in a folder: the last two, and the best by a goal.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    best: Option<Goal>,
    every_steps: Option<u64>,
}

impl Checkpoints {
    /// Saves into `folder` after each epoch and when the training is interrupted.
    #[must_use]
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_owned(),
            best: None,
            every_steps: None,
        }
    }

    /// Keeps the best epoch too.
    #[must_use]
    pub fn best(mut self, goal: Goal) -> Self {
        self.best = Some(goal);
        self
    }

    /// Saves every `steps` steps too.
    #[must_use]
    pub fn every_steps(mut self, steps: u64) -> Self {
        self.every_steps = Some(steps.max(1));
        self
    }
}

impl Callback for Checkpoints {
    fn step(&mut self, moment: &Moment<'_>) -> Result<()> {
        if self
            .every_steps
            .is_some_and(|steps| moment.step().is_multiple_of(steps))
        {
            moment.snapshot().save(&self.folder)?;
        }
        Ok(())
    }

    fn epoch(&mut self, moment: &Moment<'_>) -> Result<Control> {
        let snapshot = moment.snapshot();
        snapshot.save(&self.folder)?;
        if let Some(goal) = &self.best
            && goal.best(moment.history())? == moment.history().len().checked_sub(1)
        {
            snapshot.save_best(&self.folder)?;
        }
        Ok(Control::Continue)
    }

    fn interrupted(&mut self, moment: &Moment<'_>) -> Result<()> {
        moment.snapshot().save(&self.folder)
    }
}
