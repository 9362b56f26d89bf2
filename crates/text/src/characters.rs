//! A tokenizer whose tokens are the characters of a text.
//!
//! Its file is a `tokenizer.json` that other programs read as well: a vocabulary of words, of which each is a character,
//! and a rule that cuts everywhere.

use eras_tensor::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The rule that cuts a text between any two characters, as all dialects of regular expressions say it.
const CUT: &str = r"[\s\S]";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Characters {
    /// By number, in the order of their code points.
    all: Vec<char>,
    ids: HashMap<char, u32>,
}

impl Characters {
    pub(crate) fn of(text: &str) -> Self {
        let mut all: Vec<char> = text.chars().collect();
        all.sort_unstable();
        all.dedup();
        Self::with(all)
    }

    fn with(all: Vec<char>) -> Self {
        let ids = all.iter().zip(0..).map(|(c, id)| (*c, id)).collect();
        Self { all, ids }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let id = |(at, c): (usize, char)| {
            self.ids.get(&c).copied().ok_or_else(|| {
                Error::new(format!(
                    "found the character {c:?} at byte {at}, which is none of the {} that this tokenizer knows",
                    self.len()
                ))
            })
        };
        text.char_indices().map(id).collect()
    }

    /// Numbers that are none of its tokens are left out.
    pub(crate) fn decode(&self, ids: &[u32]) -> String {
        ids.iter().filter_map(|id| self.character(*id)).collect()
    }

    pub(crate) fn character(&self, id: u32) -> Option<char> {
        self.all.get(usize::try_from(id).ok()?).copied()
    }

    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        let mut characters = token.chars();
        let first = characters.next()?;
        match characters.next() {
            None => self.ids.get(&first).copied(),
            Some(_) => None,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let ids = self.all.iter().zip(0u32..);
        let vocab: Map<String, Value> = ids.map(|(c, id)| (c.to_string(), id.into())).collect();
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [],
            "normalizer": null,
            "pre_tokenizer": {
                "type": "Split",
                "pattern": { "Regex": CUT },
                "behavior": "Isolated",
                "invert": false,
            },
            "post_processor": null,
            "decoder": { "type": "Fuse" },
            "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "<unk>" },
        })
    }

    /// None where a `tokenizer.json` is not of this kind.
    pub(crate) fn from_json(file: &Value) -> Option<Self> {
        let is = |value: &Value, name: &str| value.as_str() == Some(name);
        let (model, cut) = (&file["model"], &file["pre_tokenizer"]);
        let plain = is(&model["type"], "WordLevel")
            && is(&cut["pattern"]["Regex"], CUT)
            && is(&cut["behavior"], "Isolated")
            && file["normalizer"].is_null()
            && file["added_tokens"].as_array().is_some_and(Vec::is_empty);
        let vocab = model["vocab"].as_object().filter(|_| plain)?;
        let mut all = vec![None; vocab.len()];
        for (token, id) in vocab {
            let mut characters = token.chars();
            let character = characters.next().filter(|_| characters.next().is_none())?;
            let id = usize::try_from(id.as_u64()?).ok()?;
            *all.get_mut(id)? = Some(character);
        }
        let all: Option<Vec<char>> = all.into_iter().collect();
        all.filter(|all| !all.is_empty()).map(Self::with)
    }
}
