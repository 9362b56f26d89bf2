//! The command `eras`: parse, call, print.

mod args;
mod bench;
mod catalog;
mod check;
mod generate;
mod output;
mod progress;
mod reproduce;
mod run;
mod sample;
mod tokenizer;
mod tour;
mod train;
mod weights;

use args::{Args, Command, DataCommand, TokenizerCommand};
use clap::Parser;
use eras_tensor::Result;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    match execute(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failure(&error),
    }
}

fn execute(command: Command) -> Result<()> {
    match command {
        Command::List(args) => catalog::list(args.format),
        Command::Tour(args) => tour::tour(&args),
        Command::Train(args) => train::train(&args),
        Command::Reproduce(args) => reproduce::reproduce(&args),
        Command::Eval(args) => run::eval(&args),
        Command::Predict(args) => run::predict(&args),
        Command::Sample(args) => sample::sample(&args),
        Command::Generate(args) => generate::generate(&args),
        Command::Tokenizer { command } => match command {
            TokenizerCommand::Train(args) => tokenizer::train(&args),
            TokenizerCommand::Encode(args) => tokenizer::encode(&args),
            TokenizerCommand::Decode(args) => tokenizer::decode(&args),
        },
        Command::Data {
            command: DataCommand::List(args),
        } => catalog::data(args.format),
        Command::Data {
            command: DataCommand::Get { name },
        } => catalog::get(&name),
        Command::Data {
            command: DataCommand::Check(args),
        } => check::check(&args),
        Command::Import(args) => weights::import(&args),
        Command::Export(args) => weights::export(&args),
        Command::Bench(args) => bench::bench(args),
        Command::Completions { shell } => {
            args::completions(shell);
            Ok(())
        }
    }
}
