//! Folders that are split already: `train` and `test` side by side.

use std::path::{Path, PathBuf};

use eras_tensor::{Error, Result};

use super::entries;

/// The folders in a folder of pictures that are no classes but its parts, by their names: `train` (or `training`),
/// `test` (or `testing`), `val` (or `valid`, `validation`), in letters of any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderParts {
    /// What is trained on.
    pub train: PathBuf,
    /// What is tested with, if there is such a folder: the test set, else the validation set.
    pub test: Option<PathBuf>,
    /// The folders beside them, which are passed over: the validation set where there is a test set, and others.
    pub unused: Vec<PathBuf>,
}

impl FolderParts {
    const TRAIN: &[&str] = &["train", "training"];
    const TEST: &[&str] = &["test", "testing"];
    const VALIDATION: &[&str] = &["val", "valid", "validation"];

    /// Those of the folder `root`; none where its folders are classes: where none is named so, or a training set is
    /// named beside other folders and no test set.
    ///
    /// # Errors
    /// If there is no such folder, two folders in it are named for the same part, or it has a part to test with alone.
    pub fn find(root: impl AsRef<Path>) -> Result<Option<Self>> {
        let root = root.as_ref();
        let folders: Vec<PathBuf> = entries(root)?
            .into_iter()
            .filter(|path| path.is_dir())
            .collect();
        let named = |names| one(root, &folders, names);
        let validation = named(Self::VALIDATION)?;
        let (train, test) = (named(Self::TRAIN)?, named(Self::TEST)?.or(validation));
        let Some(train) = train else {
            return match test {
                Some(test) if folders.iter().all(|path| is_for_tests(path)) => Err(Error::file(
                    root,
                    format!(
                        "found the folder `{}` to test with and none to train on, wanted `train` beside it",
                        name(test)
                    ),
                )),
                _ => Ok(None),
            };
        };
        if test.is_none() && folders.len() > 1 {
            return Ok(None);
        }
        let unused = folders.iter().filter(|path| *path != train);
        Ok(Some(Self {
            train: train.clone(),
            test: test.cloned(),
            unused: unused.filter(|path| Some(*path) != test).cloned().collect(),
        }))
    }
}

/// The one folder that has one of the `names`.
fn one<'a>(root: &Path, folders: &'a [PathBuf], names: &[&str]) -> Result<Option<&'a PathBuf>> {
    let mut found = folders.iter().filter(|path| is_named(path, names));
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => Err(Error::file(
            root,
            format!(
                "found the folders `{}` and `{}`, wanted one of the two",
                name(first),
                name(second)
            ),
        )),
        (first, _) => Ok(first),
    }
}

fn is_for_tests(path: &Path) -> bool {
    is_named(path, FolderParts::TEST) || is_named(path, FolderParts::VALIDATION)
}

fn is_named(path: &Path, names: &[&str]) -> bool {
    let found = name(path);
    names.iter().any(|name| found.eq_ignore_ascii_case(name))
}

/// The last part of a path.
pub(super) fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
