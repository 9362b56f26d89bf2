//! Nothing public is left out: every function of tensors and layers is called by an entry.

use std::fs;
use std::path::PathBuf;

/// What the entries call.
const CALLS: [&str; 4] = [
    include_str!("layers.rs"),
    include_str!("losses.rs"),
    include_str!("optimizers.rs"),
    include_str!("tensors.rs"),
];

/// Sources, below `crates`: files and folders.
const SOURCES: &[&str] = &[
    "tensor/src/ops",
    "tensor/src/rng.rs",
    "tensor/src/tape",
    "tensor/src/tape.rs",
    "tensor/src/tensor.rs",
    "nn/src/init.rs",
    "nn/src/layer.rs",
    "nn/src/layers",
    "nn/src/lora.rs",
    "nn/src/loss",
    "nn/src/mode.rs",
    "nn/src/optim",
    "nn/src/param.rs",
    "nn/src/schedule",
];

/// They take no arguments that could be wrong, or are for those who write an optimizer of their own.
const LEFT_OUT: &[&str] = &[
    ".is_contiguous(",
    ".is_tracked(",
    ".is_training(",
    ".next_u64(",
    ".reading(",
    ".shrink(",
    "Elementwise::with_rule(",
    "Rng::new(",
    "philox(",
];

#[test]
fn every_public_function_is_called() {
    let mut missing = Vec::new();
    for file in SOURCES.iter().flat_map(|path| files(path)) {
        let text = fs::read_to_string(&file).expect("a source file");
        let code = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        for call in calls(code) {
            let plain = call.trim_matches(['.', '(']);
            let is_called = CALLS.iter().any(|calls| calls.contains(&call))
                || super::all_entries().any(|(name, _)| *name == plain);
            if !is_called && !LEFT_OUT.contains(&&*call) {
                missing.push(format!("{call}..) of {}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "no entry calls {}", missing.join(", "));
}

/// How the public functions of this code are called: `.name(`, `Type::name(` or `name(`.
fn calls(code: &str) -> Vec<String> {
    let mut owner = "";
    let mut calls = Vec::new();
    for (at, _) in code.match_indices('\n') {
        let line = code[at + 1..].lines().next().unwrap_or_default();
        if line.starts_with('}') {
            owner = "";
        }
        if let Some(rest) = line.strip_prefix("impl") {
            // Behind the parameters, if there are any.
            let rest = rest
                .split_once("> ")
                .filter(|_| rest.starts_with('<'))
                .map_or(rest, |(_, rest)| rest);
            owner = rest
                .trim()
                .split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or_default();
        }
        let Some(signature) = line.trim_start().strip_prefix("pub fn ") else {
            continue;
        };
        let name = signature.split(['(', '<']).next().unwrap_or_default();
        if name.starts_with('$') {
            continue; // a macro's: its names are in the table of plain operations
        }
        let parameters = code[at..].split_once('(').map_or("", |(_, rest)| rest);
        let first = parameters.split([',', ')', ':']).next().unwrap_or_default();
        calls.push(match (first.trim_end().ends_with("self"), owner) {
            (true, _) => format!(".{name}("),
            (false, "") => format!("{name}("),
            (false, owner) => format!("{owner}::{name}("),
        });
    }
    calls
}

/// The file, or those in the folder.
fn files(path: &str) -> Vec<PathBuf> {
    below(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path))
}

fn below(path: PathBuf) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path];
    }
    let folder = fs::read_dir(path).expect("a folder of sources");
    folder
        .flat_map(|file| below(file.expect("an entry").path()))
        .collect()
}
