//! Text from tokens that come one after the other.

use crate::Tokenizer;
use eras_tensor::Result;

/// What stands for bytes that are no character, or not yet.
const UNKNOWN: char = '\u{fffd}';

/// Text from tokens that come one after the other ([`Tokenizer::stream`]): each step gives what is certain by then. A token
/// may be part of a character, or change how the one before it is written.
///
/// ```
/// use eras_text::Tokenizer;
///
/// let tokenizer = Tokenizer::characters("abc");
/// let mut stream = tokenizer.stream();
/// let text: String = tokenizer.encode("cab")?.iter().map(|token| stream.push(*token)).collect::<Result<_, _>>()?;
/// assert_eq!(text + &stream.end()?, "cab");
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream<'a> {
    tokenizer: &'a Tokenizer,
    /// The tokens that gave text last, for the next ones are read with them, and those that have given none yet.
    tokens: Vec<u32>,
    /// How many of them have given text, and what.
    given: usize,
    text: String,
}

/// Tokens of a text so far that tell how the next one is written.
const BEFORE: usize = 8;

impl<'a> Stream<'a> {
    pub(crate) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            tokens: Vec::new(),
            given: 0,
            text: String::new(),
        }
    }

    /// After the tokens of a text that was told already.
    pub(crate) fn after(tokenizer: &'a Tokenizer, text: &[u32]) -> Result<Self> {
        let tokens = text[text.len().saturating_sub(BEFORE)..].to_vec();
        Ok(Self {
            given: tokens.len(),
            text: tokenizer.decode(&tokens)?,
            tokens,
            ..Self::new(tokenizer)
        })
    }

    /// The text that is certain with one more token; often none.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn push(&mut self, token: u32) -> Result<String> {
        self.tokens.push(token);
        let text = self.tokenizer.decode(&self.tokens)?;
        if text.ends_with(UNKNOWN) || text.len() <= self.text.len() {
            return Ok(String::new());
        }
        let new = self.new_part(&text);
        self.tokens.drain(..self.given);
        self.given = self.tokens.len();
        self.text = self.tokenizer.decode(&self.tokens)?;
        Ok(new)
    }

    /// What is left, characters that were never finished among it.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn end(self) -> Result<String> {
        let text = self.tokenizer.decode(&self.tokens)?;
        Ok(self.new_part(&text))
    }

    fn new_part(&self, text: &str) -> String {
        // A tokenizer may write tokens otherwise when others follow: then only what is longer is new.
        text.get(self.text.len()..).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Kind, Tokenizer, Training};

    fn told(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
        let mut stream = tokenizer.stream();
        let tokens = tokenizer.encode(text).unwrap();
        let mut parts: Vec<String> = tokens.iter().map(|t| stream.push(*t).unwrap()).collect();
        parts.push(stream.end().unwrap());
        parts
    }

    #[test]
    fn a_character_of_several_tokens_comes_whole() {
        // Nothing is merged: each token is a byte.
        let bytes = Training::new(Kind::Bpe, 256).train(["x"]).unwrap();
        let parts = told(&bytes, "a\u{e9}\u{1f408}b");
        assert_eq!(parts, ["a", "", "\u{e9}", "", "", "", "\u{1f408}", "b", ""]);
    }

    #[test]
    fn spaces_between_words_are_kept() {
        let text = "the cat sat on the mat, and the cat was fat";
        for kind in [Kind::Bpe, Kind::Unigram] {
            let tokenizer = Training::new(kind, 300).train([text, text]).unwrap();
            assert_eq!(told(&tokenizer, text).concat(), text, "{kind:?}");
        }
    }

    #[test]
    fn a_text_goes_on_with_the_space_before_its_next_word() {
        let text = "the cat sat on the mat, and the cat was fat";
        let tokenizer = Training::new(Kind::Unigram, 300)
            .train([text, text])
            .unwrap();
        let [before, all] = ["the cat sat", text].map(|text| tokenizer.encode(text).unwrap());
        assert_eq!(before, all[..before.len()]);
        let mut stream = tokenizer.stream_after(&before).unwrap();
        let rest = all[before.len()..].iter();
        let told: String = rest.map(|token| stream.push(*token).unwrap()).collect();
        assert_eq!(told, " on the mat, and the cat was fat");
    }

    #[test]
    fn what_was_never_finished_is_told_at_the_end() {
        let bytes = Training::new(Kind::Bpe, 256).train(["x"]).unwrap();
        let tokens = bytes.encode("\u{e9}").unwrap();
        let mut stream = bytes.stream();
        assert_eq!(stream.push(tokens[0]).unwrap(), "");
        assert_eq!(stream.end().unwrap(), "\u{fffd}");
    }
}
