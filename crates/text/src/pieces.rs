//! Tokenizers of the crate `tokenizers`.

use eras_tensor::{Error, Result};
use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) struct Pieces {
    all: tokenizers::Tokenizer,
    len: usize,
}

/// The crate's own words, behind ours.
pub(crate) fn error(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(format!("{what}: {error}"))
}

impl Pieces {
    pub(crate) fn new(mut all: tokenizers::Tokenizer) -> Self {
        // A text is given whole, however long the models were for which the file was made.
        let _ = all.with_truncation(None);
        all.with_padding(None);
        // Numbers may have holes: what counts is the highest.
        let ids = all.get_vocab(true);
        let len = ids.values().max().map_or(0, |most| *most as usize + 1);
        Self { all, len }
    }

    /// From the text of a file, which `file` is, too.
    pub(crate) fn parse(bytes: &[u8], file: &Value) -> Result<Self> {
        check_merges(&file["model"])?;
        let all =
            tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| error("is no tokenizer", &e))?;
        Ok(Self::new(all))
    }

    pub(crate) fn to_json(&self) -> Result<String> {
        let text = self.all.to_string(true);
        text.map_err(|e| error("a tokenizer that cannot be written", &e))
    }

    pub(crate) fn encode(&self, text: &str, framed: bool) -> Result<Vec<u32>> {
        let encoding = self.all.encode_fast(text, framed);
        let encoding = encoding.map_err(|e| error("the text cannot be told in tokens", &e))?;
        Ok(encoding.get_ids().to_vec())
    }

    pub(crate) fn decode(&self, tokens: &[u32]) -> Result<String> {
        let text = self.all.decode(tokens, true);
        text.map_err(|e| error("the tokens cannot be told in text", &e))
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.all.token_to_id(token)
    }

    pub(crate) fn token(&self, id: u32) -> Option<String> {
        self.all.id_to_token(id)
    }
}

/// Refuses merges that make no token of the vocabulary: the crate would panic.
fn check_merges(model: &Value) -> Result<()> {
    let (Some(vocab), Some(merges)) = (model["vocab"].as_object(), model["merges"].as_array())
    else {
        return Ok(());
    };
    let prefix = model["continuing_subword_prefix"].as_str().unwrap_or("");
    for (i, merge) in merges.iter().enumerate() {
        let pair = match merge {
            Value::String(text) if text.starts_with("#version") => None,
            Value::String(text) => text.split_once(' '),
            _ => merge[0].as_str().zip(merge[1].as_str()),
        };
        // What is no pair the crate passes over, or refuses by itself.
        let Some((a, b)) = pair else { continue };
        let made = b.get(prefix.len()..).map(|b| format!("{a}{b}"));
        if !made.is_some_and(|token| vocab.contains_key(&token)) {
            return Err(Error::new(format!(
                "is no tokenizer: merge {i}, of `{a}` and `{b}`, makes no token of the vocabulary"
            )));
        }
    }
    Ok(())
}
