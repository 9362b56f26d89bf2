//! `eras tokenizer`.

use crate::args::{DecodeArgs, EncodeArgs, TokenizerKind, TokenizerTrainArgs};
use crate::output;
use eras_tensor::{Error, Result};
use eras_text::{Kind, Tokenizer, Training, read_text};
use std::io::Read;

/// Learns a tokenizer and writes it.
pub(crate) fn train(args: &TokenizerTrainArgs) -> Result<()> {
    eras_formats::files::try_replace(&args.out, 1)?; // before long work, not after it
    let texts: Vec<String> = args.files.iter().map(read_text).collect::<Result<_>>()?;
    let kind = match args.kind {
        TokenizerKind::Bpe => Some(Kind::Bpe),
        TokenizerKind::Wordpiece => Some(Kind::WordPiece),
        TokenizerKind::Unigram => Some(Kind::Unigram),
        TokenizerKind::Characters => None,
    };
    let tokenizer = match kind {
        None if args.special.is_empty() => Tokenizer::characters(&texts.concat()),
        None => {
            return Err(Error::usage(
                "a tokenizer of characters has no special tokens",
            ));
        }
        Some(kind) => {
            let training = Training::new(kind, args.vocab).min_frequency(args.min_frequency);
            let training = args
                .special
                .iter()
                .fold(training, |training, token| training.special(token));
            training.train(texts.iter().map(String::as_str))?
        }
    };
    tokenizer.write(&args.out)?;
    let (mut tokens, mut characters) = (0, 0);
    for text in &texts {
        tokens += tokenizer.encode(text)?.len();
        characters += text.chars().count();
    }
    output::line(&format!(
        "{} tokens in {}; {:.2} characters a token of these texts",
        tokenizer.vocab_size(),
        args.out.display(),
        characters as f64 / tokens.max(1) as f64
    ));
    Ok(())
}

/// Prints the tokens of a text.
pub(crate) fn encode(args: &EncodeArgs) -> Result<()> {
    let tokenizer = Tokenizer::read(&args.tokenizer)?;
    let text = match &args.text {
        Some(text) => text.clone(),
        None => stdin()?,
    };
    let tokens = tokenizer.encode(&text)?;
    if args.show {
        for token in tokens {
            let name = tokenizer.token(token).unwrap_or_default();
            output::line(&format!("{token:>7}  {name:?}"));
        }
        return Ok(());
    }
    let numbers: Vec<String> = tokens.iter().map(u32::to_string).collect();
    output::line(&numbers.join(" "));
    Ok(())
}

/// Prints the text of tokens.
pub(crate) fn decode(args: &DecodeArgs) -> Result<()> {
    let tokenizer = Tokenizer::read(&args.tokenizer)?;
    let tokens = if args.tokens.is_empty() {
        let number = |word: &str| {
            word.parse::<u32>()
                .map_err(|_| Error::usage(format!("found {word:?}, wanted the number of a token")))
        };
        stdin()?
            .split_whitespace()
            .map(number)
            .collect::<Result<_>>()?
    } else {
        args.tokens.clone()
    };
    let size = tokenizer.vocab_size();
    if let Some(token) = tokens.iter().find(|token| **token as usize >= size) {
        return Err(Error::usage(format!(
            "found the token {token}, but the tokenizer has {size}"
        )));
    }
    output::line(&tokenizer.decode(&tokens)?);
    Ok(())
}

fn stdin() -> Result<String> {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|error| Error::new(format!("stdin: {error}")))?;
    Ok(text)
}
