//! A model that translates, with its tokenizer.

use super::SPECIAL;
use crate::large_models::next_token::{BEGIN, END};
use eras_models::large_models::{BeamSearch, Transformer, translate};
use eras_report::Heat;
use eras_tensor::{Error, Result, Tensor, no_grad};
use eras_text::Tokenizer;

/// A model that translates, with its tokenizer.
#[derive(Debug)]
pub struct Translator {
    model: Transformer,
    tokenizer: Tokenizer,
}

/// A text that was translated.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// What was written.
    pub text: String,
    /// Of how many tokens, the one that ends it among them.
    pub tokens: usize,
    /// That by which beams are compared.
    pub score: f64,
}

/// Where it looked as it wrote.
pub(super) struct Looks {
    /// Of the decoder's last layer: `(H, T, S)`.
    pub(super) shares: Tensor,
    /// Tokens that were written, `T`.
    written: Vec<String>,
    /// Tokens that were read, `S`.
    read: Vec<String>,
}

impl Looks {
    /// These shares `(T, S)` beside their tokens.
    pub(super) fn heat(&self, title: String, shares: &Tensor) -> Heat {
        Heat::new(
            title,
            self.written.iter().cloned(),
            self.read.iter().cloned(),
            shares.to_vec::<f32>(),
        )
    }
}

/// The tokens of a text without marks: one that is written out in it means nothing.
pub(super) fn words(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    let mut tokens = tokenizer.encode(text)?;
    tokens.retain(|token| *token as usize >= SPECIAL.len());
    Ok(tokens)
}

/// Texts that are under way at once, each with its beams.
const ROWS: usize = 256;

impl Translator {
    /// A model and its tokenizer.
    ///
    /// # Errors
    /// If the tokenizer is not one that was learned with the model.
    pub fn new(model: Transformer, tokenizer: Tokenizer) -> Result<Self> {
        let (has, knows) = (tokenizer.vocab_size(), model.config().source_vocab);
        let marks = SPECIAL.iter().zip(0..);
        if has != knows
            || marks
                .into_iter()
                .any(|(mark, id)| tokenizer.id(mark) != Some(id))
        {
            return Err(Error::model_mismatch(format!(
                "the tokenizer has {has} tokens, and the model knows {knows}, of which {} are the first: it is another model's",
                SPECIAL.join(", ")
            )));
        }
        Ok(Self { model, tokenizer })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Transformer {
        &self.model
    }

    /// How texts become its numbers.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Where it looks for each token of a translation.
    pub(super) fn looks(&self, source: &str, translation: &str) -> Result<Looks> {
        let mut read = words(&self.tokenizer, source)?;
        let mut written = words(&self.tokenizer, translation)?;
        read.push(END);
        let row = |tokens: &mut dyn Iterator<Item = u32>| {
            let all: Vec<i64> = tokens.map(i64::from).collect();
            Tensor::from_slice(&all, [1, all.len()])
        };
        let source = row(&mut read.iter().copied());
        // Each token is told from those before it.
        let given = row(&mut [BEGIN].into_iter().chain(written.iter().copied()));
        written.push(END);
        let last = no_grad(|| self.model.looks(&source, &given)).pop();
        let last = last.ok_or_else(|| Error::new("the decoder has no layer"))?;
        let named = |tokens: &[u32]| -> Result<Vec<String>> {
            let names = tokens.iter().map(|token| match *token {
                END => Ok("(end)".to_owned()),
                token => Ok(self.tokenizer.decode(&[token])?.trim().to_owned()),
            });
            names.collect()
        };
        Ok(Looks {
            shares: last.squeeze(0),
            written: named(&written)?,
            read: named(&read)?,
        })
    }

    /// The translation of each text, a sentence each, of `most` tokens at most, by a search with so many beams.
    ///
    /// # Errors
    /// If a text is empty, or the weights are damaged.
    ///
    /// # Panics
    /// If there are no beams.
    #[track_caller]
    pub fn translate(&self, texts: &[&str], beams: usize, most: usize) -> Result<Vec<Translation>> {
        let mut sources = Vec::with_capacity(texts.len());
        for text in texts {
            let text = text.trim();
            if text.is_empty() {
                return Err(Error::usage(
                    "found no text, wanted a sentence to translate",
                ));
            }
            let mut tokens = words(&self.tokenizer, text)?;
            tokens.push(END);
            sources.push(tokens);
        }
        // Those of nearly one length together.
        let mut order: Vec<usize> = (0..sources.len()).collect();
        order.sort_by_key(|i| sources[*i].len());
        let mut done: Vec<Option<Translation>> = vec![None; texts.len()];
        for some in order.chunks((ROWS / beams.max(1)).max(1)) {
            let these: Vec<&[u32]> = some.iter().map(|i| &sources[*i][..]).collect();
            let longest = these.iter().map(|text| text.len()).max().unwrap_or(0);
            // No translation is that much longer.
            let search = BeamSearch::new(beams, most.min(2 * longest + 10), [END]);
            let found = translate(&self.model, &these, BEGIN, &search)?;
            for (i, found) in some.iter().zip(found) {
                let best = found.into_iter().next();
                let best = best.ok_or_else(|| Error::new("the search found no text"))?;
                done[*i] = Some(Translation {
                    text: self.tokenizer.decode(&best.tokens)?.trim().to_owned(),
                    tokens: best.tokens.len(),
                    score: best.score,
                });
            }
        }
        Ok(done.into_iter().flatten().collect())
    }
}
