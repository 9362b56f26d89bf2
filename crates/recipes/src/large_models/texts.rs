//! Texts to learn from, in files.

use crate::settings;
use eras_data::catalog::{MOBY_DICK, TINY_SHAKESPEARE};
use eras_data::{Batch, Dataset, Search};
use eras_tensor::{Error, Result};
use eras_text::{Document, Documents, Tokenizer, Windows, read_text};
use std::path::Path;

/// The share of the text that a model never learns from: its end.
pub(super) const HELD_OUT: f64 = 0.1;

/// Tiny Shakespeare where it is at hand, and else Moby Dick, which is built in.
pub(super) const AUTO: &str = "auto";

/// Refuses a setting `text` that names none.
pub(super) fn check(text: &str) -> Result<()> {
    let all = [AUTO, TINY_SHAKESPEARE.name, MOBY_DICK.name];
    settings::want_word("text", text, &all)
}

/// The name and the contents of the text at `data`, a file or a folder with `input.txt`, or of the one called `text`.
pub(super) fn find(data: Option<&Path>, text: &str) -> Result<(String, String)> {
    if let Some(path) = data {
        let file = path.join("input.txt");
        let path = if path.is_dir() { &file } else { path };
        return Ok((path.display().to_string(), read_text(path)?));
    }
    let search = Search::from_env();
    let is_moby_dick = match text {
        AUTO => search.local(&TINY_SHAKESPEARE)?.is_none(),
        name => name == MOBY_DICK.name,
    };
    let known = if is_moby_dick {
        &MOBY_DICK
    } else {
        &TINY_SHAKESPEARE
    };
    let found = search.find(known, &mut |_, _| ())?;
    Ok((known.name.to_owned(), found.text(0)?))
}

/// The tokens of the text called `name`.
pub(super) fn encode(name: &str, tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>> {
    tokenizer.encode(text).map_err(|error| error.at(name))
}

/// The tokens of a text that are learned from, and those that are held out; there must be a window of `context` of each.
pub(super) fn split<'a>(
    name: &str,
    tokens: &'a [u32],
    context: usize,
) -> Result<(&'a [u32], &'a [u32])> {
    let held_out = (HELD_OUT * tokens.len() as f64) as usize;
    let least = context + 1;
    if held_out < least {
        return Err(Error::usage(format!(
            "{name}: found a text of {} tokens, of which {held_out} are held out; wanted at least {least} there, a window and \
             what follows it",
            tokens.len()
        )));
    }
    Ok(tokens.split_at(tokens.len() - held_out))
}

/// Whether a file holds documents, by the ending of its name, `.gz` apart: `.jsonl`.
fn is_documents(path: &Path) -> Result<bool> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if name.ends_with(".json") {
        return Err(Error::file(
            path,
            "is one piece of JSON by its name, wanted a text, or documents, an object a line, in a file `.jsonl`",
        ));
    }
    Ok(name.ends_with(".jsonl"))
}

/// One long text, or many short ones.
pub(super) enum Texts {
    Line(Windows),
    Packed(Documents),
}

impl Texts {
    /// Those at `data`, to learn from and held out, in windows of `context` tokens: of a file `.jsonl` its documents, each
    /// closed by `end`, of any other its text. Their name, too.
    pub(super) fn find(
        data: Option<&Path>,
        text: &str,
        tokenizer: &Tokenizer,
        end: Option<u32>,
        context: usize,
    ) -> Result<(String, [Self; 2])> {
        if let Some(path) = data
            && is_documents(path)?
        {
            let name = path.display().to_string();
            let all = Document::read_lines(path, tokenizer, end)?;
            let held_out = (HELD_OUT * all.len() as f64).ceil() as usize;
            let (train, valid) = all.split_at(all.len() - held_out);
            let packed = [train, valid].map(|part| Documents::packed(part, context));
            if let Some(empty) = packed.iter().position(Dataset::is_empty) {
                let part = ["to learn from", "held out"][empty];
                return Err(Error::usage(format!(
                    "{name}: found {} documents, of which {held_out} are held out, and none {part} has two tokens or more; \
                     wanted one at least",
                    all.len()
                )));
            }
            return Ok((name, packed.map(Self::Packed)));
        }
        let (name, text) = find(data, text)?;
        let tokens = encode(&name, tokenizer, &text)?;
        let (train, valid) = split(&name, &tokens, context)?;
        let lines = [train, valid].map(|part| Self::Line(Windows::in_line(part, context)));
        Ok((name, lines))
    }

    /// What the first of them begins with: its question, or a few tokens.
    pub(super) fn beginning(&self) -> Result<Vec<u32>> {
        const FEW: usize = 8;
        let Batch { x, y } = self.batch(&[0])?;
        let tokens = match self {
            Self::Line(_) => x,
            Self::Packed(_) => x.select(1, 0),
        };
        let next = y.to_vec::<i64>();
        let asked = next.iter().take_while(|n| **n == Documents::IGNORED);
        let len = match asked.count() {
            0 => FEW,
            asked => asked + 1,
        };
        let tokens = tokens.to_vec::<i64>().into_iter().take(len);
        Ok(tokens.map(|token| token as u32).collect())
    }

    fn set(&self) -> &dyn Dataset {
        match self {
            Self::Line(windows) => windows,
            Self::Packed(documents) => documents,
        }
    }
}

impl Dataset for Texts {
    fn len(&self) -> usize {
        self.set().len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        self.set().batch(indices)
    }

    fn fingerprint(&self) -> Option<String> {
        self.set().fingerprint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_by_the_ending_of_their_file() {
        let is = |name: &str| is_documents(Path::new(name));
        for name in ["a.jsonl", "b/A.JSONL", "c.jsonl.gz"] {
            assert!(is(name).unwrap(), "{name}");
        }
        for name in ["a.txt", "jsonl", "b.jsonl/c.txt.gz"] {
            assert!(!is(name).unwrap(), "{name}");
        }
        let error = is("a.json.gz").unwrap_err().to_string();
        assert!(error.contains("is one piece of JSON"), "{error}");
    }
}
