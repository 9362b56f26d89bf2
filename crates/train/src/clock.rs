//! The time that an epoch takes.

use std::time::{Duration, Instant};

/// Seconds of an epoch, those before a resumption counted in.
pub(crate) struct Clock {
    start: Instant,
    before: f64,
}

/// What `f` gives; the time that it takes is added to `seconds`.
pub(crate) fn counted<R>(seconds: &mut f64, f: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = f();
    *seconds += start.elapsed().as_secs_f64();
    result
}

impl Clock {
    pub(crate) fn start(before: f64) -> Self {
        Self {
            start: Instant::now(),
            before,
        }
    }
    pub(crate) fn seconds(&self) -> f64 {
        self.before
            + self
                .start
                .elapsed()
                .max(Duration::from_nanos(1))
                .as_secs_f64()
    }
}
