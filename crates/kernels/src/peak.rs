//! What this machine can do at best: fused multiply-adds, and bytes copied or read per second.
//!
//! Every measurement is a few milliseconds long, repeated, and the best counts: whatever else runs on the machine can
//! only make it slower.

use crate::buffer::Buffer;
use crate::{simd, stream, team};
use std::hint::black_box;
use std::time::Instant;

#[cfg(target_arch = "x86_64")]
mod x86;

/// The machine's limits.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Floating point operations per second in f32 on one thread, a fused multiply-add being two.
    pub f32_one: f64,
    /// The same on all threads of the team.
    pub f32_all: f64,
    /// Operations per second of the bf16 dot product on one thread, where the processor has one.
    pub bf16_one: Option<f64>,
    /// The same on all threads of the team.
    pub bf16_all: Option<f64>,
    /// Bytes per second that all threads together copy between buffers larger than any cache: read and written ones
    /// both count, and nothing else. To write through the cache reads each line first; so the better of that and of
    /// writing past it is the limit.
    pub copy: f64,
    /// Bytes per second that all threads together read of 256 MiB, as of a model's weights: of that hardly anything is still
    /// in a cache when it is read again.
    pub read: f64,
}

/// Measures the machine, in about a second.
///
/// The measurements take turns, so that a disturbance of some tenths of a second spoils none of them.
pub fn measure() -> Peak {
    let (fma, bf16, mut arrays) = (fma_kernel(), bf16_kernel(), Arrays::new());
    let all = team::threads();
    let mut peak = Peak {
        f32_one: 0.0,
        f32_all: 0.0,
        bf16_one: None,
        bf16_all: None,
        copy: 0.0,
        read: 0.0,
    };
    for _ in 0..TURNS {
        peak.f32_one = peak.f32_one.max(rate(fma, 1));
        peak.f32_all = peak.f32_all.max(rate(fma, all));
        peak.bf16_one = larger(peak.bf16_one, bf16.map(|kernel| rate(kernel, 1)));
        peak.bf16_all = larger(peak.bf16_all, bf16.map(|kernel| rate(kernel, all)));
        peak.copy = peak.copy.max(arrays.copied());
        peak.read = peak.read.max(arrays.read());
    }
    peak
}

const TURNS: usize = 20;

/// [`Peak::f32_all`] alone, in a few hundredths of a second.
#[must_use]
pub fn f32_all() -> f64 {
    let once = |_| rate(fma_kernel(), team::threads());
    (0..3).map(once).fold(0.0, f64::max)
}

fn larger(x: Option<f64>, y: Option<f64>) -> Option<f64> {
    x.into_iter().chain(y).reduce(f64::max)
}

/// A loop of independent multiply-adds that never leaves the registers.
#[derive(Clone, Copy)]
struct Kernel {
    /// Goes round so many times, and returns something that depends on all of it.
    run: fn(usize) -> f32,
    /// Operations of one round.
    ops: usize,
}

/// Operations per second on `threads` threads at once.
fn rate(kernel: Kernel, threads: usize) -> f64 {
    // Half a millisecond for each thread at 100 GFLOP/s.
    let rounds = 50_000_000 / kernel.ops;
    let seconds = best(16, || {
        team::run(threads, |_| _ = black_box((kernel.run)(black_box(rounds))));
    });
    (rounds * kernel.ops * threads) as f64 / seconds
}

/// Two buffers of 64 MiB, as tensors have them, and one of 256 MiB.
struct Arrays {
    from: Buffer,
    to: Buffer,
    weights: Buffer,
}

impl Arrays {
    fn new() -> Self {
        let new = |mib: usize| Buffer::zeroed(mib << 20);
        Self {
            from: new(64),
            to: new(64),
            weights: new(256),
        }
    }

    /// Bytes per second that are only read.
    fn read(&self) -> f64 {
        let from = self.weights.slice::<u32>();
        let seconds = best(1, || {
            team::split(from, 1 << 18, |_, part| {
                _ = black_box(simd::vectorize(
                    #[inline(always)]
                    || sum(part),
                ));
            });
        });
        size_of_val(from) as f64 / seconds
    }

    /// Bytes per second read and written, the way that is faster: through the cache, or past it.
    fn copied(&mut self) -> f64 {
        self.rate_of(|to, from| to.copy_from_slice(from))
            .max(self.rate_of(|to, from| {
                stream::copy(to, from);
                stream::fence();
            }))
    }

    fn rate_of(&mut self, copy: impl Fn(&mut [u8], &[u8]) + Sync) -> f64 {
        let (to, from) = (self.to.slice_mut::<u8>(), self.from.slice::<u8>());
        let bytes = 2 * to.len();
        let seconds = best(1, || {
            team::split((&mut *to, from), 1 << 20, |_, (to, from)| copy(to, from));
            black_box(&mut *to);
        });
        bytes as f64 / seconds
    }
}

/// Adds up so many numbers at once that reading them is all the work there is.
#[inline(always)]
fn sum(x: &[u32]) -> u32 {
    const LANES: usize = 128;
    let mut sums = [0u32; LANES];
    for x in x.chunks_exact(LANES) {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum = sum.wrapping_add(*x);
        }
    }
    sums.iter().fold(0, |all, sum| all.wrapping_add(*sum))
}

/// The shortest of some runs, in seconds.
fn best(times: usize, mut work: impl FnMut()) -> f64 {
    let mut once = || {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..times).map(|_| once()).fold(f64::INFINITY, f64::min)
}

#[cfg(target_arch = "x86_64")]
fn fma_kernel() -> Kernel {
    x86::fma().unwrap_or(Kernel {
        run: portable,
        ops: 2 * CHAINS,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn fma_kernel() -> Kernel {
    Kernel {
        run: portable,
        ops: 2 * CHAINS,
    }
}

#[cfg(target_arch = "x86_64")]
fn bf16_kernel() -> Option<Kernel> {
    x86::bf16()
}

#[cfg(not(target_arch = "x86_64"))]
fn bf16_kernel() -> Option<Kernel> {
    None
}

/// As many chains as NEON keeps in 24 of its registers, and enough to hide the latency of an addition.
const CHAINS: usize = 96;

/// For NEON, and for processors without fused multiply-adds: the compiler makes vectors of it.
fn portable(rounds: usize) -> f32 {
    let (x, y) = (black_box(0.999_9), black_box(0.000_1));
    let mut sums = [1.0_f32; CHAINS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = if cfg!(target_arch = "aarch64") {
                sum.mul_add(x, y)
            } else {
                *sum * x + y
            };
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rates_are_positive_and_no_wonders() {
        let peak = measure();
        // Between an abacus and a hundred times the fastest core there is.
        let rates = [
            Some(peak.f32_one),
            Some(peak.f32_all),
            peak.bf16_one,
            peak.bf16_all,
        ];
        for rate in rates.into_iter().flatten() {
            assert!((1e7..1e15).contains(&rate), "{peak:?}");
        }
        for rate in [peak.copy, peak.read] {
            assert!((1e7..1e13).contains(&rate), "{peak:?}");
        }
    }

    #[test]
    fn twice_the_rounds_take_longer() {
        let kernel = fma_kernel();
        let time = |rounds| best(10, || _ = black_box((kernel.run)(black_box(rounds))));
        let (short, long) = (time(100_000), time(400_000));
        assert!(
            long > 2.0 * short,
            "{short} s and {long} s: the loop was optimized away"
        );
    }
}
