//! `eras list` and `eras data`.

use crate::args::Format;
use crate::output;
use eras_data::{Place, Search, catalog};
use eras_recipes::Results;
use eras_report::format;
use eras_tensor::{Error, Result, nearest};
use serde_json::json;
use std::io::{IsTerminal, stdout};
use std::path::Path;

/// Every recipe of every era.
pub(crate) fn list(format: Format) -> Result<()> {
    let mut era = None;
    // What was last reproduced here, if that is known.
    let results = Results::read(Path::new("RESULTS.md")).unwrap_or_else(|error| {
        eprintln!("{error}");
        Results::default()
    });
    for recipe in eras_recipes::ALL {
        let card = recipe.card();
        if format == Format::Json {
            output::json(&json!({
                "name": card.name, "title": card.title, "era": card.era.to_string(), "year": card.year(),
                "paper": card.paper, "data": card.data, "promise": card.promise, "settings": recipe.defaults(),
                "results": results.of(card.name).map(|row| json!({
                    "promise": row.promise, "found": row.found, "kept": row.is_kept, "date": row.date,
                })).collect::<Vec<_>>(),
            }));
            continue;
        }
        if era != Some(card.era) {
            let gap = if era.is_some() { "\n" } else { "" };
            output::line(&format!("{gap}Era {}", card.era));
            era = Some(card.era);
        }
        let year = card
            .year()
            .map_or_else(String::new, |year| format!("{year}  "));
        let name = format!("{}  ", card.name); // a long one, too, keeps its distance
        output::line(&format!("\n  {name:<17}{year}{}", card.title));
        let defaults: Vec<String> = recipe
            .defaults()
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        for (what, text) in [
            ("paper", card.paper),
            ("data", card.data),
            ("promise", card.promise),
            ("settings", &defaults.join(" ")),
        ] {
            entry(what, text);
        }
        for row in results.of(card.name) {
            let kept = if row.is_kept { "kept" } else { "broken" };
            let text = format!("{}: {}, {kept} on {}", row.promise, row.found, row.date);
            entry("result", &text);
        }
        let promises = !recipe.promises().is_empty();
        if promises && results.of(card.name).next().is_none() {
            let text = format!("none here yet: eras reproduce {}", card.name);
            entry("result", &text);
        }
    }
    Ok(())
}

/// A line of what a recipe is, on a terminal as many as it takes.
fn entry(what: &str, text: &str) {
    const INDENT: usize = 29;
    let width = if stdout().is_terminal() {
        output::WIDTH - INDENT
    } else {
        usize::MAX
    };
    for (i, line) in output::wrapped(text, width).iter().enumerate() {
        let what = if i == 0 { what } else { "" };
        output::line(&format!("  {:<17}{what:<9} {line}", ""));
    }
}

/// What data sets there are, and where they are found.
pub(crate) fn data(format: Format) -> Result<()> {
    let search = Search::from_env();
    for known in catalog::all() {
        let place = match search.local(known) {
            Ok(Some(found)) => match found.place {
                Place::Folder(path) => path.display().to_string(),
                Place::Embedded => "built in".to_owned(),
            },
            Ok(None) => format!("not here; get it with `eras data get {}`", known.name),
            Err(error) => format!("unusable: {error}"),
        };
        if format == Format::Json {
            output::json(&json!({
                "name": known.name, "what": known.what, "bytes": known.bytes(), "paper": known.paper,
                "licence": known.licence, "home": known.home, "place": place,
            }));
            continue;
        }
        output::line(&format!(
            "{:<15}{} ({})",
            known.name,
            known.what,
            format::bytes(known.bytes())
        ));
        for (what, text) in [
            ("paper", known.paper),
            ("licence", known.licence),
            ("home", known.home),
            ("place", &place),
        ] {
            output::line(&format!("{:<15}{what:<8} {text}", ""));
        }
    }
    Ok(())
}

/// Downloads a data set into the cache, unless it is on this machine.
pub(crate) fn get(name: &str) -> Result<()> {
    let all = catalog::all();
    let Some(known) = all.iter().find(|known| known.name == name) else {
        let names: Vec<&str> = all.iter().map(|known| known.name).collect();
        return Err(Error::usage(format!(
            "there is no data set `{name}`; {}",
            nearest(name, &names)
        )));
    };
    let mut last = String::new();
    let found = Search::from_env().find(known, &mut |file, bytes| {
        if file != last {
            last = file.to_owned();
            eprintln!("downloading {file} ..");
        }
        let _ = bytes;
    })?;
    match found.place {
        Place::Folder(path) => output::line(&format!("{name} is in {}", path.display())),
        Place::Embedded => output::line(&format!("{name} is built in")),
    }
    Ok(())
}
