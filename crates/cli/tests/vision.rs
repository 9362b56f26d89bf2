//! Convolutional networks on the user's own pictures, with the binary as a user runs it.

mod pictures;
mod scratch;

use eras_report::Picture;
use scratch::{Scratch, lines, weights};
use std::fs;
use std::path::Path;

/// A picture of 16 x 16 with a square anywhere: red, green, or none for the class.
fn square(class: usize, i: usize) -> Picture {
    let (top, left) = (1 + i * 5 % 9, 1 + i * 7 % 9);
    let pixels = (0..256_usize).flat_map(|p| {
        let inside = (p / 16).wrapping_sub(top) < 6 && (p % 16).wrapping_sub(left) < 6;
        let noise = ((p * 31 + i * 17) % 40) as u8;
        let lit = |channel: usize| if inside && class == channel { 200 } else { 20 };
        [lit(0) + noise, lit(1) + noise, 20 + noise]
    });
    Picture::rgb(16, 16, pixels.collect())
}

/// Folders of classes in `root`: 48 red, 48 green and 16 with nothing.
fn squares(root: &Path) {
    let classes = [("red", 48), ("green", 48), ("nothing", 16)];
    pictures::folders(root, &classes, square);
}

/// The smallest residual network, with what more is said.
fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let small = [
        "train",
        "resnet20",
        "--data",
        "squares",
        "--set",
        "depth=8",
        "--set",
        "size=16",
        "--set",
        "lr=0.05",
        "--set",
        "crop=1",
        "--batch-size",
        "16",
    ];
    [&small, more].concat()
}

#[test]
fn a_residual_network_learns_a_folder_shows_where_it_looked_and_is_asked() {
    let at = Scratch::new("vision");
    squares(&at.path("squares"));
    fs::write(at.path("squares/red/broken.png"), "no picture").unwrap();
    let output = at.run(&train(&[
        "--epochs", "8", "--format", "json", "--out", "run",
    ]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 files were skipped"), "{said}");
    let done = lines(&String::from_utf8(output.stdout).unwrap())
        .pop()
        .unwrap();
    assert!(done["test_accuracy"].as_f64().unwrap() > 0.9, "{done}");
    assert!(
        done["test_balanced_accuracy"].as_f64().unwrap() > 0.9,
        "{done}"
    );
    let page = fs::read_to_string(at.path("run/report.html")).unwrap();
    for part in [
        "resnet20 on squares",
        "Where it looked",
        "Weights of classes",
        "files skipped",
        "broken.png",
    ] {
        assert!(page.contains(part), "{part}");
    }

    // What is asked is folded; it answers as what was evaluated.
    let files = [
        "squares/red/007.png",
        "squares/green/011.png",
        "squares/nothing/003.png",
    ];
    let answers =
        lines(&at.good(&[&["predict", "run"], &files[..], &["--format", "json"]].concat()));
    for (answer, wanted) in answers.iter().zip(["red", "green", "nothing"]) {
        let classes = answer["classes"].as_array().unwrap();
        assert_eq!(classes[0]["class"], wanted, "{answer}");
        let sum: f64 = classes
            .iter()
            .map(|class| class["probability"].as_f64().unwrap())
            .sum();
        assert!((sum - 1.0).abs() < 1e-5, "{answer}");
    }
    let eval = lines(&at.good(&["eval", "run", "--format", "json"])).remove(0);
    assert_eq!(eval["test_loss"], done["test_loss"]);
}

#[test]
fn a_residual_network_repeats_to_the_bit_at_any_number_of_threads() {
    let at = Scratch::new("vision-bits");
    squares(&at.path("squares"));
    at.good(&train(&["--epochs", "1", "--threads", "1", "--out", "one"]));
    at.good(&[
        "train",
        "one/config.toml",
        "--threads",
        "3",
        "--out",
        "three",
    ]);
    assert_eq!(weights(&at.path("one")), weights(&at.path("three")));
}

#[test]
fn what_does_not_suit_a_network_is_said() {
    let at = Scratch::new("vision-bad");
    squares(&at.path("squares"));
    let data = ["--data", "squares"];
    let usage: [(&[&str], &str); 9] = [
        (
            &["train", "lenet", "--data", "squares"],
            "LeNet-5 sees gray pictures of 28x28, not [3, 32, 32]",
        ),
        (
            &["train", "vgg", "--data", "squares", "--set", "size=16"],
            "found pictures of 16x16, wanted 32x32 at least",
        ),
        (
            &["train", "vgg", "--set", "depth=12"],
            "setting `depth` wants one of the paper's",
        ),
        (
            &["train", "resnet20", "--set", "depth=18"],
            "setting `depth` wants 6n + 2",
        ),
        (
            &["train", "resnet20", "--set", "shortcut=padd"],
            "did you mean `padded`?",
        ),
        (
            &["train", "resnet18", "--set", "stem=big"],
            "setting `stem` is `big`",
        ),
        (
            &["train", "resnet18", "--set", "schedule=cosin"],
            "did you mean `cosine`?",
        ),
        (
            &[
                "train",
                "resnet18",
                "--data",
                "squares",
                "--set",
                "stem=large",
                "--set",
                "size=32",
                "--batch-size",
                "1",
            ],
            "setting `batch_size` is 1, which leaves one picture",
        ),
        (
            &["train", "degradation", "--set", "deep=20"],
            "setting `deep` wants a depth of 6n + 2 above `shallow`",
        ),
    ];
    for (args, wanted) in usage {
        let (code, text) = at.bad(args);
        assert!(
            code == 2 && text.contains(wanted),
            "{args:?} gave {code}: {text}"
        );
    }
    let (code, text) = at.bad(&[&["train", "keras-cnn", "--set", "size=4"], &data[..]].concat());
    assert!(code == 2 && text.contains("wanted 6x6 at least"), "{text}");
    assert!(!at.path("runs").exists(), "nothing was begun");
}
