//! `eras train`.

use crate::args::{Format, TrainArgs};
use crate::output;
use crate::progress::Progress;
use eras_recipes::{Config, Job, Origin, Outcome, Prepared, Recipe, Run, settings};
use eras_report::{Curve, format};
use eras_tensor::{Error, Result};
use eras_train::{LrSearch, Snapshot, json_object};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where runs go unless a folder is named.
pub(crate) const RUNS: &str = "runs";

/// Trains a recipe, repeats a configuration, or goes on with a run.
pub(crate) fn train(args: &TrainArgs) -> Result<()> {
    let (recipe, mut config, resumed) = plan(args)?;
    eras_tensor::set_threads(config.threads);
    eprintln!("{}: preparing ..", config.recipe);
    let mut prepared = recipe.prepare(&config)?;
    let found = prepared.data_sha256();
    if let Some(difference) = config.data_sha256.difference(&found) {
        if resumed.is_some() {
            return Err(Error::usage(format!(
                "{difference}; a run goes on with the data that it began with"
            )));
        }
        eprintln!("not the data of {}: {difference}", args.what);
    }
    config.data_sha256 = found;
    let goes_on = resumed
        .as_ref()
        .is_some_and(|run| Snapshot::any(&run.checkpoints()));
    if let Some(origin) = &mut config.weights
        && !goes_on
    {
        begin_with(origin, &mut *prepared, resumed.is_some(), &args.what)?;
    }
    if let Some(origin) = &mut config.from {
        match prepared.origin_sha256().map(str::to_owned) {
            Some(found) => remember(origin, found, resumed.is_some(), &args.what)?,
            None if goes_on => (),
            None => begin_from(origin, &mut *prepared, resumed.is_some(), &args.what)?,
        }
    }
    if args.find_lr {
        tell_rates(&prepared.find_lr()?, args.format);
        return Ok(());
    }
    let estimate = prepared.estimate()?;
    if args.dry_run {
        match (args.format, estimate) {
            (Format::Json, Some(estimate)) => output::json(&estimate.entries().into()),
            (Format::Text, Some(estimate)) => output::line(&estimate.to_string()),
            (_, None) => {
                eprintln!("`{}` is an experiment: nothing to estimate", config.recipe);
            }
        }
        return Ok(());
    }
    if let Some(estimate) = estimate {
        eprintln!("{estimate}");
    }
    let run = match resumed {
        Some(mut run) => {
            if config != *run.config() && goes_on {
                check_change(&run, &config, &mut *prepared)?;
            }
            run.set_config(config)?;
            run
        }
        None => match &args.out {
            Some(folder) => Run::create(folder, config)?,
            None => Run::create_next(Path::new(RUNS), recipe.card().name, config)?,
        },
    };
    eprintln!("run folder: {}", run.folder().display());
    let stop = on_interrupt(Some(STOPPING))?;
    let outcome = carry_out(prepared, &run, args.resume, args.format, stop)?;
    let folder = run.folder().display();
    if args.format == Format::Json {
        let mut done = vec![("event".to_owned(), Value::from("done"))];
        let numbers = outcome.measured.iter();
        done.extend(numbers.map(|number| (number.name.clone(), number.value.into())));
        done.push(("seconds".into(), outcome.seconds.into()));
        done.push(("run".into(), folder.to_string().into()));
        output::line(&json_object(done));
        return Ok(());
    }
    let mut lines: Vec<(String, String)> = Vec::new();
    for number in &outcome.measured {
        lines.push((
            number.name.replace('_', " "),
            number.unit.text(number.value),
        ));
    }
    lines.push(("trained in".into(), format::seconds(outcome.seconds)));
    lines.push(("report".into(), format!("{folder}/report.html")));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, text) in lines {
        output::line(&format!("{name:<width$}  {text}"));
    }
    Ok(())
}

/// Refuses settings that a run cannot go on with, before they are written down: with other weights, or none that are left
/// to be trained.
fn check_change(run: &Run, config: &Config, prepared: &mut dyn Prepared) -> Result<()> {
    let (snapshot, _) = Snapshot::load_latest(&run.checkpoints())?;
    prepared.begin_with(&snapshot.weights()).map_err(|e| {
        e.at(run.folder())
            .context("the run cannot go on with these settings, and stays as it was")
    })?;
    let epochs = config.settings.get("epochs").and_then(|n| n.as_integer());
    let done = snapshot.epoch() as i64;
    match epochs {
        Some(epochs) if epochs <= done => Err(Error::usage(format!(
            "found {done} epochs done, of {epochs} that are wanted: nothing is left to train with these settings, and the run \
             stays as it was (more --epochs go on)"
        ))
        .at(run.folder())),
        _ => Ok(()),
    }
}

/// Trains in the folder of `run`, and shows how it goes.
pub(crate) fn carry_out(
    prepared: Box<dyn Prepared>,
    run: &Run,
    resume: bool,
    format: Format,
    stop: Arc<AtomicBool>,
) -> Result<Outcome> {
    let recipe = eras_recipes::find(&run.config().recipe)?;
    let outcome = prepared.train(Job {
        run,
        resume,
        observers: vec![Box::new(Progress::new(format, recipe))],
        stop,
        say: &|text| eprintln!("{text}"),
    })?;
    if let Some(reason) = &outcome.stopped {
        eprintln!("stopped early: {reason}");
    }
    Ok(outcome)
}

/// Says what a search for a learning rate found.
fn tell_rates(search: &LrSearch, format: Format) {
    if format == Format::Json {
        for ((rate, loss), smoothed) in search
            .rates
            .iter()
            .zip(&search.losses)
            .zip(&search.smoothed)
        {
            output::json(
                &json!({ "event": "rate", "lr": rate, "loss": loss, "smoothed": smoothed }),
            );
        }
        output::json(&json!({
            "event": "done", "steepest": search.steepest(), "lowest": search.lowest(),
        }));
        return;
    }
    let name = match (search.rates.first(), search.rates.last()) {
        (Some(first), Some(last)) => format!("loss, lr {first:.0e} to {last:.2}"),
        _ => "loss".to_owned(),
    };
    output::line(
        eras_report::curves(
            &[Curve {
                name: &name,
                values: &search.smoothed,
                format: format::significant,
            }],
            60,
        )
        .trim_end(),
    );
    match (search.steepest(), search.lowest()) {
        (Some(steepest), Some(lowest)) => {
            output::line(&format!(
                "falls most steeply at lr {}; lowest at {}",
                format::significant(steepest),
                format::significant(lowest)
            ));
            output::line(&format!(
                "begin with a rate near the first, as in --set lr={steepest:.1e}, and stay well below the second"
            ));
        }
        _ => output::line("the loss fell at none of these rates"),
    }
}

/// Puts the weights of a file into the model, and writes down what they were.
fn begin_with(
    origin: &mut Origin,
    prepared: &mut dyn Prepared,
    is_resumed: bool,
    what: &str,
) -> Result<()> {
    let file = &origin.file;
    let weights = eras_formats::read(file)?.tensors;
    prepared.begin_with(&weights).map_err(|e| {
        e.at(file)
            .context("the training cannot begin with these weights")
    })?;
    remember(origin, eras_train::hash(&weights), is_resumed, what)
}

/// Puts what fits of a run's weights into the model, says what it was, and writes down what they were.
fn begin_from(
    origin: &mut Origin,
    prepared: &mut dyn Prepared,
    is_resumed: bool,
    what: &str,
) -> Result<()> {
    /// Nobody reads a thousand names.
    const SHOWN: usize = 8;
    let run = Run::open(&origin.file)?;
    let (snapshot, damaged) = Snapshot::load_latest(&run.checkpoints())?;
    if let Some(error) = damaged {
        eprintln!("{error}; the one before it is used");
    }
    let weights = snapshot.weights();
    let fitted = prepared.begin_from(&weights).map_err(|e| {
        e.at(&origin.file)
            .context("the training cannot begin from this run")
    })?;
    let (taken, kept) = (fitted.taken.len(), &fitted.kept);
    eprintln!(
        "{taken} of {} tensors begin as in {}",
        taken + kept.len(),
        origin.file.display()
    );
    for reason in kept.iter().take(SHOWN) {
        eprintln!("  begins anew: {reason}");
    }
    if kept.len() > SHOWN {
        eprintln!("  and {} more", kept.len() - SHOWN);
    }
    if !fitted.unused.is_empty() {
        let shown = fitted.unused.iter().take(SHOWN);
        let shown: Vec<&str> = shown.map(String::as_str).collect();
        eprintln!("  not used: {} ({})", fitted.unused.len(), shown.join(", "));
    }
    remember(origin, eras_train::hash(&weights), is_resumed, what)
}

/// Writes down what the weights were that a training begins with; others than before are told, or refused to a run that
/// goes on.
fn remember(origin: &mut Origin, found: String, is_resumed: bool, what: &str) -> Result<()> {
    if let Some(wanted) = &origin.sha256
        && *wanted != found
    {
        let difference = format!(
            "the weights of `{}` have SHA-256 {found}, but those of the run had {wanted}",
            origin.file.display()
        );
        if is_resumed {
            return Err(Error::usage(difference));
        }
        eprintln!("not the weights of {what}: {difference}");
    }
    origin.sha256 = Some(found);
    Ok(())
}

/// The recipe, its configuration with all changes, and the run that goes on if one does.
fn plan(args: &TrainArgs) -> Result<(&'static dyn Recipe, Config, Option<Run>)> {
    let path = Path::new(&args.what);
    if args.resume {
        let folder = resumed_folder(args)?;
        let run = Run::open_to_write(&folder)?;
        let recipe = eras_recipes::find(&run.config().recipe)?;
        let mut config = run.config().clone();
        change(&mut config, args)?;
        return Ok((recipe, config, Some(run)));
    }
    let (recipe, mut config) = if path.extension().is_some_and(|e| e == "toml")
        || path.components().count() > 1
    {
        if path.is_dir() {
            let hint =
                "is a folder; go on with a run by --resume, or repeat it by naming its config.toml";
            return Err(Error::usage(hint).at(path));
        }
        let config = Config::read(path)?;
        let recipe = eras_recipes::find(&config.recipe)?;
        // Settings that the file does not name keep their defaults; those the recipe does not know are refused.
        let table =
            settings::complete(recipe.defaults(), &config.settings).map_err(|e| e.at(path))?;
        (
            recipe,
            Config {
                settings: table,
                ..config
            },
        )
    } else {
        let recipe = eras_recipes::find(&args.what)?;
        let usual = recipe.defaults();
        let defaults = recipe.defaults_for(args.data.as_deref(), args.from.as_deref())?;
        let others = defaults
            .iter()
            .filter(|(key, value)| usual.get(*key) != Some(*value));
        let others: Vec<String> = others
            .map(|(key, value)| format!("{key} {value}"))
            .collect();
        if !others.is_empty() {
            eprintln!("defaults for this training: {}", others.join(", "));
        }
        (
            recipe,
            Config::new(&args.what, defaults, eras_tensor::threads()),
        )
    };
    change(&mut config, args)?;
    Ok((recipe, config, None))
}

/// Applies what the command line says.
fn change(config: &mut Config, args: &TrainArgs) -> Result<()> {
    for assignment in &args.set {
        settings::assign(&mut config.settings, assignment)?;
    }
    for (key, value) in [
        ("epochs", args.epochs),
        ("batch_size", args.batch_size),
        ("seed", args.seed),
    ] {
        if let Some(value) = value {
            settings::set(&mut config.settings, key, i64::from(value).into())?;
        }
    }
    if let Some(threads) = args.threads {
        config.threads = usize::from(threads);
    }
    if let Some(data) = &args.data {
        let absolute = std::path::absolute(data).map_err(|e| Error::io(data, &e))?;
        config.data = Some(absolute);
    }
    let origin = |path: &PathBuf| {
        let file = std::path::absolute(path).map_err(|e| Error::io(path, &e))?;
        Ok::<_, Error>(Origin { file, sha256: None })
    };
    if let Some(weights) = &args.weights {
        config.weights = Some(origin(weights)?);
    }
    if let Some(run) = &args.from {
        config.from = Some(origin(run)?);
    }
    Ok(())
}

/// The run that --resume means: the folder named, that in --out, or the recipe's latest.
fn resumed_folder(args: &TrainArgs) -> Result<PathBuf> {
    if Path::new(&args.what).is_dir() {
        return Ok(args.what.clone().into());
    }
    if let Some(out) = &args.out {
        return Ok(out.clone());
    }
    let recipe = eras_recipes::find(&args.what)?.card().name;
    let number = |path: PathBuf| {
        let number = path
            .file_name()?
            .to_str()?
            .strip_prefix(recipe)?
            .strip_prefix('-')?
            .parse::<u64>()
            .ok()?;
        Some((number, path))
    };
    let runs = std::fs::read_dir(RUNS)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let latest = runs.filter_map(number).max();
    latest.map(|(_, path)| path).ok_or_else(|| {
        Error::usage(format!(
            "there is no run of `{recipe}` in {RUNS}/ to go on with"
        ))
    })
}

/// What is said to those who stop a training.
pub(crate) const STOPPING: &str =
    "stopping after this step; once more to stop at once without saving";

/// A flag that becomes true at the first SIGINT or SIGTERM, at which something may be said; the second ends the process at
/// once.
pub(crate) fn on_interrupt(says: Option<&'static str>) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        if let Some(says) = says {
            eprintln!("\n{says}");
        }
    };
    ctrlc::set_handler(handler)
        .map_err(|e| Error::new(format!("signals cannot be handled: {e}")))?;
    Ok(stop)
}
