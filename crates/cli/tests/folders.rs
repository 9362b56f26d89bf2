//! The user's own pictures, and models that begin from others, with the binary as a user runs it.

mod pictures;
mod scratch;

use eras_report::Picture;
use pictures::folders;
use scratch::{Scratch, lines, weights};
use serde_json::Value;
use std::fs;

/// A picture of 16 x 16 with a bright bar: upright, lying, or none for the class.
fn bar(class: usize, i: usize) -> Picture {
    let at = 4 + i * 7 % 9;
    let pixels = (0..256_usize).flat_map(|p| {
        let place = [p % 16, p / 16];
        let is_lit = class < 2 && place[class].abs_diff(at) <= 1;
        let noise = ((p * 31 + i * 17) % 23) as u8;
        [if is_lit { 220 } else { 20 } + noise, 40 + noise, noise]
    });
    Picture::rgb(16, 16, pixels.collect())
}

const BARS: [(&str, usize); 3] = [("upright", 60), ("lying", 60), ("nothing", 20)];

/// A network small enough to be trained in a test, with what more is said.
fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let small = [
        "train",
        "mlp",
        "--set",
        "hidden=[16]",
        "--set",
        "size=12",
        "--batch-size",
        "16",
    ];
    [&small, more].concat()
}

fn last(output: &str) -> Value {
    lines(output).pop().unwrap()
}

#[test]
fn a_folder_of_pictures_is_split_trained_on_evaluated_and_asked() {
    let at = Scratch::new("folder");
    folders(&at.path("bars"), &BARS, bar);
    fs::write(at.path("bars/lying/broken.jpg"), "no picture").unwrap();
    // One whose beginning is a picture's, and which is found out when its turn comes.
    let whole = bar(0, 99).png();
    fs::write(
        at.path("bars/upright/cut.png"),
        &whole[..whole.len() * 2 / 3],
    )
    .unwrap();

    let args = train(&[
        "--data", "bars", "--epochs", "12", "--format", "json", "--out", "run",
    ]);
    let output = at.run(&args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("2 files were skipped"), "{said}");
    let done = last(&String::from_utf8(output.stdout).unwrap());
    assert!(done["test_accuracy"].as_f64().unwrap() > 0.9, "{done}");
    let page = fs::read_to_string(at.path("run/report.html")).unwrap();
    for part in [
        "files skipped",
        "broken.jpg",
        "cut.png",
        "Weights of classes",
        "waiting for data",
        "mlp on bars",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // 60, 60 and 20, of which a fifth is tested with; cut.png may be on either side.
    let config = fs::read_to_string(at.path("run/config.toml")).unwrap();
    assert!(config.contains("test_share = 0.2"), "{config}");

    let eval = last(&at.good(&["eval", "run", "--format", "json"]));
    assert_eq!(eval["test_loss"], done["test_loss"]);
    assert_eq!(eval["data"], "bars");

    // Asked by name, wherever the folder is now.
    fs::rename(at.path("bars"), at.path("moved")).unwrap();
    let answers = at.good(&[
        "predict",
        "run",
        "moved/upright/007.png",
        "moved/lying/007.png",
        "moved/nothing/007.png",
        "--format",
        "json",
    ]);
    let best: Vec<Value> = lines(&answers)
        .iter()
        .map(|line| line["classes"][0]["class"].clone())
        .collect();
    assert_eq!(best, ["upright", "lying", "nothing"]);
    let all = last(&at.good(&["eval", "run", "--data", "moved", "--format", "json"]));
    assert!(all["test_accuracy"].as_f64().unwrap() > 0.9, "{all}");
    folders(&at.path("other"), &[("cat", 3), ("dog", 3)], bar);
    let (code, text) = at.bad(&["eval", "run", "--data", "other"]);
    assert!(
        code == 2 && text.contains("found the classes [\"cat\", \"dog\"], but the run has learned"),
        "{text}"
    );
}

#[test]
fn a_training_on_a_folder_repeats_and_goes_on_to_the_bit_at_any_number_of_threads() {
    let at = Scratch::new("folder-bits");
    folders(&at.path("bars"), &BARS, bar);
    let all = [
        "--data",
        "bars",
        "--epochs",
        "4",
        "--set",
        "flip=true",
        "--out",
    ];
    at.good(&train(&[&all[..], &["whole", "--threads", "1"]].concat()));
    at.good(&train(&[
        "--data",
        "bars",
        "--epochs",
        "2",
        "--set",
        "flip=true",
        "--out",
        "half",
    ]));
    at.good(&["train", "half", "--resume", "--epochs", "4"]);
    at.good(&[
        "train",
        "whole/config.toml",
        "--threads",
        "3",
        "--out",
        "again",
    ]);
    let wanted = weights(&at.path("whole"));
    assert_eq!(weights(&at.path("half")), wanted);
    assert_eq!(weights(&at.path("again")), wanted);
    // Another picture is another set.
    fs::copy(at.path("bars/lying/000.png"), at.path("bars/lying/999.png")).unwrap();
    let (code, text) = at.bad(&["train", "whole", "--resume", "--epochs", "5"]);
    assert!(
        code == 2 && text.contains("a run goes on with the data that it began with"),
        "{text}"
    );
}

#[test]
fn folders_with_train_and_test_are_taken_as_they_are_and_bad_ones_are_named() {
    let at = Scratch::new("folder-bad");
    folders(&at.path("split/train"), &[("a", 12), ("b", 12)], bar);
    folders(&at.path("split/test"), &[("a", 5), ("b", 5)], bar);
    at.good(&train(&[
        "--data", "split", "--epochs", "1", "--out", "run",
    ]));
    let page = fs::read_to_string(at.path("run/report.html")).unwrap();
    assert!(page.contains("split: 24 + 10 samples"));
    assert!(!page.contains("Weights of classes") && !page.contains("files skipped"));

    let say = |args: &[&str], wanted: &str| {
        let (_, text) = at.bad(args);
        assert!(text.contains(wanted), "{wanted} in {text}");
    };
    say(
        &train(&["--set", "dataset=folder"]),
        "setting `dataset` is `folder`: name it by --data",
    );
    fs::create_dir_all(at.path("empty/a")).unwrap();
    say(&train(&["--data", "empty"]), "found no pictures");
    say(
        &train(&["--data", "nowhere"]),
        "found no folder here, wanted one with mnist",
    );
    say(
        &train(&["--set", "test_share=1.0"]),
        "setting `test_share` wants a share above 0",
    );
    say(
        &train(&["--set", "dataset=imagenet"]),
        "setting `dataset` is `imagenet`",
    );
    folders(&at.path("one"), &[("a", 1), ("b", 1)], bar);
    say(
        &train(&["--data", "one"]),
        "2 pictures leave none to test with",
    );
}

#[test]
fn a_model_begins_with_what_fits_of_another_and_keeps_what_is_frozen() {
    let at = Scratch::new("from");
    folders(&at.path("bars"), &BARS, bar);
    folders(&at.path("two"), &[("up", 30), ("down", 30)], bar);
    at.good(&train(&[
        "--data", "bars", "--epochs", "6", "--out", "first",
    ]));

    let args = train(&[
        "--data",
        "two",
        "--epochs",
        "3",
        "--from",
        "first",
        "--set",
        "freeze=hidden.*",
        "--out",
        "second",
    ]);
    let output = at.run(&args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("2 of 4 tensors begin as in"), "{said}");
    for line in [
        "begins anew: `output.weight` is [3, 16] there, but the model wants [2, 16]",
        "begins anew: `output.bias` is [3] there, but the model wants [2]",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    // What was frozen is what it was, to the bit; the head has learned.
    let tensor = |run: &str, name: &str| {
        at.good(&["export", run, "--out", "x.npz"]);
        let weights = eras_formats::read(&at.path("x.npz")).unwrap();
        let found = weights.tensors.into_iter().find(|(n, _)| n == name);
        found.unwrap().1.to_vec::<f32>()
    };
    for name in ["hidden.0.weight", "hidden.0.bias"] {
        assert_eq!(tensor("first", name), tensor("second", name), "{name}");
    }
    let page = fs::read_to_string(at.path("second/report.html")).unwrap();
    assert!(page.contains("fine-tuned from"));

    // Pictures are as large as there, unless it is said otherwise.
    let args = [
        "train",
        "mlp",
        "--data",
        "two",
        "--from",
        "first",
        "--dry-run",
    ];
    let said = String::from_utf8_lossy(&at.run(&args).stderr).into_owned();
    assert!(said.contains(", size 12"), "{said}");

    // It repeats, goes on, and tells where it came from.
    at.good(&["train", "second/config.toml", "--out", "again"]);
    assert_eq!(weights(&at.path("again")), weights(&at.path("second")));
    let short = train(&[
        "--data",
        "two",
        "--epochs",
        "1",
        "--from",
        "first",
        "--set",
        "freeze=hidden.*",
        "--out",
        "short",
    ]);
    at.good(&short);
    at.good(&["train", "short", "--resume", "--epochs", "3"]);
    assert_eq!(weights(&at.path("short")), weights(&at.path("second")));
    at.good(&["train", "first", "--resume", "--epochs", "7"]);
    let output = at.run(&["train", "second/config.toml", "--out", "other"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("not the weights of second/config.toml"),
        "{said}"
    );
}

#[test]
fn what_a_model_cannot_begin_from_or_freeze_is_said() {
    let at = Scratch::new("from-bad");
    folders(&at.path("bars"), &BARS, bar);
    at.good(&train(&[
        "--data", "bars", "--epochs", "1", "--out", "first",
    ]));
    let say = |more: &[&str], code: i32, wanted: &str| {
        let (found, text) = at.bad(&train(more));
        assert!(found == code && text.contains(wanted), "{wanted} in {text}");
    };
    let data = ["--data", "bars", "--from"];
    say(
        &[&data[..], &["nowhere"]].concat(),
        1,
        "found no folder here, wanted a run",
    );
    say(
        &[&data[..], &["bars"]].concat(),
        1,
        "not a run: it has no config.toml",
    );
    // Of other sizes everywhere.
    say(
        &[
            &data[..],
            &[
                "first",
                "--set",
                "hidden=[8]",
                "--set",
                "size=10",
                "--set",
                "gray=true",
            ],
        ]
        .concat(),
        1,
        "nothing fits: `hidden.0.weight` is [16, 432] there, but the model wants [8, 100]",
    );
    say(
        &[&data[..], &["first", "--weights", "x.npz"]].concat(),
        2,
        "cannot be used with",
    );
    say(
        &["--data", "bars", "--set", "freeze=layer1.*"],
        2,
        "setting `freeze`: `layer1.*` fits no parameter; there are hidden.0.weight",
    );
    say(
        &["--data", "bars", "--set", "freeze=*"],
        2,
        "leaves nothing to train",
    );
    assert!(!at.path("runs").exists(), "nothing was begun");
}

#[test]
fn a_model_that_makes_no_pictures_is_not_sampled() {
    let at = Scratch::new("sample");
    folders(&at.path("bars"), &BARS, bar);
    at.good(&train(&["--data", "bars", "--epochs", "1", "--out", "run"]));
    let say = |args: &[&str], code: i32, wanted: &str| {
        let (found, text) = at.bad(&[&["sample"], args].concat());
        assert!(found == code && text.contains(wanted), "{wanted} in {text}");
        assert!(!at.path("samples.png").exists());
    };
    say(
        &["run"],
        2,
        "`mlp` has nothing to sample: its model makes no pictures",
    );
    say(&["nowhere"], 1, "found no folder here, wanted a run");
    say(
        &["run", "-o", "grid.gif"],
        2,
        "wanted a name that ends in .png",
    );
    say(&["run", "-n", "0"], 2, "0 is not in 1..=4096");
    say(
        &["run", "--interpolate", "3"],
        2,
        "wanted two seeds, as in 3..8",
    );
    say(
        &["run", "--interpolate", "1..2", "--seed", "3"],
        2,
        "cannot be used with",
    );
}
