//! What a model of texts writes, as it learns and in the end, and among how many tokens it wavers, for its page.

use super::gpt_like::GptLike;
use crate::run::Run;
use eras_formats::files;
use eras_models::large_models::{Generation, Gpt, Sampler, generate};
use eras_report::{Chart, Section, Series};
use eras_tensor::{Error, Result};
use eras_text::Tokenizer;
use eras_train::{Callback, Control, History, Moment};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Tokens of a text for a page, what it begins with among them.
pub(super) const LENGTH: usize = 600;

/// A text of `length` tokens from `beginning` on, also one longer than what the model sees at once.
pub(super) fn written(
    length: usize,
    gpt: &Gpt,
    tokenizer: &Tokenizer,
    beginning: &[u32],
    temperature: f64,
    seed: u64,
) -> Result<String> {
    let sampler = Sampler::new(temperature).seed(seed);
    let how = Generation::new(sampler, length.saturating_sub(beginning.len())).sliding();
    let mut tokens = beginning.to_vec();
    generate(gpt, beginning, &how, |token| {
        tokens.push(token);
        true
    })?;
    tokenizer.decode(&tokens)
}

/// Writes down what a model writes after each epoch, always from the same beginning.
pub(super) struct Diary<M> {
    /// Of the model's kind; takes its weights.
    model: M,
    tokenizer: Tokenizer,
    beginning: Vec<u32>,
    seed: u64,
    file: PathBuf,
}

/// A line of its file.
#[derive(Serialize, Deserialize)]
struct Entry {
    epoch: usize,
    text: String,
}

impl<M> Diary<M> {
    /// In a run.
    const FILE: &str = "written.jsonl";

    pub(super) fn new(
        model: M,
        tokenizer: Tokenizer,
        beginning: Vec<u32>,
        seed: u64,
        run: &Run,
    ) -> Self {
        Self {
            model,
            tokenizer,
            beginning,
            seed,
            file: run.folder().join(Self::FILE),
        }
    }
}

impl<M: GptLike + Send> Callback for Diary<M> {
    fn epoch(&mut self, moment: &Moment<'_>) -> Result<Control> {
        const FEW: usize = 200;
        let Self {
            model,
            tokenizer,
            beginning,
            seed,
            file,
        } = self;
        model.load_state(&moment.model().state())?;
        let text = model.with(|gpt| written(FEW, gpt, tokenizer, beginning, 0.8, *seed))?;
        let entry = Entry {
            epoch: moment.epoch(),
            text,
        };
        let line = serde_json::to_string(&entry)
            .map_err(|e| Error::new(format!("a text cannot be written down: {e}")))?;
        let mut open = OpenOptions::new();
        let to = open.create(true).append(true).open(&*file);
        to.and_then(|mut to| writeln!(to, "{line}"))
            .map_err(|e| Error::io(&*file, &e))?;
        Ok(Control::Continue)
    }
}

/// Some of what was written as the model learned, the first and the last text among it.
pub(super) fn as_it_learned(run: &Run) -> Result<Section> {
    const SHOWN: usize = 6;
    let file = run.folder().join(Diary::<Gpt>::FILE);
    let text = String::from_utf8_lossy(&files::read(&file)?).into_owned();
    // An epoch that was gone through again after a stop has written a second time.
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let Entry { epoch, text } = serde_json::from_str(line)
            .map_err(|e| Error::file(&file, format!("is not what a training leaves: {e}")))?;
        all.insert(epoch, text);
    }
    let all: Vec<(usize, String)> = all.into_iter().collect();
    let shown = SHOWN.min(all.len());
    let section = Section::new("As it learned").note("From the same beginning, by the same chance");
    let which = (0..shown).map(|i| i * (all.len() - 1) / (shown - 1).max(1));
    Ok(which.fold(section, |section, i| {
        let (epoch, text) = &all[i];
        section
            .text(format!("After epoch {epoch}:"))
            .written(text.trim())
    }))
}

/// The perplexity after each epoch, of data called `name`.
pub(super) fn perplexity(history: &History, name: &str) -> Section {
    let losses = history.series("val_loss");
    let each: Vec<f64> = losses.iter().map(|loss| loss.exp()).collect();
    let chart = Chart::new("Perplexity")
        .x_label("epoch")
        .series(Series::by_epoch(name, &each));
    Section::new("Perplexity")
        .note("Among how many tokens it wavers")
        .chart(chart)
}
