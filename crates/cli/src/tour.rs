//! `eras tour`.

use crate::args::{Format, TourArgs};
use crate::output::{self, WIDTH, wrapped};
use crate::train::on_interrupt;
use eras_formats::files::{replace, try_replace};
use eras_recipes::tour::{
    Cell, Drawing, Guide, Ink, STOPS, Sight, Stop, Told, View, choose, page, walk,
};
use eras_recipes::{Era, find};
use eras_report::format;
use eras_tensor::{Error, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write, stdin, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// More than the page of the whole tour: there must be room for it before minutes are spent.
const ROOM: u64 = 2 << 20;

/// Goes to the stops, shows what they show, and leaves a page with all of it.
pub(crate) fn tour(args: &TourArgs) -> Result<()> {
    if let Some(threads) = args.threads {
        eras_tensor::set_threads(threads.into());
    }
    let stops = choose(&args.only, args.from.as_deref())?;
    let unwritten = |error: Error| error.context("the page of the tour cannot be written");
    try_replace(&args.out, ROOM).map_err(unwritten)?;
    // Nothing is said between moving pictures; the error says it once they are gone.
    let stop = on_interrupt(None)?;
    let start = Instant::now();
    if args.format == Format::Text {
        paragraph(
            "A tour of the field, from 1943 on. Each model is trained here and now, and each number is measured. Ctrl-C ends it.",
        );
    }
    let told = match args.format {
        Format::Text => walk(
            &stops,
            args.seed,
            &stop,
            &mut Screen::new(args, stop.clone()),
        ),
        Format::Json => walk(&stops, args.seed, &stop, &mut Lines),
    };
    let told =
        told.map_err(|error| error.context(format!("{} was not written", args.out.display())))?;
    let html = page(&told, args.seed);
    replace(&args.out, |file| file.write_all(html.as_bytes())).map_err(unwritten)?;
    let (seconds, out) = (start.elapsed().as_secs_f64(), args.out.display());
    match args.format {
        Format::Json => output::json(&json!({
            "event": "done", "stops": told.len(), "seconds": seconds, "page": out.to_string(),
        })),
        Format::Text => {
            output::line("");
            output::line(&Colours::of_terminal().heading("The end, so far"));
            paragraph(&format!(
                "{} of {} stops in {}. All pictures, and more of the story, are on one page: {out}",
                told.len(),
                STOPS.len(),
                format::seconds(seconds)
            ));
        }
    }
    Ok(())
}

/// What stands left of texts and pictures.
const INDENT: &str = "  ";
/// Columns between pictures.
const GAP: usize = 2;

/// Tells the story to a person.
struct Screen {
    colours: Colours,
    era: Option<Era>,
    pauses: bool,
    stop: Arc<AtomicBool>,
    live: Live,
}

impl Screen {
    fn new(args: &TourArgs, stop: Arc<AtomicBool>) -> Self {
        Self {
            colours: Colours::of_terminal(),
            era: None,
            pauses: args.pause && stdin().is_terminal() && stdout().is_terminal(),
            stop,
            live: Live::new(),
        }
    }

    /// Waits for Enter; whether it came, and not the end of the input or a signal.
    fn wait(&self) -> bool {
        let (sender, receiver) = channel();
        spawn(move || {
            let mut line = String::new();
            let read = stdin().read_line(&mut line);
            sender.send(read.is_ok_and(|bytes| bytes > 0))
        });
        loop {
            match receiver.recv_timeout(Duration::from_millis(50)) {
                Ok(came) => return came,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => {
                    return false;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Guide for Screen {
    fn arrive(&mut self, stop: &Stop) {
        if self.era != Some(stop.era) {
            self.era = Some(stop.era);
            let heading = format!("Era {}", stop.era);
            output::line("");
            output::line(&self.colours.heading(&heading));
        }
        let title = format!("{}  {}", stop.year, stop.title);
        output::line("");
        output::line(&self.colours.paint(&title, Ink::Strong));
        paragraph(stop.idea);
    }

    fn show(&mut self, sight: &Sight) {
        self.live.clear();
        match sight {
            Sight::Text(text) => paragraph(text),
            Sight::Key(text) => {
                let key = format!("{INDENT}{text}");
                output::line(&self.colours.paint(&key, Ink::Faint));
            }
            Sight::Views(views) => {
                output::line("");
                let drawn = drawn(views).map(|view| (view.caption.as_str(), &view.drawing));
                for line in beside(&drawn.collect::<Vec<_>>(), self.colours) {
                    output::line(&line);
                }
            }
        }
    }

    fn is_live(&self) -> bool {
        self.live.is_seen()
    }

    fn is_due(&self) -> bool {
        self.live.is_seen() && self.live.drawn.elapsed() >= Live::FRAME
    }

    fn live(&mut self, frame: &[(String, Drawing)]) {
        let views: Vec<(&str, &Drawing)> = frame.iter().map(|(c, d)| (c.as_str(), d)).collect();
        // Set apart from what is above it, as a paragraph is.
        let lines = beside(&views, self.colours).join("\n");
        self.live.show(&format!("\n{lines}"));
    }

    fn leave(&mut self, told: &Told) -> Result<()> {
        self.live.clear();
        paragraph(&format!("Its limit. {}", told.limit));
        paragraph(&format!("What came next. {}", told.stop.next));
        if find(told.stop.recipe).is_ok() {
            let more = format!("{INDENT}More: eras train {}", told.stop.recipe);
            output::line("");
            output::line(&self.colours.paint(&more, Ink::Faint));
        }
        if self.pauses {
            output::line("");
            output::line(
                &self
                    .colours
                    .paint("Enter goes on, Ctrl-C ends.", Ink::Faint),
            );
            if !self.wait() {
                return Err(Error::interrupted("the tour was ended here"));
            }
        }
        Ok(())
    }
}

/// What is being learned at this moment, drawn over what was there before; on a terminal only.
struct Live {
    bar: ProgressBar,
    drawn: Instant,
}

impl Live {
    /// So long a picture can be looked at.
    const FRAME: Duration = Duration::from_millis(70);

    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        let style = ProgressStyle::with_template("{msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Self {
            bar,
            drawn: Instant::now(),
        }
    }

    fn is_seen(&self) -> bool {
        !self.bar.is_hidden()
    }

    fn show(&mut self, text: &str) {
        sleep(Self::FRAME.saturating_sub(self.drawn.elapsed()));
        self.bar.set_message(text.to_owned());
        self.bar.tick();
        self.drawn = Instant::now();
    }

    fn clear(&mut self) {
        self.bar.set_message("");
        self.bar.finish_and_clear();
        self.bar.reset();
    }
}

/// Tells it to a program: a line for each stop.
struct Lines;

impl Guide for Lines {
    fn arrive(&mut self, stop: &Stop) {
        eprintln!("{} ..", stop.name);
    }

    fn show(&mut self, _sight: &Sight) {}

    fn is_live(&self) -> bool {
        false
    }

    fn is_due(&self) -> bool {
        false
    }

    fn live(&mut self, _frame: &[(String, Drawing)]) {}

    fn leave(&mut self, told: &Told) -> Result<()> {
        let stop = told.stop;
        let numbers = told.measured.iter();
        let measured: Map<String, Value> = numbers
            .map(|number| (number.name.clone(), number.value.into()))
            .collect();
        let (mut texts, mut pictures) = (Vec::new(), Vec::new());
        for sight in &told.sights {
            match sight {
                Sight::Text(text) => texts.push(text),
                Sight::Key(_) => {}
                Sight::Views(views) => {
                    pictures.extend(drawn(views).map(
                        |view| json!({ "caption": view.caption, "rows": view.drawing.text() }),
                    ));
                }
            }
        }
        output::json(&json!({
            "event": "stop", "name": stop.name, "title": stop.title, "era": stop.era.to_string(), "year": stop.year,
            "idea": stop.idea, "texts": texts, "pictures": pictures, "measured": measured, "limit": told.limit,
            "next": stop.next, "seconds": told.seconds,
        }));
        Ok(())
    }
}

/// Whether inks are drawn as colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Colours(bool);

impl Colours {
    /// On a terminal that has them, unless the user wants none (no-color.org).
    fn of_terminal() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self(stdout().is_terminal() && !unwanted && !dumb)
    }

    fn paint(self, text: &str, ink: Ink) -> String {
        let code = match ink {
            Ink::Plain => "",
            Ink::Faint => "2",
            Ink::Strong => "1",
            // Blue and orange, as on the page: they stay apart for nearly all eyes, on light and dark.
            Ink::Yes => "38;5;33",
            Ink::No => "38;5;208",
        };
        if self.0 && !code.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A line across the screen with a title in it.
    fn heading(self, title: &str) -> String {
        let rest = WIDTH.saturating_sub(title.chars().count() + 4);
        let line = "─".repeat(rest);
        format!(
            "{} {} {}",
            self.paint("──", Ink::Faint),
            self.paint(title, Ink::Strong),
            self.paint(&line, Ink::Faint)
        )
    }

    /// A row, its inks, and blanks up to a width.
    fn row(self, cells: &[Cell], width: usize) -> String {
        let mut text = String::new();
        for run in cells.chunk_by(|a, b| a.ink == b.ink) {
            let glyphs: String = run.iter().map(|cell| cell.glyph).collect();
            text += &self.paint(&glyphs, run[0].ink);
        }
        text + &" ".repeat(width.saturating_sub(cells.len()))
    }
}

/// Prints a paragraph, set apart from what is above it.
fn paragraph(text: &str) {
    output::line("");
    for line in wrapped(text, WIDTH - INDENT.len()) {
        output::line(&format!("{INDENT}{line}"));
    }
}

/// Those that are not for the page alone.
fn drawn(views: &[View]) -> impl Iterator<Item = &View> {
    views.iter().filter(|view| view.drawing.width() > 0)
}

/// Drawings beside each other, each with its caption below, in as many rows as it takes.
fn beside(views: &[(&str, &Drawing)], colours: Colours) -> Vec<String> {
    let room = WIDTH - INDENT.len();
    // A caption may be as wide as what is drawn above it; alone in its row it may be as wide as the row.
    let mut rows: Vec<Vec<(&str, &Drawing, usize)>> = Vec::new();
    let mut used = 0;
    for &(caption, drawing) in views {
        let width = drawing.width().max(caption.chars().count().min(room));
        if rows.is_empty() || used + GAP + width > room {
            rows.push(Vec::new());
            used = 0;
        } else {
            used += GAP;
        }
        used += width;
        if let Some(row) = rows.last_mut() {
            row.push((caption, drawing, width));
        }
    }
    let mut lines = Vec::new();
    for row in rows {
        let height = row.iter().map(|(_, drawing, _)| drawing.rows().len());
        for y in 0..height.max().unwrap_or(0) {
            let parts = row.iter().map(|(_, drawing, width)| {
                let cells = drawing.rows().get(y).map_or(&[][..], Vec::as_slice);
                colours.row(cells, *width)
            });
            lines.push(joined(parts));
        }
        if row.iter().any(|(caption, ..)| !caption.is_empty()) {
            let captions = row.iter().map(|(caption, _, width)| {
                let blanks = " ".repeat(width.saturating_sub(caption.chars().count()));
                colours.paint(caption, Ink::Faint) + &blanks
            });
            lines.push(joined(captions));
        }
    }
    lines
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let line = parts.collect::<Vec<_>>().join(&" ".repeat(GAP));
    format!("{INDENT}{line}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_beside_each_other_as_long_as_there_is_room() {
        let drawing = Drawing::lines(["ab", "c"]);
        let short = [("one", &drawing), ("", &drawing), ("three", &drawing)];
        let lines = beside(&short, Colours(false));
        assert_eq!(lines, ["  ab   ab  ab", "  c    c   c", "  one      three"]);
        // Two of 40 columns and what is between them would be 82 wide.
        let wide = Drawing::lines(["x".repeat(40)]);
        let lines = beside(
            &[("", &wide), ("", &wide), ("end", &drawing)],
            Colours(false),
        );
        assert_eq!(lines.len(), 1 + 2 + 1);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(beside(&[], Colours(false)).is_empty());
    }

    #[test]
    fn inks_become_colours_a_run_at_a_time_and_nothing_without_them() {
        let cell = |glyph, ink| Cell { glyph, ink };
        let cells = [
            cell('x', Ink::Yes),
            cell('y', Ink::Yes),
            cell('.', Ink::Plain),
            cell('o', Ink::No),
        ];
        let coloured = Colours(true).row(&cells, 5);
        assert_eq!(
            coloured,
            "\u{1b}[38;5;33mxy\u{1b}[0m.\u{1b}[38;5;208mo\u{1b}[0m "
        );
        assert_eq!(Colours(false).row(&cells, 5), "xy.o ");
        let heading = Colours(false).heading("Era 1");
        assert_eq!(heading.chars().count(), WIDTH);
    }
}
