//! The training loop.

use super::{Averaging, Clip, NonFinite, Trainer};
use crate::callback::{Callbacks, Moment};
use crate::checkpoint::{Position, Snapshot};
use crate::clock::{Clock, counted};
use crate::objective::Objective;
use crate::score::{Epoch, History};
use crate::totals::{Counted, Measure};
use eras_data::{Batch, Dataset, Loader};
use eras_nn::{
    Average, Buffers, Mode, Module, Optimizer, clip_by_global_norm, clip_by_value,
    first_non_finite, global_norm,
};
use eras_tensor::{Error, Gradients, Result, Rng, Tensor, no_grad};
use std::sync::atomic::Ordering;

/// How many steps in a row may be skipped.
const SKIPS: u64 = 100;
/// How often a training may go back.
const ROLL_BACKS: u64 = 10;

impl Trainer {
    /// The loop.
    pub(super) fn run<M: Module>(
        &self,
        objective: &impl Objective<M>,
        model: &mut M,
        train: &dyn Dataset,
        valid: Option<&dyn Dataset>,
        from: Option<&Snapshot>,
    ) -> Result<History> {
        let mut training = Training::begin(self, objective, model, train, from)?;
        let mut callbacks = Callbacks::lock(&self.callbacks);
        callbacks.start(&training.at.history)?;
        let mut stopped = None;

        while training.at.epoch < self.epochs && stopped.is_none() {
            let clock = Clock::start(training.at.seconds);
            training.begin_epoch();
            while let Some(batches) = training.next_batches()? {
                let mut pass = training.forward_and_backward(batches);
                if pass.is_finite() {
                    training.update(&mut pass);
                } else {
                    callbacks.notice(&training.overcome(&pass)?)?;
                }
                training.at.seconds = clock.seconds();
                let moment = training.moment(pass.loss);
                callbacks.step(&moment)?;
                if self.is_to_stop() {
                    return callbacks.stop_here(&moment);
                }
            }
            training.finish_epoch(valid, &clock)?;
            stopped = callbacks.epoch(&training.moment(f64::NAN))?;
        }
        let history = training.end(stopped);
        callbacks.end(&history)?;
        Ok(history)
    }

    fn is_to_stop(&self) -> bool {
        let flag = self.stop.as_ref();
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

/// A training under way.
pub(super) struct Training<'a, M, O> {
    trainer: &'a Trainer,
    objective: &'a O,
    /// All that is reported beside the loss.
    measures: Vec<Measure<'a>>,
    model: &'a mut M,
    optimizer: Box<dyn Optimizer>,
    average: Option<Average>,
    pub(super) loader: Loader<'a>,
    at: Position,
    /// The learning rate before the schedule, which is multiplied to it at each step.
    lr: f64,
    /// Where to go back to, if that may happen.
    anchor: Option<Snapshot>,
}

/// What came of one pass, forward and backward.
pub(super) struct Pass {
    batches: Vec<Trained>,
    pub(super) loss: f64,
    grads: Gradients,
    /// Of all gradients together.
    norm: f64,
    /// The model's before the pass, if they may be wanted.
    buffers: Option<Buffers>,
}

/// One batch of a pass.
struct Trained {
    batch: Batch,
    output: Option<Tensor>,
    numbers: Vec<f64>,
    loss: f64,
}

impl Pass {
    pub(super) fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.norm.is_finite()
    }
}

impl<'a, M: Module, O: Objective<M>> Training<'a, M, O> {
    pub(super) fn begin(
        trainer: &'a Trainer,
        objective: &'a O,
        model: &'a mut M,
        train: &'a dyn Dataset,
        from: Option<&Snapshot>,
    ) -> Result<Self> {
        let mut loader = trainer.epoch_of(train)?;
        let mut optimizer = trainer.optimizer.box_clone();
        let mut average = trainer.averaging.map(Averaging::begin);
        let mut at = Position::start(trainer.seed, trainer.batch_size, trainer.accumulate, train);
        if let Some(snapshot) = from {
            at = snapshot.restore(&at, model, &mut optimizer, average.as_mut())?;
            loader.seek(eras_data::Position {
                epoch: at.epoch as u64,
                batch: at.batch,
            })?;
        }
        let (lr, anchor) = (trainer.optimizer.lr(), None);
        Ok(Self {
            trainer,
            objective,
            measures: trainer.measures(objective),
            model,
            optimizer,
            average,
            loader,
            at,
            lr,
            anchor,
        })
    }

    fn begin_epoch(&mut self) {
        let plateau = self.trainer.plateau.as_ref();
        let plateau = plateau.map_or(1.0, |plateau| plateau.reduced(&self.at.history));
        self.lr = self.trainer.optimizer.lr() * plateau;
        if let NonFinite::RollBack { .. } = self.trainer.non_finite {
            self.anchor = Some(self.snapshot());
        }
    }

    /// The batches of the next step; `None` at the end of the epoch.
    pub(super) fn next_batches(&mut self) -> Result<Option<Vec<Batch>>> {
        let mut seconds = 0.0;
        let batches = counted(&mut seconds, || self.make_batches());
        self.at.waiting += seconds;
        batches
    }

    fn make_batches(&mut self) -> Result<Option<Vec<Batch>>> {
        let left = self.loader.batches() - self.at.batch;
        let mut batches = Vec::new();
        for i in 0..self.trainer.accumulate.min(left).max(1) {
            // The loader says once that an epoch is over, and then begins the next.
            let Some(batch) = self.loader.next_batch()? else {
                return Ok(None);
            };
            batches.push(match &self.trainer.augment {
                Some(augment) => augment(batch, &mut self.augmenting(i)),
                None => batch,
            });
        }
        Ok(Some(batches))
    }

    /// The random stream of changes to batch `i` of the step.
    fn augmenting(&self, i: usize) -> Rng {
        /// No stream of [`Mode`] or of the loader.
        const STREAM: u64 = 1 << 48;
        Rng::at(
            self.trainer.seed,
            STREAM,
            self.at.pass(self.trainer.accumulate, i) << 32,
        )
    }

    /// The gradients of the mean loss over the samples of all batches.
    pub(super) fn forward_and_backward(&self, batches: Vec<Batch>) -> Pass {
        let may_be_undone = self.trainer.non_finite != NonFinite::Stop;
        let buffers = may_be_undone.then(|| Buffers::of(self.model));
        let count = |batch: &Batch| self.objective.count(batch);
        let all: usize = batches.iter().map(count).sum();
        let (mut trained, mut grads, mut mean) = (Vec::new(), Gradients::default(), 0.0);
        for (i, batch) in batches.into_iter().enumerate() {
            let of = self
                .trainer
                .forward(self.objective, self.model, &batch, &self.mode(i));
            let loss = of.loss;
            let share = count(&batch) as f64 / all as f64;
            grads.add(loss.backward_with(&Tensor::full(loss.shape(), share, loss.dtype())));
            mean += share * loss.item();
            trained.push(Trained {
                output: of.output.map(|output| output.detach()),
                numbers: of.numbers,
                loss: loss.item(),
                batch,
            });
        }
        Pass {
            batches: trained,
            loss: mean,
            norm: global_norm(&grads),
            grads,
            buffers,
        }
    }

    /// Training, with the random stream of batch `i` of the step.
    fn mode(&self, i: usize) -> Mode {
        Mode::train(self.trainer.seed, self.at.pass(self.trainer.accumulate, i))
    }

    /// One step of the optimizer, as the schedule wants it.
    pub(super) fn update(&mut self, pass: &mut Pass) {
        self.update_at(pass, self.rate(self.at.step));
    }

    /// One step of the optimizer at this learning rate.
    pub(super) fn update_at(&mut self, pass: &mut Pass, lr: f64) {
        let grads = &mut pass.grads;
        match self.trainer.clip {
            Some(Clip::Value(limit)) => clip_by_value(grads, limit),
            Some(Clip::GlobalNorm(limit)) => _ = clip_by_global_norm(grads, limit),
            None => {}
        }
        self.optimizer.set_lr(lr);
        self.optimizer.step(self.model, grads);
        if let (Some(Averaging::Steps { .. }), Some(average)) =
            (self.trainer.averaging, &mut self.average)
        {
            average.update(self.model);
        }
        for trained in &pass.batches {
            let counted = Counted {
                samples: self.objective.count(&trained.batch),
                mean_loss: trained.loss,
                numbers: &trained.numbers,
                output: trained.output.as_ref(),
                y: &trained.batch.y,
            };
            self.at.totals.add(&counted, &self.measures);
        }
        self.at.skipped = 0;
        self.at.advance(pass.batches.len());
    }

    /// The learning rate of a step of this epoch.
    fn rate(&self, step: u64) -> f64 {
        let schedule = self.trainer.schedule.as_ref();
        let factor = schedule.map_or(1.0, |schedule| schedule.factor(step));
        self.lr * factor * self.at.lr_scale
    }

    /// Goes on after a pass that gave no numbers, as the policy wants it; says what was done.
    fn overcome(&mut self, pass: &Pass) -> Result<String> {
        let (step, epoch) = (self.at.step + 1, self.at.epoch + 1);
        let what = format!("step {step} (epoch {epoch}): {}", self.diagnose(pass));
        let stop = |why: &str| {
            let lr = self.rate(self.at.step);
            Error::diverged(format!(
                "{what}: the training has diverged{why}; a smaller learning rate than {lr} may help"
            ))
        };
        match self.trainer.non_finite {
            NonFinite::Stop => return Err(stop("")),
            NonFinite::Skip if self.at.skipped >= SKIPS => {
                return Err(stop(&format!(", {SKIPS} steps in a row were skipped")));
            }
            NonFinite::RollBack { .. } if self.at.roll_backs >= ROLL_BACKS => {
                return Err(stop(&format!(", it went back {ROLL_BACKS} times")));
            }
            NonFinite::Skip | NonFinite::RollBack { .. } => {}
        }
        if let Some(buffers) = &pass.buffers {
            buffers.clone().restore(self.model);
        }
        let mut done = "the step was skipped".to_owned();
        if let (NonFinite::RollBack { lr_scale }, Some(anchor)) =
            (self.trainer.non_finite, &self.anchor)
        {
            anchor.restore_weights(self.model, &mut self.optimizer, self.average.as_mut())?;
            self.at.lr_scale *= lr_scale;
            self.at.roll_backs += 1;
            done = format!(
                "the weights went back to step {}, the learning rate is multiplied by {}",
                anchor.step(),
                self.at.lr_scale
            );
        } else {
            self.at.skipped += 1;
        }
        self.at.advance(pass.batches.len());
        Ok(format!("{what}; {done}"))
    }

    /// Where the first thing that is no number arose.
    fn diagnose(&self, pass: &Pass) -> String {
        let finite = |x: &Tensor| !x.dtype().is_float() || x.is_finite().all(..).item() == 1.0;
        for (
            i,
            Trained {
                batch,
                output,
                loss,
                ..
            },
        ) in pass.batches.iter().enumerate()
        {
            if loss.is_finite() {
                continue;
            }
            if !finite(&batch.x) {
                return format!("the loss is {loss}: the batch itself holds NaN or infinity");
            }
            if output.as_ref().is_some_and(finite) {
                return format!("the loss is {loss}, though the model's outputs are numbers");
            }
            let layer = no_grad(|| {
                let (objective, mode) = (self.objective, self.mode(i));
                let forward = || self.trainer.forward(objective, self.model, batch, &mode);
                first_non_finite(self.model, forward)
            });
            return layer.map_or_else(
                || match output {
                    Some(_) => format!("the loss is {loss}, and so are outputs of the model"),
                    None => format!("the loss is {loss}, though the layers gave numbers"),
                },
                |layer| {
                    format!(
                        "the loss is {loss}: the first result that is no number is that of {layer}"
                    )
                },
            );
        }
        // Backward goes from the last layer to the first.
        let mut first = None;
        self.model.for_each_param(&mut |name, param| {
            if pass.grads.get(param).is_some_and(|g| !finite(g)) {
                first = Some(name.to_owned());
            }
        });
        match first {
            Some(name) => format!(
                "the loss is {}, but the gradient of `{name}` is no number",
                pass.loss
            ),
            None => format!("the loss is {}, but its gradients overflow", pass.loss),
        }
    }

    /// Begins the next epoch without an end of this one.
    pub(super) fn begin_next_epoch(&mut self) {
        self.at.begin_next_epoch();
    }

    fn finish_epoch(&mut self, valid: Option<&dyn Dataset>, clock: &Clock) -> Result<()> {
        let trained = clock.seconds();
        let (trainer, epoch) = (self.trainer, self.at.epoch + 1);
        if let (Some(Averaging::Epochs { from }), Some(average)) =
            (trainer.averaging, &mut self.average)
            && epoch >= from
        {
            average.update(self.model);
        }
        self.swap_average();
        let score = valid.map(|valid| trainer.measure(self.objective, self.model, valid));
        self.swap_average();
        self.at.history.push(Epoch {
            epoch,
            train: self.at.totals.score(&self.measures),
            valid: score.transpose()?,
            lr: self.rate(self.at.step.saturating_sub(1)),
            seconds: clock.seconds(),
            samples_per_second: self.loader.samples() as f64 / trained,
            waiting: self.at.waiting,
        });
        self.at.begin_next_epoch();
        Ok(())
    }

    /// Exchanges weights and averaged weights, if there are any.
    fn swap_average(&mut self) {
        if let Some(average) = &mut self.average {
            average.swap(self.model);
        }
    }

    fn end(mut self, stopped: Option<String>) -> History {
        self.swap_average();
        History {
            epochs: self.at.history,
            stopped,
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.at, self.model, &self.optimizer, self.average.as_ref())
    }

    fn moment(&self, loss: f64) -> Moment<'_> {
        Moment {
            at: &self.at,
            epochs: self.trainer.epochs,
            batches: self.loader.batches(),
            loss,
            measures: &self.measures,
            optimizer: &self.optimizer,
            average: self.average.as_ref(),
            model: self.model,
        }
    }
}
