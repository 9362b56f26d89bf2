//! What tests of recipes have in common: small trainings, stopped and gone on with.

use crate::cost::Estimate;
use crate::recipe::{Job, Outcome, Prepared, Recipe};
use crate::run::{Config, Run};
use crate::settings;
use eras_tensor::Result;
use eras_train::{Callback, Moment, Snapshot};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raises the flag after a step.
struct StopAfter(u64, Arc<AtomicBool>);

impl Callback for StopAfter {
    fn step(&mut self, moment: &Moment<'_>) -> Result<()> {
        if moment.step() == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Trains `recipe` with these settings in `folder`, or goes on there, until it is over or `stop` steps were made.
pub(crate) fn train(
    recipe: &dyn Recipe,
    assignments: &[&str],
    folder: &Path,
    stop: Option<u64>,
    resume: bool,
) -> Result<Outcome> {
    train_on(recipe, assignments, None, folder, stop, resume)
}

/// As [`train`], on the data at `data`.
pub(crate) fn train_on(
    recipe: &dyn Recipe,
    assignments: &[&str],
    data: Option<&Path>,
    folder: &Path,
    stop: Option<u64>,
    resume: bool,
) -> Result<Outcome> {
    let mut config = config(recipe, assignments)?;
    config.data = data.map(Path::to_owned);
    let prepared = recipe.prepare(&config)?;
    let run = if resume {
        Run::open_to_write(folder)?
    } else {
        Run::create(folder, config)?
    };
    carry_out(prepared, &run, stop, resume)
}

/// What the training of `recipe` with these settings is said to cost, and then the training itself, in `folder`.
pub(crate) fn train_estimated(
    recipe: &dyn Recipe,
    assignments: &[&str],
    folder: &Path,
) -> Result<Option<Estimate>> {
    let config = config(recipe, assignments)?;
    let mut prepared = recipe.prepare(&config)?;
    let estimate = prepared.estimate()?;
    carry_out(prepared, &Run::create(folder, config)?, None, false)?;
    Ok(estimate)
}

/// The configuration of `recipe` with these settings.
pub(crate) fn config(recipe: &dyn Recipe, assignments: &[&str]) -> Result<Config> {
    let mut settings = recipe.defaults();
    for assignment in assignments {
        settings::assign(&mut settings, assignment)?;
    }
    let name = recipe.card().name;
    Ok(Config::new(name, settings, eras_tensor::threads()))
}

/// Trains in the folder of `run`, or goes on there, until it is over or `stop` steps were made.
pub(crate) fn carry_out(
    prepared: Box<dyn Prepared>,
    run: &Run,
    stop: Option<u64>,
    resume: bool,
) -> Result<Outcome> {
    let flag = Arc::new(AtomicBool::new(false));
    let stop = stop.map(|step| Box::new(StopAfter(step, flag.clone())) as Box<dyn Callback>);
    prepared.train(Job {
        run,
        resume,
        observers: stop.into_iter().collect(),
        stop: flag,
        say: &|_| (),
    })
}

/// The hash of the weights of the latest checkpoint.
pub(crate) fn weights(folder: &Path) -> String {
    let (snapshot, _) = Snapshot::load_latest(&folder.join("checkpoints")).unwrap();
    eras_train::hash(&snapshot.weights())
}

/// A folder that is not there yet.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("eras-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}
