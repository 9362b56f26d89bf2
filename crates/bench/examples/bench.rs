//! `eras bench` without the rest of the command line, to profile: `bench --only mlp --threads 2 --seconds 5`.
#![expect(clippy::print_stdout, reason = "its results are what it is for")]

use eras_bench::{Measurement, Options, run};
use eras_tensor::{Error, Result};
use std::str::FromStr;

fn main() -> Result<()> {
    let mut options = Options {
        program: std::env::current_exe().ok(),
        ..Options::default()
    };
    let mut json = false;
    let mut words = std::env::args().skip(1).filter(|word| word != "bench");
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match word.as_str() {
            "--only" => options.only.push(value()),
            "--threads" => options.threads = Some(number(&value())?),
            "--seconds" => options.seconds = Some(number(&value())?),
            "--no-peak" => options.no_peak = true,
            "--format" => json = value() == "json",
            _ => return Err(Error::usage(format!("unknown option `{word}`"))),
        }
    }
    if !json {
        println!("{}", Measurement::head());
    }
    run(&options, &mut |m| {
        println!("{}", if json { m.to_json() } else { m.row() });
    })
}

fn number<N: FromStr>(text: &str) -> Result<N> {
    text.parse()
        .map_err(|_| Error::usage(format!("`{text}` is no number")))
}
