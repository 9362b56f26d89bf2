//! Files that are there whole or not at all.

use eras_tensor::{Error, Result};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Writes `path` so that a reader, at any instant and after any crash, finds the old contents or the new, never a
/// part: a temporary file beside it, synced, renamed over it, and the folder synced.
///
/// # Errors
/// If the system refuses; the old contents are then still there, and the temporary file is gone.
pub fn replace(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&File>) -> std::io::Result<()>,
) -> Result<()> {
    let temporary = beside(path);
    let written = (|| {
        let file = File::create(&temporary)?;
        let mut buffered = BufWriter::new(&file);
        content(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, path)?;
        sync_folder(path)
    })();
    written.map_err(|error| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        Error::io(path, &error)
    })
}

/// Whether [`replace`] could put so many bytes at `path` now: they are written beside it, and removed. For those who have
/// long to work before they write.
///
/// # Errors
/// If `path` is a folder, or the system refuses.
pub fn try_replace(path: &Path, bytes: u64) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, "is a folder, wanted a file"));
    }
    let temporary = beside(path);
    let written = (|| {
        let file = File::create(&temporary)?;
        // Written and not only announced: a file that is all hole takes no space.
        std::io::copy(&mut std::io::repeat(1).take(bytes), &mut &file)?;
        file.sync_all()
    })();
    let _ = fs::remove_file(&temporary);
    written.map_err(|error| Error::io(path, &error))
}

/// The contents of a file, and of nothing that is none: a device has no end.
///
/// # Errors
/// If it cannot be read or is no file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let io = |e| Error::io(path, &e);
    let file = File::open(path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(Error::file(
            path,
            "found something that is not a file, wanted a file",
        ));
    }
    let no_memory = |_| Error::file(path, "there is no memory for a file of this length");
    let length = usize::try_from(meta.len()).map_err(|_| Error::file(path, "is too long"))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(no_memory)?;
    file.take(meta.len()).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// `.name.tmp` in the same folder, so that renaming stays within one file system.
fn beside(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    path.with_file_name(format!(".{name}.tmp"))
}

/// Removes what a process that was killed may have left of [`replace`] in `folder`; nobody may be writing there.
///
/// # Errors
/// If the folder cannot be read. A file that cannot be removed stays: it costs space, not correctness.
pub fn sweep(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, &e))? {
        let entry = entry.map_err(|e| Error::io(folder, &e))?;
        if is_temporary(&entry.file_name()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Whether a file of this name is what [`replace`] writes before it is whole.
#[must_use]
pub fn is_temporary(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.ends_with(".tmp")
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

/// Only Unix lets a folder be opened and synced.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_written_is_told_beforehand_and_leaves_nothing() {
        let folder = std::env::temp_dir().join(format!("eras-try-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.txt");
        try_replace(&path, 1000).unwrap();
        fs::write(&path, "old").unwrap();
        try_replace(&path, 1000).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let error = |path: &Path| try_replace(path, 1).unwrap_err().to_string();
        assert!(error(&folder).ends_with("is a folder, wanted a file"));
        assert!(error(&folder.join("no/b.txt")).contains("no/b.txt"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_failed_write_leaves_the_old_contents_and_no_litter() {
        let folder = std::env::temp_dir().join(format!("eras-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.txt");
        replace(&path, |f| f.write_all(b"old")).unwrap();
        let error = replace(&path, |f| {
            f.write_all(b"new")?;
            Err(std::io::Error::other("the disk is full"))
        });
        assert!(error.unwrap_err().to_string().contains("the disk is full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
