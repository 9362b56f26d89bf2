//! A small GPT that writes letter by letter (Radford et al. 2018), in the size that nanoGPT has for machines without a GPU.

use super::{TextModel, Writer};
use crate::classification::check_loop;
use crate::experiment::Findings;
use crate::minimization::{Learned, Task};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use crate::training;
use eras_data::catalog::TINY_SHAKESPEARE;
use eras_data::{Batch, Search};
use eras_models::large_models::{Generation, Gpt, GptConfig, NormKind, Sampler, Units, generate};
use eras_nn::{AdamW, Mode, Schedule};
use eras_report::{Section, Table, format};
use eras_tensor::{Error, Result, Rng};
use eras_text::{Tokenizer, Windows, read_text};
use eras_train::{Forward, Objective, Trainer};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train gpt-char`.
#[derive(Debug)]
pub struct GptCharRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    epochs: usize,
    /// Steps of an epoch: after each the model is measured and saved.
    steps: usize,
    batch_size: usize,
    /// Of the weights and the places that are read.
    seed: u64,
    /// Characters that are seen at once.
    context: usize,
    layers: usize,
    heads: usize,
    width: usize,
    dropout: f64,
    /// After warming up; it falls to a tenth along a half cosine.
    lr: f64,
    warm_up: usize,
    weight_decay: f64,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    checkpoint_steps: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 4,
            steps: 500,
            batch_size: 12,
            seed: 0,
            context: 64,
            layers: 4,
            heads: 4,
            width: 128,
            dropout: 0.0,
            lr: 2e-3,
            warm_up: 100,
            weight_decay: 0.1,
            checkpoint_steps: 0,
        }
    }
}

/// The share of the text that the model never learns from: its end.
const HELD_OUT: f64 = 0.1;

impl Settings {
    fn of(config: &Config) -> Result<Self> {
        let settings: Self = settings::read(&config.settings)?;
        check_loop(settings.epochs, settings.batch_size)?;
        let heads = settings.heads > 0 && settings.width.is_multiple_of(settings.heads);
        let rules = [
            (settings.steps > 0, "steps", "at least 1"),
            (settings.context > 0, "context", "at least 1"),
            (settings.layers > 0, "layers", "at least 1"),
            (settings.width > 0, "width", "at least 1"),
            (heads, "heads", "a number that divides `width`"),
            (
                (0.0..1.0).contains(&settings.dropout),
                "dropout",
                "a share from 0 to below 1",
            ),
            (
                settings.lr.is_finite() && settings.lr > 0.0,
                "lr",
                "a number above 0",
            ),
            (
                settings.weight_decay.is_finite() && settings.weight_decay >= 0.0,
                "weight_decay",
                "a number from 0",
            ),
        ];
        settings::want(&rules)?;
        Ok(settings)
    }

    fn model(&self, vocab_size: usize) -> Gpt {
        let config = GptConfig {
            norm: NormKind::Layer(false),
            units: Units::Gelu,
            bias_qkv: false,
            bias_out: false,
            bias_units: false,
            dropout: self.dropout,
            ..GptConfig::gpt2(
                vocab_size,
                self.context,
                self.width,
                self.layers,
                self.heads,
            )
        };
        Gpt::new(config, &mut Rng::new(self.seed))
    }

    fn trainer(&self) -> Trainer {
        let all = (self.epochs * self.steps) as u64;
        let warm_up = self.warm_up as u64;
        // Norms are not drawn to zero.
        let adam = AdamW::new(self.lr)
            .betas(0.9, 0.99)
            .weight_decay(self.weight_decay)
            .clip_norm(1.0)
            .group("*norm*", |group| group.weight_decay(0.0));
        Trainer::for_objective(adam)
            .batch_size(self.batch_size)
            .epochs(self.epochs)
            .steps_per_epoch(self.steps)
            .seed(self.seed)
            .schedule(Schedule::cosine(all.saturating_sub(warm_up), 0.1).warm_up(warm_up))
    }
}

impl Recipe for GptCharRecipe {
    fn card(&self) -> Card {
        Card {
            name: "gpt-char",
            title: "A small GPT that writes letter by letter",
            era: Era::LargeModels,
            paper: "Radford, Narasimhan, Salimans & Sutskever 2018, Improving language understanding by generative pre-training",
            data: "Tiny Shakespeare, or a text of one's own",
            promise: "loss on the held-out tenth at most 1.90 nats a character (nanoGPT states 1.88)",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        vec![Promise {
            name: "val_loss",
            unit: Unit::Plain,
            bound: Bound::AtMost(1.90),
        }]
    }

    fn unit(&self, _number: &str) -> Unit {
        Unit::Plain
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        Ok(Box::new(task(config, config.data.as_deref(), None)?))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let config = run.config();
        let data = data.or(config.data.as_deref());
        task(config, data, Some(tokenizer(run)?))?.evaluate(run)
    }

    fn predict(&self, _run: &Run, _files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        Err(Error::usage(
            "`gpt-char` writes texts, and tells no classes: see `eras generate`",
        ))
    }

    fn writer(&self, run: &Run) -> Result<Writer> {
        let settings = Settings::of(run.config())?;
        let tokenizer = tokenizer(run)?;
        let mut gpt = settings.model(tokenizer.vocab_size());
        training::load(&mut gpt, run)?;
        TextModel::new(gpt, tokenizer, Vec::new()).map(Writer::GoesOn)
    }
}

fn tokenizer(run: &Run) -> Result<Tokenizer> {
    Tokenizer::read(run.folder().join(Tokenizer::FILE))
}

/// The cross entropy of each next character.
struct Next;

impl Objective<Gpt> for Next {
    fn forward(&self, gpt: &Gpt, batch: &Batch, mode: &Mode) -> Forward {
        gpt.loss(&batch.x, &batch.y, mode).into()
    }
}

/// For the text at `data`, a file or a folder with `input.txt`, or Tiny Shakespeare; in the characters of `tokenizer`, or in
/// those of the text.
fn task(
    config: &Config,
    data: Option<&Path>,
    tokenizer: Option<Tokenizer>,
) -> Result<Task<Gpt, Next, Windows>> {
    let settings = Settings::of(config)?;
    let (name, text) = match data {
        Some(path) => {
            let file = path.join("input.txt");
            let path = if path.is_dir() { &file } else { path };
            (path.display().to_string(), read_text(path)?)
        }
        None => {
            let found = Search::from_env().find(&TINY_SHAKESPEARE, &mut |_, _| ())?;
            (TINY_SHAKESPEARE.name.to_owned(), found.text(0)?)
        }
    };
    let tokenizer = tokenizer.unwrap_or_else(|| Tokenizer::characters(&text));
    let tokens = tokenizer.encode(&text)?;
    let held_out = (HELD_OUT * tokens.len() as f64) as usize;
    let least = settings.context + 1;
    if held_out < least {
        return Err(Error::usage(format!(
            "{name}: found a text of {} characters, of which {held_out} are held out; wanted at least {least} there, a window and \
             what follows it",
            tokens.len()
        )));
    }
    let (train, valid) = tokens.split_at(tokens.len() - held_out);
    let samples = settings.epochs * settings.steps * settings.batch_size;
    Ok(Task {
        recipe: &GptCharRecipe,
        story: include_str!("../../stories/gpt-char.md"),
        data: [
            Windows::at_random(train, settings.context, samples, settings.seed),
            Windows::in_line(valid, settings.context),
        ],
        model: settings.model(tokenizer.vocab_size()),
        objective: Next,
        trainer: settings.trainer(),
        checkpoint_steps: settings.checkpoint_steps,
        keeps: vec![(Tokenizer::FILE, tokenizer.to_json()?.into_bytes())],
        curves: &[(
            "Loss, nats a character",
            &[("training", "loss"), ("held out", "val_loss")],
        )],
        show: Box::new({
            let name = name.clone();
            move |learned| findings(&settings, &name, &tokenizer, learned)
        }),
        name,
    })
}

fn findings(
    settings: &Settings,
    name: &str,
    tokenizer: &Tokenizer,
    learned: &Learned<'_, Gpt, Windows>,
) -> Result<Findings> {
    let loss = learned.score.loss;
    Ok(Findings {
        measured: vec![
            Measured::new("val_loss", loss, Unit::Plain),
            Measured::new("perplexity", loss.exp(), Unit::Plain),
        ],
        sections: vec![
            samples(settings, tokenizer, learned.model)?,
            about(settings, name, tokenizer, learned),
        ],
    })
}

/// What it writes, cold and warm.
fn samples(settings: &Settings, tokenizer: &Tokenizer, gpt: &Gpt) -> Result<Section> {
    let section = Section::new("Written").note("By the model, after one line break");
    [0.5, 0.8, 1.0].into_iter().try_fold(section, |section, t| {
        let text = written(settings, tokenizer, gpt, t)?;
        Ok(section
            .text(format!("At temperature {t}:"))
            .written(text.trim()))
    })
}

/// A text longer than what the model sees at once: it goes on from the second half of that.
fn written(
    settings: &Settings,
    tokenizer: &Tokenizer,
    gpt: &Gpt,
    temperature: f64,
) -> Result<String> {
    const LENGTH: usize = 600;
    let again = (settings.context / 2).max(1);
    let mut tokens = vec![tokenizer.id("\n").unwrap_or(0)];
    while tokens.len() < LENGTH {
        let prompt = tokens[tokens.len().saturating_sub(again)..].to_vec();
        let how = Generation {
            // Places are counted anew.
            sampler: Sampler::new(temperature).seed(settings.seed + tokens.len() as u64),
            max_tokens: LENGTH - tokens.len(),
            stop: Vec::new(),
        };
        generate(gpt, &prompt, &how, |token| {
            tokens.push(token);
            true
        })?;
    }
    tokenizer.decode(&tokens)
}

fn about(
    settings: &Settings,
    name: &str,
    tokenizer: &Tokenizer,
    learned: &Learned<'_, Gpt, Windows>,
) -> Section {
    let count = |n: usize| format::count(n as u64);
    let speed = learned.samples_per_second * settings.context as f64;
    let table = Table::new(["", ""])
        .row(["text".to_owned(), name.to_owned()])
        .row([
            "characters it knows".to_owned(),
            count(tokenizer.vocab_size()),
        ])
        .row(["parameters".to_owned(), count(learned.summary.params)])
        .row([
            "characters a second, in training".to_owned(),
            count(speed as usize),
        ]);
    Section::new("The model").table(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Outcome;
    use crate::testing::{self, scratch, weights};
    use std::path::PathBuf;

    /// A text in which each letter tells the next.
    fn text(name: &str) -> PathBuf {
        let path = scratch(&format!("gpt-text-{name}"));
        std::fs::write(&path, "the cat sat. ".repeat(120)).unwrap();
        path
    }

    fn train(data: &Path, folder: &Path, stop: Option<u64>, resume: bool) -> Result<Outcome> {
        let small = [
            "epochs=2",
            "steps=30",
            "context=16",
            "layers=1",
            "width=16",
            "warm_up=5",
            "lr=0.02",
            "dropout=0.1",
        ];
        testing::train_on(&GptCharRecipe, &small, Some(data), folder, stop, resume)
    }

    #[test]
    fn one_that_was_stopped_ends_with_the_same_bits_and_writes_what_it_learned() {
        let data = text("whole");
        let (whole, cut) = (scratch("gpt-whole"), scratch("gpt-cut"));
        let first = train(&data, &whole, None, false).unwrap();
        let error = train(&data, &cut, Some(40), false).unwrap_err();
        assert!(error.is_interrupted(), "{error}");
        assert_ne!(weights(&cut), weights(&whole));
        let second = train(&data, &cut, None, true).unwrap();
        assert_eq!(weights(&cut), weights(&whole));
        assert_eq!(first.measured, second.measured);
        let run = Run::open(&cut).unwrap();
        let evaluation = GptCharRecipe.evaluate(&run, None).unwrap();
        assert_eq!(evaluation.score.loss, first.measured[0].value);
        let Writer::GoesOn(model) = GptCharRecipe.writer(&run).unwrap() else {
            panic!("wanted a model that goes on");
        };
        let prompt = model.prompt("the c").unwrap();
        let how = Generation {
            sampler: Sampler::greedy(),
            max_tokens: 8,
            stop: Vec::new(),
        };
        let mut told = String::new();
        model
            .write(&prompt, &how, |text| {
                told += text;
                true
            })
            .unwrap();
        assert_eq!(told, "at sat. ");
        let page = std::fs::read_to_string(cut.join("report.html")).unwrap();
        assert!(page.contains("At temperature 0.5:") && page.contains("<pre>"));
        drop(run);
        for folder in [whole, cut] {
            std::fs::remove_dir_all(folder).unwrap();
        }
        std::fs::remove_file(data).unwrap();
    }

    #[test]
    fn settings_and_texts_that_do_not_fit_are_refused() {
        let data = text("refused");
        let refusal = |key: &str, value: toml::Value, data: &Path| {
            let mut config = Config::new("gpt-char", GptCharRecipe.defaults(), 1);
            config.data = Some(data.to_owned());
            config.settings.insert(key.into(), value);
            let error = GptCharRecipe.prepare(&config).err().expect("refused");
            error.to_string()
        };
        assert_eq!(
            refusal("heads", 3.into(), &data),
            "setting `heads` wants a number that divides `width`"
        );
        let short = refusal("context", 500.into(), &data);
        assert!(
            short.contains(
                "found a text of 1560 characters, of which 156 are held out; wanted at least 501"
            ),
            "{short}"
        );
        let missing = refusal("epochs", 1.into(), Path::new("nowhere.txt"));
        assert!(missing.contains("nowhere.txt"), "{missing}");
        std::fs::remove_file(data).unwrap();
    }
}
