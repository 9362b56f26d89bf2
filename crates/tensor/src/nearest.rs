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

/// The number of letters to insert, remove or replace to make `b` of `a` (Levenshtein 1965).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
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
    }
}
