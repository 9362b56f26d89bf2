//! Checkpoints: all that is needed to go on as if nothing had happened, in files that are whole or not there.
//!
//! A checkpoint `NAME` is three files or four, written in this order, each whole or not at all:
//!
//! ```text
//! NAME.model.safetensors      parameters and buffers, by name
//! NAME.optimizer.safetensors  the optimizer's state, by name
//! NAME.average.safetensors    the mean of the parameters, where one is kept
//! NAME.json                   the manifest
//! ```
//!
//! Only with its manifest, and only while all hashes are right, does a checkpoint exist. Names of the running ones are
//! step numbers, ten digits; the last two are kept, so that one is always left if the other is damaged. The best so far
//! is `best-` and its step.
//!
//! # The manifest
//!
//! ```text
//! version                     of the format; another one than 1 and 2 is refused before anything else is read
//! model_sha256                of NAME.model.safetensors, in hexadecimal
//! optimizer_sha256            of NAME.optimizer.safetensors
//! average_sha256          2   of NAME.average.safetensors, where there is one
//! position
//!   seed, batch_size, samples the training's; one of another number does not go on from here
//!   data_sha256               the training set's, or null where it has none
//!   epoch, batch, step        complete epochs, batches of the current one, steps since the beginning
//!   seconds                   of the current epoch
//!   waiting                 2 of these, what batches were waited for
//!   totals                    of the current epoch: loss, samples, and for each metric its list of totals
//!   history                   for each complete epoch: epoch, train and valid {loss, metrics}, lr, seconds,
//!                             samples_per_second, waiting (2)
//!   accumulate              2 batches of a step
//!   average_updates         2 how often the mean was updated
//!   skipped, roll_backs     2 steps skipped just before this one, and how often the weights went back
//!   lr_scale                2 what the learning rate is multiplied by since then
//! ```
//!
//! Version 2, which is written, has the fields marked so. A version 1 is read as a training without them: no mean of the
//! weights, one batch a step, no step skipped. Losses and metrics that are no finite number are the texts `NaN`, `inf`
//! and `-inf`; `null`, which builds before those texts wrote, is read as NaN.

use crate::score::Epoch;
use crate::totals::Totals;
use eras_data::Dataset;
use eras_formats::files::{self, replace, sweep};
use eras_formats::safetensors;
use eras_nn::{Average, Module, Optimizer};
use eras_tensor::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::Path;

/// The version of the format that this build writes.
const VERSION: u32 = 2;
/// What the names of the best begin with.
const BEST: &str = "best-";
/// How many running checkpoints are kept.
const KEEP: usize = 2;

/// Where a training stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    seed: u64,
    batch_size: usize,
    samples: usize,
    /// The training set's, where it has one ([`eras_data::Dataset::fingerprint`]).
    #[serde(default)]
    data_sha256: Option<String>,
    /// Complete epochs.
    pub(crate) epoch: usize,
    /// Batches of the current epoch that are done.
    pub(crate) batch: usize,
    /// Steps since the beginning.
    pub(crate) step: u64,
    /// Seconds of the current epoch.
    pub(crate) seconds: f64,
    /// Of these, what batches were waited for.
    #[serde(default)]
    pub(crate) waiting: f64,
    pub(crate) totals: Totals,
    pub(crate) history: Vec<Epoch>,
    /// Batches of a step.
    #[serde(default = "one")]
    accumulate: usize,
    /// How often the mean of the weights was updated.
    #[serde(default)]
    average_updates: u64,
    /// Steps just before this one that were skipped.
    #[serde(default)]
    pub(crate) skipped: u64,
    /// How often the weights went back.
    #[serde(default)]
    pub(crate) roll_backs: u64,
    /// What the learning rate is multiplied by since then.
    #[serde(default = "whole")]
    pub(crate) lr_scale: f64,
}

fn one() -> usize {
    1
}

fn whole() -> f64 {
    1.0
}

impl Position {
    pub(crate) fn start(
        seed: u64,
        batch_size: usize,
        accumulate: usize,
        data: &dyn Dataset,
    ) -> Self {
        let (totals, history) = (Totals::default(), Vec::new());
        Self {
            seed,
            batch_size,
            samples: data.len(),
            data_sha256: data.fingerprint(),
            epoch: 0,
            batch: 0,
            step: 0,
            seconds: 0.0,
            waiting: 0.0,
            totals,
            history,
            accumulate,
            average_updates: 0,
            skipped: 0,
            roll_backs: 0,
            lr_scale: 1.0,
        }
    }

    /// The number of the pass over batch `i` of the next step, `accumulate` to a step: what random streams are taken by.
    pub(crate) fn pass(&self, accumulate: usize, i: usize) -> u64 {
        self.step * accumulate as u64 + i as u64
    }

    /// A step was made of so many batches.
    pub(crate) fn advance(&mut self, batches: usize) {
        self.step += 1;
        self.batch += batches;
    }

    pub(crate) fn begin_next_epoch(&mut self) {
        self.epoch += 1;
        self.totals = Totals::default();
        self.batch = 0;
        self.seconds = 0.0;
        self.waiting = 0.0;
    }
}

/// What optimizers have learned about the gradients, as it is saved.
pub(crate) trait Learned {
    fn lr(&self) -> f64;
    fn state(&self) -> Vec<(String, Tensor)>;
    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()>;
}

impl Learned for Box<dyn Optimizer> {
    fn lr(&self) -> f64 {
        (**self).lr()
    }
    fn state(&self) -> Vec<(String, Tensor)> {
        (**self).state()
    }
    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        (**self).load_state(state)
    }
}

/// All that is needed to go on with a training: weights, optimizer state, position. Random numbers need nothing more:
/// they are functions of seed and step.
#[derive(Debug, Clone)]
pub struct Snapshot {
    position: Position,
    model: Vec<(String, Tensor)>,
    optimizer: Vec<(String, Tensor)>,
    /// Empty where no mean is taken.
    average: Vec<(String, Tensor)>,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    model_sha256: String,
    optimizer_sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    average_sha256: Option<String>,
    position: Position,
}

impl Snapshot {
    pub(crate) fn take<M: Module + ?Sized>(
        at: &Position,
        model: &M,
        optimizer: &dyn Learned,
        average: Option<&Average>,
    ) -> Self {
        Self {
            position: Position {
                average_updates: average.map_or(0, Average::updates),
                ..at.clone()
            },
            model: model.state(),
            optimizer: optimizer.state(),
            average: average.map_or(Vec::new(), |average| average.state().to_vec()),
        }
    }

    /// Complete epochs.
    #[must_use]
    pub fn epoch(&self) -> usize {
        self.position.epoch
    }

    /// Steps since the beginning.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.position.step
    }

    /// The epochs that are complete.
    #[must_use]
    pub fn history(&self) -> &[Epoch] {
        &self.position.history
    }

    /// Parameters and buffers by name.
    #[must_use]
    pub fn model(&self) -> &[(String, Tensor)] {
        &self.model
    }

    /// Parameters and buffers by name, as the model is to be used: where a mean of the weights was kept, with the mean in
    /// their place.
    #[must_use]
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        let mut weights = self.model.clone();
        for (name, weight) in &mut weights {
            if let Some((_, mean)) = self.average.iter().find(|(mean, _)| mean == name) {
                *weight = mean.clone();
            }
        }
        weights
    }

    /// Puts model and optimizer into the state of the snapshot and returns the position, after checking that the
    /// training it belongs to is this one.
    pub(crate) fn restore(
        &self,
        fresh: &Position,
        model: &mut dyn Module,
        optimizer: &mut dyn Learned,
        average: Option<&mut Average>,
    ) -> Result<Position> {
        let at = &self.position;
        let same = [
            ("seed", at.seed, fresh.seed),
            ("batch size", at.batch_size as u64, fresh.batch_size as u64),
            ("number of samples", at.samples as u64, fresh.samples as u64),
            (
                "number of batches a step",
                at.accumulate as u64,
                fresh.accumulate as u64,
            ),
        ];
        for (what, saved, now) in same {
            if saved != now {
                return Err(Error::usage(format!(
                    "the checkpoint belongs to a training with {what} {saved}, but now it is {now}"
                )));
            }
        }
        if let (Some(saved), Some(now)) = (&at.data_sha256, &fresh.data_sha256)
            && saved != now
        {
            return Err(Error::usage(format!(
                "the checkpoint belongs to a training on other data: on a set with SHA-256 {saved}, but now it is {now}"
            )));
        }
        self.restore_weights(model, optimizer, average)?;
        Ok(at.clone())
    }

    /// Puts model, optimizer and mean of the weights into the state of the snapshot.
    pub(crate) fn restore_weights(
        &self,
        model: &mut dyn Module,
        optimizer: &mut dyn Learned,
        average: Option<&mut Average>,
    ) -> Result<()> {
        model.load_state(&self.model)?;
        optimizer.load_state(&self.optimizer)?;
        if let Some(average) = average {
            average.load_state(model, self.position.average_updates, &self.average)?;
        }
        Ok(())
    }

    /// Saves as the latest of `folder`, which is made if need be, and removes all but the last two.
    ///
    /// # Errors
    /// If the system refuses; the checkpoints before are then untouched.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.save_as(folder, "")?;
        keep_last(folder, "", KEEP)
    }

    /// Saves as the best of `folder`, under a name of its own, and only then removes the one that was best before.
    ///
    /// # Errors
    /// If the system refuses; the checkpoints before are then untouched.
    pub fn save_best(&self, folder: &Path) -> Result<()> {
        self.save_as(folder, BEST)?;
        keep_last(folder, BEST, 1)
    }

    /// Saves as the step's number behind `prefix`.
    fn save_as(&self, folder: &Path, prefix: &str) -> Result<()> {
        let name = format!("{prefix}{:010}", self.position.step);
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
        let saved = (|| {
            let manifest = Manifest {
                version: VERSION,
                model_sha256: write_hashed(
                    &folder.join(format!("{name}.model.safetensors")),
                    &self.model,
                )?,
                optimizer_sha256: write_hashed(
                    &folder.join(format!("{name}.optimizer.safetensors")),
                    &self.optimizer,
                )?,
                average_sha256: (!self.average.is_empty())
                    .then(|| {
                        let path = folder.join(format!("{name}.average.safetensors"));
                        write_hashed(&path, &self.average)
                    })
                    .transpose()?,
                position: self.position.clone(),
            };
            let text =
                serde_json::to_vec_pretty(&manifest).map_err(|e| Error::new(e.to_string()))?;
            replace(&folder.join(format!("{name}.json")), |file| {
                file.write_all(&text)
            })
        })();
        saved.map_err(|e: Error| {
            // Half a checkpoint is litter; a whole one of this step, saved before, has the same contents and stays.
            if !folder.join(format!("{name}.json")).exists() {
                remove(folder, &name);
            }
            e.context("the checkpoint was not saved; those before it are intact")
        })
    }

    /// The checkpoint `name` of `folder`.
    ///
    /// # Errors
    /// If it is not there, a part is missing or altered, or its format is newer than this build.
    pub fn load(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(format!("{name}.json"));
        let text = files::read(&path)?;
        if !is_believable(&text) {
            return Err(Error::file(
                &path,
                "has more entries than are believed of a manifest of its length",
            ));
        }
        // The version first, and alone: another version may have other fields.
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let version = serde_json::from_slice::<Version>(&text)
            .ok()
            .map(|v| v.version);
        if !version.is_some_and(|version| (1..=u64::from(VERSION)).contains(&version)) {
            let found = version.map_or_else(|| "none".to_owned(), |v| v.to_string());
            return Err(Error::file(
                &path,
                format!("format version {found}; this build reads versions 1 to {VERSION}"),
            ));
        }
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|e| Error::file(&path, e.to_string()))?;
        let read = |part: &str, wanted: &str| {
            let path = folder.join(format!("{name}.{part}.safetensors"));
            let bytes = files::read(&path)?;
            let found = sha256(&bytes);
            if found != wanted {
                return Err(Error::file(
                    &path,
                    format!("SHA-256 is {found}, but {wanted} was saved: the file was altered"),
                ));
            }
            Ok(safetensors::parse(&path, &bytes)?.tensors)
        };
        let model = read("model", &manifest.model_sha256)?;
        let optimizer = read("optimizer", &manifest.optimizer_sha256)?;
        let average = manifest.average_sha256.as_ref();
        Ok(Self {
            position: manifest.position,
            model,
            optimizer,
            average: average
                .map(|hash| read("average", hash))
                .transpose()?
                .unwrap_or_default(),
        })
    }

    /// Whether `folder` holds any checkpoint, whole or damaged.
    #[must_use]
    pub fn any(folder: &Path) -> bool {
        named(folder, "").is_ok_and(|names| !names.is_empty())
    }

    /// Removes what a process that was killed may have left in `folder`: files half written, and parts of checkpoints that
    /// never became whole. Nobody may be writing there.
    ///
    /// # Errors
    /// If the folder is there and cannot be read.
    pub fn sweep(folder: &Path) -> Result<()> {
        if !folder.exists() {
            return Ok(());
        }
        sweep(folder)?;
        for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, &e))? {
            let file = entry.map_err(|e| Error::io(folder, &e))?.file_name();
            let file = file.to_string_lossy();
            if let Some((name, part)) = file.split_once('.')
                && part.ends_with("safetensors")
                && !folder.join(format!("{name}.json")).exists()
            {
                remove(folder, name);
            }
        }
        Ok(())
    }

    /// The best checkpoint of `folder`.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn load_best(folder: &Path) -> Result<Self> {
        match named(folder, BEST)?.last() {
            Some(name) => Self::load(folder, name),
            None => Err(Error::file(folder, "no best checkpoint here")),
        }
    }

    /// The latest checkpoint of `folder` that is whole; a damaged one is passed over, and its error returned
    /// beside the one before it.
    ///
    /// # Errors
    /// If there is none, or none is whole.
    pub fn load_latest(folder: &Path) -> Result<(Self, Option<Error>)> {
        let mut damaged = None;
        for name in named(folder, "")?.iter().rev() {
            match Self::load(folder, name) {
                Ok(snapshot) => return Ok((snapshot, damaged)),
                Err(error) => damaged = damaged.or(Some(error)),
            }
        }
        Err(damaged.unwrap_or_else(|| Error::file(folder, "no checkpoint here")))
    }
}

/// The names of the checkpoints that are a step number behind `prefix`, oldest first.
fn named(folder: &Path, prefix: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io(folder, &e))?;
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(|e| Error::io(folder, &e))?.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".json")) else {
            continue;
        };
        let number = name.strip_prefix(prefix).unwrap_or_default();
        if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether what a manifest becomes in memory stays below 4 times its length and 64 MiB. Each number is behind a comma or
/// a bracket, and lists grow by doubling: the old place and the new make three times what is needed.
fn is_believable(text: &[u8]) -> bool {
    const FREE: usize = 60 << 20;
    let count = |of: &[u8]| text.iter().filter(|b| of.contains(b)).count();
    let numbers = count(b",").saturating_mul(3 * size_of::<f64>());
    let lists = count(b"[{").saturating_mul(3 * size_of::<Vec<f64>>());
    // Once the text itself, once the texts in it.
    numbers.saturating_add(lists) <= 2 * text.len() + FREE
}

/// Removes all but the last `count` checkpoints behind `prefix`.
fn keep_last(folder: &Path, prefix: &str, count: usize) -> Result<()> {
    let names = named(folder, prefix)?;
    for name in &names[..names.len().saturating_sub(count)] {
        remove(folder, name);
    }
    Ok(())
}

/// Removes a checkpoint, its `.json` first, so that at no instant half of it seems whole.
fn remove(folder: &Path, name: &str) {
    for part in [
        "json",
        "model.safetensors",
        "optimizer.safetensors",
        "average.safetensors",
    ] {
        // A file that cannot be removed costs space, not correctness.
        let _ = fs::remove_file(folder.join(format!("{name}.{part}")));
    }
}

fn write_hashed(path: &Path, tensors: &[(String, Tensor)]) -> Result<String> {
    let bytes = safetensors::serialize(tensors)?;
    replace(path, |file| file.write_all(&bytes))?;
    Ok(sha256(&bytes))
}

/// The SHA-256 of names, shapes and numbers of `tensors`, sorted by name: equal only if every bit is.
///
/// # Panics
/// If two tensors have the same name.
#[must_use]
pub fn hash(tensors: &[(String, Tensor)]) -> String {
    sha256(&safetensors::serialize(tensors).expect("names are unique"))
}

/// The SHA-256 of `bytes` in hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Score;
    use eras_data::TensorDataset;
    use eras_nn::{Adam, Linear, cross_entropy};
    use eras_tensor::Rng;
    use std::path::PathBuf;

    /// A model after a step, and where it stands.
    fn snapshot(step: u64) -> Snapshot {
        let mut model = Linear::new(2, 2, &mut Rng::new(step));
        let mut adam: Box<dyn Optimizer> = Box::new(Adam::new(0.1));
        let loss = cross_entropy(&model.forward(&Tensor::ones([1, 2])), &Tensor::from([1i64]));
        adam.step(&mut model, &loss.backward());
        let data = TensorDataset::new(Tensor::ones([1, 2]), Tensor::from([1i64])).unwrap();
        let at = Position {
            step,
            ..Position::start(0, 1, 1, &data)
        };
        Snapshot::take(&at, &model, &adam, None)
    }

    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("eras-checkpoint-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn the_last_two_and_the_best_are_kept() {
        let folder = scratch("keep");
        for step in [1, 2, 30] {
            snapshot(step).save(&folder).unwrap();
            if step < 30 {
                snapshot(step).save_best(&folder).unwrap();
            }
        }
        assert_eq!(named(&folder, "").unwrap(), ["0000000002", "0000000030"]);
        assert_eq!(Snapshot::load_best(&folder).unwrap().step(), 2);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3 * 3);
        let (latest, damaged) = Snapshot::load_latest(&folder).unwrap();
        assert!(latest.step() == 30 && damaged.is_none());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn every_truncation_and_every_altered_byte_is_seen_and_the_one_before_is_used() {
        let folder = scratch("damage");
        snapshot(1).save(&folder).unwrap();
        snapshot(2).save(&folder).unwrap();
        let falls_back = || {
            let (snapshot, damaged) = Snapshot::load_latest(&folder).unwrap();
            snapshot.step() == 1 && damaged.is_some()
        };
        for part in ["model.safetensors", "optimizer.safetensors"] {
            let path = folder.join(format!("0000000002.{part}"));
            let whole = fs::read(&path).unwrap();
            for i in 0..whole.len() {
                let mut altered = whole.clone();
                altered[i] ^= 1;
                fs::write(&path, &altered).unwrap();
                assert!(falls_back(), "byte {i} of {part}");
                fs::write(&path, &whole[..i]).unwrap();
                assert!(falls_back(), "{part} cut at {i}");
            }
            fs::write(&path, &whole).unwrap();
        }
        let manifest = folder.join("0000000002.json");
        let whole = fs::read(&manifest).unwrap();
        for i in 0..whole.len() - 1 {
            fs::write(&manifest, &whole[..i]).unwrap();
            assert!(falls_back(), "manifest cut at {i}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_training_does_not_go_on_with_other_data() {
        let snapshot = snapshot(1);
        let restore = |y: i64| {
            let data = TensorDataset::new(Tensor::ones([1, 2]), Tensor::from([y])).unwrap();
            let mut model = Linear::new(2, 2, &mut Rng::new(0));
            let fresh = Position::start(0, 1, 1, &data);
            let mut adam: Box<dyn Optimizer> = Box::new(Adam::new(0.1));
            snapshot.restore(&fresh, &mut model, &mut adam, None)
        };
        assert_eq!(restore(1).unwrap(), snapshot.position);
        let error = restore(0).unwrap_err();
        let message = error.to_string();
        let wanted = "the checkpoint belongs to a training on other data: on a set with SHA-256 ";
        assert!(error.is_usage() && message.starts_with(wanted), "{message}");
    }

    #[test]
    fn numbers_that_are_not_finite_come_back() {
        let folder = scratch("not-finite");
        let of = |snapshot: &Snapshot| format!("{:?}", snapshot.position);
        let mut snapshot = snapshot(1);
        let score = Score {
            loss: f64::NEG_INFINITY,
            metrics: vec![("auc".to_owned(), f64::NAN), ("r2".to_owned(), -0.0)],
        };
        snapshot.position.history.push(Epoch {
            epoch: 1,
            train: score.clone(),
            valid: Some(score),
            lr: f64::INFINITY,
            seconds: 1.0,
            samples_per_second: 2.0,
            waiting: 0.0,
        });
        let totals = r#"{"loss": "NaN", "samples": 3, "metrics": [[0.1, "inf", 7], [], ["-inf", null, 1e300]]}"#;
        snapshot.position.totals = serde_json::from_str(totals).unwrap();
        snapshot.save(&folder).unwrap();
        let back = Snapshot::load(&folder, "0000000001").unwrap();
        assert_eq!(of(&back), of(&snapshot));
        assert!(
            of(&back).contains(
                "loss: NaN, samples: 3, metrics: [[0.1, inf, 7.0], [], [-inf, NaN, 1e300]]"
            )
        );
        // What builds before wrote.
        let path = folder.join("0000000001.json");
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace("\"NaN\"", "null");
        fs::write(&path, text.replace("\"version\": 2", "\"version\": 1")).unwrap();
        assert_eq!(
            of(&Snapshot::load(&folder, "0000000001").unwrap()),
            of(&snapshot)
        );
        // Other texts are no numbers.
        fs::write(&path, text.replace("null", "\"nought\"")).unwrap();
        let message = Snapshot::load(&folder, "0000000001")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(r#"invalid value: string "nought", expected a number"#),
            "{message}"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_manifest_of_commas_is_refused_and_one_of_many_samples_is_not() {
        let number = b"      8589934591.0,\n".repeat(1 << 20);
        assert!(is_believable(&number));
        assert!(is_believable(&b"        0.0,\n".repeat(1 << 22)));
        assert!(!is_believable(&b"0,".repeat(1 << 22)));
        assert!(!is_believable(&b"[],".repeat(1 << 20)));
    }

    #[test]
    fn another_version_of_the_format_is_named() {
        let folder = scratch("version");
        snapshot(1).save(&folder).unwrap();
        let path = folder.join("0000000001.json");
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace("\"version\": 2", "\"version\": 7");
        fs::write(&path, text).unwrap();
        let message = Snapshot::load(&folder, "0000000001")
            .unwrap_err()
            .to_string();
        assert!(
            message.ends_with("format version 7; this build reads versions 1 to 2"),
            "{message}"
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
