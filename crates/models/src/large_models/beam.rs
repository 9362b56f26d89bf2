//! Beam search: the likeliest text, as nearly as a few texts under way at once find it (Lowerre 1976, "The HARPY speech
//! recognition system").
//!
//! ```text
//! score = log p(text) / ((5 + n) / 6)^α
//! ```
//!
//! for a text of `n` tokens: with α above 0 longer texts, which are always less likely, have a chance (Wu et al. 2016,
//! arXiv:1609.08144).

use eras_tensor::{Error, Result, Tensor};
use std::cmp::Ordering;

/// How a beam search goes. One beam takes the likeliest token each time.
///
/// ```
/// use eras::models::large_models::BeamSearch;
/// use eras::prelude::*;
///
/// // After 0 comes 1 or 2; after 1 anything, after 2 always the end, 3.
/// let follows = Tensor::from([[0.0f32, 0.6, 0.4, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.0, 1.0], [0.0; 4]]).ln();
/// let logits = |_: &[usize], tokens: &[u32]| {
///     let tokens: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
///     Ok(follows.index_select(0, &Tensor::from(tokens)))
/// };
/// let search = BeamSearch { beams: 2, max_tokens: 4, end: vec![3], length_penalty: 0.0 };
/// let found = search.run(&[0], logits)?;
/// assert_eq!(found[0][0].tokens, [2, 3]); // which the likeliest first token does not lead to
/// # Ok::<(), eras::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BeamSearch {
    /// Texts that are under way at once.
    pub beams: usize,
    /// The most tokens of a text.
    pub max_tokens: usize,
    /// The tokens that end a text.
    pub end: Vec<u32>,
    /// α: 0 for none.
    pub length_penalty: f64,
}

/// A text that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Its tokens after the first, with the one that ends it, where it ended.
    pub tokens: Vec<u32>,
    /// The logarithm of its probability.
    pub log_probability: f64,
    /// That by which texts are compared.
    pub score: f64,
}

/// The texts that go on from one first token.
struct Search {
    /// Best first.
    live: Vec<Live>,
    /// Best first.
    found: Vec<Hypothesis>,
}

struct Live {
    tokens: Vec<u32>,
    log_probability: f64,
}

/// A text with one more token.
struct Candidate {
    /// Which of the live texts it goes on from.
    from: usize,
    token: u32,
    log_probability: f64,
}

impl BeamSearch {
    /// With α of 0.6, as in the Transformer's paper.
    #[must_use]
    pub fn new(beams: usize, max_tokens: usize, end: impl Into<Vec<u32>>) -> Self {
        Self {
            beams,
            max_tokens,
            end: end.into(),
            length_penalty: 0.6,
        }
    }

    /// Searches from each of the tokens `start` at once, and gives of each the texts that were found, at most as many as there
    /// are beams, best first.
    ///
    /// `step` is told for each text under way its row when it was last asked (of the first: which of `start` it is) and its
    /// last token, and gives logits `(rows, V)` of what comes next.
    ///
    /// # Errors
    /// As `step`, or if logits are no numbers.
    ///
    /// # Panics
    /// If there are no beams, or the logits are of another shape.
    #[track_caller]
    pub fn run(
        &self,
        start: &[u32],
        mut step: impl FnMut(&[usize], &[u32]) -> Result<Tensor>,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        assert!(
            self.beams > 0,
            "BeamSearch: found 0 beams, wanted 1 or more"
        );
        let begin = || Search {
            live: vec![Live {
                tokens: Vec::new(),
                log_probability: 0.0,
            }],
            found: Vec::new(),
        };
        let mut searches: Vec<Search> = start.iter().map(|_| begin()).collect();
        let mut rows: Vec<usize> = (0..start.len()).collect();
        let mut last = start.to_vec();
        for _ in 0..self.max_tokens {
            if rows.is_empty() {
                break;
            }
            let logits = step(&rows, &last)?;
            let shape = logits.shape();
            assert!(
                shape.len() == 2 && shape[0] == rows.len(),
                "BeamSearch: found logits {shape:?} for {} texts, wanted (rows, V)",
                rows.len()
            );
            let told = logits.log_softmax(-1).to_vec::<f32>();
            let vocab = shape[1].max(1);
            let mut told = told.chunks(vocab);
            (rows, last) = (Vec::new(), Vec::new());
            let mut row = 0; // the first of a search
            for search in &mut searches {
                let these: Vec<&[f32]> = told.by_ref().take(search.live.len()).collect();
                if these.is_empty() {
                    continue;
                }
                let from = self.step(search, &these)?;
                rows.extend(from.into_iter().map(|from| row + from));
                last.extend(search.live.iter().filter_map(|live| live.tokens.last()));
                row += these.len();
            }
        }
        let end = |search: Search| {
            let Search { live, mut found } = search;
            // Those that were cut off count only where too few ended.
            let missing = self.beams - found.len();
            let cut = live.into_iter().take(missing);
            let from = found.len();
            found.extend(cut.map(|live| self.hypothesis(live.tokens, live.log_probability)));
            found[from..].sort_by(by_score);
            found
        };
        Ok(searches.into_iter().map(end).collect())
    }

    /// Goes on by one token, given the logarithms of the probabilities of all tokens after each live text; tells from which of
    /// them the new ones go on.
    fn step(&self, search: &mut Search, told: &[&[f32]]) -> Result<Vec<usize>> {
        // Of the best, as many may end as there are beams, and as many go on.
        let candidates = self.best(&search.live, told, 2 * self.beams)?;
        let (mut live, mut from) = (Vec::new(), Vec::new());
        for (rank, candidate) in candidates.into_iter().enumerate() {
            let mut tokens = search.live[candidate.from].tokens.clone();
            tokens.push(candidate.token);
            if self.end.contains(&candidate.token) {
                if rank < self.beams {
                    let found = self.hypothesis(tokens, candidate.log_probability);
                    search.found.push(found);
                }
            } else if live.len() < self.beams {
                from.push(candidate.from);
                live.push(Live {
                    tokens,
                    log_probability: candidate.log_probability,
                });
            }
        }
        search.found.sort_by(by_score);
        search.found.truncate(self.beams);
        search.live = live;
        if self.is_over(search) {
            search.live.clear();
            from.clear();
        }
        Ok(from)
    }

    /// The `count` likeliest texts with one more token, best first; of equals the first.
    fn best(&self, live: &[Live], told: &[&[f32]], count: usize) -> Result<Vec<Candidate>> {
        let mut best: Vec<Candidate> = Vec::with_capacity(count + 1);
        for (from, (live, row)) in live.iter().zip(told).enumerate() {
            for (token, p) in row.iter().enumerate() {
                let log_probability = live.log_probability + f64::from(*p);
                if log_probability.is_nan() {
                    return Err(Error::new(format!(
                        "the model's logits for token {} are no numbers: its weights are damaged, or its training diverged",
                        live.tokens.len()
                    )));
                }
                let is_full = best.len() == count;
                if is_full
                    && best
                        .last()
                        .is_some_and(|last| last.log_probability >= log_probability)
                    || log_probability == f64::NEG_INFINITY
                {
                    continue;
                }
                let at = best.partition_point(|other| other.log_probability >= log_probability);
                best.insert(
                    at,
                    Candidate {
                        from,
                        token: token as u32,
                        log_probability,
                    },
                );
                best.truncate(count);
            }
        }
        Ok(best)
    }

    /// Whether no live text can become better than those found: it is never likelier than now, and at best as long as may be.
    fn is_over(&self, search: &Search) -> bool {
        let (Some(worst), true) = (search.found.last(), search.found.len() == self.beams) else {
            return search.live.is_empty();
        };
        let longest = [
            search.live.first().map_or(0, |live| live.tokens.len()) + 1,
            self.max_tokens,
        ];
        search.live.iter().all(|live| {
            let scores = longest.map(|n| self.score(live.log_probability, n));
            scores[0].max(scores[1]) <= worst.score
        })
    }

    fn hypothesis(&self, tokens: Vec<u32>, log_probability: f64) -> Hypothesis {
        Hypothesis {
            score: self.score(log_probability, tokens.len()),
            tokens,
            log_probability,
        }
    }

    fn score(&self, log_probability: f64, tokens: usize) -> f64 {
        log_probability / ((5.0 + tokens as f64) / 6.0).powf(self.length_penalty)
    }
}

/// The best first.
fn by_score(a: &Hypothesis, b: &Hypothesis) -> Ordering {
    b.score.total_cmp(&a.score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::Rng;

    const VOCAB: usize = 4;
    const END: u32 = 3;

    /// What comes after the last two tokens, at random.
    fn table(seed: u64) -> Vec<f32> {
        let logits = Tensor::randn([VOCAB * VOCAB, VOCAB], &mut Rng::new(seed)) * 2.0;
        logits.log_softmax(-1).to_vec()
    }

    fn row(table: &[f32], before: u32, last: u32) -> &[f32] {
        &table[(before as usize * VOCAB + last as usize) * VOCAB..][..VOCAB]
    }

    /// Of each text under way the last two tokens: what a model would keep.
    fn run(search: &BeamSearch, start: &[u32], table: &[f32]) -> Vec<Vec<Hypothesis>> {
        let mut kept: Vec<[u32; 2]> = start.iter().map(|_| [0, 0]).collect();
        let found = search.run(start, |rows, tokens| {
            let next = rows.iter().zip(tokens);
            kept = next.map(|(from, token)| [kept[*from][1], *token]).collect();
            let all = kept
                .iter()
                .flat_map(|[before, last]| row(table, *before, *last));
            Ok(Tensor::from_slice(
                &all.copied().collect::<Vec<f32>>(),
                [kept.len(), VOCAB],
            ))
        });
        found.unwrap()
    }

    /// All texts of at most `longest` tokens that end, with the logarithms of their probabilities.
    fn all(table: &[f32], start: u32, longest: usize) -> Vec<(Vec<u32>, f64)> {
        let mut live = vec![(vec![0, start], 0.0)];
        let mut ended = Vec::new();
        for _ in 0..longest {
            let mut next = Vec::new();
            for (text, p) in &live {
                let [before, last] = text[text.len() - 2..] else {
                    unreachable!()
                };
                for token in 0..VOCAB as u32 {
                    let p = p + f64::from(row(table, before, last)[token as usize]);
                    let text = [&text[..], &[token]].concat();
                    if token == END {
                        ended.push((text[2..].to_vec(), p));
                    } else {
                        next.push((text, p));
                    }
                }
            }
            live = next;
        }
        ended
    }

    fn search(beams: usize, length_penalty: f64) -> BeamSearch {
        BeamSearch {
            beams,
            max_tokens: 5,
            end: vec![END],
            length_penalty,
        }
    }

    #[test]
    fn enough_beams_find_what_trying_all_finds() {
        for seed in 0..20 {
            for alpha in [0.0, 0.6, 2.0] {
                let (table, search) = (table(seed), search(3usize.pow(5), alpha));
                let found = run(&search, &[1, 2], &table);
                for (found, start) in found.iter().zip([1, 2]) {
                    let mut wanted = all(&table, start, 5);
                    wanted.sort_by(|a, b| {
                        let score = |x: &(Vec<u32>, f64)| search.score(x.1, x.0.len());
                        score(b).total_cmp(&score(a))
                    });
                    for (found, best) in found.iter().zip(&wanted[..20]) {
                        // Two texts of the same steps in another order are as good.
                        let own = wanted.iter().find(|(text, _)| *text == found.tokens);
                        assert!((found.log_probability - own.unwrap().1).abs() < 1e-5);
                        let score = search.score(best.1, best.0.len());
                        assert!(
                            (found.score - score).abs() < 1e-5,
                            "seed {seed}, alpha {alpha}: {found:?}, wanted {best:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn one_beam_takes_the_likeliest_token_each_time() {
        for seed in 0..20 {
            let table = table(seed);
            let found = run(&search(1, 0.6), &[1], &table);
            let mut text = vec![0, 1];
            while text.len() < 7 && text.last() != Some(&END) {
                let [before, last] = text[text.len() - 2..] else {
                    unreachable!()
                };
                let row = row(&table, before, last);
                let best = (0..VOCAB).max_by(|a, b| row[*a].total_cmp(&row[*b]));
                text.push(best.unwrap() as u32);
            }
            assert_eq!(found[0][0].tokens, text[2..], "seed {seed}");
        }
    }

    #[test]
    fn texts_side_by_side_are_those_found_alone() {
        let (table, search) = (table(7), search(3, 0.6));
        let together = run(&search, &[0, 1, 2, 1], &table);
        for (i, start) in [0, 1, 2, 1].into_iter().enumerate() {
            assert_eq!(together[i], run(&search, &[start], &table)[0]);
            assert!(together[i].len() <= 3 && !together[i].is_empty());
        }
    }

    #[test]
    fn logits_that_are_no_numbers_are_an_error() {
        let found =
            search(2, 0.0).run(&[0], |rows, _| Ok(Tensor::ones([rows.len(), 3]) * f64::NAN));
        assert!(found.unwrap_err().to_string().contains("are no numbers"));
    }
}
