//! A model that writes texts.

use super::{TextModel, Translator};
use crate::run::Run;
use eras_models::large_models::Pretrained;
use eras_tensor::{Error, Result};
use eras_text::Tokenizer;
use std::path::Path;

/// A model that writes texts, with its tokenizer.
#[derive(Debug)]
pub enum Writer {
    /// It goes on with a text.
    GoesOn(TextModel),
    /// It says a text in another language.
    Translates(Translator),
}

impl Writer {
    /// Of a run folder, or of a folder as `transformers` writes it.
    ///
    /// # Errors
    /// If it is neither, its model writes no texts, a file cannot be read, or the tokenizer is not the model's.
    pub fn read(folder: &Path) -> Result<Self> {
        if !folder.join("config.json").exists() {
            return Self::of(&Run::open(folder)?);
        }
        let Pretrained { gpt, bos, eos } = Pretrained::read(folder)?;
        let model = TextModel::new(gpt, Tokenizer::read(folder)?, bos, eos);
        model.map(Self::GoesOn).map_err(|error| error.at(folder))
    }

    /// Of a run folder, with the best weights of its training in the place of the latest.
    ///
    /// # Errors
    /// As [`read`](Self::read), or if the folder is no run.
    pub fn read_best(folder: &Path) -> Result<Self> {
        Self::of(&Run::open(folder)?.at_its_best())
    }

    fn of(run: &Run) -> Result<Self> {
        crate::find(&run.config().recipe)?.writer(run)
    }

    /// The model that goes on with texts.
    ///
    /// # Errors
    /// If it is none.
    pub fn goes_on(self) -> Result<TextModel> {
        match self {
            Self::GoesOn(model) => Ok(model),
            Self::Translates(_) => Err(Error::usage(
                "its model translates, wanted one that goes on with a text",
            )),
        }
    }
}
