//! Where a data set is: a given path, `$ERAS_DATA/<name>/`, the cache, this library itself, a download.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Idx;
use crate::catalog::{Form, Known, KnownFile};
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

/// A data set that was found: each file of [`Known::files`], or of the form it was found in, is there; none has been
/// read yet.
#[derive(Debug)]
pub struct Found {
    /// Where it is.
    pub place: Place,
    /// The form it was found in; none where its own files were.
    pub form: Option<&'static Form>,
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
            return match Found::below(path, known)? {
                Some(found) => Ok(Some(found)),
                None => Found::in_folder(path, known).map(Some),
            };
        }
        if let Some(path) = &self.eras_data {
            if !path.is_dir() {
                return Err(Error::file(
                    path,
                    "is what ERAS_DATA names, but it is not a folder",
                ));
            }
            if let Some(found) = Found::below(path, known)? {
                return Ok(Some(found));
            }
        }
        // An incomplete folder in the cache is a download that was cut off.
        let cached = self
            .cache
            .as_ref()
            .and_then(|cache| Found::below(cache, known).ok().flatten());
        let embedded = || {
            known.is_embedded().then(|| Found {
                place: Place::Embedded,
                form: None,
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
            return Found::in_folder(folder, known);
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
    /// The set in its folder below `root`, or in that of one of its forms; `None` if there is no such folder.
    fn below(root: &Path, known: &'static Known) -> Result<Option<Self>> {
        let forms = known.forms.iter().map(|form| form.folder);
        let mut folders = [known.name]
            .into_iter()
            .chain(forms)
            .map(|name| root.join(name));
        let folder = folders.find(|folder| folder.is_dir());
        folder
            .map(|folder| Self::in_folder(&folder, known))
            .transpose()
    }

    /// The set in `folder`, which must have all of its files, or all of a form's.
    fn in_folder(folder: &Path, known: &'static Known) -> Result<Self> {
        let found = |paths, form| Self {
            place: Place::Folder(folder.into()),
            form,
            paths,
            known,
        };
        let own = known.files.iter().map(|file| file_in(folder, file));
        let missing = match own.collect::<Result<_>>() {
            Ok(paths) => return Ok(found(paths, None)),
            Err(missing) => missing,
        };
        for form in known.forms {
            let paths = form.files.iter().map(|file| part_in(folder, file));
            if let Some(paths) = paths.collect() {
                return Ok(found(paths, Some(form)));
            }
        }
        if known.forms.is_empty() {
            return Err(missing);
        }
        let forms = known.forms.iter().map(|form| form.files.join(", "));
        let forms: Vec<String> = [known.files[0].name.to_owned()]
            .into_iter()
            .chain(forms)
            .collect();
        Err(Error::file(
            folder,
            format!("found in this folder none of: {}", forms.join("; ")),
        ))
    }

    /// The paths of the files, in the order of the form or of [`Known::files`].
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The path of the archive that is number `index` of [`Known::files`], whose bytes are checked.
    ///
    /// # Errors
    /// If it cannot be read, or is another one.
    ///
    /// # Panics
    /// If there is no such file.
    pub(crate) fn archive(&self, index: usize) -> Result<&Path> {
        let (file, path) = (&self.known.files[index], &self.paths[index]);
        let contents = Contents::open_stored(path)?;
        contents.expect_length("the archive", file.bytes)?;
        self.check(file, path, &contents.sha256(file.bytes)?)?;
        Ok(path)
    }

    fn check(&self, file: &KnownFile, path: &Path, found: &str) -> Result<()> {
        if found == file.sha256 {
            return Ok(());
        }
        Err(Error::file(
            path,
            format!(
                "is not the {} of {}: found contents with SHA-256 {found}, wanted {}; it was altered",
                file.name, self.known.name, file.sha256
            ),
        ))
    }

    /// What is in a file, of its known length, hashed as it is read.
    fn contents(&self, index: usize) -> Result<Contents<'static>> {
        let file = &self.known.files[index];
        let contents = match (&self.place, file.embedded) {
            (Place::Embedded, Some(bytes)) => Contents::of_bytes(file.name, bytes)?,
            _ => Contents::open(&self.paths[index])?,
        };
        Ok(contents.known(file.bytes).hashed())
    }

    /// Reads the text that is number `index` of [`Known::files`], and checks its contents.
    ///
    /// # Errors
    /// If it cannot be read, or has other contents than it should.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn text(&self, index: usize) -> Result<String> {
        let file = &self.known.files[index];
        let mut contents = self.contents(index)?;
        let path = contents.path().to_path_buf();
        let mut bytes = vec![0; file.bytes as usize];
        contents.fill(&mut bytes)?;
        self.check(file, &path, &contents.end()?.unwrap_or_default())?;
        String::from_utf8(bytes).map_err(|_| Error::file(&path, "is not UTF-8"))
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
        let contents = self.contents(index)?;
        let path = contents.path().to_path_buf();
        let (idx, sha256) = Idx::decode(contents)?;
        self.check(file, &path, &sha256.unwrap_or_default())?;
        Ok(idx)
    }
}

/// The path of `file` of a form in `folder`, with the folders in front of its name or without.
fn part_in(folder: &Path, file: &str) -> Option<PathBuf> {
    let alone = file.rsplit('/').next().unwrap_or(file);
    [file, alone]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.is_file())
}

/// The path of `file` in `folder`: as it is or compressed, named with `-idx` or, as some archives do, `.idx`.
fn file_in(folder: &Path, file: &KnownFile) -> Result<PathBuf> {
    if file.is_archive {
        let path = folder.join(file.name);
        let missing = || Error::file(folder, format!("found no {} in this folder", file.name));
        return path.is_file().then_some(path).ok_or_else(missing);
    }
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
