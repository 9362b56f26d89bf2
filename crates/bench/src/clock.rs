//! How a step is timed: warm-up, then samples until the time is up; their median and their best.

use std::time::Instant;

/// Where the time comes from.
pub(crate) trait Clock {
    /// Seconds since some moment.
    fn now(&mut self) -> f64;
}

/// The clock of the machine.
pub(crate) struct Wall(Instant);

impl Wall {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Wall {
    fn now(&mut self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// What the samples say of one step, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timing {
    pub(crate) median: f64,
    pub(crate) best: f64,
    pub(crate) samples: usize,
}

/// Reading the clock takes some 30 ns: a thousandth of a sample as long as this.
const SHORTEST_SAMPLE: f64 = 30e-6;
/// Short samples are so long that about so many fill the time: their list must not weigh in the peak of memory.
const MOST_SAMPLES: f64 = 20_000.0;
/// At least so many, however long each takes.
const FEWEST_SAMPLES: usize = 5;

/// Runs `step` for a fifth of `seconds` to warm up, then takes samples for all of it.
///
/// A sample is one step, or as many as it takes to be long against the reading of the clock.
pub(crate) fn time(clock: &mut dyn Clock, seconds: f64, step: &mut dyn FnMut()) -> Timing {
    let batch = warm_up(clock, seconds, step);
    let mut samples = Vec::new();
    let start = clock.now();
    loop {
        let began = clock.now();
        for _ in 0..batch {
            step();
        }
        let ended = clock.now();
        samples.push((ended - began) / batch as f64);
        if ended - start >= seconds && samples.len() >= FEWEST_SAMPLES {
            return summary(samples);
        }
    }
}

/// Runs `step` for a fifth of `seconds`, at least once; says how many steps make a sample.
fn warm_up(clock: &mut dyn Clock, seconds: f64, step: &mut dyn FnMut()) -> usize {
    let shortest = SHORTEST_SAMPLE.max(seconds / MOST_SAMPLES);
    let start = clock.now();
    let mut batch = 1;
    loop {
        let began = clock.now();
        for _ in 0..batch {
            step();
        }
        let ended = clock.now();
        // Judged again and again, since the first steps are slow.
        if ended - began < shortest {
            batch *= 2;
        } else if ended - start >= seconds / 5.0 {
            return batch;
        }
    }
}

fn summary(mut samples: Vec<f64>) -> Timing {
    samples.sort_unstable_by(f64::total_cmp);
    Timing {
        median: median(&samples),
        best: samples[0],
        samples: samples.len(),
    }
}

/// The middle of a sorted list; of an even number of samples, the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let upper = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        (sorted[upper - 1] + sorted[upper]) / 2.0
    } else {
        sorted[upper]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Time passes only where a step says so, and by `tick` when the clock is read.
    struct Fake<'a> {
        now: &'a Cell<f64>,
        tick: f64,
    }

    impl Clock for Fake<'_> {
        fn now(&mut self) -> f64 {
            self.now.set(self.now.get() + self.tick);
            self.now.get()
        }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs().max(1.0)
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
        let t = summary(vec![5.0, 1.0, 3.0]);
        assert_eq!((t.median, t.best, t.samples), (3.0, 1.0, 3));
    }

    #[test]
    fn one_slow_step_in_four_moves_neither_median_nor_best() {
        let now = Cell::new(0.0);
        let mut count = 0;
        let mut step = || {
            count += 1;
            now.set(now.get() + if count % 4 == 0 { 0.050 } else { 0.010 });
        };
        let timing = time(
            &mut Fake {
                now: &now,
                tick: 0.0,
            },
            1.0,
            &mut step,
        );
        assert!(near(timing.median, 0.010) && near(timing.best, 0.010));
        assert!(
            (48..=52).contains(&timing.samples),
            "1 s at 20 ms on average are {} samples",
            timing.samples
        );
        assert!(count > timing.samples, "there was a warm-up");
    }

    #[test]
    fn steps_far_shorter_than_the_clock_are_timed_in_batches() {
        let now = Cell::new(0.0);
        let mut step = || now.set(now.get() + 100e-9);
        let tick = 30e-9;
        let timing = time(&mut Fake { now: &now, tick }, 0.1, &mut step);
        // The clock adds 30 ns to a batch of at least 30 µs: a thousandth.
        assert!(near(timing.median, timing.best));
        assert!((100e-9..100.2e-9).contains(&timing.median), "{timing:?}");
        assert!(timing.samples <= 4000);
    }

    #[test]
    fn long_runs_do_not_pile_up_samples() {
        let now = Cell::new(0.0);
        let mut step = || now.set(now.get() + 1e-6);
        let timing = time(
            &mut Fake {
                now: &now,
                tick: 0.0,
            },
            60.0,
            &mut step,
        );
        assert!((5_000..=20_001).contains(&timing.samples), "{timing:?}");
    }

    #[test]
    fn steps_longer_than_the_time_are_sampled_all_the_same() {
        let now = Cell::new(0.0);
        let mut step = || now.set(now.get() + 2.0);
        let timing = time(
            &mut Fake {
                now: &now,
                tick: 0.0,
            },
            0.5,
            &mut step,
        );
        assert_eq!((timing.median, timing.samples), (2.0, FEWEST_SAMPLES));
    }

    #[test]
    fn the_clock_of_the_machine_goes_forward() {
        let mut clock = Wall::new();
        let (a, b) = (clock.now(), clock.now());
        assert!(0.0 <= a && a <= b && b < 60.0);
    }
}
