//! The Transformer, which learns to translate (Vaswani et al. 2017, arXiv:1706.03762).

mod corpus;
mod page;
mod translator;

use translator::words;
pub use translator::{Translation, Translator};

use super::Writer;
use super::next_token::{BEGIN, END, NextToken, PADDING};
use crate::classification::{check_loop, precision};
use crate::minimization::Task;
use crate::promise::{Bound, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use crate::training;
use corpus::Corpus;
use eras_models::large_models::{StackConfig, Transformer, TransformerConfig};
use eras_nn::{Adam, Schedule};
use eras_tensor::{Error, Result, Rng};
use eras_text::{Kind, Pairs, Tokenizer, Training};
use eras_train::{Score, Trainer};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train translation`.
#[derive(Debug)]
pub struct TranslationRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    epochs: usize,
    /// The most tokens of a batch, padding included, of the longer side.
    batch_size: usize,
    /// Of the weights, the order of the sentences, and what is dropped.
    seed: u64,
    /// The languages, by the ends of the files.
    from: String,
    to: String,
    /// The most tokens that both languages share.
    vocabulary: usize,
    /// Sentences of more tokens are not trained on.
    longest: usize,
    encoder_layers: usize,
    decoder_layers: usize,
    heads: usize,
    width: usize,
    hidden: usize,
    /// Whether norms stand before what is added, or behind the sums.
    norm_first: bool,
    dropout: f64,
    label_smoothing: f64,
    /// The highest; up along a line, then down as 1 over the root of the step.
    lr: f64,
    warm_up: u64,
    /// Of the running mean of the weights, which is what is kept; 0 for the last weights.
    ema: f64,
    /// What matrix products multiply in: `f32`, or `bf16` with sums and weights in `f32`.
    precision: String,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    checkpoint_steps: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 12,
            batch_size: 1600,
            seed: 0,
            from: "en".into(),
            to: "de".into(),
            vocabulary: 6000,
            longest: 100,
            encoder_layers: 3,
            decoder_layers: 3,
            heads: 4,
            width: 256,
            hidden: 512,
            norm_first: true,
            dropout: 0.15,
            label_smoothing: 0.1,
            lr: 2e-3,
            warm_up: 800,
            ema: 0.998,
            precision: "f32".into(),
            checkpoint_steps: 0,
        }
    }
}

/// The first tokens: [`PADDING`], [`BEGIN`] and [`END`].
const SPECIAL: [&str; 3] = ["<padding>", "<begin>", "<end>"];

impl Settings {
    fn of(config: &Config) -> Result<Self> {
        let settings: Self = settings::read(&config.settings)?;
        check_loop(settings.epochs, settings.batch_size)?;
        let part = 0.0..1.0;
        let heads = settings.heads > 0 && settings.width.is_multiple_of(settings.heads);
        let named = |name: &str| !name.is_empty() && !name.contains(['/', '\\', '.']);
        let rules = [
            (
                named(&settings.from),
                "from",
                "the end of the files' names, as `en`",
            ),
            (
                named(&settings.to) && settings.to != settings.from,
                "to",
                "the end of the files' names, another than that of `from`",
            ),
            (
                settings.vocabulary >= 256 + SPECIAL.len(),
                "vocabulary",
                "at least 259, for 256 bytes and three marks",
            ),
            (settings.longest > 1, "longest", "at least 2"),
            (settings.encoder_layers > 0, "encoder_layers", "at least 1"),
            (settings.decoder_layers > 0, "decoder_layers", "at least 1"),
            (settings.width > 0, "width", "at least 1"),
            (heads, "heads", "a number that divides `width`"),
            (settings.hidden > 0, "hidden", "at least 1"),
            (
                part.contains(&settings.dropout),
                "dropout",
                "a share from 0 to below 1",
            ),
            (
                part.contains(&settings.label_smoothing),
                "label_smoothing",
                "a share from 0 to below 1",
            ),
            (
                settings.lr.is_finite() && settings.lr > 0.0,
                "lr",
                "a number above 0",
            ),
            (settings.warm_up > 0, "warm_up", "at least 1"),
            (
                part.contains(&settings.ema),
                "ema",
                "a share from 0 to below 1",
            ),
        ];
        settings::want(&rules)?;
        precision(&settings.precision)?;
        Ok(settings)
    }

    fn model(&self, tokenizer: &Tokenizer) -> Transformer {
        let vocab = tokenizer.vocab_size();
        let config = TransformerConfig {
            source_vocab: vocab,
            target_vocab: vocab,
            tied: true,
            padding: PADDING,
            stacks: StackConfig {
                d_model: self.width,
                n_head: self.heads,
                n_encoder: self.encoder_layers,
                n_decoder: self.decoder_layers,
                d_ff: self.hidden,
                norm_first: self.norm_first,
                dropout: self.dropout,
            },
        };
        Transformer::new(config, &mut Rng::new(self.seed))
    }

    fn trainer(&self) -> Result<Trainer> {
        let adam = Adam::new(self.lr).betas(0.9, 0.98).eps(1e-9).clip_norm(1.0);
        let trainer = Trainer::for_objective(adam)
            .batch_size(self.batch_size)
            .epochs(self.epochs)
            .seed(self.seed)
            .schedule(Schedule::inverse_sqrt(self.warm_up))
            .precision(precision(&self.precision)?);
        Ok(if self.ema > 0.0 {
            trainer.ema(self.ema)
        } else {
            trainer
        })
    }
}

impl Recipe for TranslationRecipe {
    fn card(&self) -> Card {
        Card {
            name: "translation",
            title: "The Transformer, which translates",
            era: Era::LargeModels,
            paper: "Vaswani et al. 2017, Attention is all you need",
            data: "Multi30k, English to German, or a folder of one's own with train.en, train.de, val.en, ..",
            promise: "BLEU of at least 37 on test 2016 (sacreBLEU's 13a, upper and lower case as they are), with 4 beams",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        vec![Promise {
            name: "bleu",
            unit: Unit::Plain,
            bound: Bound::AtLeast(37.0),
        }]
    }

    fn unit(&self, _number: &str) -> Unit {
        Unit::Plain
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        Ok(Box::new(task(config)?))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let (config, translator) = (run.config(), translator(run)?);
        let settings = Settings::of(config)?;
        let data = data.or(config.data.as_deref());
        let corpus = Corpus::find(data, &settings.from, &settings.to)?;
        let test = pairs(translator.tokenizer(), &corpus.test, usize::MAX)?;
        let bleu = |beams| Ok::<_, Error>(page::judged(&translator, &corpus.test, beams)?.bleu);
        Ok(Evaluation {
            score: Score {
                loss: page::loss(translator.model(), &test)?,
                metrics: vec![
                    ("bleu".to_owned(), bleu(page::BEAMS)?),
                    ("greedy_bleu".to_owned(), bleu(1)?),
                ],
            },
            data: corpus.name,
            // The run knows that of the validation, which it was trained beside.
            data_sha256: None,
        })
    }

    fn predict(&self, _run: &Run, _files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        Err(Error::usage(
            "`translation` writes texts, and tells no classes: see `eras generate`",
        ))
    }

    fn writer(&self, run: &Run) -> Result<Writer> {
        translator(run).map(Writer::Translates)
    }
}

fn translator(run: &Run) -> Result<Translator> {
    let settings = Settings::of(run.config())?;
    let tokenizer = Tokenizer::read(run.folder().join(Tokenizer::FILE))?;
    let mut model = settings.model(&tokenizer);
    training::load(&mut model, run)?;
    Translator::new(model, tokenizer)
}

fn task(config: &Config) -> Result<Task<Transformer, NextToken, Pairs>> {
    let settings = Settings::of(config)?;
    let corpus = Corpus::find(config.data.as_deref(), &settings.from, &settings.to)?;
    let tokenizer = learned(&corpus, settings.vocabulary)?;
    let train = pairs(&tokenizer, &corpus.train, settings.longest)?;
    let valid = pairs(&tokenizer, &corpus.valid, usize::MAX)?;
    let (model, trainer) = (settings.model(&tokenizer), settings.trainer()?);
    Ok(Task {
        recipe: &TranslationRecipe,
        story: include_str!("../../stories/translation.md"),
        name: corpus.name.clone(),
        data: [train, valid],
        model,
        objective: NextToken {
            smoothing: settings.label_smoothing,
        },
        trainer,
        checkpoint_steps: settings.checkpoint_steps,
        origin_sha256: None,
        watch: None,
        keeps: vec![(Tokenizer::FILE, tokenizer.to_json()?.into_bytes())],
        curves: &[(
            "Loss, nats a token",
            &[("training, smoothed", "loss"), ("validation", "val_loss")],
        )],
        show: Box::new(move |learned| page::findings(&corpus, &tokenizer, learned)),
    })
}

/// Tokens of both languages together, learned from the training sentences.
fn learned(corpus: &Corpus, vocabulary: usize) -> Result<Tokenizer> {
    let training = Training::new(Kind::Bpe, vocabulary);
    let training = SPECIAL.into_iter().fold(training, Training::special);
    training.train(corpus.train.iter().flatten().map(String::as_str))
}

/// What is read with its end, and what is written with its beginning and end; pairs with a text of more tokens are left out.
fn pairs(tokenizer: &Tokenizer, texts: &[[String; 2]], longest: usize) -> Result<Pairs> {
    let mut pairs = Vec::with_capacity(texts.len());
    for [source, target] in texts {
        let (source, target) = (words(tokenizer, source)?, words(tokenizer, target)?);
        if source.len().max(target.len()) < longest {
            pairs.push([
                [&source[..], &[END]].concat(),
                [&[BEGIN], &target[..], &[END]].concat(),
            ]);
        }
    }
    if pairs.is_empty() {
        return Err(Error::usage(format!(
            "found no sentence of fewer than {longest} tokens: setting `longest` leaves nothing to learn from"
        )));
    }
    Ok(Pairs::new(pairs, PADDING))
}

#[cfg(test)]
mod tests;
