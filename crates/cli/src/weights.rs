//! `eras import` and `eras export`.

use crate::args::{ExportArgs, Format, ImportArgs, NameArgs};
use crate::output;
use eras_formats::names::Pattern;
use eras_formats::{Mapping, Weights};
use eras_recipes::{Run, Writer};
use eras_report::format;
use eras_tensor::{Error, Result, Tensor};
use serde_json::json;
use std::path::Path;

/// Shows what a file of weights holds, or writes it as another kind.
pub(crate) fn import(args: &ImportArgs) -> Result<()> {
    if let Some(out) = &args.out {
        // Before a long reading, not after it.
        eras_formats::Format::of_name(out)?;
    }
    let weights = named(eras_formats::read(&args.file)?, &args.names)?;
    if args.list {
        list(&weights, args.format);
    }
    match &args.out {
        Some(out) => write(&weights, out, args.format),
        None => Ok(()),
    }
}

/// Writes the weights of a run, or its model of texts as a folder.
pub(crate) fn export(args: &ExportArgs) -> Result<()> {
    let path = args.out.to_string_lossy();
    if args.out.is_dir() || args.out.extension().is_none() || path.ends_with('/') {
        return export_folder(args);
    }
    eras_formats::Format::of_name(&args.out)
        .map_err(|error| error.context("a folder that is not there yet ends with `/`"))?;
    let run = Run::open(&args.run)?;
    let run = if args.best { run.at_its_best() } else { run };
    let (snapshot, damaged) = run.snapshot()?;
    if let Some(error) = damaged {
        eprintln!("{error}; the one before it is used");
    }
    let weights = Weights {
        // Programs of Hugging Face want to be told whose names these are.
        notes: vec![("format".to_owned(), "pt".to_owned())],
        ..Weights::new(snapshot.weights())
    };
    write(&named(weights, &args.names)?, &args.out, args.format)
}

/// Writes what `transformers` reads.
fn export_folder(args: &ExportArgs) -> Result<()> {
    if args.names.map.is_some() || !args.names.drop.is_empty() {
        return Err(Error::usage(
            "--map and --drop are for a file of weights, and --out names a folder",
        ));
    }
    let writer = if args.best {
        Writer::read_best(&args.run)?
    } else {
        Writer::read(&args.run)?
    };
    let model = writer.goes_on();
    model
        .map_err(|error| error.at(&args.run))?
        .write_folder(&args.out)?;
    let path = args.out.display();
    if args.format == Format::Json {
        output::json(&json!({"event": "done", "folder": path.to_string()}));
    } else {
        output::line(&format!("the model and its tokenizer are in {path}"));
    }
    Ok(())
}

/// What is left, by the names it shall have.
fn named(weights: Weights, args: &NameArgs) -> Result<Weights> {
    let drop = args.drop.iter().map(|text| Pattern::new(text));
    let weights = weights.without(&drop.collect::<Result<Vec<_>>>()?);
    match &args.map {
        Some(table) => Mapping::read(table)?.apply(weights),
        None => Ok(weights),
    }
}

/// A line for each tensor and each note, then the sum.
fn list(weights: &Weights, format: Format) {
    if format == Format::Json {
        for (name, x) in &weights.tensors {
            output::json(&json!({
                "event": "tensor", "name": name, "dtype": x.dtype().name(), "shape": x.shape(),
                "stored_as": weights.stored_as.get(name).copied().unwrap_or(x.dtype().name()),
            }));
        }
        for (name, text) in &weights.notes {
            output::json(&json!({"event": "note", "name": name, "text": text}));
        }
        return;
    }
    let rows: Vec<[String; 3]> = weights
        .tensors
        .iter()
        .map(|(name, x)| {
            let stored = weights.stored_as.get(name);
            let dtype = stored.map_or_else(
                || x.dtype().to_string(),
                |stored| format!("{} ({stored})", x.dtype()),
            );
            [plain(name), dtype, format!("{:?}", x.shape())]
        })
        .collect();
    // A name that is longer than this pushes its own line out, not those of all others.
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0).min(60)
    };
    let (names, dtypes) = (width(0), width(1));
    for [name, dtype, shape] in &rows {
        output::line(&format!("{name:<names$}  {dtype:<dtypes$}  {shape}"));
    }
    for (name, text) in &weights.notes {
        output::line(&format!("{:<names$}  {}", plain(name), plain(text)));
    }
    let sum: usize = weights.tensors.iter().map(|(_, x)| x.len()).sum();
    output::line(&format!(
        "{} tensors, {} numbers, {}",
        weights.tensors.len(),
        format::count(sum as u64),
        format::bytes(weights.tensors.iter().map(|(_, x)| bytes(x)).sum())
    ));
}

/// Writes and says so.
fn write(weights: &Weights, out: &Path, format: Format) -> Result<()> {
    eras_formats::write(out, weights)?;
    let count = weights.tensors.len();
    let path = out.display();
    if format == Format::Json {
        output::json(&json!({"event": "done", "file": path.to_string(), "tensors": count}));
    } else {
        output::line(&format!("{count} tensors are in {path}"));
    }
    Ok(())
}

fn bytes(x: &Tensor) -> u64 {
    (x.len() * x.dtype().size()) as u64
}

/// A text from a file, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_debug().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}
