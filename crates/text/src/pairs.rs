//! Texts and what should be made of them, as a data set.

use eras_data::{Batch, Dataset, fingerprint};
use eras_tensor::{Error, Result, Tensor};
use std::path::Path;
use std::sync::Arc;

/// Pairs of texts in tokens, of any lengths: one to read and one to write.
///
/// Batches have `x (B, S)` and `y (B, T)` in `i64`, filled up behind the ends of the shorter texts. Pairs are as long as the
/// longer of their texts, so that a loader puts those of nearly one length together.
///
/// ```
/// use eras_data::Dataset;
/// use eras_text::Pairs;
///
/// let pairs = Pairs::new(vec![[vec![5, 6, 7], vec![8]], [vec![5], vec![9, 8]]], 0);
/// let batch = pairs.batch(&[0, 1])?;
/// assert_eq!(batch.x.to_vec::<i64>(), [5, 6, 7, 5, 0, 0]);
/// assert_eq!(batch.y.to_vec::<i64>(), [8, 0, 9, 8]);
/// assert_eq!(pairs.lengths().unwrap(), [3, 2]);
/// # Ok::<(), eras_tensor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pairs {
    pairs: Arc<[[Vec<u32>; 2]]>,
    padding: u32,
}

impl Pairs {
    /// These pairs, filled up by the token `padding`.
    #[must_use]
    pub fn new(pairs: impl Into<Arc<[[Vec<u32>; 2]]>>, padding: u32) -> Self {
        let pairs = pairs.into();
        Self { pairs, padding }
    }

    /// The tokens of both texts of a pair.
    ///
    /// # Panics
    /// If there is no such pair.
    #[must_use]
    #[track_caller]
    pub fn pair(&self, index: usize) -> &[Vec<u32>; 2] {
        &self.pairs[index]
    }
}

impl Dataset for Pairs {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        if let Some(index) = indices.iter().find(|index| **index >= self.len()) {
            panic!("Pairs: sample {index} of a set of {}", self.len());
        }
        let filled = |side: usize| {
            let texts = indices.iter().map(|index| &self.pairs[*index][side]);
            let longest = texts.clone().map(Vec::len).max().unwrap_or(0);
            let mut tokens = vec![i64::from(self.padding); indices.len() * longest];
            for (row, text) in tokens.chunks_mut(longest.max(1)).zip(texts) {
                for (token, of) in row.iter_mut().zip(text) {
                    *token = i64::from(*of);
                }
            }
            Tensor::from_slice(&tokens, [indices.len(), longest])
        };
        Ok(Batch {
            x: filled(0),
            y: filled(1),
        })
    }

    fn lengths(&self) -> Option<Vec<u32>> {
        let longer = |[x, y]: &[Vec<u32>; 2]| x.len().max(y.len()) as u32;
        Some(self.pairs.iter().map(longer).collect())
    }

    fn fingerprint(&self) -> Option<String> {
        let texts = self.pairs.iter().flatten();
        let bytes = texts.map(|text| text.iter().flat_map(|t| t.to_le_bytes()).collect());
        let padding = self.padding.to_le_bytes().to_vec();
        let all: Vec<Vec<u8>> = bytes.chain([padding]).collect();
        Some(fingerprint(all))
    }
}

/// The lines of two texts, in pairs: what stands in one line of the one is what stands in that line of the other. Lines that are
/// empty in both are left out. Each text comes with its path, for the error.
///
/// # Errors
/// If they have not as many lines, or one line is empty and the other is not.
pub fn pair_lines(texts: [(&Path, &str); 2]) -> Result<Vec<[String; 2]>> {
    let [(a_path, a), (b_path, b)] = texts;
    let counts = [a, b].map(|text| text.lines().count());
    if counts[0] != counts[1] {
        return Err(Error::file(
            b_path,
            format!(
                "has {} lines, but {} has {}: wanted a translation of each line",
                counts[1],
                a_path.display(),
                counts[0]
            ),
        ));
    }
    let mut pairs = Vec::with_capacity(counts[0]);
    for (i, (a, b)) in a.lines().zip(b.lines()).enumerate() {
        let (a, b) = (a.trim(), b.trim());
        match (a.is_empty(), b.is_empty()) {
            (true, true) => {}
            (false, false) => pairs.push([a.to_owned(), b.to_owned()]),
            (is_first, _) => {
                let (empty, other) = if is_first {
                    (a_path, b_path)
                } else {
                    (b_path, a_path)
                };
                return Err(Error::file(
                    empty,
                    format!(
                        "line {} is empty, but that of {} is not",
                        i + 1,
                        other.display()
                    ),
                ));
            }
        }
    }
    if pairs.is_empty() {
        return Err(Error::file(a_path, "has no line with a text"));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(a: &str, b: &str) -> Result<Vec<[String; 2]>> {
        pair_lines([(Path::new("a.en"), a), (Path::new("b.de"), b)])
    }

    #[test]
    fn lines_stand_beside_each_other() {
        let pairs = lines("One. \n\nTwo.\r\n", "Eins.\n\nZwei.").unwrap();
        assert_eq!(pairs, [["One.", "Eins."], ["Two.", "Zwei."]]);
    }

    #[test]
    fn lines_without_a_partner_are_refused() {
        let error = |a: &str, b: &str| lines(a, b).unwrap_err().to_string();
        let more = error("x\ny\nz\n", "x\ny\n");
        assert!(
            more.contains("b.de") && more.contains("has 2 lines, but a.en has 3"),
            "{more}"
        );
        let empty = error("x\n \nz\n", "x\ny\nz");
        assert!(
            empty.contains("a.en") && empty.contains("line 2 is empty, but that of b.de"),
            "{empty}"
        );
        assert!(error("\n\n", "\n\n").contains("has no line with a text"));
    }

    #[test]
    fn other_pairs_have_other_fingerprints() {
        let all = [
            Pairs::new(vec![[vec![1, 2], vec![3]]], 0),
            Pairs::new(vec![[vec![1], vec![2, 3]]], 0),
            Pairs::new(vec![[vec![1, 2], vec![3]]], 4),
            Pairs::new(vec![[vec![1, 2], vec![3]], [vec![], vec![]]], 0),
        ];
        let mut prints: Vec<_> = all.iter().map(Dataset::fingerprint).collect();
        prints.sort();
        prints.dedup();
        assert_eq!(prints.len(), 4);
    }

    #[test]
    #[should_panic(expected = "Pairs: sample 1 of a set of 1")]
    fn a_pair_that_is_not_there_is_refused() {
        let _batch = Pairs::new(vec![[vec![1], vec![2]]], 0).batch(&[1]);
    }
}
