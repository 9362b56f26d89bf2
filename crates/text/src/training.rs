//! Tokenizers that are learned from texts.

use crate::Tokenizer;
use crate::pieces::{Pieces, error};
use eras_tensor::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::{
    AddedToken, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, Trainer, decoders,
};

/// What stands for what is not known.
const UNK: &str = "[UNK]";
const UNKNOWN: &str = "<unk>";

/// How a text is cut to pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Pairs of bytes that are often neighbours become one, as in GPT-2 (Sennrich, Haddow & Birch 2016, arXiv:1508.07909):
    /// any text can be told.
    Bpe,
    /// Words and their ends, as in BERT (Schuster & Nakajima 2012): lower case, what is not known is `[UNK]`.
    WordPiece,
    /// The likeliest pieces, as in T5 (Kudo 2018, arXiv:1804.10959); what is not known is `<unk>`.
    Unigram,
}

/// How a tokenizer is learned: the same from the same texts, each time.
///
/// ```
/// use eras_text::{Kind, Training};
///
/// let tokenizer = Training::new(Kind::Bpe, 300).special("<end>").train(["low lower lowest", "new newer newest"])?;
/// assert!(tokenizer.vocab_size() <= 300);
/// assert_eq!(tokenizer.id("<end>"), Some(0));
/// let tokens = tokenizer.encode("slower \u{1f408}")?;
/// assert_eq!(tokenizer.decode(&tokens)?, "slower \u{1f408}");
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Training {
    kind: Kind,
    vocab_size: usize,
    min_frequency: u64,
    special: Vec<String>,
}

impl Training {
    /// Of at most `vocab_size` tokens.
    #[must_use]
    pub fn new(kind: Kind, vocab_size: usize) -> Self {
        Self {
            kind,
            vocab_size,
            min_frequency: 2,
            special: Vec::new(),
        }
    }

    /// Pieces that come less often than this are not made; 2 at first. Unigrams know no such bound.
    #[must_use]
    pub fn min_frequency(mut self, min_frequency: u64) -> Self {
        self.min_frequency = min_frequency;
        self
    }

    /// One more token that stands for itself and is left out of decoded text. They get the first numbers, in this order.
    #[must_use]
    pub fn special(mut self, token: impl Into<String>) -> Self {
        self.special.push(token.into());
        self
    }

    /// Learns from texts.
    ///
    /// # Errors
    /// If there is no text, the vocabulary is too small for what it must have, or the crate `tokenizers` refuses.
    pub fn train<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Result<Tokenizer> {
        let texts: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        if texts.is_empty() {
            return Err(Error::usage(
                "found no text, wanted one to learn tokens from",
            ));
        }
        let unknown = match self.kind {
            Kind::Bpe => None,
            Kind::WordPiece => Some(UNK),
            Kind::Unigram => Some(UNKNOWN),
        };
        let mut special = self.special.clone();
        special.extend(
            unknown
                .map(str::to_owned)
                .filter(|token| !special.contains(token)),
        );
        let least = special.len() + if self.kind == Kind::Bpe { 256 } else { 1 };
        if self.vocab_size < least {
            return Err(Error::usage(format!(
                "found a vocabulary of {}, wanted at least {least}: {} special tokens and {}",
                self.vocab_size,
                special.len(),
                if self.kind == Kind::Bpe {
                    "256 bytes"
                } else {
                    "a piece"
                }
            )));
        }
        let special: Vec<AddedToken> = special
            .iter()
            .map(|token| AddedToken::from(token, true))
            .collect();
        // The crate's sums over words would differ in their last bits by the order in which threads finish.
        tokenizers::utils::parallelism::set_parallelism(false);
        let trained = match self.kind {
            Kind::Bpe => self.bpe(&texts, &special),
            Kind::WordPiece => self.word_piece(&texts, &special),
            Kind::Unigram => self.unigram(&texts, &special),
        };
        let all = trained.and_then(|mut all| {
            all.add_special_tokens(special)?;
            Ok(all)
        });
        let all = all.map_err(|e| error("no tokenizer can be learned from this", &e))?;
        let tokenizer = Tokenizer::of_pieces(Pieces::new(all));
        match tokenizer.vocab_size() {
            // Every character of the texts has become a piece.
            most if most > self.vocab_size => Err(Error::usage(format!(
                "found a vocabulary of {}, wanted at least {most}: the special tokens and the characters of these texts",
                self.vocab_size
            ))),
            _ => Ok(tokenizer),
        }
    }

    fn bpe(&self, texts: &[&str], special: &[AddedToken]) -> Made {
        let mut all = tokenizers::Tokenizer::new(BPE::default());
        all.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)))
            .with_decoder(Some(ByteLevel::default()));
        let mut trainer = BpeTrainer::builder()
            .vocab_size(self.vocab_size)
            .min_frequency(self.min_frequency)
            .special_tokens(special.to_vec())
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .show_progress(false)
            .build();
        trainer.feed(texts.iter(), |text| words(&all, text))?;
        let mut model = BPE::default();
        trainer.train(&mut model)?;
        all.with_model(model);
        Ok(all)
    }

    fn word_piece(&self, texts: &[&str], special: &[AddedToken]) -> Made {
        let mut all = tokenizers::Tokenizer::new(WordPiece::default());
        all.with_normalizer(Some(BertNormalizer::default()))?
            .with_pre_tokenizer(Some(BertPreTokenizer))
            .with_decoder(Some(decoders::wordpiece::WordPiece::default()));
        // The crate numbers the letters within words as it meets them, which is each time another way: here they are told to
        // it in order, as if they were special.
        let mut within = BTreeSet::new();
        for text in texts {
            for word in words(&all, text)? {
                within.extend(word.chars().skip(1));
            }
        }
        let within = within
            .iter()
            .map(|c| AddedToken::from(format!("##{c}"), false));
        let mut trainer = WordPieceTrainer::builder()
            .vocab_size(self.vocab_size)
            .min_frequency(self.min_frequency)
            .special_tokens(special.iter().cloned().chain(within).collect())
            .show_progress(false)
            .build();
        trainer.feed(texts.iter(), |text| words(&all, text))?;
        let mut model = WordPiece::builder().unk_token(UNK.into()).build()?;
        trainer.train(&mut model)?;
        all.with_model(model);
        Ok(all)
    }

    fn unigram(&self, texts: &[&str], special: &[AddedToken]) -> Made {
        let space = Metaspace::new('\u{2581}', PrependScheme::Always, true);
        let mut all = tokenizers::Tokenizer::new(Unigram::default());
        all.with_pre_tokenizer(Some(space.clone()))
            .with_decoder(Some(space));
        let trainer = UnigramTrainer::builder()
            .vocab_size(u32::try_from(self.vocab_size)?)
            .special_tokens(special.to_vec())
            .unk_token(Some(UNKNOWN.into()))
            .show_progress(false)
            .build()?;
        // In order, for the crate's own way of counting has none.
        let mut counts = BTreeMap::<String, u32>::new();
        for text in texts {
            for word in words(&all, text)? {
                *counts.entry(word).or_default() += 1;
            }
        }
        let mut model = Unigram::default();
        trainer.do_train(counts.into_iter().collect(), &mut model)?;
        all.with_model(in_order(&model, special)?);
        Ok(all)
    }
}

/// The same pieces in an order that is the same each time.
///
/// The crate gives single characters that were pruned away the lowest score, the next one a step more, and so on, in the
/// order of a hash table; here it is that of their code points.
fn in_order(model: &Unigram, special: &[AddedToken]) -> tokenizers::Result<Unigram> {
    const STEP: f64 = 0.0001;
    let (first, mut pieces): (Vec<_>, Vec<_>) = model
        .iter()
        .cloned()
        .partition(|(piece, _)| special.iter().any(|token| token.content == *piece));
    let least = pieces.iter().map(|(_, score)| *score).fold(0.0, f64::min);
    let steps: Vec<f64> = (0..pieces.len())
        .scan(0.0, |more, _| {
            let score = least + *more;
            *more += STEP;
            Some(score)
        })
        .collect();
    let is_given = |(piece, score): &&mut (String, f64)| {
        piece.chars().nth(1).is_none() && steps.contains(score)
    };
    let mut given: Vec<&mut (String, f64)> = pieces.iter_mut().filter(is_given).collect();
    let mut scores: Vec<f64> = given.iter().map(|(_, score)| *score).collect();
    scores.sort_by(f64::total_cmp);
    given.sort_by(|a, b| a.0.cmp(&b.0));
    for (piece, score) in given.into_iter().zip(scores) {
        piece.1 = score;
    }
    pieces.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let unknown = first.iter().position(|(piece, _)| piece == UNKNOWN);
    Unigram::from(
        first.into_iter().chain(pieces).collect(),
        unknown,
        model.byte_fallback(),
    )
}

type Made = tokenizers::Result<tokenizers::Tokenizer>;

/// The words within which pieces are sought.
fn words(all: &tokenizers::Tokenizer, text: &str) -> tokenizers::Result<Vec<String>> {
    let mut text = NormalizedString::from(text);
    if let Some(normalizer) = all.get_normalizer() {
        normalizer.normalize(&mut text)?;
    }
    let mut parts = PreTokenizedString::from(text);
    if let Some(cut) = all.get_pre_tokenizer() {
        cut.pre_tokenize(&mut parts)?;
    }
    let parts = parts.get_splits(OffsetReferential::Original, OffsetType::Byte);
    Ok(parts
        .into_iter()
        .map(|(part, ..)| part.to_owned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "low lower lowest lowly slow slower slowest slowly flow flower flowers flowing; the fox and the \
                        oxen slept over there, then they flew lower, and the lazy fox slowly followed the slowest";

    #[test]
    fn the_same_texts_give_the_same_tokenizer() {
        for kind in [Kind::Bpe, Kind::WordPiece, Kind::Unigram] {
            let train = || {
                Training::new(kind, 290)
                    .train([TEXT, TEXT])
                    .unwrap()
                    .to_json()
            };
            assert_eq!(train().unwrap(), train().unwrap(), "{kind:?}");
        }
    }

    #[test]
    fn each_kind_tells_its_text_and_is_read_as_it_was_written() {
        for kind in [Kind::Bpe, Kind::WordPiece, Kind::Unigram] {
            let tokenizer = Training::new(kind, 290)
                .special("<s>")
                .train([TEXT, TEXT])
                .unwrap();
            let again = Tokenizer::parse(tokenizer.to_json().unwrap().as_bytes()).unwrap();
            let tokens = again.encode("the slow flower").unwrap();
            assert_eq!(tokens, tokenizer.encode("the slow flower").unwrap());
            assert!(tokens.len() < 12, "{kind:?} merges nothing: {tokens:?}");
            assert_eq!(
                again.decode(&tokens).unwrap(),
                "the slow flower",
                "{kind:?}"
            );
            assert_eq!(again.id("<s>"), Some(0));
            assert_eq!(again.vocab_size(), tokenizer.vocab_size());
            let framed = [&[0], &tokens[..]].concat();
            assert_eq!(again.decode(&framed).unwrap(), "the slow flower");
        }
    }

    #[test]
    fn pairs_that_come_most_are_merged_first() {
        // "ab" comes four times, "ba" twice: after the 256 bytes comes the first, then what stands around it.
        let tokenizer = Training::new(Kind::Bpe, 257).train(["abab abab"]).unwrap();
        assert_eq!(tokenizer.token(256).unwrap(), "ab");
        assert_eq!(tokenizer.encode("abab").unwrap(), [256, 256]);
    }

    #[test]
    fn what_no_tokenizer_can_be_learned_from_is_refused() {
        let error =
            |training: Training, text: &str| training.train([text]).unwrap_err().to_string();
        assert_eq!(
            error(Training::new(Kind::Bpe, 300), ""),
            "found no text, wanted one to learn tokens from"
        );
        assert_eq!(
            error(Training::new(Kind::Bpe, 256).special("<s>"), "x"),
            "found a vocabulary of 256, wanted at least 257: 1 special tokens and 256 bytes"
        );
    }
}
