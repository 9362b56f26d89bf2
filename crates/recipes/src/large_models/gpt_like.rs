//! What models of texts learn, and how: what comes next, as nanoGPT does.

use eras_data::Batch;
use eras_models::large_models::Gpt;
use eras_nn::{AdamW, Lora, Mode, Module, Schedule};
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

/// The optimizer.
pub(super) fn adam(lr: f64, weight_decay: f64) -> AdamW {
    AdamW::new(lr)
        .betas(0.9, 0.99)
        .weight_decay(weight_decay)
        .clip_norm(1.0)
}

/// The same, which does not draw norms to zero.
pub(super) fn spare_norms(adam: AdamW) -> AdamW {
    adam.group("*norm*", |group| group.weight_decay(0.0))
}

/// Up in the first `warm_up` of `all` steps, then down to a tenth along a half cosine.
pub(super) fn schedule(warm_up: u64, all: u64) -> Schedule {
    Schedule::cosine(all.saturating_sub(warm_up), 0.1).warm_up(warm_up)
}
