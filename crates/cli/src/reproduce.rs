//! `eras reproduce`.

use crate::args::{Format, ReproduceArgs};
use crate::output;
use crate::train::{RUNS, STOPPING, carry_out, on_interrupt};
use eras_recipes::{Config, Recipe, Results, Run};
use eras_report::format;
use eras_tensor::{Error, Result};
use serde_json::json;
use std::path::Path;

/// Runs recipes in full with their defaults, and keeps what came in a table.
pub(crate) fn reproduce(args: &ReproduceArgs) -> Result<()> {
    if let Some(threads) = args.threads {
        eras_tensor::set_threads(threads.into());
    }
    let recipes: Vec<&dyn Recipe> = if args.names.is_empty() {
        let all = eras_recipes::ALL.iter().copied();
        all.filter(|recipe| !recipe.promises().is_empty()).collect()
    } else {
        args.names.iter().map(named).collect::<Result<_>>()?
    };
    // A table that cannot be read is better known before the hours than after them.
    Results::read(&args.out)?;
    let (stop, threads) = (on_interrupt(Some(STOPPING))?, eras_tensor::threads());
    let mut broken = Vec::new();
    for recipe in recipes {
        let name = recipe.card().name;
        let mut config = Config::new(name, recipe.defaults(), threads);
        let prepared = recipe.prepare(&config)?;
        config.data_sha256 = prepared.data_sha256();
        let run = Run::create_next(Path::new(RUNS), name, config)?;
        eprintln!("{name}: run folder {}", run.folder().display());
        let outcome = carry_out(prepared, &run, false, args.format, stop.clone())?;

        let promises = recipe.promises();
        let mut results = Results::read(&args.out)?;
        results.put(name, &promises, &outcome, threads);
        results.write(&args.out)?;
        for row in results.of(name) {
            match args.format {
                Format::Json => output::json(&json!({
                    "event": "reproduced", "recipe": name, "promise": row.promise, "found": row.found,
                    "kept": row.is_kept, "seconds": outcome.seconds,
                    "run": run.folder().display().to_string(),
                })),
                Format::Text => output::line(&format!(
                    "{name:<10} {}: {}, {} in {}",
                    row.promise,
                    row.found,
                    if row.is_kept { "kept" } else { "BROKEN" },
                    format::seconds(outcome.seconds)
                )),
            }
        }
        if results.of(name).any(|row| !row.is_kept) {
            broken.push(name);
        }
    }
    eprintln!("table: {}", args.out.display());
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::new(format!(
        "promises were broken by {}",
        broken.join(", ")
    )))
}

/// The recipe called `name`, if it promises anything.
fn named(name: &String) -> Result<&'static dyn Recipe> {
    let recipe = eras_recipes::find(name)?;
    if recipe.promises().is_empty() {
        return Err(Error::usage(format!(
            "`{name}` promises nothing that could be reproduced: see `eras train {name}`"
        )));
    }
    Ok(recipe)
}
