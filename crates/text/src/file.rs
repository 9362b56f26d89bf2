//! Texts in files.

use eras_data::read_contents;
use eras_tensor::{Error, Result};
use std::path::Path;

/// The text in the file at `path`, which may be compressed by gzip; a byte order mark at its beginning is no part of it.
///
/// # Errors
/// If it cannot be read, is not UTF-8 (the place of the first wrong byte is told), or is empty.
pub fn read_text(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let mut text = String::from_utf8(read_contents(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[at];
        let line = 1 + error.as_bytes()[..at]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        Error::file(
            path,
            format!("found the byte 0x{byte:02x} at {at} (line {line}), wanted text in UTF-8"),
        )
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    if text.is_empty() {
        return Err(Error::file(path, "is empty, wanted a text"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_refused_by_name_and_place() {
        let path = std::env::temp_dir().join(format!("eras-text-{}", std::process::id()));
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_text(&path).unwrap_err().to_string()
        };
        let wrong = error(b"one\ntw\xffo");
        assert!(
            wrong.ends_with("found the byte 0xff at 6 (line 2), wanted text in UTF-8"),
            "{wrong}"
        );
        assert!(error(b"").ends_with("is empty, wanted a text"));
        std::fs::write(&path, "h\u{e9}").unwrap();
        assert_eq!(read_text(&path).unwrap(), "h\u{e9}");
        std::fs::write(&path, "\u{feff}h\u{e9}").unwrap();
        assert_eq!(read_text(&path).unwrap(), "h\u{e9}");
        std::fs::remove_file(&path).unwrap();
        assert!(read_text(&path).is_err());
    }
}
