//! What a model keeps of the tokens that it has seen.

use eras_tensor::Tensor;

/// The keys and values of the tokens that a [`Gpt`](super::Gpt) has seen, so that only new ones are computed.
///
/// Memory: `2 B G D` numbers a layer and token, for as many tokens as it has seen, rounded up to a power of two but not
/// beyond its room.
///
/// ```
/// use eras::models::large_models::{Cache, Gpt, GptConfig};
/// use eras::prelude::*;
///
/// let gpt = Gpt::new(GptConfig::gpt2(65, 32, 16, 2, 4), &mut Rng::new(0));
/// let mut cache = Cache::new(32);
/// let logits = gpt.next(&Tensor::from([[3i64, 1, 4]]), &mut cache);
/// assert_eq!((logits.shape(), cache.len()), (&[1, 65][..], 3));
/// ```
#[derive(Debug, Clone)]
pub struct Cache {
    layers: Vec<Kept>,
    batch: usize,
    len: usize,
    room: usize,
}

/// The keys and the values of a layer, `(B, G, S, D)`, of which the first places are filled, as many as the cache is long.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(Option<[Tensor; 2]>);

impl Cache {
    /// For at most `room` tokens.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self {
            layers: Vec::new(),
            batch: 0,
            len: 0,
            room,
        }
    }

    /// Tokens that were seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many tokens it has room for, those that were seen among them.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room
    }

    /// Forgets all but the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Keeps the texts `rows` of the batch, in that order; one may come more than once, or not at all.
    ///
    /// # Panics
    /// If there is no such text.
    #[track_caller]
    pub fn select(&mut self, rows: &[usize]) {
        if self.layers.is_empty() {
            return;
        }
        let index = row_numbers(rows);
        for both in self.layers.iter_mut().filter_map(|kept| kept.0.as_mut()) {
            *both = both.each_ref().map(|all| all.index_select(0, &index));
        }
        self.batch = rows.len();
    }

    /// The layers, to be given the keys and values of new tokens `(B, T)`.
    #[track_caller]
    pub(super) fn begin(&mut self, tokens: &[usize], layers: usize) -> &mut [Kept] {
        let (batch, end) = (tokens[0], self.len + tokens[1]);
        assert!(
            end <= self.room,
            "Cache: found {end} tokens, wanted at most {}, as there is room for",
            self.room
        );
        if self.layers.is_empty() {
            self.layers = vec![Kept::default(); layers];
            self.batch = batch;
        }
        assert!(
            self.layers.len() == layers && self.batch == batch,
            "Cache: found {layers} layers and {batch} texts, wanted {} and {} as before",
            self.layers.len(),
            self.batch
        );
        &mut self.layers
    }

    pub(super) fn end(&mut self, rows: usize) {
        self.len += rows;
    }
}

/// Rows of a batch as a tensor.
pub(super) fn row_numbers(rows: &[usize]) -> Tensor {
    let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    Tensor::from(rows)
}

impl Kept {
    /// Puts keys and values `(B, G, T, D)` behind the first `len` and gives all, `(B, G, S, D)`, of which there are at most
    /// `room`.
    pub(super) fn push(
        &mut self,
        k: &Tensor,
        v: &Tensor,
        len: usize,
        room: usize,
    ) -> (Tensor, Tensor) {
        let end = len + k.shape()[2];
        let mut both = match self.0.take() {
            Some(both) if both[0].shape()[2] >= end => both,
            // Each time twice as many, so that a token is copied but a few times.
            before => {
                let mut larger = [k, v].map(|new| {
                    let mut shape = new.shape().to_vec();
                    shape[2] = end.next_power_of_two().min(room);
                    Tensor::zeros(shape)
                });
                for (larger, before) in larger.iter_mut().zip(before.iter().flatten()) {
                    write(larger, &before.narrow(2, 0, len), 0);
                }
                larger
            }
        };
        for (kept, new) in both.iter_mut().zip([k, v]) {
            write(kept, new, len);
        }
        let seen = (both[0].narrow(2, 0, end), both[1].narrow(2, 0, end));
        self.0 = Some(both);
        seen
    }
}

/// Writes `new (B, G, T, D)` to the places from `start` on of `all (B, G, S, D)`.
fn write(all: &mut Tensor, new: &Tensor, start: usize) {
    let &[_, _, places, width] = all.shape() else {
        unreachable!("four axes")
    };
    let rows = new.shape()[2] * width;
    let new = new.to_vec::<f32>();
    if rows == 0 {
        return;
    }
    let all = all.as_mut_slice::<f32>();
    for (all, new) in all
        .chunks_exact_mut(places * width)
        .zip(new.chunks_exact(rows))
    {
        all[start * width..][..rows].copy_from_slice(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::Rng;

    #[test]
    fn what_was_kept_is_what_was_given_in_order() {
        let rng = &mut Rng::new(0);
        let mut kept = Kept::default();
        let mut len = 0;
        let mut parts = Vec::new();
        for rows in [3, 1, 2, 1] {
            let [k, v] = [0, 1].map(|_| Tensor::randn([2, 3, rows, 4], rng));
            parts.push((k.clone(), v.clone()));
            let (keys, values) = kept.push(&k, &v, len, 7);
            len += rows;
            let all = |which: fn(&(Tensor, Tensor)) -> Tensor| {
                let parts: Vec<Tensor> = parts.iter().map(which).collect();
                Tensor::concat(&parts, 2).to_vec::<f32>()
            };
            assert_eq!(keys.to_vec::<f32>(), all(|part| part.0.clone()));
            assert_eq!(values.to_vec::<f32>(), all(|part| part.1.clone()));
        }
        assert_eq!(kept.0.unwrap()[0].shape(), [2, 3, 7, 4]);
    }

    #[test]
    #[should_panic(expected = "Cache: found 5 tokens, wanted at most 4, as there is room for")]
    fn more_than_there_is_room_for_is_refused() {
        let _layers = Cache::new(4).begin(&[1, 5], 1);
    }
}
