//! What a Transformer that reads one text and writes another is trained for.

use eras_data::Batch;
use eras_models::large_models::Transformer;
use eras_nn::Mode;
use eras_train::{Forward, Objective};

/// What fills batches up.
pub(super) const PADDING: u32 = 0;
/// The first token of what is written.
pub(super) const BEGIN: u32 = 1;
/// The last of what is read and of what is written.
pub(super) const END: u32 = 2;

/// The cross entropy of each next token, smoothed in training alone.
pub(super) struct NextToken {
    pub(super) smoothing: f64,
}

impl Objective<Transformer> for NextToken {
    /// Tokens that are told.
    fn count(&self, batch: &Batch) -> usize {
        let tokens = batch.y.to_vec::<i64>();
        let padding = |token: &&i64| **token == i64::from(PADDING);
        let rows = batch.y.shape()[0];
        tokens.len() - tokens.iter().filter(padding).count() - rows
    }

    fn forward(&self, model: &Transformer, batch: &Batch, mode: &Mode) -> Forward {
        let smoothing = if mode.is_training() {
            self.smoothing
        } else {
            0.0
        };
        model.loss(&batch.x, &batch.y, smoothing, mode).into()
    }
}
