//! How the next token is drawn.

use eras_tensor::Rng;

/// The random stream of a seed that tokens are drawn from.
const STREAM: u64 = 7;

/// How the next token is drawn from the logits of all. In this order: penalties for tokens that were there already, the
/// temperature, and the three ways of leaving out what is unlikely.
///
/// ```
/// use eras::models::large_models::Sampler;
///
/// let logits = [1.0, 3.0, 2.0];
/// assert_eq!(Sampler::greedy().pick(&logits, &[], 0), Some(1));
/// // What was there already counts half.
/// assert_eq!(Sampler::greedy().repetition_penalty(2.0).pick(&logits, &[1], 0), Some(2));
/// let sampler = Sampler::new(1.0).top_k(2).seed(7);
/// assert_eq!(sampler.pick(&logits, &[], 5), sampler.pick(&logits, &[], 5));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sampler {
    temperature: f64,
    top_k: usize,
    top_p: f64,
    min_p: f64,
    repetition_penalty: f64,
    presence_penalty: f64,
    seed: u64,
}

impl Sampler {
    /// Always the likeliest token; of two, the first.
    #[must_use]
    pub fn greedy() -> Self {
        Self::new(0.0)
    }

    /// Draws by the probabilities of logits over `temperature`; at 0 always the likeliest.
    ///
    /// # Panics
    /// If the temperature is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn new(temperature: f64) -> Self {
        want("temperature", temperature, "0 or more", temperature >= 0.0);
        Self {
            temperature,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            seed: 0,
        }
    }

    /// Only of the `k` likeliest tokens (Fan, Lewis & Dauphin 2018, arXiv:1805.04833); 0 for all.
    #[must_use]
    pub fn top_k(mut self, k: usize) -> Self {
        self.top_k = k;
        self
    }

    /// Only of the fewest likeliest tokens that have at least the share `p` of the probability together (Holtzman et al. 2019,
    /// arXiv:1904.09751).
    ///
    /// # Panics
    /// If `p` is not above 0 and at most 1.
    #[must_use]
    #[track_caller]
    pub fn top_p(mut self, p: f64) -> Self {
        want("top_p", p, "above 0 and at most 1", p > 0.0 && p <= 1.0);
        self.top_p = p;
        self
    }

    /// Only of tokens at least `p` times as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082).
    ///
    /// # Panics
    /// If `p` is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn min_p(mut self, p: f64) -> Self {
        want("min_p", p, "from 0 to 1", (0.0..=1.0).contains(&p));
        self.min_p = p;
        self
    }

    /// Divides the logits of tokens that were there already by this where they are positive, multiplies them where they are
    /// negative (Keskar et al. 2019, arXiv:1909.05858).
    ///
    /// # Panics
    /// If it is not above 0.
    #[must_use]
    #[track_caller]
    pub fn repetition_penalty(mut self, penalty: f64) -> Self {
        want("repetition_penalty", penalty, "above 0", penalty > 0.0);
        self.repetition_penalty = penalty;
        self
    }

    /// Takes this off the logits of tokens that were there already.
    ///
    /// # Panics
    /// If it is not finite.
    #[must_use]
    #[track_caller]
    pub fn presence_penalty(mut self, penalty: f64) -> Self {
        want("presence_penalty", penalty, "a finite number", true);
        self.presence_penalty = penalty;
        self
    }

    /// Draws by this seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Draws by a seed that is so much higher.
    pub(super) fn after_seed(mut self, more: u64) -> Self {
        self.seed = self.seed.wrapping_add(more);
        self
    }

    /// The token at `place` of a text, given the logits of all and the tokens that were `seen`: the same for the same seed
    /// and place. None if a logit is NaN or infinite, or there are none.
    #[must_use]
    pub fn pick(&self, logits: &[f32], seen: &[u32], place: u64) -> Option<u32> {
        if logits.is_empty()
            || logits
                .iter()
                .any(|logit| logit.is_nan() || *logit == f32::INFINITY)
        {
            return None;
        }
        let mut logits: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
        self.punish(&mut logits, seen);
        let mut tokens = 0..logits.len() as u32;
        let of = |token: u32| logits[token as usize];
        // Likeliest first, and of two that are alike the one of the lower number.
        let likelier = |a: &u32, b: &u32| of(*b).total_cmp(&of(*a)).then(a.cmp(b));
        let likeliest = tokens.clone().min_by(likelier)?;
        if self.temperature == 0.0 {
            return tokens.find(|token| of(*token) == of(likeliest));
        }
        let mut order: Vec<u32> = tokens.collect();
        if self.top_k > 0 && self.top_k < order.len() {
            order.select_nth_unstable_by(self.top_k - 1, likelier);
            order.truncate(self.top_k);
        }
        order.sort_unstable_by(likelier);
        let weight = |token: u32| ((of(token) - of(likeliest)) / self.temperature).exp();
        // In units of the likeliest's.
        let mut weights: Vec<f64> = order.iter().map(|token| weight(*token)).collect();
        self.cut(&mut weights);
        let sum: f64 = weights.iter().sum();
        let mut drawn = sum * Rng::at(self.seed, STREAM, place << 8).uniform();
        for (token, weight) in order.iter().zip(&weights) {
            drawn -= weight;
            if drawn < 0.0 {
                return Some(*token);
            }
        }
        Some(likeliest) // rounding left something over
    }

    fn punish(&self, logits: &mut [f64], seen: &[u32]) {
        if self.repetition_penalty == 1.0 && self.presence_penalty == 0.0 {
            return;
        }
        let mut seen = seen.to_vec();
        seen.sort_unstable();
        seen.dedup();
        for token in seen {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = if *logit > 0.0 {
                    *logit / self.repetition_penalty
                } else {
                    *logit * self.repetition_penalty
                };
                *logit -= self.presence_penalty;
            }
        }
    }

    /// Leaves out what is unlikely; the weights fall, and the first is 1.
    fn cut(&self, weights: &mut Vec<f64>) {
        if self.top_p < 1.0 {
            let wanted = self.top_p * weights.iter().sum::<f64>();
            let mut sum = 0.0;
            let enough = weights.iter().position(|weight| {
                sum += weight;
                sum >= wanted
            });
            weights.truncate(enough.map_or(weights.len(), |last| last + 1));
        }
        let kept = weights.iter().take_while(|weight| **weight >= self.min_p);
        weights.truncate(kept.count().max(1));
    }
}

#[track_caller]
fn want(name: &str, value: f64, wanted: &str, fits: bool) {
    assert!(
        value.is_finite() && fits,
        "Sampler: {name} is {value}, wanted {wanted}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each token is drawn, of 20,000.
    fn shares(sampler: &Sampler, logits: &[f32]) -> Vec<f64> {
        const N: u64 = 20_000;
        let mut counts = vec![0.0; logits.len()];
        for place in 0..N {
            counts[sampler.pick(logits, &[], place).unwrap() as usize] += 1.0 / N as f64;
        }
        counts
    }

    /// Within four standard deviations of a share.
    fn assert_near(found: &[f64], wanted: &[f64]) {
        for (f, w) in found.iter().zip(wanted) {
            let bound = 4.0 * (w * (1.0 - w) / 20_000.0).sqrt() + 1e-12;
            assert!((f - w).abs() <= bound, "{found:?}, wanted {wanted:?}");
        }
    }

    #[test]
    fn tokens_are_drawn_as_often_as_they_are_likely() {
        let p = [0.1f32, 0.6, 0.05, 0.25];
        let logits = p.map(f32::ln);
        let all = Sampler::new(1.0).seed(3);
        assert_near(&shares(&all, &logits), &[0.1, 0.6, 0.05, 0.25]);
        // Squared at half the temperature.
        let sum = 0.01 + 0.36 + 0.0025 + 0.0625;
        let squares = [0.01 / sum, 0.36 / sum, 0.0025 / sum, 0.0625 / sum];
        assert_near(&shares(&Sampler::new(0.5), &logits), &squares);
        let two = [0.0, 0.6 / 0.85, 0.0, 0.25 / 0.85];
        assert_near(&shares(&all.clone().top_k(2), &logits), &two);
        assert_near(&shares(&all.clone().top_p(0.8), &logits), &two);
        assert_near(&shares(&all.clone().min_p(0.3), &logits), &two);
        assert_near(&shares(&all.top_p(0.6), &logits), &[0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn what_was_there_already_is_less_likely() {
        let sampler = Sampler::greedy().presence_penalty(1.5);
        assert_eq!(sampler.pick(&[1.0, 2.0, 0.0], &[1, 1], 0), Some(0));
        let sampler = Sampler::greedy().repetition_penalty(3.0);
        assert_eq!(sampler.pick(&[-2.0, -1.0], &[1], 0), Some(0));
        assert_eq!(sampler.pick(&[-2.0, -1.0], &[7], 0), Some(1));
    }

    #[test]
    fn logits_that_are_no_numbers_give_no_token() {
        for bad in [f32::NAN, f32::INFINITY] {
            assert_eq!(Sampler::greedy().pick(&[0.0, bad], &[], 0), None);
        }
        assert_eq!(Sampler::greedy().pick(&[], &[], 0), None);
        assert_eq!(
            Sampler::new(1.0).pick(&[f32::NEG_INFINITY, 0.0], &[], 0),
            Some(1)
        );
    }

    #[test]
    #[should_panic(expected = "Sampler: top_p is 0, wanted above 0 and at most 1")]
    fn settings_out_of_range_are_refused() {
        let _sampler = Sampler::greedy().top_p(0.0);
    }
}
