//! The limits of the machine, and what share of them a workload reaches.

use crate::measurement::{Kind, Measurement};
use eras_kernels::peak::{self, Peak};
use eras_kernels::team;

/// The limits on one thread and on all threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    peak: Peak,
    /// How many threads "all" are.
    threads: usize,
}

impl Machine {
    /// Measures them on one thread and on those of the team, in about two seconds: the best of some measurements, since
    /// a moment in which the machine is busy otherwise must not look like its limit.
    pub(crate) fn measure() -> Self {
        let peak = (1..4).map(|_| peak::measure()).fold(peak::measure(), best);
        Self {
            peak,
            threads: team::threads(),
        }
    }

    /// The limits as they are reported.
    pub(crate) fn limits(&self) -> Vec<Measurement> {
        let Peak {
            f32_one,
            f32_all,
            bf16_one,
            bf16_all,
            copy,
            read,
        } = self.peak;
        let compute = |name: &str, one: f64, all: f64| {
            let one = (self.threads > 1).then(|| limit(name, 1, Some(one), None));
            let all = limit(name, self.threads, Some(all), None);
            one.into_iter().chain([all])
        };
        let bf16 = bf16_one.zip(bf16_all);
        compute("peak_f32", f32_one, f32_all)
            .chain(
                bf16.into_iter()
                    .flat_map(|(one, all)| compute("peak_bf16", one, all)),
            )
            .chain([
                limit("peak_copy", self.threads, None, Some(copy)),
                limit("peak_read", self.threads, None, Some(read)),
            ])
            .collect()
    }

    /// Puts the share into a measurement made on one thread or on all.
    pub(crate) fn share(&self, m: &mut Measurement) {
        let peak = &self.peak;
        let (f32, bf16) = if m.threads == self.threads {
            (peak.f32_all, peak.bf16_all)
        } else {
            (peak.f32_one, peak.bf16_one)
        };
        m.share_of_peak = match m.kind {
            Kind::F32 => m.gflops.map(|rate| 1e9 * rate / f32),
            Kind::Bf16 => m.gflops.map(|rate| 1e9 * rate / bf16.unwrap_or(f32)),
            Kind::Memory => m.gb_per_s.map(|rate| 1e9 * rate / peak.copy),
            Kind::Read => m.gb_per_s.map(|rate| 1e9 * rate / peak.read),
            Kind::Overhead | Kind::Peak => None,
        };
    }
}

/// The better of each limit.
fn best(a: Peak, b: Peak) -> Peak {
    let either = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a.max(b));
    Peak {
        f32_one: a.f32_one.max(b.f32_one),
        f32_all: a.f32_all.max(b.f32_all),
        bf16_one: either(a.bf16_one, b.bf16_one),
        bf16_all: either(a.bf16_all, b.bf16_all),
        copy: a.copy.max(b.copy),
        read: a.read.max(b.read),
    }
}

fn limit(name: &str, threads: usize, flops: Option<f64>, bytes: Option<f64>) -> Measurement {
    Measurement {
        workload: name.to_owned(),
        threads,
        kind: Kind::Peak,
        median_ms: None,
        best_ms: None,
        samples: None,
        share_of_peak: None,
        rss_mb: None,
        flops: None,
        bytes: None,
        gflops: flops.map(|rate| rate / 1e9),
        gb_per_s: bytes.map(|rate| rate / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::example;

    fn machine(bf16: Option<f64>) -> Machine {
        let peak = Peak {
            f32_one: 200e9,
            f32_all: 400e9,
            bf16_one: bf16,
            bf16_all: bf16.map(|rate| 2.0 * rate),
            copy: 20e9,
            read: 30e9,
        };
        Machine { peak, threads: 2 }
    }

    fn share(machine: &Machine, change: impl Fn(&mut Measurement)) -> Option<f64> {
        let mut m = Measurement {
            gflops: Some(100.0),
            ..example()
        };
        change(&mut m);
        machine.share(&mut m);
        m.share_of_peak
    }

    #[test]
    fn a_share_is_that_of_the_limit_on_as_many_threads() {
        let m = machine(Some(500e9));
        assert_eq!(share(&m, |_| ()), Some(0.25));
        assert_eq!(share(&m, |m| m.threads = 1), Some(0.5));
        assert_eq!(share(&m, |m| m.kind = Kind::Bf16), Some(0.1));
        let memory = |m: &mut Measurement| {
            (m.kind, m.gflops, m.gb_per_s) = (Kind::Memory, None, Some(15.0));
        };
        assert_eq!(share(&m, memory), Some(0.75));
        let read = |m: &mut Measurement| {
            memory(m);
            m.kind = Kind::Read;
        };
        assert_eq!(share(&m, read), Some(0.5));
        assert_eq!(share(&m, |m| m.kind = Kind::Overhead), None);
    }

    #[test]
    fn the_best_of_two_measurements_is_the_better_of_each_limit() {
        let (mut a, mut b) = (machine(Some(1.0)).peak, machine(Some(2.0)).peak);
        (a.f32_one, b.copy, a.read) = (900.0, 900.0, 900.0);
        let both = best(a, b);
        assert_eq!(
            (both.f32_one, both.f32_all, both.copy, both.read),
            (b.f32_one, 400e9, a.copy, b.read)
        );
        assert_eq!((both.bf16_one, both.bf16_all), (Some(2.0), Some(4.0)));
        assert_eq!(best(a, machine(None).peak).bf16_one, None);
    }

    #[test]
    fn without_bf16_instructions_bf16_is_held_against_f32() {
        assert_eq!(share(&machine(None), |m| m.kind = Kind::Bf16), Some(0.25));
    }

    #[test]
    fn only_the_limits_there_are_are_reported() {
        let names = |machine: Machine| -> Vec<(String, usize)> {
            let limits = machine.limits().into_iter();
            limits.map(|m| (m.workload, m.threads)).collect()
        };
        let of = |name: &str, threads| (name.to_owned(), threads);
        assert_eq!(
            names(machine(None)),
            [
                of("peak_f32", 1),
                of("peak_f32", 2),
                of("peak_copy", 2),
                of("peak_read", 2)
            ]
        );
        let mut one = machine(Some(500e9));
        one.threads = 1;
        assert_eq!(
            names(one),
            [
                of("peak_f32", 1),
                of("peak_bf16", 1),
                of("peak_copy", 1),
                of("peak_read", 1)
            ]
        );
    }
}
