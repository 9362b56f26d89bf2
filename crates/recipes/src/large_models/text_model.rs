//! A model that writes texts, with its tokenizer.

use crate::run::Run;
use eras_models::large_models::{End, Generation, Gpt, Pretrained, generate};
use eras_tensor::{Error, Result};
use eras_text::Tokenizer;
use std::path::Path;

/// A model that writes texts, with its tokenizer.
#[derive(Debug)]
pub struct TextModel {
    /// The model.
    pub gpt: Gpt,
    /// How texts become its numbers.
    pub tokenizer: Tokenizer,
    /// The token that begins a text, if there is such a one.
    pub bos: Option<u32>,
    /// The tokens that end a text.
    pub stop: Vec<u32>,
}

impl TextModel {
    /// Of a run folder, or of a folder as `transformers` writes it.
    ///
    /// # Errors
    /// If it is neither, its model writes no texts, a file cannot be read, or the tokenizer is not the model's.
    pub fn read(folder: &Path) -> Result<Self> {
        if !folder.join("config.json").exists() {
            let run = Run::open(folder)?;
            return crate::find(&run.config().recipe)?.text_model(&run);
        }
        let Pretrained { gpt, bos, eos } = Pretrained::read(folder)?;
        Self::new(gpt, Tokenizer::read(folder)?, bos, eos).map_err(|error| error.at(folder))
    }

    /// A model and its tokenizer.
    ///
    /// # Errors
    /// If the tokenizer has tokens that the model does not know.
    pub fn new(gpt: Gpt, tokenizer: Tokenizer, bos: Option<u32>, stop: Vec<u32>) -> Result<Self> {
        let (has, knows) = (tokenizer.vocab_size(), gpt.config().vocab_size);
        if has > knows {
            return Err(Error::model_mismatch(format!(
                "the tokenizer has {has} tokens, but the model knows {knows}: it is another model's"
            )));
        }
        Ok(Self {
            gpt,
            tokenizer,
            bos,
            stop,
        })
    }

    /// Writes the model as `transformers` reads it: `config.json`, `model.safetensors` and `tokenizer.json`, in a folder that
    /// is made if it is not there.
    ///
    /// # Errors
    /// If the model has settings that no configuration of `transformers` can say, or the system refuses.
    pub fn write_folder(&self, folder: &Path) -> Result<()> {
        let pretrained = Pretrained {
            gpt: self.gpt.clone(),
            bos: self.bos,
            eos: self.stop.clone(),
        };
        pretrained.write(folder)?;
        self.tokenizer.write(folder.join(Tokenizer::FILE))
    }

    /// The tokens of a prompt, with what the tokenizer begins a text with; a text that is to go on has no end.
    ///
    /// # Errors
    /// If it cannot be told in tokens, or is of none.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = self.tokenizer.encode_framed(text)?;
        while tokens.last().is_some_and(|last| self.stop.contains(last)) {
            tokens.pop();
        }
        if tokens.is_empty() {
            return Err(Error::usage(
                "the prompt is empty, wanted a text to go on from",
            ));
        }
        Ok(tokens)
    }

    /// Lets the model go on after `prompt`, and tells each piece of text as soon as it is certain, until `each` answers
    /// false.
    ///
    /// # Errors
    /// As [`generate`].
    pub fn write(
        &self,
        prompt: &[u32],
        how: &Generation,
        mut each: impl FnMut(&str) -> bool,
    ) -> Result<Written> {
        let how = Generation {
            stop: [&how.stop[..], &self.stop].concat(),
            ..how.clone()
        };
        let mut stream = self.tokenizer.stream_after(prompt)?;
        let (mut tokens, mut failed) = (0, None);
        let end = generate(&self.gpt, prompt, &how, |token| {
            tokens += 1;
            match stream.push(token) {
                Ok(text) => text.is_empty() || each(&text),
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let rest = stream.end()?;
        if end != End::Told && !rest.is_empty() {
            each(&rest);
        }
        Ok(Written { tokens, end })
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How many tokens.
    pub tokens: usize,
    /// Why no more.
    pub end: End,
}
