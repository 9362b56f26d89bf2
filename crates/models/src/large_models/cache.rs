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

/// Of a layer: `(B, G, S, D)`, of which the first `len` of the `S` places are filled.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    both: Option<[Tensor; 2]>,
    len: usize,
    room: usize,
}

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
        for kept in &mut self.layers {
            kept.len = kept.len.min(len);
        }
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
            let kept = Kept {
                room: self.room,
                ..Kept::default()
            };
            self.layers = vec![kept; layers];
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

impl Kept {
    /// Adds keys and values `(B, G, T, D)` and gives all, `(B, G, S, D)`.
    pub(super) fn push(&mut self, k: &Tensor, v: &Tensor) -> (Tensor, Tensor) {
        let end = self.len + k.shape()[2];
        let both = [k, v].map(|new| new.detach());
        let kept = match self.both.take() {
            Some(kept) if kept[0].shape()[2] >= end => kept,
            // Each time twice as many, so that a token is copied but a few times.
            kept => {
                let places = end.next_power_of_two().min(self.room);
                let larger = |i: usize| {
                    let mut shape = both[i].shape().to_vec();
                    shape[2] = places;
                    let mut larger = Tensor::zeros(shape).to_dtype(both[i].dtype());
                    if let Some(kept) = &kept {
                        write(&mut larger, &kept[i].narrow(2, 0, self.len), 0);
                    }
                    larger
                };
                [larger(0), larger(1)]
            }
        };
        let mut kept = kept;
        for (kept, new) in kept.iter_mut().zip(&both) {
            write(kept, new, self.len);
        }
        self.len = end;
        let seen = (kept[0].narrow(2, 0, end), kept[1].narrow(2, 0, end));
        self.both = Some(kept);
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
        let mut kept = Kept {
            room: 7,
            ..Kept::default()
        };
        let mut parts = Vec::new();
        for rows in [3, 1, 2, 1] {
            let [k, v] = [0, 1].map(|_| Tensor::randn([2, 3, rows, 4], rng));
            parts.push((k.clone(), v.clone()));
            let (keys, values) = kept.push(&k, &v);
            let all = |which: fn(&(Tensor, Tensor)) -> Tensor| {
                let parts: Vec<Tensor> = parts.iter().map(which).collect();
                Tensor::concat(&parts, 2).to_vec::<f32>()
            };
            assert_eq!(keys.to_vec::<f32>(), all(|part| part.0.clone()));
            assert_eq!(values.to_vec::<f32>(), all(|part| part.1.clone()));
        }
        assert_eq!(kept.both.unwrap()[0].shape(), [2, 3, 7, 4]);
    }

    #[test]
    #[should_panic(expected = "Cache: found 5 tokens, wanted at most 4, as there is room for")]
    fn more_than_there_is_room_for_is_refused() {
        let _layers = Cache::new(4).begin(&[1, 5], 1);
    }
}
