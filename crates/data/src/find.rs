//! Where a data set is: a given path, `$ERAS_DATA/<name>/`, the cache, this library itself, a download.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Idx;
use crate::catalog::{Known, KnownFile};
use crate::contents::Contents;
use eras_tensor::{Error, Result};

/// The places where data sets are looked for, in the order of the fields.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// A folder that the user named: if it is set, no other place counts.
    pub given: Option<PathBuf>,
    /// The folder of data sets in `$ERAS_DATA`.
    pub eras_data: Option<PathBuf>,
    /// The folder of data sets that were downloaded.
    pub cache: Option<PathBuf>,
    /// Whether a set found nowhere is downloaded to the cache. Without the feature `download` it never is.
    pub download: bool,
}

/// Where a data set was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a folder of files.
    Folder(PathBuf),
    /// In this library.
    Embedded,
}

/// A data set that was found: each file of [`Known::files`] is there, none has been read yet.
#[derive(Debug)]
pub struct Found {
    /// Where it is.
    pub place: Place,
    paths: Vec<PathBuf>,
    known: &'static Known,
}

impl Search {
    /// The places this process has been given: `$ERAS_DATA`, and `eras` in the user's cache folder
    /// (`$XDG_CACHE_HOME`, else `~/.cache`; `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows).
    pub fn from_env() -> Self {
        let eras_data = env::var_os("ERAS_DATA")
            .filter(|value| !value.is_empty())
            .map(PathBuf::from);
        let cache = cache_folder(|name| env::var_os(name));
        Self {
            given: None,
            eras_data,
            cache,
            download: true,
        }
    }

    /// In the folder that a user gave, if there is one, else in the places of [`from_env`](Self::from_env).
    pub fn given(folder: Option<&Path>) -> Self {
        let search = Self::from_env();
        match folder {
            Some(folder) => search.at(folder),
            None => search,
        }
    }

    /// The same search, which looks at `path` alone.
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.given = Some(path.into());
        self
    }

    /// Looks for `known` on this machine; `None` if it is nowhere.
    ///
    /// # Errors
    /// If a folder that was asked for (the given one, `$ERAS_DATA`) is not there, or has the data set but not all
    /// of its files.
    pub fn local(&self, known: &'static Known) -> Result<Option<Found>> {
        if let Some(path) = &self.given {
            if !path.is_dir() {
                return Err(Error::file(
                    path,
                    format!("found no folder here, wanted one with {}", known.name),
                ));
            }
            let inner = path.join(known.name);
            return Found::all_in(if inner.is_dir() { &inner } else { path }, known).map(Some);
        }
        if let Some(path) = &self.eras_data {
            if !path.is_dir() {
                return Err(Error::file(
                    path,
                    "is what ERAS_DATA names, but it is not a folder",
                ));
            }
            let inner = path.join(known.name);
            if inner.is_dir() {
                return Found::all_in(&inner, known).map(Some);
            }
        }
        // An incomplete folder in the cache is a download that was cut off.
        let cached = self
            .cache
            .as_ref()
            .and_then(|cache| Found::all_in(&cache.join(known.name), known).ok());
        let embedded = || {
            known.is_embedded().then(|| Found {
                place: Place::Embedded,
                paths: Vec::new(),
                known,
            })
        };
        Ok(cached.or_else(embedded))
    }

    /// Looks for `known`, downloading it if it is nowhere and that is allowed. `progress` hears the name of each
    /// file and how many bytes of it have come.
    ///
    /// # Errors
    /// As [`Search::local`]; if the set is nowhere and cannot be downloaded, the error says what to fetch and where
    /// to put it.
    pub fn find(
        &self,
        known: &'static Known,
        progress: &mut dyn FnMut(&str, u64),
    ) -> Result<Found> {
        if let Some(found) = self.local(known)? {
            return Ok(found);
        }
        let cache = self.cache.as_ref().map(|cache| cache.join(known.name));
        #[cfg(feature = "download")]
        if let Some(folder) = cache.as_ref().filter(|_| self.download) {
            for file in known.files {
                crate::download::fetch(file, folder, &mut |bytes| progress(file.name, bytes))
                    .map_err(|e| e.context(self.advice(known, cache.as_deref())))?;
            }
            return Found::all_in(folder, known);
        }
        let _ = progress;
        Err(Error::new(self.advice(known, cache.as_deref())))
    }

    /// What a person can do who does not have `known`.
    fn advice(&self, known: &Known, cache: Option<&Path>) -> String {
        let mut text = format!("the data set {} was not found:", known.name);
        match &self.eras_data {
            Some(path) => {
                text += &format!(
                    "\n  not in ERAS_DATA (`{}`)",
                    path.join(known.name).display()
                )
            }
            None => text += "\n  ERAS_DATA is not set",
        }
        match cache {
            Some(path) => text += &format!("\n  not in the cache (`{}`)", path.display()),
            None => text += "\n  no cache folder (neither XDG_CACHE_HOME nor HOME is set)",
        }
        let reason = match (cfg!(feature = "download"), self.download) {
            (false, _) => "this build cannot download (cargo feature `download`)",
            (true, false) => "downloading was not allowed",
            (true, true) => "it could not be downloaded",
        };
        text += &format!("\n  {reason}\nFetch these files");
        match cache {
            Some(path) => {
                text += &format!(
                    " into `{}`, or into a folder that you name:",
                    path.display()
                )
            }
            None => text += " into a folder that you name:",
        }
        for file in known.files {
            text += &format!("\n  {}", file.addresses[0]);
        }
        text
    }
}

impl Found {
    /// The set in `folder`, which must have all of its files.
    fn all_in(folder: &Path, known: &'static Known) -> Result<Self> {
        let paths = known
            .files
            .iter()
            .map(|file| file_in(folder, file))
            .collect::<Result<_>>()?;
        Ok(Self {
            place: Place::Folder(folder.into()),
            paths,
            known,
        })
    }

    /// Reads the IDX file that is number `index` of [`Known::files`], and checks its contents.
    ///
    /// # Errors
    /// If it cannot be read, or has other contents than it should.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn idx(&self, index: usize) -> Result<Idx> {
        let file = &self.known.files[index];
        let contents = match (&self.place, file.embedded) {
            (Place::Embedded, Some(bytes)) => Contents::of_bytes(file.name, bytes)?,
            _ => Contents::open(&self.paths[index])?,
        };
        let path = contents.path().to_path_buf();
        let (idx, sha256) = Idx::decode(contents.known(file.bytes).hashed())?;
        match sha256 {
            Some(found) if found == file.sha256 => Ok(idx),
            found => Err(Error::file(
                path,
                format!(
                    "is not the {} of {}: found contents with SHA-256 {}, wanted {}; it was altered",
                    file.name,
                    self.known.name,
                    found.unwrap_or_default(),
                    file.sha256
                ),
            )),
        }
    }
}

/// The path of `file` in `folder`: as it is or compressed, named with `-idx` or, as some archives do, `.idx`.
fn file_in(folder: &Path, file: &KnownFile) -> Result<PathBuf> {
    let dotted = file.name.replace("-idx", ".idx");
    let names = [
        format!("{}.gz", file.name),
        file.name.into(),
        format!("{dotted}.gz"),
        dotted,
    ];
    let found = names
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        let [compressed, plain, ..] = &names;
        Error::file(
            folder,
            format!("found neither {compressed} nor {plain} in this folder"),
        )
    })
}

/// The folder `eras` in the user's cache folder, where the environment names one.
fn cache_folder(var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG specification asks for relative paths to be ignored.
    let folder = |name: &str| {
        var(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let user = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library/Caches"))
    } else {
        folder("HOME").map(|home| home.join(".cache"))
    };
    folder("XDG_CACHE_HOME")
        .or(user)
        .map(|path| path.join("eras"))
}
