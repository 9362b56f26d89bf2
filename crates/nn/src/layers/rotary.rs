//! Rotary positions.

use crate::Module;
use eras_tensor::{Pairing, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

/// Turns pairs of columns of queries and keys by angles that grow with their places (Su et al. 2021, arXiv:2104.09864); no
/// parameters.
///
/// Shapes: `x (B, H, T, D)`, unchanged; only the first `R` of the `D` columns are turned.
///
/// ```
/// use eras::prelude::*;
///
/// let rotary = Rotary::new(64, 1024, 10_000.0);
/// let q = Tensor::ones([2, 4, 10, 64]);
/// assert_eq!(rotary.forward(&q, 0).shape(), q.shape());
/// ```
#[derive(Debug, Clone, Module)]
pub struct Rotary {
    /// Clones share it.
    #[module(skip)]
    table: Arc<Table>,
    /// Which columns are turned together.
    #[module(skip)]
    pub pairing: Pairing,
}

/// The cosines and sines of the angles, of as many places as were asked for yet: a context may be much longer than any text.
#[derive(Debug)]
struct Table {
    frequencies: Vec<f64>,
    places: usize,
    /// `(P, R / 2)` each.
    known: Mutex<[Tensor; 2]>,
}

impl Table {
    /// Those of the first `end` places, and maybe of more.
    fn up_to(&self, end: usize) -> [Tensor; 2] {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known[0].shape()[0] < end {
            // Each time twice as many, so that they are computed but a few times.
            let places = end.next_power_of_two().min(self.places);
            *known = Tensor::rotary_table(&Tensor::arange(places), &self.frequencies).into();
        }
        known.clone()
    }
}

impl Rotary {
    /// For the first `width` columns and up to `places` places, with the paper's frequencies `base^(-2 i / width)`, and with
    /// columns paired by halves, as in the Llama family.
    ///
    /// # Panics
    /// If `width` is odd or `base` not above 0.
    #[must_use]
    #[track_caller]
    pub fn new(width: usize, places: usize, base: f64) -> Self {
        Self::with_frequencies(&Self::frequencies(width, base), places)
    }

    /// The paper's frequencies, `base^(-2 i / width)` for each pair `i` of `width` columns.
    ///
    /// # Panics
    /// If `width` is odd or `base` not above 0.
    #[must_use]
    #[track_caller]
    pub fn frequencies(width: usize, base: f64) -> Vec<f64> {
        assert!(
            width.is_multiple_of(2) && base > 0.0,
            "rotary: wanted an even width and a base above 0, not {width} and {base}"
        );
        let frequency = |i: usize| base.powf(-2.0 * i as f64 / width as f64);
        let mut frequencies = Vec::new();
        assert!(
            frequencies.try_reserve_exact(width / 2).is_ok(),
            "out of memory: rotary: {width} columns"
        );
        frequencies.extend((0..width / 2).map(frequency));
        frequencies
    }

    /// With one frequency, in angles a place, for each pair: what scaled variants change.
    #[must_use]
    #[track_caller]
    pub fn with_frequencies(frequencies: &[f64], places: usize) -> Self {
        let none = Tensor::rotary_table(&Tensor::arange(0), frequencies);
        Self {
            table: Arc::new(Table {
                frequencies: frequencies.to_vec(),
                places,
                known: Mutex::new(none.into()),
            }),
            pairing: Pairing::Halves,
        }
    }

    /// Pairs neighbouring columns, as the paper, GPT-J and Meta's files of Llama do.
    #[must_use]
    pub fn interleaved(mut self) -> Self {
        self.pairing = Pairing::Interleaved;
        self
    }

    /// How many places there are.
    #[must_use]
    pub fn places(&self) -> usize {
        self.table.places
    }

    /// `x (B, H, T, D)` at the places from `start` on.
    ///
    /// # Panics
    /// If there are not so many places, or `x` has too few columns.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, start: usize) -> Tensor {
        let rows = x.shape().get(2).copied().unwrap_or(0);
        let end = start.saturating_add(rows);
        assert!(
            end <= self.places(),
            "rotary: x {:?} stands at places {start}..{end}, but there are {}",
            x.shape(),
            self.places()
        );
        let [cos, sin] = self
            .table
            .up_to(end)
            .map(|table| table.narrow(0, start, rows));
        x.rotary(&cos, &sin, self.pairing)
    }

    /// `x (B, H, T, D)` at places `(T)`, or `(B, T)` where the examples stand at different ones.
    ///
    /// # Panics
    /// As [`forward`](Self::forward), and if the places are no whole numbers or of another shape.
    #[must_use]
    #[track_caller]
    pub fn forward_at(&self, x: &Tensor, places: &Tensor) -> Tensor {
        let last = places.to_vec::<i64>().into_iter().max().unwrap_or(-1);
        let end = usize::try_from(last.saturating_add(1))
            .unwrap_or(0)
            .min(self.places());
        let [cos, sin] = self.table.up_to(end);
        let (cos, sin) = (cos.embedding(places, None), sin.embedding(places, None));
        x.rotary(&cos, &sin, self.pairing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::Rng;

    #[test]
    fn places_may_be_counted_or_named() {
        let x = Tensor::randn([2, 3, 4, 8], &mut Rng::new(0));
        let rotary = Rotary::new(6, 20, 10_000.0);
        let counted = rotary.forward(&x, 5).to_vec::<f32>();
        let named = rotary.forward_at(&x, &Tensor::from([5i64, 6, 7, 8]));
        assert_eq!(named.to_vec::<f32>(), counted);
        let each = Tensor::from([[5i64, 6, 7, 8], [0, 1, 2, 3]]);
        let apart = rotary.forward_at(&x, &each);
        assert_eq!(apart.select(0, 0).to_vec::<f32>(), counted[..96]);
        assert_eq!(
            apart.select(0, 1).to_vec::<f32>(),
            rotary.forward(&x, 0).to_vec::<f32>()[96..]
        );
    }

    #[test]
    #[should_panic(expected = "rotary: x [1, 1, 4, 8] stands at places 17..21, but there are 20")]
    fn places_behind_the_table_are_refused() {
        let _y = Rotary::new(8, 20, 1e4).forward(&Tensor::zeros([1, 1, 4, 8]), 17);
    }
}
