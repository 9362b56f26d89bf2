//! A text in numbers as a data set.

use eras_data::{Batch, Dataset, fingerprint};
use eras_tensor::{Result, Rng, Tensor};
use std::sync::Arc;

/// The random stream of a seed that places are drawn from.
const STREAM: u64 = 6;

/// Windows of a text in tokens: what a model sees, and at each place the token that comes next.
///
/// Batches have `x (B, T)` and `y (B, T)` in `i64`, `y` one token ahead of `x`.
///
/// ```
/// use eras_data::Dataset;
/// use eras_text::Windows;
///
/// let text = Windows::in_line(vec![5, 6, 7, 8, 9, 10], 2);
/// assert_eq!(text.len(), 2);
/// let batch = text.batch(&[1])?;
/// assert_eq!(batch.x.to_vec::<i64>(), [7, 8]);
/// assert_eq!(batch.y.to_vec::<i64>(), [8, 9]);
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Windows {
    tokens: Arc<[u32]>,
    context: usize,
    len: usize,
    /// At random, by this seed.
    seed: Option<u64>,
}

impl Windows {
    /// One after the other, from the first on; what is left behind the last whole one is left out.
    ///
    /// # Panics
    /// If `context` is 0.
    #[must_use]
    #[track_caller]
    pub fn in_line(tokens: impl Into<Arc<[u32]>>, context: usize) -> Self {
        assert!(
            context > 0,
            "Windows: found windows of 0 tokens, wanted 1 or more"
        );
        let tokens = tokens.into();
        let len = tokens.len().saturating_sub(1) / context;
        Self {
            tokens,
            context,
            len,
            seed: None,
        }
    }

    /// `len` windows at random places: window `i` is a function of the seed and `i`.
    ///
    /// # Panics
    /// If `context` is 0, or the text is too short for one window.
    #[must_use]
    #[track_caller]
    pub fn at_random(tokens: impl Into<Arc<[u32]>>, context: usize, len: usize, seed: u64) -> Self {
        let tokens = tokens.into();
        assert!(
            tokens.len() > context,
            "Windows: found a text of {} tokens, wanted {} for a window and what follows it",
            tokens.len(),
            context.saturating_add(1)
        );
        Self {
            len,
            seed: Some(seed),
            ..Self::in_line(tokens, context)
        }
    }

    /// Tokens of a window.
    #[must_use]
    pub fn context(&self) -> usize {
        self.context
    }

    fn start(&self, index: usize) -> usize {
        match self.seed {
            Some(seed) => {
                let places = self.tokens.len() - self.context;
                Rng::at(seed, STREAM, (index as u64) << 8).below(places)
            }
            None => index * self.context,
        }
    }
}

impl Dataset for Windows {
    fn len(&self) -> usize {
        self.len
    }

    #[track_caller]
    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        if let Some(index) = indices.iter().find(|index| **index >= self.len) {
            panic!("Windows: sample {index} of a set of {}", self.len);
        }
        let shape = [indices.len(), self.context];
        let from = |ahead: usize| {
            let tokens = indices.iter().flat_map(|index| {
                let start = self.start(*index) + ahead;
                &self.tokens[start..start + self.context]
            });
            let tokens: Vec<i64> = tokens.map(|token| i64::from(*token)).collect();
            Tensor::from_slice(&tokens, shape)
        };
        Ok(Batch {
            x: from(0),
            y: from(1),
        })
    }

    fn fingerprint(&self) -> Option<String> {
        let tokens: Vec<u8> = self.tokens.iter().flat_map(|t| t.to_le_bytes()).collect();
        let numbers = [self.context, self.len].map(|n| (n as u64).to_le_bytes());
        let seed = self.seed.map(u64::to_le_bytes);
        let parts = [&tokens, &numbers[0][..], &numbers[1]];
        let seed = seed.as_ref().map(|seed| &seed[..]);
        Some(fingerprint(parts.into_iter().chain(seed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: u32) -> Vec<u32> {
        (0..n).collect()
    }

    #[test]
    fn windows_in_line_cover_the_text_once() {
        for (n, context, len) in [
            (0, 3, 0),
            (1, 3, 0),
            (3, 3, 0),
            (4, 3, 1),
            (7, 3, 2),
            (8, 3, 2),
        ] {
            let windows = Windows::in_line(numbers(n), context);
            assert_eq!(windows.len(), len, "{n} tokens");
            let all: Vec<usize> = (0..len).collect();
            let batch = windows.batch(&all).unwrap();
            let seen = batch.x.to_vec::<i64>();
            assert_eq!(seen, (0..(len * context) as i64).collect::<Vec<_>>());
            let next: Vec<i64> = seen.iter().map(|token| token + 1).collect();
            assert_eq!(batch.y.to_vec::<i64>(), next);
        }
    }

    #[test]
    fn windows_at_random_reach_every_place_and_come_back() {
        let windows = Windows::at_random(numbers(10), 4, 500, 7);
        let starts = |windows: &Windows| -> Vec<i64> {
            let all: Vec<usize> = (0..windows.len()).collect();
            let x = windows.batch(&all).unwrap().x;
            x.select(1, 0).to_vec()
        };
        let first = starts(&windows);
        assert_eq!(first, starts(&Windows::at_random(numbers(10), 4, 500, 7)));
        assert_ne!(first, starts(&Windows::at_random(numbers(10), 4, 500, 8)));
        let mut places = first;
        places.sort_unstable();
        places.dedup();
        assert_eq!(places, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn other_windows_have_other_fingerprints() {
        let all = [
            Windows::in_line(numbers(9), 2),
            Windows::in_line(numbers(9), 4),
            Windows::in_line(numbers(10), 2),
            Windows::at_random(numbers(9), 2, 4, 0),
            Windows::at_random(numbers(9), 2, 4, 1),
        ];
        let mut prints: Vec<_> = all.iter().map(Dataset::fingerprint).collect();
        prints.sort();
        prints.dedup();
        assert_eq!(prints.len(), 5);
    }

    #[test]
    #[should_panic(
        expected = "Windows: found a text of 4 tokens, wanted 5 for a window and what follows it"
    )]
    fn a_text_too_short_is_refused() {
        let _windows = Windows::at_random(numbers(4), 4, 1, 0);
    }
}
