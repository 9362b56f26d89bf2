//! Eras: tokenizers, and texts as data sets.
//!
//! A [`Tokenizer`] makes numbers of a text and a text of numbers; [`Windows`] is a text in numbers as a data set for
//! models that predict what comes next, [`Documents`] are many texts, several in a window, [`Pairs`] texts to read and to
//! write; [`Bleu`] judges translations.
//!
//! The Cargo feature `tokenizers`, off by default, reads, trains and writes the `tokenizer.json` that other programs use
//! (byte pairs, word pieces, unigrams), by the crate of that name. A tokenizer of characters needs no feature.

mod bleu;
mod characters;
mod documents;
mod file;
mod pairs;
#[cfg(feature = "tokenizers")]
mod pieces;
mod stream;
mod tokenizer;
#[cfg(feature = "tokenizers")]
mod training;
mod windows;

pub use bleu::{Bleu, tokenize_13a};
pub use documents::{Document, Documents};
pub use file::read_text;
pub use pairs::{Pairs, pair_lines};
pub use stream::Stream;
pub use tokenizer::Tokenizer;
#[cfg(feature = "tokenizers")]
pub use training::{Kind, Training};
pub use windows::Windows;
