//! Text from a model, token by token.

use super::{BeamSearch, Cache, Gpt, Hypothesis, Sampler};
use eras_tensor::{Error, Result, Tensor, no_grad};

/// How a text goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// How each token is drawn.
    pub sampler: Sampler,
    /// At most so many tokens.
    pub max_tokens: usize,
    /// Tokens after which the text is at its end; they are told, too.
    pub stop: Vec<u32>,
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There were as many tokens as were wanted.
    Enough,
    /// The context is full.
    Full,
    /// This token stops a text.
    Stop(u32),
    /// Whoever was told the tokens wanted no more.
    Told,
}

/// Lets `gpt` go on after `prompt`, and tells `each` token as it comes, until that answers false. Each token is computed with
/// the keys and values kept of those before it.
///
/// ```
/// use eras::models::large_models::{End, Generation, Gpt, GptConfig, Sampler, generate};
/// use eras::prelude::*;
///
/// let gpt = Gpt::new(GptConfig::gpt2(65, 32, 16, 2, 4), &mut Rng::new(0));
/// let how = Generation { sampler: Sampler::new(0.8).top_k(10).seed(1), max_tokens: 5, stop: vec![] };
/// let mut text = vec![3, 1, 4];
/// let end = generate(&gpt, &text.clone(), &how, |token| { text.push(token); true })?;
/// assert_eq!((text.len(), end), (8, End::Enough));
/// # Ok::<(), eras::Error>(())
/// ```
///
/// # Errors
/// If the prompt is empty, has a token that the model does not know, or is longer than its context; or if its logits are no
/// numbers.
pub fn generate(
    gpt: &Gpt,
    prompt: &[u32],
    how: &Generation,
    mut each: impl FnMut(u32) -> bool,
) -> Result<End> {
    check(gpt, prompt)?;
    let context = gpt.config().context;
    let mut cache = Cache::new(context);
    let mut text = prompt.to_vec();
    let mut new = 0; // the first token that the cache has not seen
    for _ in 0..how.max_tokens {
        if text.len() > context {
            return Ok(End::Full);
        }
        let logits = no_grad(|| gpt.next(&row(&text[new..]), &mut cache));
        new = text.len();
        let place = text.len() as u64;
        let Some(token) = how.sampler.pick(&logits.to_vec::<f32>(), &text, place) else {
            return Err(Error::new(format!(
                "the model's logits for token {place} are no numbers: its weights are damaged, or its training diverged"
            )));
        };
        text.push(token);
        if !each(token) {
            return Ok(End::Told);
        }
        if how.stop.contains(&token) {
            return Ok(End::Stop(token));
        }
    }
    Ok(End::Enough)
}

/// The likeliest texts that go on after `prompt`, as nearly as `search` finds them, best first. They end where the context is
/// full, too.
///
/// ```
/// use eras::models::large_models::{BeamSearch, Gpt, GptConfig, likeliest};
/// use eras::prelude::*;
///
/// let gpt = Gpt::new(GptConfig::gpt2(65, 32, 16, 2, 4), &mut Rng::new(0));
/// let found = likeliest(&gpt, &[3, 1, 4], &BeamSearch::new(4, 5, []))?;
/// assert_eq!((found.len(), found[0].tokens.len()), (4, 5));
/// # Ok::<(), eras::Error>(())
/// ```
///
/// # Errors
/// As [`generate`].
///
/// # Panics
/// If there are no beams.
#[track_caller]
pub fn likeliest(gpt: &Gpt, prompt: &[u32], search: &BeamSearch) -> Result<Vec<Hypothesis>> {
    check(gpt, prompt)?;
    let context = gpt.config().context;
    // A last token is told, though nothing can come after it.
    let room = context + 1 - prompt.len();
    let search = BeamSearch {
        max_tokens: search.max_tokens.min(room),
        ..search.clone()
    };
    let (before, last) = prompt.split_at(prompt.len() - 1);
    no_grad(|| {
        let mut cache = Cache::new(context);
        if !before.is_empty() {
            _ = gpt.next(&row(before), &mut cache);
        }
        let found = search.run(last, |rows, tokens| {
            cache.select(rows);
            let tokens = row(tokens).reshape([tokens.len(), 1]);
            Ok(gpt.next(&tokens, &mut cache))
        });
        Ok(found?.pop().unwrap_or_default())
    })
}

/// Tokens as a batch of one text: `(1, T)`.
fn row(tokens: &[u32]) -> Tensor {
    let tokens: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
    Tensor::from_slice(&tokens, [1, tokens.len()])
}

/// Refuses a prompt that the model cannot go on from.
fn check(gpt: &Gpt, prompt: &[u32]) -> Result<()> {
    let config = gpt.config();
    let (vocab, context) = (config.vocab_size, config.context);
    if prompt.is_empty() {
        return Err(Error::usage("the prompt is empty, wanted a token or more"));
    }
    if let Some(token) = prompt.iter().find(|token| **token as usize >= vocab) {
        return Err(Error::usage(format!(
            "the prompt has the token {token}, but the model knows {vocab}: is the tokenizer another model's?"
        )));
    }
    if prompt.len() > context {
        return Err(Error::usage(format!(
            "the prompt has {} tokens, wanted at most {context}, which the model sees at once",
            prompt.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::large_models::GptConfig;
    use eras_nn::{Mode, Module};
    use eras_tensor::Rng;

    fn gpt() -> Gpt {
        Gpt::new(GptConfig::llama(11, 16, 16, 2, 4, 24), &mut Rng::new(5))
    }

    fn how(max_tokens: usize) -> Generation {
        Generation {
            sampler: Sampler::new(1.0).seed(2),
            max_tokens,
            stop: Vec::new(),
        }
    }

    fn told(gpt: &Gpt, prompt: &[u32], how: &Generation) -> (Vec<u32>, End) {
        let mut all = Vec::new();
        let end = generate(gpt, prompt, how, |token| {
            all.push(token);
            true
        });
        (all, end.unwrap())
    }

    #[test]
    fn the_tokens_are_those_that_the_whole_text_gives_without_a_cache() {
        let (gpt, prompt) = (gpt(), [1, 2, 3]);
        let (new, end) = told(&gpt, &prompt, &how(10));
        assert_eq!((new.len(), end), (10, End::Enough));
        let mut text = prompt.to_vec();
        for token in new {
            let ids: Vec<i64> = text.iter().map(|t| i64::from(*t)).collect();
            let logits = gpt.forward(&Tensor::from_slice(&ids, [1, ids.len()]), &Mode::eval());
            let last = logits.narrow(1, ids.len() - 1, 1).to_vec::<f32>();
            let wanted = how(1).sampler.pick(&last, &text, text.len() as u64);
            assert_eq!(Some(token), wanted);
            text.push(token);
        }
    }

    #[test]
    fn one_beam_writes_what_the_likeliest_tokens_are_and_more_find_no_less() {
        let (gpt, prompt) = (gpt(), [1, 2, 3]);
        let greedy = Generation {
            sampler: Sampler::greedy(),
            ..how(100)
        };
        let (all, end) = told(&gpt, &prompt, &greedy);
        assert_eq!(end, End::Full);
        let search = |beams: usize| {
            let search = BeamSearch::new(beams, 100, []);
            likeliest(&gpt, &prompt, &search).unwrap().remove(0)
        };
        let one = search(1);
        assert_eq!(one.tokens, all);
        let four = search(4);
        assert!(four.tokens.len() == 14 && four.log_probability >= one.log_probability);
        // What it says of its text is what the model says of it without a cache.
        let text: Vec<i64> = prompt
            .iter()
            .chain(&four.tokens)
            .map(|t| i64::from(*t))
            .collect();
        let logits = gpt.forward(&Tensor::from_slice(&text[..16], [1, 16]), &Mode::eval());
        let told = logits.log_softmax(-1).to_vec::<f32>();
        let sum: f64 = (3..17)
            .map(|i| f64::from(told[(i - 1) * 11 + text[i] as usize]))
            .sum();
        assert!((four.log_probability - sum).abs() < 1e-4);
    }

    #[test]
    fn a_text_ends_where_the_context_is_full_or_it_is_stopped() {
        let gpt = gpt();
        let (all, end) = told(&gpt, &[1, 2, 3], &how(100));
        // A last token is told, though nothing can come after it.
        assert_eq!((all.len(), end), (14, End::Full));
        let stopped = Generation {
            stop: vec![all[4]],
            ..how(100)
        };
        let first = all.iter().position(|token| *token == all[4]).unwrap();
        let (some, end) = told(&gpt, &[1, 2, 3], &stopped);
        assert_eq!((&some[..], end), (&all[..=first], End::Stop(all[4])));
        let mut count = 0;
        let end = generate(&gpt, &[1, 2, 3], &how(100), |_| {
            count += 1;
            count < 2
        });
        assert_eq!((count, end.unwrap()), (2, End::Told));
    }

    #[test]
    fn prompts_that_do_not_fit_are_refused() {
        let gpt = gpt();
        let error = |prompt: &[u32]| {
            let error = generate(&gpt, prompt, &how(1), |_| true).unwrap_err();
            error.to_string()
        };
        assert_eq!(error(&[]), "the prompt is empty, wanted a token or more");
        assert_eq!(
            error(&[1, 11]),
            "the prompt has the token 11, but the model knows 11: is the tokenizer another model's?"
        );
        assert_eq!(
            error(&[0; 17]),
            "the prompt has 17 tokens, wanted at most 16, which the model sees at once"
        );
    }

    #[test]
    fn weights_that_are_no_numbers_are_an_error() {
        let mut gpt = gpt();
        gpt.for_each_param_mut(&mut |name, w| {
            if name == "norm.weight" {
                w.set(&(Tensor::ones([16]) * f64::NAN));
            }
        });
        let error = generate(&gpt, &[1], &how(1), |_| true).unwrap_err();
        assert!(error.to_string().contains("are no numbers"), "{error}");
    }
}
