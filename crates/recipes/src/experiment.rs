//! What recipes have in common that show an idea: a report with its story, its numbers and its pictures. Most are
//! experiments without batches and checkpoints; others train a model first.

use crate::machine;
use crate::promise::Measured;
use crate::recipe::{Outcome, Recipe};
use crate::run::Run;
use crate::training::Trained;
use eras_report::{Headline, Report, Section, format};
use eras_tensor::Result;
use std::io::Write as _;
use std::time::Instant;

/// What there is to show.
pub(crate) struct Findings {
    pub(crate) measured: Vec<Measured>,
    pub(crate) sections: Vec<Section>,
}

/// Writes the report of an experiment that began at `start`: its story, its numbers, its pictures.
pub(crate) fn finish(
    recipe: &dyn Recipe,
    story: &str,
    run: &Run,
    findings: Findings,
    start: Instant,
) -> Result<Outcome> {
    let outcome = report(recipe, story, run, findings, None, start)?;
    let mut line = Vec::new();
    let numbers = outcome
        .measured
        .iter()
        .map(|number| (number.name.clone(), number.value.into()));
    let event = ("event".to_owned(), "experiment".into());
    let entries = [event].into_iter().chain(numbers);
    writeln!(line, "{}", eras_train::json_object(entries)).expect("memory takes what is written");
    run.write("metrics.jsonl", &line)?;
    Ok(outcome)
}

/// Writes the report of a recipe that began at `start`; what was trained has written its log itself.
pub(crate) fn report(
    recipe: &dyn Recipe,
    story: &str,
    run: &Run,
    findings: Findings,
    trained: Option<Trained<'_>>,
    start: Instant,
) -> Result<Outcome> {
    let Findings { measured, sections } = findings;
    let (card, promises) = (recipe.card(), recipe.promises());
    let seconds = start.elapsed().as_secs_f64();
    let mut page = Report::new(card.title).lead(format!("{}.", card.paper));
    for number in &measured {
        let about = promises
            .iter()
            .filter(|promise| promise.name == number.name);
        let promised: Vec<String> = about.map(ToString::to_string).collect();
        let name = number.name.replace('_', " ");
        let headline = Headline::new(name, number.unit.text(number.value));
        page = page.headline(match promised.as_slice() {
            [] => headline,
            promised => headline.note(format!("promised: {}", promised.join(", "))),
        });
    }
    page = page.headline(Headline::new("time", format::seconds(seconds)));
    if let Some(trained) = &trained {
        for headline in trained.headlines() {
            page = page.headline(headline);
        }
    }
    page = page.section(told(story));
    if let Some(trained) = &trained {
        page = page.section(trained.section());
    }
    for section in sections {
        page = page.section(section);
    }
    page = page.command(format!("eras train {}/config.toml", run.folder().display()));
    for (key, value) in &run.config().settings {
        page = page.setting(key, value.to_string());
    }
    for (name, value) in machine::describe(run.config().threads) {
        page = page.environment(name, value);
    }
    for (name, sha256) in run.config().data_sha256.named() {
        page = page.environment(name, sha256);
    }
    if let Some(trained) = &trained {
        page = page.environment("SHA-256 of the weights", &trained.sha256);
    }
    let page = page.footer(format!("Made by eras {}.", run.config().version));
    run.write("report.html", page.render().as_bytes())?;
    Ok(Outcome {
        measured,
        seconds,
        stopped: trained.and_then(|trained| trained.history.stopped.clone()),
    })
}

/// The story of an idea.
pub(crate) fn told(story: &str) -> Section {
    let paragraphs = paragraphs(story).into_iter();
    paragraphs.fold(Section::new("The idea"), Section::text)
}

/// The paragraphs of a story; its title and the marks of its Markdown are left out.
pub(crate) fn paragraphs(story: &str) -> Vec<String> {
    let parts = story.split("\n\n").filter(|part| !part.starts_with('#'));
    let parts = parts.map(|part| part.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    parts
        .filter(|part| !part.is_empty())
        .map(|part| part.replace("**", "").replace('`', ""))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_told_without_its_marks() {
        let page = Report::new("x").section(told("# Title\n\n**Bold.** `One`\ntwo.\n\nThree.\n"));
        let page = page.render();
        assert!(
            page.contains("<p>Bold. One two.</p>\n<p>Three.</p>"),
            "{page}"
        );
        assert!(!page.contains("Title"));
    }
}
