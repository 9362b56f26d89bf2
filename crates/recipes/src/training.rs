//! What all trainings have in common: checkpoints and logs, going on where one stopped, and what the report says of it.

use crate::cost::{Meter, Spent};
use crate::recipe::Job;
use crate::run::Run;
use eras_nn::Module;
use eras_report::{Chart, Headline, Section, Series, format};
use eras_tensor::{Error, Result};
use eras_train::{Callback, Checkpoints, Goal, History, JsonLog, Snapshot};

/// What a training begins with.
pub(crate) struct Begun {
    /// The job's observers, the log, the checkpoints.
    pub(crate) callbacks: Vec<Box<dyn Callback>>,
    /// Where it goes on, if it does.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) meter: Meter,
}

/// Prepares a training that keeps its `best` epoch too, and saves every so many steps, 0 for never.
pub(crate) fn begin(job: &mut Job<'_>, best: Option<Goal>, checkpoint_steps: u64) -> Result<Begun> {
    let (run, folder) = (job.run, job.run.checkpoints());
    let mut checkpoints = Checkpoints::new(&folder);
    if let Some(best) = best {
        checkpoints = checkpoints.best(best);
    }
    if checkpoint_steps > 0 {
        checkpoints = checkpoints.every_steps(checkpoint_steps);
    }
    let mut callbacks = std::mem::take(&mut job.observers);
    callbacks.push(Box::new(JsonLog::new(run.folder().join("metrics.jsonl"))));
    callbacks.push(Box::new(checkpoints));

    let meter = Meter::start(job.resume);
    let saved = job.resume && Snapshot::any(&folder);
    if job.resume && !saved {
        (job.say)("there is no checkpoint yet: beginning anew");
    }
    let snapshot = saved.then(|| {
        let (snapshot, damaged) = Snapshot::load_latest(&folder)?;
        if let Some(error) = damaged {
            (job.say)(&format!("passed over a damaged checkpoint: {error}"));
        }
        (job.say)(&format!(
            "going on after epoch {}, step {}",
            snapshot.epoch(),
            snapshot.step()
        ));
        Ok::<_, Error>(snapshot)
    });
    Ok(Begun {
        callbacks,
        snapshot: snapshot.transpose()?,
        meter,
    })
}

/// Puts the weights of the run's latest checkpoint into `model`.
pub(crate) fn load(model: &mut dyn Module, run: &Run) -> Result<()> {
    let (snapshot, _) = run.snapshot()?;
    model
        .load_state(&snapshot.weights())
        .map_err(|e| e.at(run.folder()))
}

/// An interruption says how to go on.
pub(crate) fn how_to_go_on(error: Error, run: &Run) -> Error {
    if !error.is_interrupted() {
        return error;
    }
    let folder = run.folder().display();
    error.context(format!(
        "stopped and saved; go on with `eras train {folder} --resume`"
    ))
}

/// How long it waited for data.
pub(crate) fn waiting(history: &History) -> Headline {
    Headline::new("waiting for data", format::percent(history.waiting()))
        .note("of the time; the next batch was not ready")
}

/// What a report says of a training that is no classification.
pub(crate) struct Trained<'a> {
    pub(crate) history: &'a History,
    pub(crate) spent: Spent,
    /// Of the weights.
    pub(crate) sha256: String,
    /// The charts to draw: a title, and the numbers of an epoch with the names of their lines.
    pub(crate) curves: &'a [(&'a str, &'a [(&'a str, &'a str)])],
}

impl Trained<'_> {
    pub(crate) fn headlines(&self) -> Vec<Headline> {
        let epochs = &self.history.epochs;
        let seconds = epochs.iter().map(|epoch| epoch.seconds).sum();
        let fastest = epochs.iter().map(|epoch| epoch.samples_per_second);
        let speed = format::count(fastest.fold(0.0, f64::max) as u64);
        let mut all = vec![
            Headline::new("training time", format::seconds(seconds))
                .note(format!("{} epochs", epochs.len())),
            Headline::new("fastest epoch", format!("{speed} samples/s")),
            waiting(self.history),
        ];
        all.extend(self.spent.headlines());
        all
    }

    pub(crate) fn section(&self) -> Section {
        let charts = self.curves.iter().map(|(title, lines)| {
            let chart = Chart::new(*title).x_label("epoch");
            lines.iter().fold(chart, |chart, (label, name)| {
                chart.series(Series::by_epoch(*label, &self.history.series(name)))
            })
        });
        charts.fold(Section::new("Training"), Section::chart)
    }
}
