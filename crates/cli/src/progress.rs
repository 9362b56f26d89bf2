//! The progress of a training on stderr: a bar on a terminal, a line an epoch elsewhere.

use crate::args::Format;
use crate::output;
use eras_recipes::Recipe;
use eras_report::format::{count, seconds, significant};
use eras_tensor::Result;
use eras_train::{Callback, Control, Epoch, History, Moment, Score};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Shows epoch, step, loss, metrics, samples a second and time left; with [`Format::Json`] prints each epoch's line
/// on stdout too.
pub(crate) struct Progress {
    format: Format,
    /// Knows how its numbers are read.
    recipe: &'static dyn Recipe,
    bar: Option<ProgressBar>,
    began: Instant,
    drawn: Instant,
    steps_before: Option<u64>,
}

/// How often the numbers beside the bar change.
const REFRESH: Duration = Duration::from_millis(100);

impl Progress {
    pub(crate) fn new(format: Format, recipe: &'static dyn Recipe) -> Self {
        let now = Instant::now();
        Self {
            format,
            recipe,
            bar: None,
            began: now,
            drawn: now,
            steps_before: None,
        }
    }

    fn bar(&mut self, moment: &Moment<'_>) -> Option<&ProgressBar> {
        if self.bar.is_none() && stderr().is_terminal() {
            let style =
                ProgressStyle::with_template("{prefix} {bar:24.cyan/dim} {pos}/{len} {msg}");
            let bar = ProgressBar::new(moment.batches() as u64);
            bar.set_style(
                style
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("━╸─"),
            );
            self.bar = Some(bar);
        }
        self.bar.as_ref()
    }

    /// `loss 0.2312  accuracy 93.01%`
    fn numbers(&self, score: &Score, prefix: &str) -> String {
        let mut text = format!("{prefix}loss {}", significant(score.loss));
        for (name, value) in &score.metrics {
            let value = self.recipe.unit(name).text(*value);
            text += &format!("  {prefix}{name} {value}");
        }
        text
    }
}

impl Callback for Progress {
    fn start(&mut self, _history: &[Epoch]) -> Result<()> {
        self.began = Instant::now();
        Ok(())
    }

    fn step(&mut self, moment: &Moment<'_>) -> Result<()> {
        let before = *self.steps_before.get_or_insert(moment.step() - 1);
        let (now, last) = (Instant::now(), moment.batch() == moment.batches());
        if now - self.drawn < REFRESH && !last && moment.batch() > 1 {
            return Ok(());
        }
        self.drawn = now;
        let all = (moment.epochs() * moment.batches()) as u64;
        let left = self.began.elapsed().as_secs_f64() / (moment.step() - before) as f64
            * (all - moment.step()) as f64;
        let speed = moment.samples() as f64 / moment.seconds();
        let text = format!(
            "{}  {}/s  {} left",
            self.numbers(&moment.so_far(), ""),
            count(speed as u64),
            seconds(left)
        );
        let title = format!("epoch {:>2}/{}", moment.epoch() + 1, moment.epochs());
        if let Some(bar) = self.bar(moment) {
            bar.set_prefix(title);
            bar.set_position(moment.batch() as u64);
            bar.set_message(text);
        }
        Ok(())
    }

    fn epoch(&mut self, moment: &Moment<'_>) -> Result<Control> {
        let Some(epoch) = moment.history().last() else {
            return Ok(Control::Continue);
        };
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let mut text = format!(
            "epoch {:>2}/{}  {}",
            epoch.epoch,
            moment.epochs(),
            self.numbers(&epoch.train, "")
        );
        if let Some(score) = &epoch.valid {
            text += &format!("  {}", self.numbers(score, "val_"));
        }
        eprintln!(
            "{text}  {}/s  {}",
            count(epoch.samples_per_second as u64),
            seconds(epoch.seconds)
        );
        if self.format == Format::Json {
            output::line(&epoch.to_json());
        }
        Ok(Control::Continue)
    }

    fn interrupted(&mut self, _moment: &Moment<'_>) -> Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        Ok(())
    }

    fn end(&mut self, _history: &History) -> Result<()> {
        Ok(())
    }
}
