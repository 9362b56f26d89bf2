//! Which names may have been meant by one that is unknown.

/// Those of `known` within a few typing mistakes of `word`, or else all, as the end of a message.
///
/// ```
/// assert_eq!(eras::nearest("epoch", &["epochs", "lr"]), "did you mean `epochs`?");
/// ```
#[must_use]
pub fn nearest(word: &str, known: &[&str]) -> String {
    let limit = 1 + word.chars().count() / 3;
    let mut near: Vec<(usize, &str)> = known.iter().map(|&k| (distance(word, k), k)).collect();
    near.sort_unstable();
    near.retain(|(mistakes, _)| *mistakes <= limit);
    match near.as_slice() {
        [] => format!("there are {}", known.join(", ")),
        near => {
            let names: Vec<String> = near.iter().map(|(_, name)| format!("`{name}`")).collect();
            format!("did you mean {}?", names.join(" or "))
        }
    }
}

/// The number of letters to insert, remove, replace or swap with the next to make `b` of `a` (Damerau 1964), where no letter is
/// changed twice.
fn distance(a: &str, b: &str) -> usize {
    let [a, b] = [a, b].map(|text| text.chars().collect::<Vec<_>>());
    let first: Vec<usize> = (0..=b.len()).collect();
    let (mut before, mut row) = (first.clone(), first);
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = changed.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && (a[i - 1], a[i - 2]) == (b[j - 2], b[j - 1]) {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        (before, row) = (row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_near_are_named_nearest_first_else_all() {
        let known = ["softmax", "softmin", "matmul_512"];
        assert_eq!(
            nearest("sofmax", &known),
            "did you mean `softmax` or `softmin`?"
        );
        assert_eq!(
            nearest("xyz", &known),
            "there are softmax, softmin, matmul_512"
        );
    }

    #[test]
    fn distances_are_those_counted_by_hand() {
        assert_eq!(
            (
                distance("kitten", "sitting"),
                distance("", "ab"),
                distance("a", "a")
            ),
            (3, 2, 0)
        );
        let swapped = [
            ("mpl", "mlp"),
            ("ab", "ba"),
            ("abcd", "badc"),
            ("ca", "abc"),
        ];
        assert_eq!(swapped.map(|(a, b)| distance(a, b)), [1, 1, 2, 3]);
        assert_eq!(
            nearest("mpl", &["gpt", "mlp"]),
            "did you mean `mlp` or `gpt`?"
        );
    }
}
