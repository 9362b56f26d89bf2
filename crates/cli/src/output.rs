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
