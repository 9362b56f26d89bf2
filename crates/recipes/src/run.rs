//! Runs: a folder for each training, with all that is needed to repeat it.
//!
//! ```text
//! config.toml      recipe, settings, data, threads, version: `eras train config.toml` repeats the run to the bit
//! metrics.jsonl    one line of JSON an epoch
//! checkpoints/     the last two, and the best
//! *.svg, *.png     the pictures of the report
//! report.html      one self-contained page
//! ```

use eras_data::Dataset;
use eras_formats::files::{self, is_temporary, replace, sweep};
use eras_tensor::{Error, Result};
use eras_train::Snapshot;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use toml::Table;

/// The longest configuration that is read, in bytes: parsed it takes many times as much.
const MAX_CONFIG: usize = 1 << 18;

/// Everything needed to repeat a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The recipe's name.
    pub recipe: String,
    /// The version of Eras that trained.
    #[serde(default = "version")]
    pub version: String,
    /// Threads; results do not depend on them.
    pub threads: usize,
    /// The folder of the data, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// What the data was.
    #[serde(default, skip_serializing_if = "Fingerprints::is_unknown")]
    pub data_sha256: Fingerprints,
    /// The weights that the training began with, where they were not random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Origin>,
    /// The run whose weights the training began with, as far as they fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Origin>,
    /// The recipe's settings.
    pub settings: Table,
}

/// Where the first weights of a training came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// A file of weights ([`eras_formats::read`]), or the folder of a run.
    pub file: PathBuf,
    /// What they were ([`eras_train::hash`]), where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What tells the data of a training from other data ([`eras_data::Dataset::fingerprint`]), where it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprints {
    /// Of the training set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<String>,
    /// Of the test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
}

impl Fingerprints {
    /// Of a training and a test set.
    pub(crate) fn of(train: &dyn Dataset, test: &dyn Dataset) -> Self {
        Self {
            train: train.fingerprint(),
            test: test.fingerprint(),
        }
    }

    /// Those that are known, with what a report calls them.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let sets = [
            ("SHA-256 of the training set", &self.train),
            ("SHA-256 of the test set", &self.test),
        ];
        sets.into_iter()
            .filter_map(|(name, sha256)| Some((name, sha256.as_deref()?)))
    }

    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// What is different about `found`, in words; `None` where nothing is known to be.
    #[must_use]
    pub fn difference(&self, found: &Self) -> Option<String> {
        let sets = [
            ("training", &self.train, &found.train),
            ("test", &self.test, &found.test),
        ];
        sets.into_iter().find_map(|(set, wanted, found)| {
            let (wanted, found) = (wanted.as_ref()?, found.as_ref()?);
            let text =
                || format!("the {set} set has SHA-256 {found}, but that of the run had {wanted}");
            (wanted != found).then(text)
        })
    }
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

impl Config {
    /// The settings `settings` of the recipe `recipe`.
    #[must_use]
    pub fn new(recipe: &str, settings: Table, threads: usize) -> Self {
        Self {
            recipe: recipe.to_owned(),
            version: version(),
            threads,
            data: None,
            data_sha256: Fingerprints::default(),
            weights: None,
            from: None,
            settings,
        }
    }

    /// Reads a `config.toml`.
    ///
    /// # Errors
    /// If it cannot be read or is no configuration.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path)?;
        if bytes.len() > MAX_CONFIG {
            return Err(Error::file(
                path,
                format!(
                    "not a configuration: {} bytes, of which at most {MAX_CONFIG} are read",
                    bytes.len()
                ),
            ));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::file(path, "not a configuration: it is not UTF-8"))?;
        toml::from_str(&text).map_err(|e| Error::file(path, format!("not a configuration: {e}")))
    }

    fn text(&self) -> String {
        let body = toml::to_string(self).expect("a configuration is plain TOML");
        format!("# `eras train config.toml` repeats this run to the bit.\n{body}")
    }
}

/// The folder of a training.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    config: Config,
    /// Whether the best weights count, and not the latest.
    best: bool,
    /// Held while the run is written, so that two processes never write one.
    lock: Option<File>,
}

impl Run {
    /// Begins a run in `folder`, which must be empty or not exist.
    ///
    /// # Errors
    /// If it exists and holds something, or cannot be written.
    pub fn create(folder: &Path, config: Config) -> Result<Self> {
        // A start that was killed may have left its lock and a file half written.
        let litter = |name: &OsStr| name == LOCK || is_temporary(name);
        let occupied = fs::read_dir(folder)
            .is_ok_and(|entries| !entries.flatten().all(|entry| litter(&entry.file_name())));
        if occupied {
            let what = if folder.join("config.toml").exists() {
                "holds a run already; go on with it by --resume, or choose another folder with --out"
            } else {
                "is not empty; choose another folder with --out"
            };
            return Err(Error::file(folder, what));
        }
        fs::create_dir_all(folder)
            .map_err(|e| Error::io(folder, &e).context("the run folder cannot be made"))?;
        let lock = Some(lock(folder)?);
        replace(&folder.join("config.toml"), |file| {
            file.write_all(config.text().as_bytes())
        })
        .map_err(|e| e.context("the run folder cannot be written"))?;
        Ok(Self {
            folder: folder.to_owned(),
            config,
            best: false,
            lock,
        })
    }

    /// Begins a run in a new folder `parent/name-1`, `parent/name-2`, ..
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create_next(parent: &Path, name: &str, config: Config) -> Result<Self> {
        fs::create_dir_all(parent)
            .map_err(|e| Error::io(parent, &e).context("the folder of runs cannot be made"))?;
        for number in 1.. {
            let folder = parent.join(format!("{name}-{number}"));
            // Making the folder claims the number, also against another process.
            match fs::create_dir(&folder) {
                Ok(()) => return Self::create(&folder, config),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(Error::io(&folder, &e).context("the run folder cannot be made"));
                }
            }
        }
        unreachable!("there is always a next number")
    }

    /// Opens a run to read.
    ///
    /// # Errors
    /// If the folder is not there or is no run.
    pub fn open(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::file(
                folder,
                "found no folder here, wanted a run (see `eras train`)",
            ));
        }
        let path = folder.join("config.toml");
        if !path.exists() {
            return Err(Error::file(folder, "not a run: it has no config.toml"));
        }
        Ok(Self {
            folder: folder.to_owned(),
            config: Config::read(&path)?,
            best: false,
            lock: None,
        })
    }

    /// The same, whose weights are the best of its training in the place of the latest.
    #[must_use]
    pub fn at_its_best(mut self) -> Self {
        self.best = true;
        self
    }

    /// The weights of the run, and what is wrong with a later checkpoint that was passed over.
    ///
    /// # Errors
    /// If there is no checkpoint, or none is whole.
    pub fn snapshot(&self) -> Result<(Snapshot, Option<Error>)> {
        let folder = self.checkpoints();
        if self.best {
            return Ok((Snapshot::load_best(&folder)?, None));
        }
        Snapshot::load_latest(&folder)
    }

    /// Opens a run to go on with it.
    ///
    /// # Errors
    /// If it is no run, or another process is writing it.
    pub fn open_to_write(folder: &Path) -> Result<Self> {
        let mut run = Self::open(folder)?;
        run.lock = Some(lock(folder)?);
        sweep(folder)?;
        Snapshot::sweep(&run.checkpoints())?;
        Ok(run)
    }

    /// Changes what is needed to repeat the training, as when more epochs are wanted.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set_config(&mut self, config: Config) -> Result<()> {
        if config != self.config {
            self.write("config.toml", config.text().as_bytes())?;
            self.config = config;
        }
        Ok(())
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the checkpoints.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// Everything needed to repeat the training.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Writes a file of the run, whole or not at all.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<()> {
        replace(&self.folder.join(name), |file| file.write_all(contents))
    }
}

/// The file that is locked.
const LOCK: &str = ".lock";

/// Locks the folder until the file is closed, by the system: nothing is left behind by a process that was killed.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|e| Error::io(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::file(folder, "another process is writing this run"))
        }
        Err(TryLockError::Error(e)) => Err(Error::io(&path, &e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("eras-run-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn config() -> Config {
        Config::new("mlp", "lr = 0.1\nhidden = [3, 4]".parse().unwrap(), 2)
    }

    #[test]
    fn a_run_reads_what_it_wrote() {
        let parent = scratch("next");
        let run = Run::create_next(&parent, "mlp", config()).unwrap();
        assert_eq!(run.folder(), parent.join("mlp-1"));
        assert_eq!(Run::open(run.folder()).unwrap().config(), &config());
        assert_eq!(
            Run::create_next(&parent, "mlp", config()).unwrap().folder(),
            parent.join("mlp-2")
        );
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn the_data_of_a_run_is_known_again() {
        let data = |train: &str, test: Option<&str>| Fingerprints {
            train: Some(train.into()),
            test: test.map(str::to_owned),
        };
        let mut config = config();
        config.data_sha256 = data("a1", Some("b2"));
        let text = config.text();
        assert!(
            text.contains("[data_sha256]\ntrain = \"a1\"\ntest = \"b2\"\n"),
            "{text}"
        );
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);

        let was = config.data_sha256;
        assert_eq!(was.difference(&was), None);
        assert_eq!(was.difference(&data("a1", None)), None);
        assert_eq!(
            was.difference(&data("a1", Some("b3"))).unwrap(),
            "the test set has SHA-256 b3, but that of the run had b2"
        );
        assert!(
            was.difference(&data("a0", None))
                .unwrap()
                .contains("training set")
        );
    }

    #[test]
    fn two_never_write_one_run() {
        let folder = scratch("lock");
        let run = Run::create(&folder, config()).unwrap();
        let message = Run::open_to_write(&folder).unwrap_err().to_string();
        assert!(
            message.ends_with("another process is writing this run"),
            "{message}"
        );
        drop(run);
        Run::open_to_write(&folder).unwrap();
        assert!(
            Run::create(&folder, config())
                .unwrap_err()
                .to_string()
                .contains("holds a run already")
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_run_is_said() {
        let folder = scratch("none");
        assert!(
            Run::open(&folder)
                .unwrap_err()
                .to_string()
                .contains("found no folder here")
        );
        fs::create_dir_all(&folder).unwrap();
        assert!(
            Run::open(&folder)
                .unwrap_err()
                .to_string()
                .contains("it has no config.toml")
        );
        fs::write(folder.join("config.toml"), "recipe = 3").unwrap();
        assert!(
            Run::open(&folder)
                .unwrap_err()
                .to_string()
                .contains("not a configuration")
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
