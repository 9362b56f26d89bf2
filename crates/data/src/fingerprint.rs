//! SHA-256 of what a data set consists of.

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

/// The SHA-256 in hex of parts of any length, each behind its length, so that no two lists of parts are alike: for
/// [`Dataset::fingerprint`](crate::Dataset::fingerprint).
#[must_use]
pub fn of<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

/// A fingerprint that is taken when it is first asked for, once for all clones of a set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Once(Arc<OnceLock<String>>);

impl Once {
    pub(crate) fn get(&self, take: impl FnOnce() -> String) -> String {
        self.0.get_or_init(take).clone()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let text = String::with_capacity(2 * bytes.len());
    bytes.iter().fold(text, |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
