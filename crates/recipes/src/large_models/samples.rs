//! What a model of texts writes, for its page.

use eras_models::large_models::{Generation, Gpt, Sampler, generate};
use eras_tensor::Result;
use eras_text::Tokenizer;

/// A text from `beginning` on, also one longer than what the model sees at once: it goes on from the second half of that then.
pub(super) fn written(
    gpt: &Gpt,
    tokenizer: &Tokenizer,
    beginning: &[u32],
    temperature: f64,
    seed: u64,
) -> Result<String> {
    const LENGTH: usize = 600;
    let again = (gpt.config().context / 2).max(1);
    let mut tokens = beginning.to_vec();
    while tokens.len() < LENGTH {
        let prompt = tokens[tokens.len().saturating_sub(again)..].to_vec();
        let how = Generation {
            // Places are counted anew.
            sampler: Sampler::new(temperature).seed(seed + tokens.len() as u64),
            max_tokens: LENGTH - tokens.len(),
            stop: Vec::new(),
        };
        generate(gpt, &prompt, &how, |token| {
            tokens.push(token);
            true
        })?;
    }
    tokenizer.decode(&tokens)
}
