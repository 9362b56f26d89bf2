//! What tests of the binary have in common.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own for one test, empty, removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("eras-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// The command, run in this folder, with no data set but what is built in.
    pub(crate) fn eras(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eras"));
        command
            .args(args)
            .current_dir(&self.0)
            .env_remove("ERAS_DATA")
            .env("XDG_CACHE_HOME", self.0.join("cache"));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.eras(args).output().unwrap()
    }

    /// The output of a command that must succeed.
    pub(crate) fn good(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and messages of a command that must fail.
    pub(crate) fn bad(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!text.contains("panicked"), "{args:?} panicked: {text}");
        (output.status.code().unwrap_or(-1), text)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a command said with `--format json`, a value a line.
pub(crate) fn lines(output: &str) -> Vec<Value> {
    let values = output.lines().map(serde_json::from_str);
    values.collect::<Result<_, _>>().unwrap()
}

/// The hash of the weights of a run's latest checkpoint.
pub(crate) fn weights(run: &Path) -> String {
    let mut manifests: Vec<PathBuf> = fs::read_dir(run.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|e| e == "json")
                && path
                    .file_stem()
                    .is_some_and(|s| !s.to_string_lossy().starts_with("best"))
        })
        .collect();
    manifests.sort();
    let manifest: Value =
        serde_json::from_slice(&fs::read(manifests.last().unwrap()).unwrap()).unwrap();
    manifest["model_sha256"].as_str().unwrap().to_owned()
}
