//! What handing work to the team costs: `cargo run --release -p eras-kernels --example team`.
#![expect(
    clippy::print_stdout,
    reason = "a program that prints its measurements"
)]

use eras_kernels::team;
use std::time::{Duration, Instant};

fn main() {
    for threads in [1, 2, 3, 4] {
        team::set_threads(threads);
        // Begin with every helper awake and in its place.
        for _ in 0..1000 {
            team::run(threads, |_| spin(Duration::from_micros(20)));
        }
        let awake = median(101, || {
            let start = Instant::now();
            for _ in 0..1000 {
                team::run(threads.max(2), |_| ());
            }
            start.elapsed() / 1000
        });
        // Two tasks of 20 µs each: what is above 20 µs is the way there and back.
        let shared = median(1001, || {
            let start = Instant::now();
            team::run(2, |_| spin(Duration::from_micros(20)));
            start.elapsed()
        });
        let asleep = median(101, || {
            std::thread::sleep(Duration::from_millis(3));
            let start = Instant::now();
            team::run(2, |_| spin(Duration::from_micros(1000)));
            start.elapsed()
        });
        println!(
            "{threads} threads: empty job {awake:?}, two tasks of 20 µs {shared:?}, two of 1 ms from sleep {asleep:?}"
        );
    }
}

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn median(times: usize, mut run: impl FnMut() -> Duration) -> Duration {
    let mut all: Vec<Duration> = (0..times).map(|_| run()).collect();
    all.sort();
    all[times / 2]
}
