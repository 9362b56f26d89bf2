//! Many texts as a data set, several in one window.

use crate::{Tokenizer, file};
use eras_data::{Batch, Dataset, fingerprint};
use eras_tensor::{Error, Result, Tensor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A text in tokens, and from where on a model learns to say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The text, with what ends it.
    pub tokens: Vec<u32>,
    /// The tokens from this one on are learned; those before it, as a question, are only read.
    pub learned_from: usize,
}

impl Document {
    /// A text that is learned as a whole. Of the first token nothing is learned, for nothing comes before it.
    #[must_use]
    pub fn text(tokens: Vec<u32>) -> Self {
        Self {
            tokens,
            learned_from: 0,
        }
    }

    /// A text of which only what follows the prompt is learned.
    #[must_use]
    pub fn answer(prompt: &[u32], answer: &[u32]) -> Self {
        Self {
            tokens: [prompt, answer].concat(),
            learned_from: prompt.len(),
        }
    }

    /// Reads a file with an object in JSON a line: `{"text": ..}`, or `{"prompt": .., "completion": ..}`, of which only the
    /// completion is learned. `end` closes each text; lines that are empty are passed over.
    ///
    /// # Errors
    /// If the file cannot be read, has no text, or a line is something else, which is named.
    pub fn read_lines(
        path: impl AsRef<Path>,
        tokenizer: &Tokenizer,
        end: Option<u32>,
    ) -> Result<Vec<Self>> {
        let path = path.as_ref();
        let text = file::read_text(path)?;
        let mut all = Vec::new();
        for (i, line) in text.lines().enumerate() {
            if !line.trim().is_empty() {
                let document = Self::parse(line, tokenizer, end);
                all.push(document.map_err(|e| Error::file(path, format!("line {}: {e}", i + 1)))?);
            }
        }
        if all.is_empty() {
            return Err(Error::file(
                path,
                "has no text, wanted an object in JSON a line",
            ));
        }
        Ok(all)
    }

    fn parse(line: &str, tokenizer: &Tokenizer, end: Option<u32>) -> Result<Self> {
        let all: Value =
            serde_json::from_str(line).map_err(|e| Error::new(format!("is no JSON: {e}")))?;
        let text = |key: &str| all[key].as_str();
        let closed = |text: &str| -> Result<Vec<u32>> {
            let mut tokens = tokenizer.encode(text)?;
            tokens.extend(end);
            Ok(tokens)
        };
        let framed = |text: &str| -> Result<Vec<u32>> {
            let mut tokens = tokenizer.encode_framed(text)?;
            tokens.truncate(
                tokens.len() - usize::from(end.is_some() && tokens.last() == end.as_ref()),
            );
            Ok(tokens)
        };
        match (text("text"), text("prompt"), text("completion")) {
            (Some(text), None, None) => {
                let mut tokens = framed(text)?;
                tokens.extend(end);
                Ok(Self::text(tokens))
            }
            (None, Some(prompt), Some(answer)) => {
                Ok(Self::answer(&framed(prompt)?, &closed(answer)?))
            }
            _ => Err(Error::new(
                "wanted the text `text`, or the texts `prompt` and `completion`, and not both",
            )),
        }
    }
}

/// Many texts as a data set of windows of `T` tokens, in each of which as many texts lie behind one another as there is room
/// for. Texts that are longer than a window are cut.
///
/// Batches have `x (B, 2, T)` in `i64`: the tokens, and for each the number of its document, from 0 in each window, -1 behind
/// the last; and `y (B, T)`: the token that comes next in its document, or [`IGNORED`](Self::IGNORED) where there is none or it
/// is not learned. It is for models that let no document see another.
///
/// ```
/// use eras_data::Dataset;
/// use eras_text::{Document, Documents};
///
/// let all = [Document::text(vec![5, 6, 7]), Document::answer(&[1, 2], &[3])];
/// let windows = Documents::packed(&all, 5);
/// let batch = windows.batch(&[0])?;
/// assert_eq!(batch.x.to_vec::<i64>(), [5, 6, 1, 2, 0, /* of */ 0, 0, 1, 1, -1]);
/// assert_eq!(batch.y.to_vec::<i64>(), [6, 7, -100, 3, -100]);
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Documents {
    windows: Vec<Window>,
    context: usize,
}

/// A token, the number of its document, and what comes next.
type Place = (u32, i32, i64);

type Window = Vec<Place>;

impl Documents {
    /// The target of a place where nothing is learned.
    pub const IGNORED: i64 = -100;

    /// Puts the documents in windows of `context` tokens: the longest first, each where it leaves the least room. Documents
    /// of which nothing is learned are left out.
    ///
    /// # Panics
    /// If `context` is 0.
    #[must_use]
    #[track_caller]
    pub fn packed(documents: &[Document], context: usize) -> Self {
        assert!(
            context > 0,
            "Documents: found windows of 0 tokens, wanted 1 or more"
        );
        let mut pieces: Vec<Vec<(u32, i64)>> = documents
            .iter()
            .flat_map(|document| document.pieces(context))
            .collect();
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
        let mut windows: Vec<Window> = Vec::new();
        // Windows by the room that they have left, and how many documents they hold.
        let mut open: BTreeMap<usize, Vec<(usize, i32)>> = BTreeMap::new();
        for piece in pieces {
            let fits = open.range(piece.len()..).next().map(|(room, _)| *room);
            let (room, (window, number)) =
                match fits.and_then(|room| Some((room, open.get_mut(&room)?.pop()?))) {
                    Some(found) => found,
                    None => {
                        windows.push(Vec::with_capacity(context));
                        (context, (windows.len() - 1, 0))
                    }
                };
            if open.get(&room).is_some_and(Vec::is_empty) {
                open.remove(&room);
            }
            let left = room - piece.len();
            windows[window].extend(piece.into_iter().map(|(token, next)| (token, number, next)));
            if left > 0 {
                open.entry(left).or_default().push((window, number + 1));
            }
        }
        Self { windows, context }
    }

    /// Tokens of a window.
    #[must_use]
    pub fn context(&self) -> usize {
        self.context
    }

    /// The share of the places that hold a text.
    #[must_use]
    pub fn filled(&self) -> f64 {
        let held: usize = self.windows.iter().map(Vec::len).sum();
        held as f64 / (self.windows.len() * self.context).max(1) as f64
    }
}

impl Document {
    /// What a model reads and what it is to say then, in pieces of at most `context` tokens of which something is learned.
    fn pieces(&self, context: usize) -> impl Iterator<Item = Vec<(u32, i64)>> {
        let pairs: Vec<(u32, i64)> = self
            .tokens
            .windows(2)
            .enumerate()
            .map(|(i, pair)| {
                let is_learned = i + 1 >= self.learned_from;
                (
                    pair[0],
                    if is_learned {
                        i64::from(pair[1])
                    } else {
                        Documents::IGNORED
                    },
                )
            })
            .collect();
        let pieces: Vec<_> = pairs.chunks(context).map(<[_]>::to_vec).collect();
        let teaches =
            |piece: &Vec<(u32, i64)>| piece.iter().any(|(_, next)| *next != Documents::IGNORED);
        pieces.into_iter().filter(teaches)
    }
}

impl Dataset for Documents {
    fn len(&self) -> usize {
        self.windows.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        if let Some(index) = indices.iter().find(|index| **index >= self.len()) {
            panic!("Documents: sample {index} of a set of {}", self.len());
        }
        const NOTHING: Place = (0, -1, Documents::IGNORED);
        let mut x = Vec::with_capacity(2 * indices.len() * self.context);
        let mut y = Vec::with_capacity(indices.len() * self.context);
        for index in indices {
            let places = || {
                let held = self.windows[*index].iter().copied();
                held.chain(std::iter::repeat(NOTHING)).take(self.context)
            };
            x.extend(places().map(|(token, ..)| i64::from(token)));
            x.extend(places().map(|(_, number, _)| i64::from(number)));
            y.extend(places().map(|(.., next)| next));
        }
        Ok(Batch {
            x: Tensor::from_slice(&x, [indices.len(), 2, self.context]),
            y: Tensor::from_slice(&y, [indices.len(), self.context]),
        })
    }

    fn fingerprint(&self) -> Option<String> {
        let mut bytes = (self.context as u64).to_le_bytes().to_vec();
        for window in &self.windows {
            bytes.extend((window.len() as u64).to_le_bytes());
            for (token, number, next) in window {
                bytes.extend(token.to_le_bytes());
                bytes.extend(number.to_le_bytes());
                bytes.extend(next.to_le_bytes());
            }
        }
        Some(fingerprint([&bytes[..]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice::from_ref;

    fn document(len: u32) -> Document {
        Document::text((0..=len).collect())
    }

    #[test]
    fn windows_are_filled_without_cutting_what_fits() {
        // Of 6, 5, 4, 3, 2 pairs in windows of 10: 6 + 4 and 5 + 3 + 2.
        let all = [2, 4, 6, 3, 5].map(document);
        let windows = Documents::packed(&all, 10);
        assert_eq!((windows.len(), windows.filled()), (2, 1.0));
        let batch = windows.batch(&[0, 1]).unwrap();
        let numbers = batch.x.select(1, 1).to_vec::<i64>();
        assert_eq!(numbers[..10], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(numbers[10..], [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]);
        let next: Vec<i64> = batch.x.select(1, 0).to_vec::<i64>();
        let next: Vec<i64> = next.iter().map(|token| token + 1).collect();
        assert_eq!(batch.y.to_vec::<i64>(), next);
    }

    #[test]
    fn each_pair_of_tokens_is_learned_once_also_of_a_text_that_is_cut() {
        let all = [document(23), document(1), document(9)];
        let windows = Documents::packed(&all, 10);
        let every: Vec<usize> = (0..windows.len()).collect();
        let batch = windows.batch(&every).unwrap();
        let (tokens, next) = (
            batch.x.select(1, 0).to_vec::<i64>(),
            batch.y.to_vec::<i64>(),
        );
        let mut learned: Vec<i64> = next
            .iter()
            .copied()
            .filter(|n| *n != Documents::IGNORED)
            .collect();
        learned.sort_unstable();
        let mut wanted: Vec<i64> = (1..=23).chain(1..=1).chain(1..=9).collect();
        wanted.sort_unstable();
        assert_eq!(learned, wanted);
        for (token, next) in tokens.iter().zip(&next) {
            assert!(*next == Documents::IGNORED || *next == token + 1);
        }
    }

    #[test]
    fn of_a_question_nothing_is_learned_and_without_an_answer_it_is_left_out() {
        let all = [
            Document::answer(&[1, 2, 3], &[4, 5]),
            Document::answer(&[6, 7], &[]),
            Document::answer(&[], &[8, 9]),
        ];
        let windows = Documents::packed(&all, 5);
        let batch = windows.batch(&[0]).unwrap();
        assert_eq!(windows.len(), 1);
        assert_eq!(batch.y.to_vec::<i64>(), [-100, -100, 4, 5, 9]);
    }

    #[test]
    fn a_file_of_lines_is_read_and_a_line_that_is_something_else_is_named() {
        let path = std::env::temp_dir().join(format!("eras-documents-{}", std::process::id()));
        let tokenizer = Tokenizer::characters("abc.");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Document::read_lines(&path, &tokenizer, Some(0))
        };
        let all =
            read("{\"text\": \"ab\"}\n\n{\"prompt\": \"a\", \"completion\": \"bc\"}\n").unwrap();
        assert_eq!(all[0], Document::text(vec![1, 2, 0]));
        assert_eq!(all.len(), 2);
        for (text, wanted) in [
            ("{\"text\": \"ab\"}\nab", "line 2: is no JSON"),
            ("{\"prompt\": \"ab\"}", "line 1: wanted the text `text`, or"),
            ("{\"text\": 3}", "line 1: wanted the text `text`, or"),
            ("{\"text\": \"x\"}", "found the character 'x'"),
            ("\n", "has no text"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.contains(wanted) && error.contains("eras-documents"),
                "{error}"
            );
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn other_documents_have_other_fingerprints() {
        let print = |all: &[Document], context| Documents::packed(all, context).fingerprint();
        let (a, b) = (document(4), Document::answer(&[0, 1], &[2, 3, 4]));
        let mut all = [
            print(from_ref(&a), 8),
            print(from_ref(&a), 9),
            print(from_ref(&b), 8),
            print(&[a, b], 8),
        ];
        all.sort();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
