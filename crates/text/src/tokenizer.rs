//! A text as numbers, and back.

use crate::Stream;
use crate::characters::Characters;
#[cfg(feature = "tokenizers")]
use crate::pieces::Pieces;
use eras_formats::files;
use eras_tensor::{Error, Result};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

/// A text as numbers of tokens, and back.
///
/// ```
/// use eras_text::Tokenizer;
///
/// let tokenizer = Tokenizer::characters("hello world");
/// assert_eq!(tokenizer.vocab_size(), 8);
/// let tokens = tokenizer.encode("hold")?;
/// assert_eq!(tokens, [3, 5, 4, 1]);
/// assert_eq!(tokenizer.decode(&tokens)?, "hold");
/// assert!(tokenizer.encode("help!").is_err());
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tokenizer(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Characters(Characters),
    #[cfg(feature = "tokenizers")]
    Pieces(Box<Pieces>),
}

impl Tokenizer {
    /// The file of a tokenizer in a folder.
    pub const FILE: &str = "tokenizer.json";

    /// The characters of `text`, in the order of their code points.
    #[must_use]
    pub fn characters(text: &str) -> Self {
        Self(Kind::Characters(Characters::of(text)))
    }

    #[cfg(feature = "tokenizers")]
    pub(crate) fn of_pieces(pieces: Pieces) -> Self {
        Self(Kind::Pieces(Box::new(pieces)))
    }

    /// Reads a `tokenizer.json`, or that in a folder. Without the feature `tokenizers` only tokenizers of characters are
    /// read.
    ///
    /// # Errors
    /// If it cannot be read, or is of a kind that is not known.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let path = if path.is_dir() {
            path.join(Self::FILE)
        } else {
            path.to_owned()
        };
        if !path.exists() {
            return Err(Error::file(&path, "found no such file, wanted a tokenizer"));
        }
        Self::parse(&files::read(&path)?).map_err(|error| error.at(&path))
    }

    /// Reads what is in a `tokenizer.json`.
    ///
    /// # Errors
    /// If it is of a kind that is not known.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let file: Value = serde_json::from_slice(bytes)
            .map_err(|error| Error::new(format!("is no tokenizer: {error}")))?;
        if let Some(characters) = Characters::from_json(&file) {
            return Ok(Self(Kind::Characters(characters)));
        }
        #[cfg(feature = "tokenizers")]
        return Pieces::parse(bytes, &file).map(Self::of_pieces);
        #[cfg(not(feature = "tokenizers"))]
        Err(Error::new(format!(
            "holds a tokenizer of kind {}, which is read with the feature `tokenizers` alone",
            file["model"]["type"]
        )))
    }

    /// Writes it as a `tokenizer.json`: whole, or not at all.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let text = self.to_json()?;
        files::replace(path.as_ref(), |file| file.write_all(text.as_bytes()))
    }

    /// What is in its file.
    ///
    /// # Errors
    /// If the crate `tokenizers` cannot write it.
    pub fn to_json(&self) -> Result<String> {
        match &self.0 {
            Kind::Characters(characters) => Ok(format!("{:#}\n", characters.to_json())),
            #[cfg(feature = "tokenizers")]
            Kind::Pieces(pieces) => pieces.to_json(),
        }
    }

    /// The tokens of a text, and none besides.
    ///
    /// # Errors
    /// If the text has something for which there is no token.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match &self.0 {
            Kind::Characters(characters) => characters.encode(text),
            #[cfg(feature = "tokenizers")]
            Kind::Pieces(pieces) => pieces.encode(text, false),
        }
    }

    /// The tokens of a text with those that its file puts around each, as one for its beginning.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_framed(&self, text: &str) -> Result<Vec<u32>> {
        match &self.0 {
            Kind::Characters(characters) => characters.encode(text),
            #[cfg(feature = "tokenizers")]
            Kind::Pieces(pieces) => pieces.encode(text, true),
        }
    }

    /// The text of tokens; special ones, and numbers that are none of its tokens, are left out.
    ///
    /// # Errors
    /// If the crate `tokenizers` cannot tell it.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        match &self.0 {
            Kind::Characters(characters) => Ok(characters.decode(tokens)),
            #[cfg(feature = "tokenizers")]
            Kind::Pieces(pieces) => pieces.decode(tokens),
        }
    }

    /// The text of tokens that come one after the other, as soon as it is known.
    #[must_use]
    pub fn stream(&self) -> Stream<'_> {
        Stream::new(self)
    }

    /// As [`stream`](Self::stream), for a text that goes on after these tokens: a word that follows one has a space before it.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn stream_after(&self, tokens: &[u32]) -> Result<Stream<'_>> {
        Stream::after(self, tokens)
    }

    /// One more than the highest number of a token.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        match &self.0 {
            Kind::Characters(characters) => characters.len(),
            #[cfg(feature = "tokenizers")]
            Kind::Pieces(pieces) => pieces.len(),
        }
    }

    /// The number of a token, if there is such a one.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        match &self.0 {
            Kind::Characters(characters) => characters.id(token),
            #[cfg(feature = "tokenizers")]
            Kind::Pieces(pieces) => pieces.id(token),
        }
    }

    /// The token of a number, as its file writes it, if there is one.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        match &self.0 {
            Kind::Characters(characters) => characters.character(id).map(String::from),
            #[cfg(feature = "tokenizers")]
            Kind::Pieces(pieces) => pieces.token(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_read_as_they_were_written() {
        let text = "a\u{301}\n\"\u{1f408}\" \\ \u{0}z";
        let tokenizer = Tokenizer::characters(text);
        let again = Tokenizer::parse(tokenizer.to_json().unwrap().as_bytes()).unwrap();
        assert!(matches!(again.0, Kind::Characters(_)));
        let tokens = tokenizer.encode(text).unwrap();
        assert_eq!(again.encode(text).unwrap(), tokens);
        assert_eq!(again.decode(&tokens).unwrap(), text);
        assert_eq!(again.id("\u{1f408}"), Some(8));
        assert_eq!(again.token(8).unwrap(), "\u{1f408}");
        assert_eq!((again.id("ab"), again.token(9)), (None, None));
    }

    #[test]
    fn a_character_that_is_not_known_is_named_with_its_place() {
        let error = Tokenizer::characters("abc").encode("ca!").unwrap_err();
        assert_eq!(
            error.to_string(),
            "found the character '!' at byte 2, which is none of the 3 that this tokenizer knows"
        );
    }

    #[test]
    fn other_programs_read_the_file_of_characters_the_same() {
        let text = "To be, or not to be:\nthat is the question.";
        let tokenizer = Tokenizer::characters(text);
        let file = tokenizer.to_json().unwrap();
        let parsed = serde_json::from_str(&file).unwrap();
        let pieces = Pieces::parse(file.as_bytes(), &parsed).unwrap();
        let tokens = tokenizer.encode(text).unwrap();
        assert_eq!(pieces.encode(text, true).unwrap(), tokens);
        assert_eq!(pieces.decode(&tokens).unwrap(), text);
    }

    #[test]
    fn what_is_no_tokenizer_is_refused() {
        for (text, wanted) in [
            ("", "is no tokenizer: EOF"),
            ("[1, 2]", "is no tokenizer: "),
            (r#"{"model": {"type": "Runes"}}"#, "is no tokenizer: "),
        ] {
            let error = Tokenizer::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }

    #[test]
    fn merges_that_make_no_token_are_refused() {
        let file = |prefix: &str, merges: &str| {
            format!(
                r#"{{"model": {{"type": "BPE", "vocab": {{"a": 0, "b": 1, "ab": 2}}, "merges": {merges},
                    "continuing_subword_prefix": {prefix}}}}}"#
            )
        };
        for good in [r#"[["a", "b"]]"#, r##"["#version: 0.2", "a b"]"##] {
            let tokenizer = Tokenizer::parse(file("null", good).as_bytes()).unwrap();
            assert_eq!(tokenizer.encode("ab").unwrap(), [2]);
        }
        for (prefix, merges) in [
            ("null", r#"[["a", "b"], ["ab", "a"]]"#),
            ("null", r#"["a b", "ab a"]"#),
            ("\"##\"", r#"["a b"]"#),
            ("\"\u{e9}\"", r#"["a b"]"#),
        ] {
            let error = Tokenizer::parse(file(prefix, merges).as_bytes()).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains("makes no token of the vocabulary"),
                "{error}"
            );
        }
    }
}
