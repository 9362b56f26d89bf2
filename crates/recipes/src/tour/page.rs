//! The page of a tour, with all its pictures.

use super::{Figure, STOPS, Sight, Told, View};
use crate::experiment::paragraphs;
use crate::machine;
use eras_report::{Headline, Report, Section, Shown, format};

/// All that was told, on one self-contained page.
#[must_use]
pub fn page(told: &[Told], seed: u64) -> String {
    let seconds: f64 = told.iter().map(|told| told.seconds).sum();
    let years = told.iter().map(|told| told.stop.year);
    let span = match (years.clone().min(), years.max()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(only), _) => only.to_string(),
        _ => "–".to_owned(),
    };
    let mut page = Report::new("A tour of the eras")
        .lead("Each idea as it was, trained on this machine for this page; where it ended; and the idea that led on.")
        .headline(Headline::new("years", span))
        .headline(Headline::new("stops", told.len().to_string()))
        .headline(Headline::new("time", format::seconds(seconds)));
    for told in told {
        page = page.section(section(told));
    }
    let mut command = format!("eras tour --seed {seed}");
    if told.len() < STOPS.len() {
        let names = told.iter().map(|told| told.stop.name);
        command = format!("{command} --only {}", names.collect::<Vec<_>>().join(" "));
    }
    page = page.command(command).setting("seed", seed.to_string());
    for (name, value) in machine::describe(eras_tensor::threads()) {
        page = page.environment(name, value);
    }
    let version = env!("CARGO_PKG_VERSION");
    page.footer(format!("Made by eras {version}.")).render()
}

/// A stop with its story around what was seen there.
fn section(told: &Told) -> Section {
    let stop = told.stop;
    let mut section = Section::new(stop.title).note(format!("{}. Era {}", stop.year, stop.era));
    let story = paragraphs(stop.story);
    let (before, after) = match story.as_slice() {
        [was, mattered, stopped, next] => ([was, mattered].to_vec(), [stopped, next].to_vec()),
        _ => (Vec::new(), Vec::new()),
    };
    section = if before.is_empty() {
        section.text(stop.idea)
    } else {
        before.into_iter().fold(section, Section::text)
    };
    for sight in &told.sights {
        section = match sight {
            Sight::Text(text) => section.text(text),
            Sight::Key(_) => section,
            Sight::Views(views) => views_of(section, views),
        };
    }
    section = section.text(format!("Its limit. {}", told.limit));
    if after.is_empty() {
        section.text(format!("What came next. {}", stop.next))
    } else {
        after.into_iter().fold(section, Section::text)
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// Pictures as one gallery, all else one below the other.
fn views_of(mut section: Section, views: &[View]) -> Section {
    let mut pictures = Vec::new();
    for view in views {
        section = match &view.figure {
            Figure::Picture(picture) => {
                pictures.push(Shown {
                    picture: picture.clone(),
                    caption: view.caption.clone(),
                    detail: String::new(),
                });
                section
            }
            Figure::Chart(chart) => section.chart(chart.clone()),
            Figure::Diagram(diagram) => section.diagram(diagram.clone()),
            Figure::Heat(heat) => section
                .text(format!("{}:", capital(&view.caption)))
                .heats([heat.clone()]),
            Figure::Table(table) => section
                .text(format!("{}:", capital(&view.caption)))
                .table(table.clone()),
        };
    }
    section.pictures(pictures)
}
