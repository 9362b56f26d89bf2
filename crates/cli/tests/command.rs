//! The binary as a user runs it, with good and with bad arguments.

mod scratch;

use eras_report::Picture;
use scratch::{Scratch, lines, weights};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A network small enough to be trained in a test.
const SMALL: [&str; 4] = ["train", "mlp", "--set", "hidden=[16]"];

fn small(more: &[&'static str]) -> Vec<&'static str> {
    [&SMALL, more].concat()
}

#[test]
fn a_run_leaves_what_it_promises_and_can_be_evaluated() {
    let at = Scratch::new("run");
    let events = lines(&at.good(&small(&["--epochs", "2", "--format", "json"])));
    assert_eq!(events.len(), 3);
    for (i, event) in events[..2].iter().enumerate() {
        assert_eq!(
            (&event["event"], &event["epoch"]),
            (&"epoch".into(), &(i + 1).into())
        );
        for number in ["loss", "accuracy", "val_loss", "val_accuracy", "seconds"] {
            assert!(event[number].is_f64(), "{number} in {event}");
        }
    }
    let done = &events[2];
    assert_eq!(
        (&done["event"], &done["run"]),
        (&"done".into(), &"runs/mlp-1".into())
    );
    assert!(done["test_accuracy"].as_f64().unwrap() > 0.9, "{done}");
    assert_eq!(done["test_loss"], events[1]["val_loss"]);

    let run = at.path("runs/mlp-1");
    for file in [
        "config.toml",
        "metrics.jsonl",
        "loss.svg",
        "accuracy.svg",
        "confusion.svg",
        "report.html",
    ] {
        assert!(
            fs::metadata(run.join(file)).is_ok_and(|m| m.len() > 100),
            "{file}"
        );
    }
    let logged = lines(&fs::read_to_string(run.join("metrics.jsonl")).unwrap());
    assert_eq!(logged, events[..2]);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("test accuracy"));
    for outside in ["src=\"http", "href=\"http", "url(http", "<script", "<link"] {
        assert!(
            !page.contains(outside),
            "the page stands alone, but has {outside}"
        );
    }

    let eval = lines(&at.good(&["eval", "runs/mlp-1", "--format", "json"])).remove(0);
    assert_eq!(
        (&eval["test_loss"], &eval["test_accuracy"]),
        (&done["test_loss"], &done["test_accuracy"])
    );

    // What it was trained and tested on is named by hash, everywhere the same.
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    let [train, test] = ["train = \"", "test = \""].map(|key| {
        let (_, rest) = config.split_once(key).unwrap_or_else(|| panic!("{config}"));
        rest[..64].to_owned()
    });
    assert!(page.contains(&train) && page.contains(&test));
    assert_eq!(
        (&eval["data"], &eval["data_sha256"]),
        (&"mnist".into(), &test.into())
    );
}

#[test]
fn a_run_that_goes_on_repeats_or_is_evaluated_says_when_the_data_is_another() {
    let at = Scratch::new("data");
    at.good(&small(&["--epochs", "1", "--out", "run"]));
    // As if it had been trained on other data of the same form.
    let path = at.path("run/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    let altered = |set: &str| {
        let key = format!("\n{set} = \"");
        let at = config.find(&key).unwrap() + key.len();
        let altered = format!("{}{}{}", &config[..at], "0".repeat(64), &config[at + 64..]);
        fs::write(&path, &altered).unwrap();
        altered
    };
    let zeros = "0".repeat(64);
    for set in ["train", "test"] {
        let before = altered(set);
        let (code, text) = at.bad(&["train", "run", "--resume", "--epochs", "2"]);
        let wanted = format!(
            "but that of the run had {zeros}; a run goes on with the data that it began with"
        );
        assert!(code == 2 && text.contains(&wanted), "{text}");
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            before,
            "nothing was changed"
        );
    }
    let output = at.run(&["eval", "run"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("on other data: the test set has"),
        "{text}"
    );
    let output = at.run(&["train", "run/config.toml", "--out", "again"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("not the data of run/config.toml: the test set has"),
        "{text}"
    );
    assert!(
        !fs::read_to_string(at.path("again/config.toml"))
            .unwrap()
            .contains(&zeros)
    );
    fs::write(&path, &config).unwrap();
    at.good(&["train", "run", "--resume", "--epochs", "2"]);
}

#[test]
fn a_configuration_repeats_its_run_to_the_bit_at_any_number_of_threads() {
    let at = Scratch::new("repeat");
    at.good(&small(&[
        "--epochs",
        "1",
        "--set",
        "dropout=0.1",
        "--threads",
        "1",
        "--out",
        "one",
    ]));
    at.good(&["train", "one/config.toml", "--out", "again"]);
    let wanted = weights(&at.path("one"));
    assert_eq!(weights(&at.path("again")), wanted);
    for threads in ["2", "3", "4", "7"] {
        at.good(&[
            "train",
            "one/config.toml",
            "--threads",
            threads,
            "--out",
            threads,
        ]);
        assert_eq!(weights(&at.path(threads)), wanted, "{threads} threads");
    }
    at.good(&["train", "one/config.toml", "--seed", "1", "--out", "other"]);
    assert_ne!(weights(&at.path("other")), wanted);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on_to_the_same_weights() {
    use std::io::{BufRead, BufReader};
    let at = Scratch::new("interrupt");
    let long = small(&[
        "--epochs",
        "4",
        "--format",
        "json",
        "--set",
        "dropout=0.1",
        "--out",
    ]);
    at.good(&[&long[..], &["whole"]].concat());

    let mut child = at
        .eras(&[&long[..], &["cut"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // After the first epoch, somewhere within the second.
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let signal = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(signal.success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(
        text.contains("stopped and saved; go on with `eras train cut --resume`"),
        "{text}"
    );

    at.good(&["train", "cut", "--resume"]);
    assert_eq!(weights(&at.path("cut")), weights(&at.path("whole")));
    let log = |run: &str| fs::read_to_string(at.path(run).join("metrics.jsonl")).unwrap();
    let losses = |run: &str| {
        lines(&log(run))
            .iter()
            .map(|e| e["loss"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(losses("cut"), losses("whole"));
}

#[test]
fn digits_are_recognized_dark_on_light_and_light_on_dark_in_any_size() {
    let at = Scratch::new("predict");
    at.good(&small(&["--epochs", "3", "--out", "run"]));
    // A one: an upright bar; a zero: a ring.
    let bar = |x: f64, y: f64| (x - 0.5).abs() < 0.04 && (y - 0.5).abs() < 0.3;
    let ring = |x: f64, y: f64| (0.8..1.2).contains(&(((x - 0.5) / 0.22).hypot((y - 0.5) / 0.3)));
    let draw = |name: &str, side: usize, ink: u8, figure: &dyn Fn(f64, f64) -> bool| {
        let at_pixel = |i: usize| {
            (
                (i % side) as f64 / side as f64,
                (i / side) as f64 / side as f64,
            )
        };
        let pixels = (0..side * side).map(|i| {
            if figure(at_pixel(i).0, at_pixel(i).1) {
                ink
            } else {
                255 - ink
            }
        });
        Picture::grey(side, side, pixels.collect())
            .save(at.path(name))
            .unwrap();
    };
    draw("one.png", 300, 0, &bar);
    draw("one_light.png", 64, 255, &bar);
    draw("zero.png", 200, 0, &ring);
    let answers = at.good(&[
        "predict",
        "run",
        "one.png",
        "one_light.png",
        "zero.png",
        "--format",
        "json",
    ]);
    let best: Vec<String> = lines(&answers)
        .iter()
        .map(|l| l["classes"][0]["class"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(best, ["1", "1", "0"]);

    fs::write(at.path("not.png"), "no picture").unwrap();
    let (code, text) = at.bad(&["predict", "run", "not.png", "missing.png"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("not.png") && text.contains("missing.png") && text.contains("2 of 2 files"),
        "{text}"
    );
}

/// A file that PyTorch or NumPy wrote.
fn stored(name: &str) -> String {
    format!(
        "{}/../../testdata/formats/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

#[test]
fn weights_of_other_programs_are_listed_and_converted() {
    let at = Scratch::new("import");
    let text = at.good(&["import", &stored("checkpoint.pt"), "--list"]);
    for line in [
        "model.0.weight                f32  [4, 5]",
        "model.1.num_batches_tracked   i64  []",
        "epoch                         3",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(text.ends_with("29 tensors, 143 numbers, 576 B\n"), "{text}");
    let listed = lines(&at.good(&["import", &stored("dtypes.pt"), "--list", "--format", "json"]));
    let int8 = listed.iter().find(|line| line["name"] == "int8").unwrap();
    assert_eq!(
        (&int8["dtype"], &int8["stored_as"], &int8["shape"]),
        (&"i64".into(), &"i8".into(), &serde_json::json!([3, 5]))
    );

    fs::write(
        at.path("names.toml"),
        "\"model.*.*\" = \"layer*.*\" # as we call them\n",
    )
    .unwrap();
    for out in ["small.safetensors", "small.pt", "small.npz"] {
        let said = at.good(&[
            "import",
            &stored("checkpoint.pt"),
            "--drop",
            "optimizer.**",
            "--drop",
            "order.*",
            "--map",
            "names.toml",
            "--out",
            out,
        ]);
        assert_eq!(said, format!("9 tensors are in {out}\n"));
        let names: Vec<String> = lines(&at.good(&["import", out, "--list", "--format", "json"]))
            .iter()
            .filter(|line| line["event"] == "tensor")
            .map(|line| line["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names.len(), 9);
        assert!(names.contains(&"layer3.bias".to_owned()), "{names:?}");
    }
}

#[test]
fn the_weights_of_a_run_can_be_exported() {
    let at = Scratch::new("export");
    at.good(&small(&["--epochs", "1", "--out", "run"]));
    for out in ["run.safetensors", "run.pt", "run.npz"] {
        let done = at.good(&["export", "run", "--out", out, "--best", "--format", "json"]);
        let done = lines(&done).remove(0);
        assert_eq!(
            (&done["event"], &done["file"]),
            (&"done".into(), &out.into())
        );
        let listed = lines(&at.good(&["import", out, "--list", "--format", "json"]));
        assert!(
            listed
                .iter()
                .any(|line| line["shape"] == serde_json::json!([16, 784]))
        );
    }
    let (code, text) = at.bad(&["export", "run", "--out", "run.tar"]);
    assert!(
        code == 2 && text.contains("the ending of the name says the format"),
        "{text}"
    );
}

#[test]
fn a_run_of_an_earlier_build_is_read_and_gone_on_with() {
    let at = Scratch::new("earlier");
    at.good(&small(&["--epochs", "2", "--out", "whole"]));
    at.good(&small(&["--epochs", "1", "--out", "run"]));
    // Settings and fields of checkpoints that the first builds did not know.
    let path = at.path("run/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    let is_new =
        |line: &&str| line.starts_with("precision") || line.starts_with("checkpoint_steps");
    assert_eq!(config.lines().filter(is_new).count(), 2);
    let kept: Vec<&str> = config.lines().filter(|line| !is_new(line)).collect();
    fs::write(&path, kept.join("\n")).unwrap();
    for name in ["0000000469", "best-0000000469"] {
        let path = at.path(&format!("run/checkpoints/{name}.json"));
        let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        manifest["version"] = 1.into();
        let position = manifest["position"].as_object_mut().unwrap();
        for field in [
            "accumulate",
            "average_updates",
            "skipped",
            "roll_backs",
            "lr_scale",
            "waiting",
        ] {
            assert!(position.remove(field).is_some(), "{field}");
        }
        for epoch in position["history"].as_array_mut().unwrap() {
            assert!(epoch.as_object_mut().unwrap().remove("waiting").is_some());
        }
        fs::write(&path, manifest.to_string()).unwrap();
    }
    at.good(&["eval", "run"]);
    at.good(&["export", "run", "--best", "--out", "run.npz"]);
    at.good(&["train", "run", "--resume", "--epochs", "2"]);
    assert_eq!(weights(&at.path("run")), weights(&at.path("whole")));
}

#[test]
fn a_training_begins_with_imported_weights() {
    let at = Scratch::new("weights");
    at.good(&small(&["--epochs", "3", "--out", "first"]));
    fs::write(at.path("theirs.toml"), "** = layers.**\n").unwrap();
    fs::write(at.path("ours.toml"), "layers.** = **\n").unwrap();
    at.good(&[
        "export",
        "first",
        "--map",
        "theirs.toml",
        "--out",
        "theirs.pt",
    ]);
    let (code, text) = at.bad(&small(&["--weights", "theirs.pt", "--out", "run"]));
    let wanted = "theirs.pt`: `hidden.0.weight` is missing";
    assert!(code == 1 && text.contains(wanted), "{text}");
    assert!(!at.path("run").exists());
    at.good(&[
        "import",
        "theirs.pt",
        "--map",
        "ours.toml",
        "--out",
        "ours.npz",
    ]);

    // A step so short that it changes no bit of any weight.
    let still = [
        "--weights",
        "ours.npz",
        "--epochs",
        "1",
        "--set",
        "lr=1e-30",
        "--out",
        "run",
    ];
    at.good(&small(&still));
    assert_eq!(weights(&at.path("run")), weights(&at.path("first")));
    let config = fs::read_to_string(at.path("run/config.toml")).unwrap();
    assert!(
        config.contains("[weights]") && config.contains("ours.npz"),
        "{config}"
    );

    at.good(&["train", "run/config.toml", "--out", "again"]);
    assert_eq!(weights(&at.path("again")), weights(&at.path("first")));

    // Others in the file: a new training says so.
    at.good(&small(&["--epochs", "1", "--out", "other"]));
    at.good(&["export", "other", "--out", "ours.npz"]);
    let output = at.run(&["train", "run/config.toml", "--out", "changed"]);
    let text = String::from_utf8_lossy(&output.stderr);
    let wanted = "not the weights of run/config.toml: the weights of";
    assert!(output.status.success() && text.contains(wanted), "{text}");
    assert_eq!(weights(&at.path("changed")), weights(&at.path("other")));
}

#[test]
fn files_that_would_run_something_or_are_no_weights_are_refused() {
    let at = Scratch::new("evil");
    fs::write(at.path("not.pt"), "no weights").unwrap();
    fs::write(at.path("names.toml"), "a.* = b\n").unwrap();
    let good = stored("parameters.pt");
    let failure: [(&[&str], &str); 5] = [
        (
            &["import", &stored("evil_system.pt"), "--list"],
            "evil_system.pt`: asks to call `posix.system`, which is not a tensor; nothing was run",
        ),
        (
            &["import", "not.pt", "--list"],
            "is no file of weights that is read here",
        ),
        (&["import", "nowhere.pt", "--list"], "nowhere.pt"),
        (
            &["import", &good, "--list", "--map", "names.toml"],
            "`names.toml`: line 1: 1 stars on the left, 0 on the right",
        ),
        (
            &["import", &stored("dtypes.pt"), "--out", "bf16.npz"],
            "`bfloat16` holds bf16, which NumPy has not",
        ),
    ];
    for (args, wanted) in failure {
        let (code, text) = at.bad(args);
        assert!(
            code == 1 && text.contains(wanted),
            "{args:?} gave {code}: {text}"
        );
    }
    let usage: [(&[&str], &str); 3] = [
        (&["import", &good], "--list"),
        (&["import", &good, "--out", "x.tar"], "wanted .safetensors"),
        (
            &["import", &good, "--list", "--drop", "***"],
            "wanted `*` for a piece",
        ),
    ];
    for (args, wanted) in usage {
        let (code, text) = at.bad(args);
        assert!(
            code == 2 && text.contains(wanted),
            "{args:?} gave {code}: {text}"
        );
    }
    assert!(!at.path("bf16.npz").exists() && !Path::new("/tmp/eras-ran-a-pickle").exists());
}

#[test]
fn what_there_is_can_be_listed() {
    let at = Scratch::new("list");
    assert!(at.good(&["list"]).contains("mlp"));
    let listed = lines(&at.good(&["list", "--format", "json"]));
    let names: Vec<&str> = listed
        .iter()
        .filter_map(|recipe| recipe["name"].as_str())
        .collect();
    assert_eq!(
        (&listed[0]["year"], &listed[0]["results"]),
        (&1943.into(), &Value::Array(vec![]))
    );
    // In the order of the eras.
    let place = |name| names.iter().position(|listed| *listed == name);
    let places = [
        "mcculloch-pitts",
        "perceptron",
        "backprop",
        "mlp",
        "resnet18",
    ]
    .map(place);
    assert!(
        places.is_sorted() && places.iter().all(Option::is_some),
        "{names:?}"
    );
    let data = at.good(&["data", "list"]);
    assert!(
        data.contains("mnist")
            && data.contains("built in")
            && data.contains("eras data get fashion-mnist")
            && data.contains("eras data get cifar10"),
        "{data}"
    );
    assert!(
        at.good(&["data", "get", "mnist"])
            .contains("mnist is built in")
    );
    assert!(at.good(&["--help"]).contains("completions"));
    assert!(at.good(&["completions", "bash"]).contains("_eras"));
    assert!(at.good(&["--version"]).starts_with("eras "));
}

#[test]
fn bad_arguments_get_one_clear_message_and_the_right_exit_code() {
    let at = Scratch::new("bad");
    fs::create_dir(at.path("empty")).unwrap();
    fs::write(at.path("file"), "").unwrap();
    fs::write(at.path("broken.toml"), "recipe = ").unwrap();
    fs::write(
        at.path("other.toml"),
        "recipe = \"mlp\"\nthreads = 1\n[settings]\nunits = 3\n",
    )
    .unwrap();
    let usage: [(&[&str], &str); 14] = [
        (
            &["train", "mlo"],
            "there is no recipe `mlo`; did you mean `mlp`?",
        ),
        (
            &["train", "mlp", "--set", "epoch=3"],
            "there is no setting `epoch`; did you mean `epochs`?",
        ),
        (
            &["train", "mlp", "--set", "lr"],
            "`lr` is no setting: write it as key=value",
        ),
        (
            &["train", "mlp", "--set", "lr=fast"],
            "setting `lr` wants a number, as 1.0, but found \"fast\"",
        ),
        (
            &["train", "mlp", "--set", "lr=-1"],
            "setting `lr` wants a number above 0",
        ),
        (
            &["train", "mlp", "--set", "hidden=[0]"],
            "setting `hidden` wants layers of at least one unit",
        ),
        (
            &["train", "mlp", "--set", "dataset=mnits"],
            "did you mean `mnist`?",
        ),
        (&["train", "mlp", "--epochs", "0"], "setting `epochs` is 0"),
        (
            &["train", "mlp", "--threads", "0"],
            "invalid value '0' for '--threads",
        ),
        (&["train", "other.toml"], "there is no setting `units`"),
        (&["train", "empty"], "there is no recipe `empty`"),
        (&["train", "mlp", "--resume"], "there is no run of `mlp`"),
        (&["trian", "mlp"], "a similar subcommand exists: 'train'"),
        (&["data", "get", "minst"], "did you mean `mnist`?"),
    ];
    for (args, wanted) in usage {
        let (code, text) = at.bad(args);
        assert!(
            code == 2 && text.contains(wanted),
            "{args:?} gave {code}: {text}"
        );
    }
    let failure: [(&[&str], &str); 9] = [
        (&["train", "mlp", "--data", "nowhere"], "nowhere"),
        (&["train", "mlp", "--data", "empty"], "empty"),
        (&["train", "mlp", "--out", "file/run"], "file/run"),
        (&["train", "mlp", "--out", "."], "is not empty"),
        (&["train", "broken.toml"], "not a configuration"),
        (&["train", "nowhere.toml"], "nowhere.toml"),
        (&["eval", "nowhere"], "found no folder here, wanted a run"),
        (&["eval", "empty"], "not a run: it has no config.toml"),
        (&["predict", "empty", "file"], "not a run"),
    ];
    for (args, wanted) in failure {
        let (code, text) = at.bad(args);
        assert!(
            code == 1 && text.contains(wanted),
            "{args:?} gave {code}: {text}"
        );
    }
    assert!(
        !at.path("runs").exists(),
        "a command that cannot work leaves no run behind"
    );
}

#[test]
fn altered_data_and_foreign_runs_are_refused_and_nothing_is_lost() {
    let at = Scratch::new("altered");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/embedded/mnist");
    fs::create_dir(at.path("mnist")).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), at.path("mnist").join(entry.file_name())).unwrap();
    }
    let labels = at.path("mnist/t10k-labels-idx1-ubyte.gz");
    let whole = fs::read(&labels).unwrap();
    fs::write(&labels, &whole[..whole.len() / 2]).unwrap();
    let (code, text) = at.bad(&["train", "mlp", "--data", "mnist"]);
    assert!(code == 1 && text.contains("t10k-labels"), "{text}");

    at.good(&small(&["--epochs", "1", "--out", "run"]));
    let before = weights(&at.path("run"));
    let config = fs::read_to_string(at.path("run/config.toml")).unwrap();
    fs::write(
        at.path("run/config.toml"),
        config.replace("hidden = [16]", "hidden = [17]"),
    )
    .unwrap();
    let (code, text) = at.bad(&["eval", "run"]);
    assert!(
        code == 1 && text.contains("[16, 784]") && text.contains("[17, 784]"),
        "{text}"
    );
    let (code, _) = at.bad(&["train", "run", "--resume", "--epochs", "2"]);
    assert_eq!((code, weights(&at.path("run"))), (1, before));
}

#[test]
fn settings_that_a_run_cannot_go_on_with_leave_it_as_it_was() {
    let at = Scratch::new("resume-other");
    at.good(&small(&["--epochs", "2", "--out", "run"]));
    let config = fs::read(at.path("run/config.toml")).unwrap();
    for (more, wanted) in [
        (
            &["--epochs", "3", "--set", "hidden=[17]"][..],
            "stays as it was",
        ),
        (
            &["--epochs", "1"],
            "found 2 epochs done, of 1 that are wanted",
        ),
        (&["--set", "lr=0.5"], "nothing is left to train"),
    ] {
        let (_, text) = at.bad(&[&["train", "run", "--resume"], more].concat());
        assert!(text.contains(wanted), "{text}");
        assert_eq!(fs::read(at.path("run/config.toml")).unwrap(), config);
    }
    at.good(&["train", "run", "--resume"]);
}

#[test]
fn a_diverging_training_says_so() {
    let at = Scratch::new("diverge");
    let (code, text) = at.bad(&small(&["--set", "lr=1e30", "--out", "run"]));
    assert!(
        code == 1 && text.contains("the training has diverged"),
        "{text}"
    );
}

#[test]
fn a_folder_of_pictures_is_checked_and_leaves_a_page() {
    let scratch = Scratch::new("check");
    for (set, count) in [("train", 12u8), ("test", 4)] {
        for class in ["bright", "dark"] {
            let folder = scratch.path(&format!("pets/{set}/{class}"));
            fs::create_dir_all(&folder).unwrap();
            for i in 0..count {
                let base = if class == "dark" { 0 } else { 160 };
                // Number 0 is the same on both sides of the border.
                let salt = if set == "test" && i > 0 { 40 } else { 0 };
                let gray = |at: usize| {
                    let (x, y) = (at % 20, at / 20);
                    let noise = (x * 31 + y * 17 + usize::from(i) * 7 + salt) % 90;
                    base + noise as u8
                };
                Picture::grey(20, 20, (0..400).map(gray).collect())
                    .save(folder.join(format!("{i}.png")))
                    .unwrap();
            }
        }
    }
    let args = [
        "data",
        "check",
        "pets",
        "--format",
        "json",
        "--similarity",
        "1",
    ];
    let output = scratch.good(&args);
    let lines = lines(&output);
    let done = lines.last().unwrap();
    assert_eq!(
        (&done["event"], &done["leaking_groups"]),
        (&"done".into(), &2.into())
    );
    let equal = lines.iter().find(|line| line["event"] == "equal").unwrap();
    let files: Vec<&str> = equal["pictures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["file"].as_str().unwrap())
        .collect();
    assert!(
        files[0].ends_with("0.png") && files[0].contains("train"),
        "{files:?}"
    );
    let page = fs::read_to_string(scratch.path("pets-check.html")).unwrap();
    assert!(page.contains("Equal pictures") && page.contains("data:image/png;base64,"));

    for (args, message) in [
        (&["data", "check", "mnits"][..], "did you mean `mnist`?"),
        (
            &["data", "check", "pets", "--folds", "1"],
            "found 1 folds, wanted 2 or more",
        ),
        (
            &["data", "check", "pets/train/dark"],
            "found no folders in this folder",
        ),
    ] {
        let (code, text) = scratch.bad(args);
        assert!(code != 0 && text.contains(message), "{text}");
    }
}

#[test]
fn a_learning_rate_is_found_and_nothing_is_written() {
    let scratch = Scratch::new("find-lr");
    let output = scratch.good(&[
        "train",
        "mlp",
        "--set",
        "hidden=[16]",
        "--find-lr",
        "--format",
        "json",
    ]);
    let lines = lines(&output);
    let done = lines.last().unwrap();
    let steepest = done["steepest"].as_f64().unwrap();
    assert!((1e-3..10.0).contains(&steepest), "{steepest}");
    assert!(lines.len() > 20 && lines[0]["lr"].as_f64() == Some(1e-6));
    assert!(!scratch.path("runs").exists());
}

#[test]
fn what_regularizes_is_a_setting_and_repeats() {
    let scratch = Scratch::new("regularized");
    let mut args = vec![
        "train",
        "mlp",
        "--epochs",
        "1",
        "--set",
        "hidden=[16]",
        "--format",
        "json",
    ];
    for set in [
        "mixup=0.2",
        "cutmix=1",
        "crop=2",
        "rotate=10",
        "erase=0.25",
        "label_smoothing=0.1",
        "weight_decay=1e-5",
    ] {
        args.extend(["--set", set]);
    }
    let loss = |args: &[&str]| {
        lines(&scratch.good(args)).last().unwrap()["test_loss"]
            .as_f64()
            .unwrap()
    };
    let first = loss(&args);
    assert_eq!(
        loss(&[
            "train",
            "runs/mlp-1/config.toml",
            "--threads",
            "1",
            "--format",
            "json"
        ]),
        first
    );
    let (code, text) = scratch.bad(&["train", "mlp", "--set", "mixup=-1"]);
    assert_eq!(code, 2);
    assert!(
        text.contains("setting `mixup` wants a number from 0"),
        "{text}"
    );
}

#[test]
fn a_promise_is_checked_and_kept_in_a_table() {
    let scratch = Scratch::new("reproduce");
    let (code, text) = scratch.bad(&["reproduce", "mlo"]);
    assert_eq!(code, 2);
    assert!(text.contains("did you mean `mlp`?"), "{text}");
    // A file that is something else is refused before any training.
    fs::write(scratch.path("notes.md"), "# Notes\n").unwrap();
    let (code, text) = scratch.bad(&["reproduce", "gpt"]);
    assert_eq!(code, 2);
    assert!(text.contains("`gpt` promises nothing"), "{text}");
    let (code, text) = scratch.bad(&["reproduce", "mlp", "--out", "notes.md"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("notes.md") && text.contains("found no table of results"),
        "{text}"
    );
    assert!(!scratch.path("runs").exists());
    // What is in the table stands in the list.
    let table = "| recipe | promise | found | kept | time | date | where |\n| --- | --- | --- | --- | --- | --- | --- |\n\
                 | mlp | test accuracy at least 98.20% | 98.45% | yes | 16.4 s | 2026-11-24 | here |\n";
    fs::write(scratch.path("RESULTS.md"), table).unwrap();
    let listed = scratch.good(&["list"]);
    assert!(listed.contains("perceptron       1958  "), "{listed}");
    assert!(
        listed.contains("none here yet: eras reproduce perceptron"),
        "{listed}"
    );
    assert!(
        listed.contains("test accuracy at least 98.20%: 98.45%, kept on 2026-11-24"),
        "{listed}"
    );
}

#[test]
fn an_experiment_leaves_a_report_and_nothing_to_ask() {
    let scratch = Scratch::new("experiment");
    let train = [
        "train",
        "mcculloch-pitts",
        "--set",
        "expression=a xor b",
        "--format",
        "json",
    ];
    let output = scratch.good(&train);
    let lines = lines(&output);
    let done = lines.last().unwrap();
    assert_eq!(done["functions_realized"].as_f64(), Some(65536.0));
    let page = fs::read_to_string(scratch.path("runs/mcculloch-pitts-1/report.html")).unwrap();
    assert!(page.contains("a xor b") && page.contains("The idea") && page.contains("<svg"));
    // The configuration repeats it.
    scratch.good(&["train", "runs/mcculloch-pitts-1/config.toml"]);
    for args in [
        &["eval", "runs/mcculloch-pitts-1"][..],
        &["predict", "runs/mcculloch-pitts-1", "x.png"],
        &["train", "mcculloch-pitts", "--find-lr"],
        &["train", "mcculloch-pitts", "--epochs", "3"],
        &["train", "mcculloch-pitts", "--set", "expression=a &"],
    ] {
        let (code, text) = scratch.bad(args);
        assert_eq!(code, 2, "{args:?}: {text}");
    }
}
