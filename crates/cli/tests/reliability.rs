//! What a training survives: kills at any instant, a full disk, signals. (`ERAS_KILLS=500` for the long form.)
#![cfg(unix)]

#[expect(dead_code, reason = "events are read here as they come")]
mod scratch;

use scratch::{Scratch, weights};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A small network whose training saves every third step: in most instants a checkpoint is being written.
const OFTEN: [&str; 12] = [
    "train",
    "mlp",
    "--set",
    "hidden=[16]",
    "--set",
    "dropout=0.1",
    "--set",
    "checkpoint_steps=3",
    "--epochs",
    "2",
    "--out",
    "run",
];

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// The steps of a run's latest whole checkpoint, 0 if it has none.
fn steps(run: &Path) -> u64 {
    let names = fs::read_dir(run.join("checkpoints")).into_iter().flatten();
    let number = |file: &str| file.strip_suffix(".json")?.parse::<u64>().ok();
    names
        .filter_map(|entry| number(entry.ok()?.file_name().to_str()?))
        .max()
        .unwrap_or(0)
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn killed_at_random_instants_a_training_ends_with_the_same_weights() {
    let kills: u64 =
        std::env::var("ERAS_KILLS").map_or(20, |n| n.parse().expect("ERAS_KILLS is a number"));
    let at = Scratch::new("kill");
    at.good(&[&OFTEN[..11], &["whole"]].concat());

    let (run, mut random, mut killed) = (at.path("run"), Random(7), 0);
    let mut longest = Duration::from_millis(150);
    loop {
        let before = steps(&run);
        let args = if run.join("config.toml").exists() {
            vec!["train", "run", "--resume"]
        } else {
            OFTEN.to_vec()
        };
        let mut child = at
            .eras(&args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if killed < kills {
            sleep(Duration::from_micros(
                random.below(longest.as_micros() as u64),
            ));
            if child.try_wait().unwrap().is_none() {
                signal(&child, "-KILL");
                killed += 1;
            }
        }
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            assert_eq!(weights(&run), weights(&at.path("whole")));
            if killed == kills {
                break;
            }
            // Over before it was killed often enough: the rest of the kills befall the next one.
            fs::remove_dir_all(&run).unwrap();
            continue;
        }
        assert_eq!(output.status.code(), None, "not killed, but failed: {text}");
        assert!(!text.contains("damaged"), "{text}");
        let after = steps(&run);
        assert!(
            after >= before,
            "step {before} was saved, then only {after}"
        );
        // A start that came to nothing was too short; the whole of the training must hold all kills.
        if after == before {
            longest += Duration::from_millis(10);
        } else if after - before > 938 * 2 / kills.max(1) {
            longest = longest.mul_f64(0.8);
        }
    }
    let litter: Vec<_> = fs::read_dir(run.join("checkpoints"))
        .unwrap()
        .chain(fs::read_dir(&run).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".tmp"))
        .collect();
    assert!(litter.is_empty(), "{litter:?}");
}

#[test]
fn a_disk_that_is_full_costs_nothing_but_the_time_since_the_last_checkpoint() {
    let at = Scratch::new("full");
    let train = [
        "train",
        "mlp",
        "--set",
        "hidden=[16]",
        "--epochs",
        "1",
        "--out",
    ];
    at.good(&[&train[..], &["run"]].concat());
    let before = weights(&at.path("run"));

    // No file may become longer than 20 KiB: the model's part of a checkpoint is 50 KiB.
    let limited = "ulimit -f 40; trap '' XFSZ; exec \"$0\" train run --resume --epochs 2";
    let output = Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_eras")])
        .current_dir(at.path(""))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("the checkpoint was not saved; those before it are intact"),
        "{text}"
    );
    assert_eq!(weights(&at.path("run")), before);

    at.good(&["train", "run", "--resume"]);
    let whole: Vec<&str> = train
        .iter()
        .map(|arg| if *arg == "1" { "2" } else { arg })
        .collect();
    at.good(&[&whole[..], &["whole"]].concat());
    assert_eq!(weights(&at.path("run")), weights(&at.path("whole")));
}

#[test]
fn a_run_that_is_being_written_is_left_alone() {
    let at = Scratch::new("two");
    let mut first = at
        .eras(&OFTEN)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while steps(&at.path("run")) == 0 {
        assert!(first.try_wait().unwrap().is_none(), "the first ended early");
        sleep(Duration::from_millis(5));
    }
    let (code, text) = at.bad(&["train", "run", "--resume"]);
    assert!(
        code == 1 && text.contains("another process is writing this run"),
        "{text}"
    );
    signal(&first, "-KILL");
    first.wait().unwrap();
    at.good(&["train", "run", "--resume"]);
}

#[test]
fn a_signal_ends_a_training_soon_and_a_second_one_at_once() {
    for (name, signals) in [("-TERM", 1), ("-INT", 2)] {
        let at = Scratch::new(&format!("signal{name}"));
        let long = [
            "train",
            "mlp",
            "--epochs",
            "1000",
            "--out",
            "run",
            "--set",
            "checkpoint_steps=20",
        ];
        let mut child = at
            .eras(&long)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while steps(&at.path("run")) == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it ended early");
            sleep(Duration::from_millis(5));
        }
        let start = Instant::now();
        for _ in 0..signals {
            signal(&child, name);
            sleep(Duration::from_millis(2));
        }
        let output = child.wait_with_output().unwrap();
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(output.status.code(), Some(130));
        at.good(&["eval", "run"]);
    }
}

/// Bytes of memory that a process uses now, where Linux tells.
fn resident(child: &Child) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/statm", child.id())).ok()?;
    Some(text.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4096)
}

#[test]
fn memory_stays_flat_over_twenty_epochs() {
    use std::io::{BufRead, BufReader};
    let at = Scratch::new("flat");
    let args = [
        "train",
        "mlp",
        "--set",
        "hidden=[8]",
        "--batch-size",
        "512",
        "--epochs",
        "20",
        "--format",
        "json",
    ];
    let mut child = at
        .eras(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut used = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if event["event"] == "epoch" {
            used.extend(resident(&child));
        }
    }
    assert!(child.wait().unwrap().success());
    if used.len() < 20 {
        return eprintln!("skipped: this system does not tell the memory of a process");
    }
    // The slope of a line through epochs 5 to 20, over these epochs, as a share of what is used.
    let y: Vec<f64> = used[4..].iter().map(|bytes| *bytes as f64).collect();
    let middle = (y.len() - 1) as f64 / 2.0;
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let (mut over, mut under) = (0.0, 0.0);
    for (i, y) in y.iter().enumerate() {
        over += (i as f64 - middle) * (y - mean);
        under += (i as f64 - middle).powi(2);
    }
    let growth = over / under * y.len() as f64 / mean;
    assert!(growth < 0.01, "{growth:.3} in {used:?}");
}
