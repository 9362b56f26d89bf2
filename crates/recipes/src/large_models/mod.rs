//! 5 Large models, since 2017.

mod gpt_char;
mod text_model;

pub use gpt_char::GptCharRecipe;
pub use text_model::{TextModel, Written};
