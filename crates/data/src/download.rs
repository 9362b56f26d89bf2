//! Downloads that are complete and right, or not there.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::catalog::KnownFile;
use crate::contents::Contents;
use eras_tensor::{Error, Result};

/// A server that is silent for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Puts `file` into `folder`, from the first of its addresses that serves the right contents. Nothing happens if it
/// is there already. Of two processes that want the same file one waits for the other.
pub(crate) fn fetch(file: &KnownFile, folder: &Path, progress: &mut dyn FnMut(u64)) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, &e))?;
    let lock_path = folder.join(".lock");
    let lock = File::create(&lock_path).map_err(|e| Error::io(&lock_path, &e))?;
    lock.lock().map_err(|e| Error::io(&lock_path, &e))?;

    let path = folder.join(file.stored());
    if path.is_file() {
        return Ok(());
    }
    let part = folder.join(format!("{}.part", file.name));
    let mut failures = Vec::new();
    for address in file.addresses {
        match fetch_from(address, file, &part, progress) {
            Ok(()) => {
                fs::rename(&part, &path).map_err(|e| Error::io(&path, &e))?;
                sync_folder(folder);
                return Ok(());
            }
            Err(e) => failures.push(format!("{address}: {}", chain(&e))),
        }
        // The next attempt writes it anew.
        let _ = fs::remove_file(&part);
    }
    Err(Error::new(format!(
        "{} could not be downloaded:\n  {}",
        file.name,
        failures.join("\n  ")
    )))
}

/// Puts what `address` serves at `path`, on the disk for good, and checks its contents.
fn fetch_from(
    address: &str,
    file: &KnownFile,
    path: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let agent = ureq::Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .user_agent(concat!("eras/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let response = agent
        .get(address)
        .call()
        .map_err(|e| Error::new(e.to_string()))?;
    let mut body = response.into_body().into_reader();

    let mut out = File::create(path).map_err(|e| Error::io(path, &e))?;
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        let n = body
            .read(&mut buffer)
            .map_err(|e| Error::new(format!("broke off after {total} bytes: {e}")))?;
        if n == 0 {
            break;
        }
        out.write_all(&buffer[..n])
            .map_err(|e| Error::io(path, &e))?;
        total += n as u64;
        progress(total);
        // Compression adds a few bytes to what it cannot shrink.
        if total > file.bytes + file.bytes / 100 + 1024 {
            return Err(Error::new(format!(
                "serves more than {total} bytes, wanted {} at most",
                file.bytes
            )));
        }
    }
    out.sync_all().map_err(|e| Error::io(path, &e))?;

    let contents = match file.is_archive {
        true => Contents::open_stored(path)?,
        false => Contents::open(path)?.known(file.bytes),
    };
    let found = contents.sha256(file.bytes)?;
    if found == file.sha256 {
        return Ok(());
    }
    Err(Error::new(format!(
        "serves contents with SHA-256 {found}, wanted {}",
        file.sha256
    )))
}

/// Makes a rename in `folder` outlast a power failure, where the system can.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// An error with its causes, in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        text += &format!(": {e}");
        cause = e.source();
    }
    text
}
