//! BLEU: how much of a translation stands in one made by a human.
//!
//! ```text
//! BLEU = 100 · min(1, exp(1 − r/c)) · (p₁ p₂ p₃ p₄)^¼
//! ```
//!
//! `pₙ` is the share of the runs of n words of all translations that stand in their references, each counted as often as
//! the reference has it that has it most; `c` is how many words the translations have, `r` how many the references of the
//! nearest lengths (Papineni, Roukos, Ward & Zhu 2002, "BLEU: a method for automatic evaluation of machine translation").

use std::collections::HashMap;

/// The longest runs of words.
const ORDER: usize = 4;

/// BLEU of a corpus, as the tool sacreBLEU counts it by default (Post 2018, arXiv:1804.08771): its tokenization `13a`, upper
/// and lower case as they are, and for runs of which none is found a share that halves with each such length ("exp").
///
/// ```
/// use eras_text::Bleu;
///
/// let mut bleu = Bleu::new();
/// bleu.add("The cat sat on the mat.", &["The cat sat on a mat."]);
/// assert!((bleu.score() - 48.892).abs() < 1e-3);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Bleu {
    /// Runs of each length that were found, and all.
    found: [u64; ORDER],
    all: [u64; ORDER],
    words: u64,
    reference_words: u64,
}

impl Bleu {
    /// Of no translations yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a translation beside one or more references.
    ///
    /// # Panics
    /// If there is no reference.
    #[track_caller]
    pub fn add(&mut self, translation: &str, references: &[&str]) {
        assert!(!references.is_empty(), "Bleu: wanted a reference");
        let words = tokenize_13a(translation);
        let references: Vec<Vec<String>> = references.iter().map(|r| tokenize_13a(r)).collect();
        let far = |n: usize| n.abs_diff(words.len());
        let lengths = references.iter().map(Vec::len);
        // Of two that are as near, the shorter.
        let nearest = lengths.min_by_key(|n| (far(*n), *n)).unwrap_or(0);
        self.words += words.len() as u64;
        self.reference_words += nearest as u64;
        for n in 1..=ORDER {
            let mut most: HashMap<&[String], u64> = HashMap::new();
            for reference in &references {
                for (run, count) in runs(reference, n) {
                    let most = most.entry(run).or_default();
                    *most = count.max(*most);
                }
            }
            for (run, count) in runs(&words, n) {
                self.found[n - 1] += count.min(most.get(run).copied().unwrap_or(0));
                self.all[n - 1] += count;
            }
        }
    }

    /// The score so far, from 0 to 100.
    #[must_use]
    pub fn score(&self) -> f64 {
        if self.all.contains(&0) || self.found.iter().sum::<u64>() == 0 {
            return 0.0;
        }
        let mut missing = 1.0;
        let logs = self.found.iter().zip(&self.all).map(|(found, all)| {
            let found = match found {
                0 => {
                    missing /= 2.0;
                    missing
                }
                found => *found as f64,
            };
            (found / *all as f64).ln()
        });
        let mean = logs.sum::<f64>() / ORDER as f64;
        let (words, wanted) = (self.words as f64, self.reference_words as f64);
        let brief = (1.0 - wanted / words).min(0.0);
        100.0 * (mean + brief).exp()
    }
}

/// How often each run of `n` words comes.
fn runs(words: &[String], n: usize) -> HashMap<&[String], u64> {
    let mut counts = HashMap::new();
    for run in words.windows(n) {
        *counts.entry(run).or_default() += 1;
    }
    counts
}

/// The words of a line by the rules called `13a`, those of NIST's program mteval-v13a for European languages: punctuation
/// apart, but a point or comma between digits where it stands.
#[must_use]
pub fn tokenize_13a(line: &str) -> Vec<String> {
    let line = line
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">");
    let mut apart = String::with_capacity(2 * line.len());
    apart.push(' ');
    for c in line.chars() {
        if is_mark(c) {
            apart.extend([' ', c, ' ']);
        } else {
            apart.push(c);
        }
    }
    apart.push(' ');
    let stop = |c: char| matches!(c, '.' | ',');
    let digit = |c: char| c.is_ascii_digit();
    let apart = pairs(&apart, |a, b| !digit(a) && stop(b), "_ _ ");
    let apart = pairs(&apart, |a, b| stop(a) && !digit(b), " _ _");
    let apart = pairs(&apart, |a, b| digit(a) && b == '-', "_ _ ");
    apart.split_whitespace().map(str::to_owned).collect()
}

/// ASCII marks, but for apostrophe, comma, hyphen and point.
fn is_mark(c: char) -> bool {
    matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/')
}

/// Writes each pair of neighbours that `is` one as `form` says, which has a `_` for each of the two. A character belongs to
/// one pair at most, the first from the left.
fn pairs(text: &str, is: impl Fn(char, char) -> bool, form: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(a) = rest.next() {
        match rest.next_if(|b| is(a, *b)) {
            Some(b) => {
                let mut both = [a, b].into_iter();
                result.extend(form.chars().map(|c| match c {
                    '_' => both.next().expect("two"),
                    c => c,
                }));
            }
            None => result.push(a),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What sacreBLEU says: `testdata/cases/bleu.py`.
    fn reference() -> Value {
        serde_json::from_str(include_str!("../../../testdata/bleu.json")).unwrap()
    }

    fn texts(list: &Value) -> Vec<&str> {
        let all = list.as_array().unwrap().iter();
        all.map(|text| text.as_str().unwrap()).collect()
    }

    #[test]
    fn lines_are_cut_to_words_as_sacrebleu_cuts_them() {
        let reference = reference();
        let lines = reference["tokens"].as_array().unwrap();
        assert_eq!(lines.len(), 12);
        for line in lines {
            assert_eq!(tokenize_13a(line[0].as_str().unwrap()), texts(&line[1]));
        }
    }

    #[test]
    fn corpora_score_what_sacrebleu_gives_them() {
        let reference = reference();
        let corpora = reference["corpora"].as_array().unwrap();
        assert_eq!(corpora.len(), 10);
        for corpus in corpora {
            let mut bleu = Bleu::new();
            let references = corpus["references"].as_array().unwrap();
            for (translation, references) in texts(&corpus["translations"]).iter().zip(references) {
                bleu.add(translation, &texts(references));
            }
            let (score, wanted) = (bleu.score(), corpus["score"].as_f64().unwrap());
            assert!((score - wanted).abs() < 1e-9, "{corpus}: {score}");
        }
    }

    #[test]
    fn of_nothing_it_is_nothing() {
        assert_eq!(Bleu::new().score(), 0.0);
    }
}
