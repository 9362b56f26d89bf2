//! The whole measurement: the machine first, then each workload, in a process of its own.

use crate::clock::{Timing, Wall, time};
use crate::machine::Machine;
use crate::measurement::Measurement;
use crate::memory::peak_rss_mb;
use crate::workload::{Workload, choose, workloads};
use eras_kernels::team;
use eras_tensor::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to measure, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Names of workloads, or their beginnings followed by `*`; none for all.
    pub only: Vec<String>,
    /// How many threads share the work. If not given, as many as the machine runs at once, and matrix products on one
    /// thread too.
    pub threads: Option<usize>,
    /// How long each workload is sampled, after a warm-up of a fifth of that; 1.5 if not given.
    pub seconds: Option<f64>,
    /// Leaves the limits of the machine out: nothing has a share then.
    pub no_peak: bool,
    /// The program whose arguments `bench --only NAME --threads N --seconds S --no-peak --format json` make it call
    /// [`run`] so and print the line of JSON: usually the running one. Several workloads are measured in a process each;
    /// without a program they share this one, and their memory is not told.
    pub program: Option<PathBuf>,
}

const DEFAULT_SECONDS: f64 = 1.5;

/// One workload on a number of threads.
struct Job {
    workload: Workload,
    threads: usize,
}

/// Measures, and calls `report` with each measurement as it comes: the machine's limits, then the workloads.
///
/// The peak of resident memory is that of a process that ran one workload and nothing else. So several workloads run
/// in child processes; a single one runs in this process, and then the limits are measured after it but still reported
/// before it.
///
/// Sets the number of threads of the calling process.
///
/// # Errors
/// If a workload is unknown (the nearest are named), an option cannot be used, or a child process fails.
pub fn run(options: &Options, report: &mut dyn FnMut(&Measurement)) -> Result<()> {
    let seconds = seconds(options)?;
    let jobs = jobs(options, team::threads())?;
    let most = jobs.iter().map(|job| job.threads).max().unwrap_or(1);
    let measure = |report: &mut dyn FnMut(&Measurement)| -> Option<Machine> {
        if options.no_peak {
            return None;
        }
        team::set_threads(most);
        let machine = Machine::measure();
        machine.limits().iter().for_each(report);
        Some(machine)
    };
    if let [job] = jobs.as_slice() {
        let mut measurement = here(job, seconds);
        measurement.rss_mb = peak_rss_mb();
        if let Some(machine) = measure(report) {
            machine.share(&mut measurement);
        }
        report(&measurement);
        return Ok(());
    }
    let machine = measure(report);
    for job in &jobs {
        let mut measurement = match &options.program {
            Some(program) => elsewhere(job, seconds, program)?,
            None => here(job, seconds),
        };
        if let Some(machine) = &machine {
            machine.share(&mut measurement);
        }
        report(&measurement);
    }
    Ok(())
}

fn seconds(options: &Options) -> Result<f64> {
    let seconds = options.seconds.unwrap_or(DEFAULT_SECONDS);
    if !(seconds > 0.0 && seconds <= 3600.0) {
        return Err(Error::usage(format!(
            "each workload is measured for more than 0 and at most 3600 seconds, not {seconds}"
        )));
    }
    Ok(seconds)
}

/// The workloads to measure, where `all` threads are what the machine runs at once.
fn jobs(options: &Options, all: usize) -> Result<Vec<Job>> {
    if options.threads == Some(0) {
        return Err(Error::usage("found 0 threads, wanted at least 1"));
    }
    let all = options.threads.unwrap_or(all);
    let mut jobs = Vec::new();
    for workload in choose(workloads(), &options.only)? {
        if workload.on_one_too && options.threads.is_none() && all > 1 {
            jobs.push(Job {
                workload: workload.clone(),
                threads: 1,
            });
        }
        jobs.push(Job {
            workload,
            threads: all,
        });
    }
    Ok(jobs)
}

/// Measures in this process.
fn here(job: &Job, seconds: f64) -> Measurement {
    team::set_threads(job.threads);
    let mut step = (job.workload.prepare)();
    let timing = time(&mut Wall::new(), seconds, &mut step);
    measurement(job, timing)
}

fn measurement(job: &Job, timing: Timing) -> Measurement {
    let workload = &job.workload;
    let per_second = |amount: f64| amount / timing.median / 1e9;
    Measurement {
        workload: workload.name.clone(),
        threads: job.threads,
        kind: workload.kind,
        median_ms: Some(1e3 * timing.median),
        best_ms: Some(1e3 * timing.best),
        samples: Some(timing.samples),
        share_of_peak: None,
        rss_mb: None,
        flops: workload.flops,
        bytes: workload.bytes,
        gflops: workload.flops.map(per_second),
        gb_per_s: workload.bytes.map(per_second),
    }
}

/// Measures in a child process.
fn elsewhere(job: &Job, seconds: f64, program: &Path) -> Result<Measurement> {
    let name = &job.workload.name;
    let (threads, seconds) = (job.threads.to_string(), seconds.to_string());
    let output = Command::new(program)
        .args(["bench", "--only", name, "--threads", &threads])
        .args(["--seconds", &seconds, "--no-peak", "--format", "json"])
        .output()
        .map_err(|e| Error::io(program, &e).context(format!("workload `{name}` did not start")))?;
    let found = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(Measurement::from_json)
        .find(|m| m.workload == *name && m.threads == job.threads);
    found.filter(|_| output.status.success()).ok_or_else(|| {
        let words = String::from_utf8_lossy(&output.stderr);
        Error::new(format!(
            "workload `{name}` ended with {} and said: {}",
            output.status,
            words.trim()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(only: &[&str]) -> Options {
        Options {
            only: only.iter().map(|&word| word.to_owned()).collect(),
            threads: Some(1),
            seconds: Some(0.01),
            no_peak: true,
            program: None,
        }
    }

    fn measured(options: &Options) -> Result<Vec<Measurement>> {
        let mut all = Vec::new();
        run(options, &mut |m| all.push(m.clone()))?;
        Ok(all)
    }

    #[test]
    fn one_workload_is_measured_in_this_process() {
        let all = measured(&options(&["scalar_add"])).unwrap();
        let [m] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!((m.workload.as_str(), m.threads), ("scalar_add", 1));
        let (median, best) = (m.median_ms.unwrap(), m.best_ms.unwrap());
        assert!(0.0 < best && best <= median, "{m:?}");
        assert_eq!(m.share_of_peak, None);
        assert_eq!(m.rss_mb.is_some(), cfg!(target_os = "linux"));
    }

    #[test]
    fn the_limits_come_first_and_shares_are_of_them() {
        let all = measured(&Options {
            no_peak: false,
            ..options(&["softmax"])
        })
        .unwrap();
        let last = all.last().unwrap();
        assert_eq!(
            (all[0].workload.as_str(), last.workload.as_str()),
            ("peak_f32", "softmax")
        );
        let copy = all.iter().find(|m| m.workload == "peak_copy").unwrap();
        let share = last.gb_per_s.unwrap() / copy.gb_per_s.unwrap();
        assert!((last.share_of_peak.unwrap() / share - 1.0).abs() < 1e-9);
    }

    #[test]
    fn options_that_cannot_be_used_are_wrong_usage() {
        let message = |options: Options| {
            let error = measured(&options).unwrap_err();
            assert!(error.is_usage());
            error.to_string()
        };
        let mut none = options(&["scalar_add"]);
        none.threads = Some(0);
        assert_eq!(message(none), "found 0 threads, wanted at least 1");
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut bad = options(&["scalar_add"]);
            bad.seconds = Some(seconds);
            assert!(message(bad).ends_with(&format!("3600 seconds, not {seconds}")));
        }
        assert!(message(options(&["scalar_ad"])).contains("did you mean `scalar_add`?"));
    }

    /// A program in the place of `eras`, which answers with `body`.
    #[cfg(unix)]
    fn program(name: &str, body: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("eras-bench-{}-{name}", std::process::id()));
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    #[cfg(unix)]
    fn several_workloads_run_in_a_process_each() {
        let line = crate::measurement::tests::example().to_json();
        let body = format!(
            "[ \"$*\" = \"bench --only $3 --threads 1 --seconds 0.01 --no-peak --format json\" ] || exit 9\n\
             echo starting\necho '{line}' | sed -e \"s/mlp/$3/\" -e 's/\"threads\":2/\"threads\":1/'"
        );
        let program = program("good", &body);
        let mut options = options(&["matmul_256", "matmul_512"]);
        options.program = Some(program.clone());
        let all = measured(&options).unwrap();
        std::fs::remove_file(program).unwrap();
        let names: Vec<&str> = all.iter().map(|m| m.workload.as_str()).collect();
        assert_eq!(names, ["matmul_256", "matmul_512"]);
        assert_eq!(all[1].rss_mb, Some(31.25), "what the child said");
    }

    #[test]
    #[cfg(unix)]
    fn a_child_that_fails_is_an_error_with_its_words() {
        let program = program("bad", "echo out of memory >&2\nexit 3");
        let mut options = options(&["matmul_256", "matmul_512"]);
        options.program = Some(program.clone());
        let message = measured(&options).unwrap_err().to_string();
        std::fs::remove_file(program).unwrap();
        assert_eq!(
            message,
            "workload `matmul_256` ended with exit status: 3 and said: out of memory"
        );
        options.program = Some(PathBuf::from("/nowhere/eras"));
        assert!(measured(&options).unwrap_err().is_io());
    }

    #[test]
    fn matrix_products_are_measured_on_one_thread_too() {
        let found = |threads, all| -> Vec<(String, usize)> {
            let options = Options {
                threads,
                ..options(&["matmul_256", "softmax"])
            };
            let jobs = jobs(&options, all).unwrap().into_iter();
            jobs.map(|job| (job.workload.name, job.threads)).collect()
        };
        let of = |name: &str, threads| (name.to_owned(), threads);
        assert_eq!(
            found(None, 4),
            [of("matmul_256", 1), of("matmul_256", 4), of("softmax", 4)]
        );
        assert_eq!(found(None, 1), [of("matmul_256", 1), of("softmax", 1)]);
        assert_eq!(found(Some(3), 4), [of("matmul_256", 3), of("softmax", 3)]);
    }
}
