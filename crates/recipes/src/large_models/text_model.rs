//! A model that goes on with a text, with its tokenizer.

use super::Writer;
use eras_formats::files;
use eras_models::large_models::{
    BeamSearch, End, Generation, Gpt, Pretrained, generate_each, likeliest,
};
use eras_tensor::{Error, Result};
use eras_text::Tokenizer;
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// A model that goes on with a text, with its tokenizer.
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
    /// As [`Writer::read`], or if the model does not go on with texts.
    pub fn read(folder: &Path) -> Result<Self> {
        Writer::read(folder)?
            .goes_on()
            .map_err(|error| error.at(folder))
    }

    /// A model and its tokenizer.
    ///
    /// # Errors
    /// If the tokenizer has tokens that the model does not know, or far fewer than it knows: tables of tokens are filled up to
    /// a round number, but not by a fifth.
    pub fn new(gpt: Gpt, tokenizer: Tokenizer, bos: Option<u32>, stop: Vec<u32>) -> Result<Self> {
        let (has, knows) = (tokenizer.vocab_size(), gpt.config().vocab_size);
        if has > knows || 5 * has < 4 * knows {
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

    /// Writes the model as `transformers` reads it: `config.json`, `generation_config.json`, `model.safetensors`,
    /// `tokenizer.json` and `tokenizer_config.json`, in a folder that is made if it is not there.
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
        let token = |id: Option<u32>| id.and_then(|id| self.tokenizer.token(id));
        let about = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.gpt.config().context,
            "clean_up_tokenization_spaces": false,
            "bos_token": token(self.bos),
            "eos_token": token(self.stop.first().copied()),
        });
        files::replace(&folder.join("tokenizer_config.json"), |file| {
            writeln!(file, "{about:#}")
        })?;
        self.tokenizer.write(folder.join(Tokenizer::FILE))
    }

    /// The tokens of a prompt, with what the tokenizer begins a text with; a text that is to go on has no end. An empty one is
    /// the token that begins a text, or else the one that ends it, after which another begins.
    ///
    /// # Errors
    /// If it cannot be told in tokens, or is of none and the model has no such token.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = self.tokenizer.encode_framed(text)?;
        while tokens.last().is_some_and(|last| self.stop.contains(last)) {
            tokens.pop();
        }
        if tokens.is_empty() {
            tokens.extend(self.bos.or(self.stop.first().copied()));
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
    /// As [`generate_each`].
    pub fn write(
        &self,
        prompt: &[u32],
        how: &Generation,
        mut each: impl FnMut(&str) -> bool,
    ) -> Result<Written> {
        let written = self.write_each(&[prompt], how, |_, text| each(text))?;
        Ok(written[0])
    }

    /// As [`write`](Self::write) after several prompts at once: `each` is told which text a piece belongs to.
    ///
    /// # Errors
    /// As [`generate_each`].
    pub fn write_each(
        &self,
        prompts: &[impl AsRef<[u32]>],
        how: &Generation,
        mut each: impl FnMut(usize, &str) -> bool,
    ) -> Result<Vec<Written>> {
        let how = how.clone().stop([&how.stop[..], &self.stop].concat());
        let streams = prompts
            .iter()
            .map(|prompt| self.tokenizer.stream_after(prompt.as_ref()));
        let mut streams = streams.collect::<Result<Vec<_>>>()?;
        let mut tokens = vec![0; prompts.len()];
        let mut failed = None;
        let ends = generate_each(&self.gpt, prompts, &how, |i, token| {
            tokens[i] += 1;
            match streams[i].push(token) {
                Ok(text) => text.is_empty() || each(i, &text),
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let mut all = Vec::new();
        for (i, (stream, end)) in streams.into_iter().zip(ends).enumerate() {
            let rest = stream.end()?;
            if end != End::Told && !rest.is_empty() {
                each(i, &rest);
            }
            all.push(Written {
                tokens: tokens[i],
                end,
            });
        }
        Ok(all)
    }

    /// The likeliest text of at most `max_tokens` that goes on after `prompt`, as nearly as a search with so many beams finds it.
    ///
    /// # Errors
    /// As [`likeliest`].
    ///
    /// # Panics
    /// If there are no beams.
    #[track_caller]
    pub fn search(
        &self,
        prompt: &[u32],
        beams: usize,
        max_tokens: usize,
    ) -> Result<(String, Written)> {
        let search = BeamSearch::new(beams, max_tokens, &self.stop[..]);
        let found = likeliest(&self.gpt, prompt, &search)?;
        let tokens = found.into_iter().next().map(|best| best.tokens);
        let tokens = tokens.unwrap_or_default();
        let end = match tokens.last() {
            Some(last) if self.stop.contains(last) => End::Stop(*last),
            _ if tokens.len() < max_tokens => End::Full,
            _ => End::Enough,
        };
        let mut stream = self.tokenizer.stream_after(prompt)?;
        let mut text = String::new();
        for token in &tokens {
            text += &stream.push(*token)?;
        }
        text += &stream.end()?;
        let tokens = tokens.len();
        Ok((text, Written { tokens, end }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use eras_models::large_models::GptConfig;

    #[test]
    fn a_tokenizer_of_another_model_is_refused_and_an_empty_prompt_begins_a_text() {
        let gpt = Gpt::blank(GptConfig::gpt2(10, 8, 8, 1, 2));
        let model = |letters: &str, stop: &[u32]| {
            let tokenizer = Tokenizer::characters(letters);
            TextModel::new(gpt.clone(), tokenizer, None, stop.to_vec())
        };
        for other in ["abcdefg", "abcdefghijk"] {
            let error = model(other, &[]).unwrap_err().to_string();
            assert!(error.contains("it is another model's"), "{error}");
        }
        // Tables of tokens are filled up.
        let plain = model("abcdefgh", &[]).unwrap();
        assert!(plain.prompt("").unwrap_err().is_usage());
        let ends = model("abcdefgh", &[7]).unwrap();
        assert_eq!(ends.prompt("").unwrap(), [7]);
        assert_eq!(ends.prompt("cabh").unwrap(), [2, 0, 1]);
    }
}
