//! Weights in safetensors files, as Hugging Face stores them.

use crate::checkpoint::sha256;
use crate::files::replace;
use eras_tensor::{Dtype, Error, Result, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype as FileDtype, TensorView};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Writes tensors by name to `path`.
///
/// # Errors
/// If the system refuses; an older file of that name is then still there.
pub fn save(path: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    let bytes = serialize(tensors)?;
    replace(path, |file| file.write_all(&bytes))
}

/// Reads all tensors of `path`, sorted by name.
///
/// # Errors
/// If it cannot be read, is no safetensors file, is cut off, or holds a type that has no [`Dtype`].
pub fn load(path: &Path) -> Result<Vec<(String, Tensor)>> {
    parse(path, &fs::read(path).map_err(|e| Error::io(path, &e))?)
}

/// The SHA-256 of names, shapes and numbers of `tensors`, sorted by name: equal only if every bit is.
///
/// # Panics
/// If two tensors have the same name.
#[must_use]
pub fn hash(tensors: &[(String, Tensor)]) -> String {
    sha256(&serialize(tensors).expect("names are unique"))
}

pub(crate) fn serialize(tensors: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let tensors: Vec<(&str, Tensor)> = tensors
        .iter()
        .map(|(name, x)| (name.as_str(), x.detach().contiguous()))
        .collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (name, x) in &tensors {
        let view = TensorView::new(file_dtype(x.dtype()), x.shape().to_vec(), x.as_bytes());
        views.push((
            *name,
            view.map_err(|e| Error::new(format!("`{name}`: {e}")))?,
        ));
    }
    safetensors::serialize(views, None).map_err(|e| Error::new(e.to_string()))
}

pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::file(path, format!("not a safetensors file: {e}")))?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let Some(dtype) = dtype(view.dtype()) else {
            return Err(Error::file(
                path,
                format!("`{name}` holds {:?}, which is not read here", view.dtype()),
            ));
        };
        if view.shape().len() > eras_tensor::MAX_RANK {
            return Err(Error::file(
                path,
                format!(
                    "`{name}` has shape {:?}: at most {} dimensions are read",
                    view.shape(),
                    eras_tensor::MAX_RANK
                ),
            ));
        }
        tensors.push((name, Tensor::from_bytes(view.data(), view.shape(), dtype)));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(tensors)
}

fn file_dtype(dtype: Dtype) -> FileDtype {
    match dtype {
        Dtype::F32 => FileDtype::F32,
        Dtype::F64 => FileDtype::F64,
        Dtype::BF16 => FileDtype::BF16,
        Dtype::F16 => FileDtype::F16,
        Dtype::I64 => FileDtype::I64,
        Dtype::U8 => FileDtype::U8,
        Dtype::Bool => FileDtype::BOOL,
    }
}

fn dtype(dtype: FileDtype) -> Option<Dtype> {
    Dtype::ALL.into_iter().find(|&d| file_dtype(d) == dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::Rng;

    #[test]
    fn every_dtype_comes_back_to_the_bit() {
        let folder = std::env::temp_dir().join(format!("eras-weights-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("w.safetensors");
        let x = Tensor::randn([3, 4], &mut Rng::new(0));
        let tensors: Vec<_> = Dtype::ALL
            .iter()
            .map(|&d| (d.to_string(), x.to_dtype(d)))
            .collect();
        save(&path, &tensors).unwrap();
        let back = load(&path).unwrap();
        assert_eq!(hash(&back), hash(&tensors));
        assert_eq!(back.len(), 7);
        // Every way to cut it off is seen.
        let bytes = fs::read(&path).unwrap();
        for len in 0..bytes.len() {
            assert!(parse(&path, &bytes[..len]).is_err(), "cut at {len}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
