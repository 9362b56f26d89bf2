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
    /// Of how many tokens keys and values are kept at most, which bounds the memory ([`Cache`]); never of more than the
    /// model's context.
    pub room: usize,
    /// Whether a text goes on where the room is full: the older half is forgotten then, and the newer half read again, as if
    /// the text began with it.
    pub slides: bool,
}

impl Generation {
    /// At most so many tokens, until the context is full.
    #[must_use]
    pub fn new(sampler: Sampler, max_tokens: usize) -> Self {
        Self {
            sampler,
            max_tokens,
            stop: Vec::new(),
            room: usize::MAX,
            slides: false,
        }
    }

    /// Ends after one of these tokens.
    #[must_use]
    pub fn stop(mut self, tokens: impl Into<Vec<u32>>) -> Self {
        self.stop = tokens.into();
        self
    }

    /// Keeps keys and values of so many tokens at most.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn room(mut self, tokens: usize) -> Self {
        assert!(
            tokens > 0,
            "Generation: found room for 0 tokens, wanted 1 or more"
        );
        self.room = tokens;
        self
    }

    /// Goes on where the room is full.
    #[must_use]
    pub fn sliding(mut self) -> Self {
        self.slides = true;
        self
    }
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There were as many tokens as were wanted.
    Enough,
    /// The context is full, or the room for it.
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
/// let how = Generation::new(Sampler::new(0.8).top_k(10).seed(1), 5);
/// let mut text = vec![3, 1, 4];
/// let end = generate(&gpt, &text.clone(), &how, |token| { text.push(token); true })?;
/// assert_eq!((text.len(), end), (8, End::Enough));
/// # Ok::<(), eras::Error>(())
/// ```
///
/// # Errors
/// If the prompt is empty, has a token that the model does not know, or is longer than its context or the room, unless it
/// slides; or if its logits are no numbers.
pub fn generate(
    gpt: &Gpt,
    prompt: &[u32],
    how: &Generation,
    mut each: impl FnMut(u32) -> bool,
) -> Result<End> {
    let ends = generate_each(gpt, &[prompt], how, |_, token| each(token))?;
    Ok(ends[0])
}

/// As [`generate`] after several prompts at once, which takes less time than one after the other: `each` is told which text a
/// token belongs to, and that text ends where it answers false. Text `i` is drawn with `i` added to the seed.
///
/// ```
/// use eras::models::large_models::{Generation, Gpt, GptConfig, Sampler, generate_each};
/// use eras::prelude::*;
///
/// let gpt = Gpt::new(GptConfig::gpt2(65, 32, 16, 2, 4), &mut Rng::new(0));
/// let mut texts = [vec![3, 1, 4], vec![1]];
/// let prompts = texts.clone();
/// let how = Generation::new(Sampler::new(1.0), 5);
/// generate_each(&gpt, &prompts, &how, |i, token| { texts[i].push(token); true })?;
/// assert_eq!(texts.map(|text| text.len()), [8, 6]);
/// # Ok::<(), eras::Error>(())
/// ```
///
/// # Errors
/// As [`generate`].
pub fn generate_each(
    gpt: &Gpt,
    prompts: &[impl AsRef<[u32]>],
    how: &Generation,
    mut each: impl FnMut(usize, u32) -> bool,
) -> Result<Vec<End>> {
    let room = how.room.min(gpt.config().context);
    let most = if how.slides { usize::MAX } else { room };
    let texts = prompts.iter().enumerate().map(|(i, prompt)| {
        check(gpt, prompt.as_ref(), most)?;
        Ok(Text::new(prompt.as_ref(), room, &how.sampler, i))
    });
    let mut texts = texts.collect::<Result<Vec<Text>>>()?;
    for _ in 0..how.max_tokens {
        for text in texts
            .iter_mut()
            .filter(|text| text.end.is_none() && text.is_full())
        {
            if how.slides {
                text.slide();
            } else {
                text.end = Some(End::Full);
            }
        }
        let mut going: Vec<(usize, &mut Text)> = texts
            .iter_mut()
            .enumerate()
            .filter(|(_, text)| text.end.is_none())
            .collect();
        if going.is_empty() {
            break;
        }
        let all = logits(gpt, &mut going);
        for ((i, text), logits) in going.into_iter().zip(all) {
            let token = text.pick(&logits)?;
            if !each(i, token) {
                text.end = Some(End::Told);
            } else if how.stop.contains(&token) {
                text.end = Some(End::Stop(token));
            }
        }
    }
    let ends = texts.iter().map(|text| text.end.unwrap_or(End::Enough));
    Ok(ends.collect())
}

/// The logits after each of the texts: one more token is read of all at once, more are read of each for itself.
fn logits(gpt: &Gpt, texts: &mut [(usize, &mut Text)]) -> Vec<Vec<f32>> {
    if texts.len() > 1 && texts.iter().all(|(_, text)| text.unread().len() == 1) {
        let tokens: Vec<u32> = texts.iter().map(|(_, text)| text.unread()[0]).collect();
        let mut caches: Vec<&mut Cache> =
            texts.iter_mut().map(|(_, text)| &mut text.cache).collect();
        let all = no_grad(|| gpt.next_each(&tokens, &mut caches));
        let vocab = all.shape()[1];
        let all = all.to_vec::<f32>();
        return all.chunks_exact(vocab).map(<[f32]>::to_vec).collect();
    }
    let one = |text: &mut Text| {
        let tokens = row(text.unread());
        no_grad(|| gpt.next(&tokens, &mut text.cache)).to_vec::<f32>()
    };
    texts.iter_mut().map(|(_, text)| one(text)).collect()
}

/// A text under way.
struct Text {
    tokens: Vec<u32>,
    /// The first token that is kept, or is to be read as the first.
    start: usize,
    cache: Cache,
    sampler: Sampler,
    end: Option<End>,
}

impl Text {
    fn new(prompt: &[u32], room: usize, sampler: &Sampler, number: usize) -> Self {
        Self {
            tokens: prompt.to_vec(),
            start: 0,
            cache: Cache::new(room),
            sampler: sampler.clone().after_seed(number as u64),
            end: None,
        }
    }

    /// What the cache has not seen.
    fn unread(&self) -> &[u32] {
        &self.tokens[self.start + self.cache.len()..]
    }

    fn is_full(&self) -> bool {
        self.tokens.len() - self.start > self.cache.room()
    }

    /// Forgets the older half.
    fn slide(&mut self) {
        let kept = (self.cache.room() / 2).max(1);
        self.start = self.tokens.len() - kept;
        self.cache.truncate(0);
    }

    fn pick(&mut self, logits: &[f32]) -> Result<u32> {
        let place = self.tokens.len() as u64;
        let token = self.sampler.pick(logits, &self.tokens, place);
        let token = token.ok_or_else(|| {
            Error::new(format!(
                "the model's logits for token {place} are no numbers: its weights are damaged, or its training diverged"
            ))
        })?;
        self.tokens.push(token);
        Ok(token)
    }
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
    let context = gpt.config().context;
    check(gpt, prompt, context)?;
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

/// Refuses a prompt that the model cannot go on from, or of more tokens than `most`.
fn check(gpt: &Gpt, prompt: &[u32], most: usize) -> Result<()> {
    let vocab = gpt.config().vocab_size;
    if prompt.is_empty() {
        return Err(Error::usage("the prompt is empty, wanted a token or more"));
    }
    if let Some(token) = prompt.iter().find(|token| **token as usize >= vocab) {
        return Err(Error::usage(format!(
            "the prompt has the token {token}, but the model knows {vocab}: is the tokenizer another model's?"
        )));
    }
    if prompt.len() > most {
        return Err(Error::usage(format!(
            "the prompt has {} tokens, wanted at most {most}, which are seen at once",
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
        Generation::new(Sampler::new(1.0).seed(2), max_tokens)
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
    fn several_texts_at_once_are_those_that_each_is_alone() {
        for config in [
            GptConfig::llama(11, 16, 16, 2, 4, 24),
            GptConfig::gpt2(11, 16, 16, 2, 4),
        ] {
            let gpt = Gpt::new(config, &mut Rng::new(5));
            let prompts = [
                vec![1, 2, 3],
                vec![4],
                vec![5, 6, 7, 8, 9, 1, 2],
                vec![3, 3],
            ];
            for how in [how(12), how(30).sliding(), how(30).room(9)] {
                let mut texts = vec![Vec::new(); prompts.len()];
                let ends = generate_each(&gpt, &prompts, &how, |i, token| {
                    texts[i].push(token);
                    true
                });
                let ends = ends.unwrap();
                for (i, prompt) in prompts.iter().enumerate() {
                    let alone = Generation {
                        sampler: Sampler::new(1.0).seed(2 + i as u64),
                        ..how.clone()
                    };
                    let (text, end) = told(&gpt, prompt, &alone);
                    assert_eq!((&text, end), (&texts[i], ends[i]), "{i}");
                }
            }
        }
    }

    #[test]
    fn a_text_that_slides_goes_on_from_the_newer_half() {
        let (gpt, prompt) = (gpt(), [1, 2, 3]);
        let (all, end) = told(&gpt, &prompt, &how(40).sliding());
        assert_eq!((all.len(), end), (40, End::Enough));
        // As far as the context goes nothing is different.
        assert_eq!(all[..14], told(&gpt, &prompt, &how(100)).0);
        // Then each token is that which its last 8 to 16 tokens give.
        let text = [&prompt[..], &all].concat();
        let mut start = 0;
        for place in 3..text.len() {
            if place - start > 16 {
                start = place - 8;
            }
            let ids: Vec<i64> = text[start..place].iter().map(|t| i64::from(*t)).collect();
            let logits = gpt.forward(&Tensor::from_slice(&ids, [1, ids.len()]), &Mode::eval());
            let last = logits.narrow(1, ids.len() - 1, 1).to_vec::<f32>();
            let wanted = how(1).sampler.pick(&last, &text[..place], place as u64);
            assert_eq!(Some(text[place]), wanted, "{place}");
        }
        // A prompt that is too long is read from its newer half on.
        let long: Vec<u32> = (0..50).map(|i| i % 11).collect();
        let (from_long, _) = told(&gpt, &long, &how(1).sliding());
        let ids: Vec<i64> = long[42..].iter().map(|t| i64::from(*t)).collect();
        let logits = gpt.forward(&Tensor::from_slice(&ids, [1, 8]), &Mode::eval());
        let last = logits.narrow(1, 7, 1).to_vec::<f32>();
        assert_eq!(how(1).sampler.pick(&last, &long, 50), Some(from_long[0]));
    }

    #[test]
    fn room_for_fewer_tokens_bounds_what_is_kept() {
        let gpt = gpt();
        let (all, end) = told(&gpt, &[1, 2, 3], &how(100).room(6));
        assert_eq!((all.len(), end), (4, End::Full));
        let error = generate(&gpt, &[0; 7], &how(1).room(6), |_| true).unwrap_err();
        assert!(error.to_string().contains("wanted at most 6"), "{error}");
        let (all, end) = told(&gpt, &[1, 2, 3], &how(50).room(1).sliding());
        assert_eq!((all.len(), end), (50, End::Enough));
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
            "the prompt has 17 tokens, wanted at most 16, which are seen at once"
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
