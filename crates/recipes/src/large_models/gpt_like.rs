//! What models of texts learn: what comes next.

use eras_data::Batch;
use eras_models::large_models::Gpt;
use eras_nn::{Lora, Mode, Module};
use eras_train::{Forward, Objective};

/// The cross entropy of each next token, of windows of a text `(B, T)` or of documents `(B, 2, T)`.
pub(super) struct Next;

/// What learns as a [`Gpt`].
pub(super) trait GptLike: Module {
    /// What `f` makes of the model.
    fn with<R>(&self, f: impl FnOnce(&Gpt) -> R) -> R;
}

impl GptLike for Gpt {
    fn with<R>(&self, f: impl FnOnce(&Self) -> R) -> R {
        f(self)
    }
}

impl GptLike for Lora<Gpt> {
    fn with<R>(&self, f: impl FnOnce(&Gpt) -> R) -> R {
        f(&self.model())
    }
}

impl<G: GptLike> Objective<G> for Next {
    fn forward(&self, model: &G, batch: &Batch, mode: &Mode) -> Forward {
        let (x, y) = (&batch.x, &batch.y);
        let loss = model.with(|gpt| match x.rank() {
            2 => gpt.loss(x, y, mode),
            _ => gpt.loss_packed(&x.select(1, 0), &x.select(1, 1), y, mode),
        });
        loss.into()
    }
}
