//! What a model of texts writes, for its page.

use eras_models::large_models::{Generation, Gpt, Sampler, generate};
use eras_tensor::Result;
use eras_text::Tokenizer;

/// A text from `beginning` on, also one longer than what the model sees at once.
pub(super) fn written(
    gpt: &Gpt,
    tokenizer: &Tokenizer,
    beginning: &[u32],
    temperature: f64,
    seed: u64,
) -> Result<String> {
    const LENGTH: usize = 600;
    let sampler = Sampler::new(temperature).seed(seed);
    let how = Generation::new(sampler, LENGTH.saturating_sub(beginning.len())).sliding();
    let mut tokens = beginning.to_vec();
    generate(gpt, beginning, &how, |token| {
        tokens.push(token);
        true
    })?;
    tokenizer.decode(&tokens)
}
