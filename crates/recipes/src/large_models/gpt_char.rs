//! GPTs that write letter by letter (Radford et al. 2018): in the size that nanoGPT has for machines without a GPU, and in that
//! which it has for one.

use super::gpt_like::Next;
use super::samples::{self, Diary, LENGTH};
use super::{TextModel, Writer, gpt_like, texts};
use crate::classification::{check_loop, precision};
use crate::experiment::Findings;
use crate::minimization::{Learned, Task};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use crate::training;
use eras_data::catalog::TINY_SHAKESPEARE;
use eras_models::large_models::{Gpt, GptConfig, NormKind, Units};
use eras_report::{Section, Table, format};
use eras_tensor::{Error, Result, Rng};
use eras_text::{Tokenizer, Windows};
use eras_train::Trainer;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A GPT that writes letter by letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GptCharRecipe {
    /// `eras train gpt-char`.
    Small,
    /// `eras train gpt-shakespeare`.
    Large,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    epochs: usize,
    /// Steps of an epoch: after each the model is measured and saved.
    steps: usize,
    batch_size: usize,
    /// Where there is no text of one's own: `tiny-shakespeare`, `moby-dick`, or `auto` for the first if it is at hand.
    text: String,
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
    /// What matrix products multiply in: `f32`, or `bf16` with sums and weights in `f32`.
    precision: String,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    checkpoint_steps: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 4,
            steps: 500,
            batch_size: 12,
            text: texts::AUTO.into(),
            seed: 0,
            context: 64,
            layers: 4,
            heads: 4,
            width: 128,
            dropout: 0.0,
            lr: 2e-3,
            warm_up: 100,
            weight_decay: 0.1,
            precision: "f32".into(),
            checkpoint_steps: 0,
        }
    }
}

impl Settings {
    fn large() -> Self {
        Self {
            epochs: 20,
            steps: 250,
            batch_size: 64,
            text: TINY_SHAKESPEARE.name.into(),
            context: 256,
            layers: 6,
            heads: 6,
            width: 384,
            dropout: 0.2,
            lr: 1e-3,
            ..Self::default()
        }
    }
}

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
        texts::check(&settings.text)?;
        precision(&settings.precision)?;
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

    fn trainer(&self) -> Result<Trainer> {
        let all = (self.epochs * self.steps) as u64;
        let warm_up = self.warm_up as u64;
        let adam = gpt_like::adam(self.lr, self.weight_decay);
        let trainer = Trainer::for_objective(gpt_like::spare_norms(adam))
            .batch_size(self.batch_size)
            .epochs(self.epochs)
            .steps_per_epoch(self.steps)
            .seed(self.seed)
            .schedule(gpt_like::schedule(warm_up, all))
            .precision(precision(&self.precision)?);
        Ok(trainer)
    }
}

impl Recipe for GptCharRecipe {
    fn card(&self) -> Card {
        let (name, title, promise) = match self {
            Self::Small => (
                "gpt-char",
                "A small GPT that writes letter by letter",
                "loss on the held-out tenth at most 1.90 nats a character (nanoGPT states 1.88)",
            ),
            Self::Large => (
                "gpt-shakespeare",
                "A GPT of six layers that writes letter by letter",
                "best loss on the held-out tenth at most 1.50 nats a character (nanoGPT states 1.47)",
            ),
        };
        Card {
            name,
            title,
            era: Era::LargeModels,
            paper: "Radford, Narasimhan, Salimans & Sutskever 2018, Improving language understanding by generative pre-training",
            data: match self {
                Self::Small => {
                    "Tiny Shakespeare if it is at hand, else Moby Dick; or a text of one's own"
                }
                Self::Large => "Tiny Shakespeare, or a text of one's own",
            },
            promise,
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let (name, bound) = match self {
            Self::Small => ("val_loss", 1.90),
            Self::Large => ("best_val_loss", 1.50),
        };
        vec![Promise {
            name,
            unit: Unit::Plain,
            bound: Bound::AtMost(bound),
        }]
    }

    fn unit(&self, _number: &str) -> Unit {
        Unit::Plain
    }

    fn defaults(&self) -> toml::Table {
        to_table(&match self {
            Self::Small => Settings::default(),
            Self::Large => Settings::large(),
        })
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        Ok(Box::new(task(*self, config, config.data.as_deref(), None)?))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let config = run.config();
        let data = data.or(config.data.as_deref());
        task(*self, config, data, Some(tokenizer(run)?))?.evaluate(run)
    }

    fn predict(&self, _run: &Run, _files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        let name = self.card().name;
        Err(Error::usage(format!(
            "`{name}` writes texts, and tells no classes: see `eras generate`"
        )))
    }

    fn writer(&self, run: &Run) -> Result<Writer> {
        let settings = Settings::of(run.config())?;
        let tokenizer = tokenizer(run)?;
        let mut gpt = settings.model(tokenizer.vocab_size());
        training::load(&mut gpt, run)?;
        TextModel::new(gpt, tokenizer, None, Vec::new()).map(Writer::GoesOn)
    }
}

fn tokenizer(run: &Run) -> Result<Tokenizer> {
    Tokenizer::read(run.folder().join(Tokenizer::FILE))
}

/// For the text at `data`, a file or a folder with `input.txt`, or that of the settings; in the characters of `tokenizer`, or in
/// those of the text.
fn task(
    recipe: GptCharRecipe,
    config: &Config,
    data: Option<&Path>,
    tokenizer: Option<Tokenizer>,
) -> Result<Task<Gpt, Next, Windows>> {
    let settings = Settings::of(config)?;
    let seed = settings.seed;
    let (name, text) = texts::find(data, &settings.text)?;
    let tokenizer = tokenizer.unwrap_or_else(|| Tokenizer::characters(&text));
    let tokens = texts::encode(&name, &tokenizer, &text)?;
    let (train, valid) = texts::split(&name, &tokens, settings.context)?;
    let samples = settings.epochs * settings.steps * settings.batch_size;
    Ok(Task {
        recipe: match recipe {
            GptCharRecipe::Small => &GptCharRecipe::Small,
            GptCharRecipe::Large => &GptCharRecipe::Large,
        },
        story: include_str!("../../stories/gpt-char.md"),
        data: [
            Windows::at_random(train, settings.context, samples, settings.seed),
            Windows::in_line(valid, settings.context),
        ],
        model: settings.model(tokenizer.vocab_size()),
        objective: Next,
        trainer: settings.trainer()?,
        checkpoint_steps: settings.checkpoint_steps,
        origin_sha256: None,
        watch: Some(Box::new({
            let (model, tokenizer) = (settings.model(tokenizer.vocab_size()), tokenizer.clone());
            move |run| {
                let beginning = beginning(&tokenizer).to_vec();
                Box::new(Diary::new(model, tokenizer, beginning, seed, run))
            }
        })),
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
            Measured::new("best_val_loss", learned.best_loss, Unit::Plain),
            Measured::new("perplexity", loss.exp(), Unit::Plain),
        ],
        sections: vec![
            samples::perplexity(learned.history, "held out"),
            written(settings, tokenizer, learned.model)?,
            samples::as_it_learned(learned.run)?,
            about(settings, name, tokenizer, learned),
        ],
    })
}

/// A line break, where there is one.
fn beginning(tokenizer: &Tokenizer) -> [u32; 1] {
    [tokenizer.id("\n").unwrap_or(0)]
}

/// What it writes, cold and warm.
fn written(settings: &Settings, tokenizer: &Tokenizer, gpt: &Gpt) -> Result<Section> {
    let beginning = beginning(tokenizer);
    let section = Section::new("Written").note("By the model, after one line break");
    [0.5, 0.8, 1.0].into_iter().try_fold(section, |section, t| {
        let text = samples::written(LENGTH, gpt, tokenizer, &beginning, t, settings.seed)?;
        Ok(section
            .text(format!("At temperature {t}:"))
            .written(text.trim()))
    })
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
    use eras_models::large_models::{Generation, Sampler};
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
        testing::train_on(
            &GptCharRecipe::Small,
            &small,
            Some(data),
            folder,
            stop,
            resume,
        )
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
        let evaluation = GptCharRecipe::Small.evaluate(&run, None).unwrap();
        assert_eq!(evaluation.score.loss, first.measured[0].value);
        let Writer::GoesOn(model) = GptCharRecipe::Small.writer(&run).unwrap() else {
            panic!("wanted a model that goes on");
        };
        let prompt = model.prompt("the c").unwrap();
        let how = Generation::new(Sampler::greedy(), 8);
        let mut told = String::new();
        model
            .write(&prompt, &how, |text| {
                told += text;
                true
            })
            .unwrap();
        assert_eq!(told, "at sat. ");
        let page = std::fs::read_to_string(cut.join("report.html")).unwrap();
        for part in [
            "At temperature 0.5:",
            "After epoch 1:",
            "<h2>Perplexity",
            "<pre>",
        ] {
            assert!(page.contains(part), "{part}");
        }
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
            let mut config = Config::new("gpt-char", GptCharRecipe::Small.defaults(), 1);
            config.data = Some(data.to_owned());
            config.settings.insert(key.into(), value);
            let error = GptCharRecipe::Small
                .prepare(&config)
                .err()
                .expect("refused");
            error.to_string()
        };
        assert_eq!(
            refusal("heads", 3.into(), &data),
            "setting `heads` wants a number that divides `width`"
        );
        assert_eq!(
            refusal("precision", "f16".into(), &data),
            "setting `precision` is `f16`; it wants f32 or bf16"
        );
        let short = refusal("context", 500.into(), &data);
        assert!(
            short.contains(
                "found a text of 1560 tokens, of which 156 are held out; wanted at least 501"
            ),
            "{short}"
        );
        let missing = refusal("epochs", 1.into(), Path::new("nowhere.txt"));
        assert!(missing.contains("nowhere.txt"), "{missing}");
        std::fs::remove_file(data).unwrap();
    }
}
