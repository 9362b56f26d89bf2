//! What models of texts learn, and how: what comes next, as nanoGPT does.

use eras_data::Batch;
use eras_models::large_models::Gpt;
use eras_nn::{AdamW, Lora, Mode, Module, Schedule};
use eras_text::Documents;
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
    /// Windows of a text are all as long; of documents, the tokens that are learned.
    fn count(&self, batch: &Batch) -> usize {
        match batch.x.rank() {
            2 => batch.x.shape()[0],
            _ => {
                let next = batch.y.to_vec::<i64>();
                let learned = next.iter().filter(|n| **n != Documents::IGNORED);
                learned.count()
            }
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use eras_data::Dataset;
    use eras_text::{Document, Windows};

    #[test]
    fn of_documents_the_learned_tokens_count() {
        let count = |batch: &Batch| Objective::<Gpt>::count(&Next, batch);
        let all = [
            Document::text(vec![5, 6, 7, 8, 9]),
            Document::answer(&[1, 2, 3], &[4]),
        ];
        let documents = Documents::packed(&all, 4);
        let batches = [0, 1].map(|i| documents.batch(&[i]).unwrap());
        assert_eq!(batches.each_ref().map(count), [4, 1]);
        let windows = Windows::in_line(vec![1, 2, 3, 4, 5], 2);
        assert_eq!(count(&windows.batch(&[0, 1]).unwrap()), 2);
    }
}
