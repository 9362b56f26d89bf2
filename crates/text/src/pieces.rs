//! Tokenizers of the crate `tokenizers`.

use eras_tensor::{Error, Result};

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

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
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
