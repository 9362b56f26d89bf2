//! `eras tour`, as a user takes it.

#[expect(dead_code, reason = "nothing is trained here whose weights are kept")]
mod scratch;

use scratch::{Scratch, lines};
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Stops that take little time even without optimization.
const SHORT: [&str; 5] = ["tour", "--only", "perceptron", "adaline", "backprop"];

#[test]
fn the_story_is_told_in_plain_text_and_leaves_a_page_with_its_pictures() {
    let at = Scratch::new("tour");
    let text = at.good(&[&SHORT[..], &["--out", "story.html"]].concat());
    assert!(
        !text.contains('\u{1b}'),
        "no escape codes where nobody looks"
    );
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line, line.trim_end());
    }
    for part in [
        "── Era 2 The perceptron, 1957-1969 ──",
        "── Era 3 Connectionism, 1969-1989 ──",
        "1958  The perceptron learns a line",
        "1986  Hidden units find out for themselves",
        "More: eras train perceptron",
        "3 of 9 stops in",
        "story.html",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert_eq!(text.matches("Its limit. ").count(), 3);
    assert_eq!(text.matches("What came next. ").count(), 3);
    // The lines of the perceptron, and the surface of the hidden units.
    assert!(
        text.contains('│') && text.contains('╲') && text.contains("▓▓▒▒"),
        "{text}"
    );

    let page = fs::read_to_string(at.path("story.html")).unwrap();
    for outside in ["src=\"http", "href=\"http", "url(http", "<script", "<link"] {
        assert!(!page.contains(outside), "the page has {outside}");
    }
    // Three of a line, a 4, a 9 and weights, four of XOR; three of ADALINE; four surfaces.
    assert_eq!(
        page.matches("src=\"data:image/png;base64,").count(),
        10 + 3 + 4
    );
    // The net that learned XOR, and its fading gradients.
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.contains("<h2>The perceptron learns a line</h2>") && page.contains("Mark I"));
}

#[test]
fn a_program_gets_a_line_for_each_stop_with_the_same_numbers_at_any_number_of_threads() {
    let at = Scratch::new("tour-json");
    let told = |threads| {
        let more = ["--format", "json", "--threads", threads];
        let mut told = lines(&at.good(&[&SHORT[..], &more].concat()));
        for line in &mut told {
            assert!(line["seconds"].take().as_f64().unwrap() > 0.0);
        }
        told
    };
    let one = told("1");
    assert_eq!(one, told("2"));
    let names: Vec<&Value> = one.iter().map(|line| &line["name"]).collect();
    assert_eq!(names[..3], ["perceptron", "adaline", "backprop"]);
    for stop in &one[..3] {
        assert_eq!(stop["event"], "stop");
        for text in ["title", "era", "idea", "limit", "next"] {
            assert!(
                stop[text].as_str().is_some_and(|text| text.len() > 10),
                "{text} in {stop}"
            );
        }
        assert!(
            stop["texts"]
                .as_array()
                .is_some_and(|texts| !texts.is_empty())
        );
        let pictures = stop["pictures"].as_array().unwrap();
        assert!(
            pictures
                .iter()
                .all(|picture| picture["rows"][0].is_string())
        );
    }
    let measured = |stop: usize, name: &str| one[stop]["measured"][name].as_f64().unwrap();
    assert!(measured(0, "mistakes") <= measured(0, "bound"));
    assert!(measured(0, "accuracy") > 0.9 && measured(0, "xor_period") >= 1.0);
    assert!(measured(1, "relative_error") < 0.05 && measured(1, "xor_loudest") < 0.1);
    assert!(measured(2, "xor_right") == 4.0 && measured(2, "shrunk") > 100.0);
    assert_eq!(
        (&one[3]["event"], &one[3]["page"]),
        (&"done".into(), &"tour.html".into())
    );
    assert!(at.path("tour.html").exists());
    let other = at.good(&[&SHORT[..], &["--format", "json", "--seed", "1"]].concat());
    assert_ne!(lines(&other)[0]["measured"], one[0]["measured"]);
}

#[test]
fn stops_that_are_not_there_are_refused_before_anything_is_shown() {
    let at = Scratch::new("tour-usage");
    for (args, wanted) in [
        (
            &["tour", "--only", "hobfield"][..],
            "did you mean `hopfield`?",
        ),
        (
            &["tour", "--from", "1986"],
            "there is no stop `1986` on the tour; there are",
        ),
        (
            &["tour", "--only", "mlp", "--from", "mlp"],
            "cannot be used with",
        ),
        (&["tour", "--seed=-1"], "invalid value '-1' for '--seed"),
    ] {
        let output = at.run(args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(
            text.contains(wanted) && output.stdout.is_empty(),
            "{args:?}: {text}"
        );
    }
    assert!(!at.path("tour.html").exists());
}

#[test]
fn a_page_that_cannot_be_written_is_known_before_the_tour() {
    let at = Scratch::new("tour-page");
    fs::create_dir(at.path("folder")).unwrap();
    for (out, wanted) in [
        ("folder", "is a folder, wanted a file"),
        ("no/tour.html", "no/tour.html"),
    ] {
        let output = at.run(&["tour", "--only", "adaline", "--out", out]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("the page of the tour cannot be written") && text.contains(wanted),
            "{text}"
        );
        assert!(output.stdout.is_empty(), "a stop was shown");
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_known_before_the_tour_and_leaves_what_was_there() {
    let at = Scratch::new("tour-full");
    fs::write(at.path("tour.html"), "the last tour").unwrap();
    // No file may become longer than 500 KiB, which is less than the room wanted.
    let limited = "ulimit -f 1000; trap '' XFSZ; exec \"$0\" tour --only adaline";
    let output = Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_eras")])
        .current_dir(at.path(""))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("the page of the tour cannot be written") && output.stdout.is_empty(),
        "{text}"
    );
    assert_eq!(
        fs::read_to_string(at.path("tour.html")).unwrap(),
        "the last tour"
    );
    assert_eq!(fs::read_dir(at.path("")).unwrap().count(), 1, "no litter");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_tour_soon_and_leaves_no_page() {
    use std::io::{BufRead, BufReader};
    let at = Scratch::new("tour-signal");
    for name in ["-INT", "-TERM"] {
        let mut child = at
            .eras(&["tour", "--only", "rbm"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The title stands there: signals have their handler, and the machine has long to learn.
        let story = BufReader::new(child.stdout.take().unwrap());
        assert!(
            story
                .lines()
                .any(|line| line.unwrap().starts_with("1985  "))
        );
        let start = Instant::now();
        let signal = Command::new("kill")
            .args([name, &child.id().to_string()])
            .status();
        assert!(signal.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{text}");
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{:?}",
            start.elapsed()
        );
        let wanted = "error: tour.html was not written\n  because the tour ended at `rbm`";
        assert!(text.contains(wanted), "{text}");
    }
    let left = fs::read_dir(at.path("")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "cache"), "{left:?}");
}

/// What the command writes to a terminal.
#[cfg(target_os = "linux")]
fn on_a_terminal(at: &Scratch, args: &str, no_color: bool) -> Option<String> {
    let line = format!("{} {args}", env!("CARGO_BIN_EXE_eras"));
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .current_dir(at.path(""));
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
    if no_color {
        command.env("NO_COLOR", "1");
    }
    let output = command.stdin(Stdio::null()).output().ok()?;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).ok()
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_colours_and_moving_pictures_unless_it_wants_none() {
    let at = Scratch::new("tour-terminal");
    let tour = |no_color| on_a_terminal(&at, "tour --only adaline", no_color);
    let Some(text) = tour(false) else {
        return eprintln!("skipped: there is no command `script` here");
    };
    assert!(
        text.contains("\u{1b}[38;5;33m") && text.contains("\u{1b}[38;5;208m"),
        "{text:?}"
    );
    assert!(text.contains("ADALINE after 1 pass"), "{text:?}");
    let plain = tour(true).unwrap();
    for code in ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[38"] {
        assert!(!plain.contains(code), "{code:?} in {plain:?}");
    }
}
