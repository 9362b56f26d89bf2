//! What a training will take, from a few steps of it.

use eras_tensor::{Result, count};
use std::time::{Duration, Instant};

/// What a training will take, measured by ten steps of it and ten batches of its validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Epochs in all.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// What a step took, in the median.
    pub step: Duration,
    /// Floating point operations of a step's matrix products, as they were counted.
    pub flops: u64,
    /// What the validation after an epoch will take.
    pub validation: Duration,
}

impl Forecast {
    /// Steps of the whole training.
    #[must_use]
    pub fn all_steps(&self) -> u64 {
        (self.epochs * self.steps) as u64
    }

    /// Seconds of the whole training, without what callbacks take.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let epoch = self.steps as f64 * self.step.as_secs_f64() + self.validation.as_secs_f64();
        self.epochs as f64 * epoch
    }
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tried {
    /// In the median.
    pub(crate) time: Duration,
    /// At most.
    pub(crate) flops: u64,
}

/// Tries a step ten times, after two times that count for nothing, or until it finds nothing to do: it is told how often it was
/// tried before, and tells whether it did something.
pub(crate) fn tried(mut step: impl FnMut(u64) -> Result<bool>) -> Result<Tried> {
    const COUNTED: usize = 10;
    const WARM_UP: usize = 2;
    let (mut times, mut most) = (Vec::new(), 0);
    while times.len() < WARM_UP + COUNTED {
        let (start, before) = (Instant::now(), count::flops());
        if !step(times.len() as u64)? {
            break; // the whole epoch
        }
        times.push(start.elapsed());
        most = most.max(count::flops() - before);
    }
    let counted = times.split_off(WARM_UP.min(times.len().saturating_sub(1)));
    Ok(Tried {
        time: median(counted),
        flops: most,
    })
}

/// The one in the middle; zero of none.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::Tensor;

    #[test]
    fn a_training_is_its_steps_and_its_validations() {
        let forecast = Forecast {
            epochs: 3,
            steps: 10,
            step: Duration::from_millis(20),
            flops: 0,
            validation: Duration::from_millis(100),
        };
        assert_eq!(forecast.all_steps(), 30);
        assert!((forecast.seconds() - 0.9).abs() < 1e-12);
    }

    #[test]
    fn a_step_is_tried_twelve_times_or_as_often_as_it_can() {
        for (there_are, wanted) in [(100, 12), (5, 5), (1, 1), (0, 0)] {
            let mut done = 0;
            let tried = tried(|i| {
                assert_eq!(i, done);
                done += u64::from(i < there_are);
                Ok(i < there_are)
            });
            assert_eq!((done, tried.unwrap().flops), (wanted, 0));
        }
        let ones = Tensor::ones([3, 3]);
        let step = tried(|_| {
            let _ = ones.matmul(&ones);
            Ok(true)
        });
        assert_eq!(step.unwrap().flops, 2 * 27);
    }
}
