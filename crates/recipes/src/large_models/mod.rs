//! 5 Large models, since 2017.

mod gpt;
mod gpt_char;
mod gpt_like;
mod next_token;
pub(crate) mod reversal;
mod samples;
mod text_model;
mod texts;
mod translation;
mod writer;

pub use gpt::GptRecipe;
pub use gpt_char::GptCharRecipe;
pub use reversal::ReversalRecipe;
pub use text_model::{TextModel, Written};
pub use translation::{Translation, TranslationRecipe, Translator};
pub use writer::Writer;
