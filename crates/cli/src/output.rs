//! What is printed where: results on stdout, all else on stderr.

use eras_tensor::Error;
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;

/// Prints one JSON object as a line on stdout, at once.
pub(crate) fn json(value: &Value) {
    line(&value.to_string());
}

/// Prints a line on stdout, at once. A reader that went away (`| head`) is no reason to stop or complain.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// The widest line of what is written for people.
pub(crate) const WIDTH: usize = 80;

/// The words of a text in lines of at most so many characters; a word that is longer has one of its own.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Prints the error and its causes on stderr; the exit code is 2 for wrong usage, 130 after an interruption, else 1.
pub(crate) fn failure(error: &Error) -> ExitCode {
    let mut text = format!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!("\n  because {error}");
        cause = error.source();
    }
    eprintln!("{text}");
    if error.is_usage() {
        ExitCode::from(2)
    } else if error.is_interrupted() {
        ExitCode::from(130)
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_one_too_long_has_its_own_line() {
        assert_eq!(
            wrapped("a bc  def\nunbreakable g", 6),
            ["a bc", "def", "unbreakable", "g"]
        );
        assert_eq!(wrapped("ä ö ü", 5), ["ä ö ü"]);
        assert!(wrapped("  ", 5).is_empty());
    }
}
