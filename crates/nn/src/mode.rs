//! Training or evaluation, and the random stream of training.

use eras_tensor::Rng;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whether a model is being trained or evaluated: an argument of just those layers that differ.
///
/// In training it carries the random stream that dropout draws from. Each draw takes the next substream, so
/// that the same step draws the same numbers however often it is repeated.
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::ones([1000]);
/// let drop = Dropout::new(0.5);
/// assert_eq!(drop.forward(&x, &Mode::eval()).sum(..).item(), 1000.0);
/// let a = drop.forward(&x, &Mode::train(7, 0));
/// let b = drop.forward(&x, &Mode::train(7, 0)); // the same seed and step: the same mask
/// assert_eq!(a.to_vec::<f32>(), b.to_vec::<f32>());
/// ```
#[derive(Debug)]
pub struct Mode {
    training: bool,
    seed: u64,
    step: u64,
    draws: AtomicU64,
}

impl Mode {
    /// Evaluation: nothing is random.
    #[must_use]
    pub fn eval() -> Self {
        Self {
            training: false,
            seed: 0,
            step: 0,
            draws: AtomicU64::new(0),
        }
    }

    /// Evaluation of batch `batch`, for models that draw numbers even then: the same ones each time.
    #[must_use]
    pub fn eval_of(seed: u64, batch: u64) -> Self {
        Self {
            training: false,
            ..Self::train(seed, batch)
        }
    }

    /// Step `step` of a training with seed `seed`.
    #[must_use]
    pub fn train(seed: u64, step: u64) -> Self {
        Self {
            training: true,
            seed,
            step,
            draws: AtomicU64::new(0),
        }
    }

    /// Whether this is training.
    #[must_use]
    pub fn is_training(&self) -> bool {
        self.training
    }

    /// A random stream for one use: the next of this step.
    #[must_use]
    pub fn rng(&self) -> Rng {
        /// Streams below belong to initializers and loaders.
        const FIRST: u64 = 1 << 32;
        let draw = self.draws.fetch_add(1, Ordering::Relaxed);
        // A step has 2³² blocks of each stream to itself.
        Rng::at(self.seed, FIRST + draw, self.step << 32)
    }

    /// This mode as it is now, for computing a part again later with the same random numbers.
    #[must_use]
    pub fn fork(&self) -> Self {
        let draws = AtomicU64::new(self.draws.load(Ordering::Relaxed));
        Self { draws, ..*self }
    }
}
