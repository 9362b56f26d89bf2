//! What a Transformer makes of a text, found by beam search.

use super::{BeamSearch, Hypothesis, Transformer};
use eras_tensor::{Error, Result, Tensor, no_grad};

/// Lets `model` read texts and write what is made of each, from the token `begin` on: of each the texts that `search` finds,
/// best first. All are read and written at once; each token is computed with the keys and values kept of those before it.
///
/// ```
/// use eras::models::large_models::{BeamSearch, StackConfig, Transformer, TransformerConfig, translate};
/// use eras::prelude::*;
///
/// let stacks = StackConfig { d_model: 16, n_head: 2, n_encoder: 1, n_decoder: 1, d_ff: 32, ..StackConfig::base() };
/// let config = TransformerConfig { source_vocab: 20, target_vocab: 20, tied: true, padding: 0, stacks };
/// let model = Transformer::new(config, &mut Rng::new(0));
/// let search = BeamSearch { beams: 3, max_tokens: 8, end: vec![2], length_penalty: 0.6 };
/// let found = translate(&model, &[&[5, 6, 7, 2], &[8, 2]], 1, &search)?;
/// assert_eq!((found.len(), found[1].len()), (2, 3));
/// # Ok::<(), eras::Error>(())
/// ```
///
/// # Errors
/// If a text is empty or has a token that the model does not know, or logits are no numbers.
///
/// # Panics
/// If there are no beams, or the model does not know `begin`.
#[track_caller]
pub fn translate(
    model: &Transformer,
    texts: &[&[u32]],
    begin: u32,
    search: &BeamSearch,
) -> Result<Vec<Vec<Hypothesis>>> {
    let (known, padding) = (model.config().source_vocab, model.config().padding);
    for (i, text) in texts.iter().enumerate() {
        if text.is_empty() {
            return Err(Error::usage(format!(
                "text {i} is empty, wanted a token or more"
            )));
        }
        if let Some(token) = text
            .iter()
            .find(|token| **token as usize >= known || **token == padding)
        {
            return Err(Error::usage(format!(
                "text {i} has the token {token}, wanted one below {known} that is not the padding, {padding}: is the tokenizer \
                 another model's?"
            )));
        }
    }
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
    let source = texts.iter().flat_map(|text| {
        let filled = text.iter().copied().chain(std::iter::repeat(padding));
        filled.take(longest).map(i64::from)
    });
    let source: Vec<i64> = source.collect();
    let source = Tensor::from_slice(&source, [texts.len(), longest]);
    no_grad(|| {
        let mut writing = model.read(&source, search.max_tokens);
        let mut there_are = texts.len();
        search.run(&vec![begin; texts.len()], |rows, tokens| {
            let stay = rows.len() == there_are && rows.iter().enumerate().all(|(i, row)| i == *row);
            if !stay {
                writing.select(rows);
                there_are = rows.len();
            }
            let tokens: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
            Ok(model.next(
                &Tensor::from_slice(&tokens, [tokens.len(), 1]),
                &mut writing,
            ))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::large_models::{StackConfig, TransformerConfig};
    use eras_nn::Mode;
    use eras_tensor::Rng;

    fn model() -> Transformer {
        let stacks = StackConfig {
            d_model: 16,
            n_head: 2,
            n_encoder: 1,
            n_decoder: 2,
            d_ff: 24,
            norm_first: true,
            dropout: 0.1,
        };
        let config = TransformerConfig {
            source_vocab: 12,
            target_vocab: 12,
            tied: true,
            padding: 0,
            stacks,
        };
        Transformer::new(config, &mut Rng::new(4))
    }

    fn search(beams: usize) -> BeamSearch {
        BeamSearch {
            beams,
            max_tokens: 7,
            end: vec![2],
            length_penalty: 0.6,
        }
    }

    const TEXTS: [&[u32]; 3] = [&[3, 4, 5, 6, 7, 2], &[8, 2], &[9, 10, 2]];

    #[test]
    fn with_and_without_what_is_kept_the_tokens_are_the_same() {
        let model = model();
        for beams in [1, 3] {
            let found = translate(&model, &TEXTS, 1, &search(beams)).unwrap();
            for (text, found) in TEXTS.iter().zip(&found) {
                let source: Vec<i64> = text.iter().map(|t| i64::from(*t)).collect();
                let source = Tensor::from_slice(&source, [1, source.len()]);
                // Each text under way is written anew at each step.
                let mut under_way: Vec<Vec<i64>> = vec![Vec::new()];
                let wanted = search(beams).run(&[1], |rows, tokens| {
                    let next = rows.iter().zip(tokens);
                    under_way = next
                        .map(|(row, token)| [&under_way[*row][..], &[i64::from(*token)]].concat())
                        .collect();
                    let length = under_way[0].len();
                    let target = Tensor::from_slice(&under_way.concat(), [rows.len(), length]);
                    let source = source.expand([rows.len(), text.len()]).contiguous();
                    let logits = model.forward(&source, &target, &Mode::eval());
                    Ok(logits.narrow(1, length - 1, 1).squeeze(1))
                });
                let tokens = |all: &[Hypothesis]| -> Vec<Vec<u32>> {
                    all.iter().map(|one| one.tokens.clone()).collect()
                };
                assert_eq!(tokens(found), tokens(&wanted.unwrap()[0]), "{beams} beams");
            }
        }
    }

    #[test]
    fn texts_that_do_not_fit_are_refused() {
        let model = model();
        let error = |text: &[u32]| {
            let found = translate(&model, &[&[3], text], 1, &search(2));
            found.unwrap_err().to_string()
        };
        assert_eq!(error(&[]), "text 1 is empty, wanted a token or more");
        assert!(error(&[3, 12]).starts_with("text 1 has the token 12, wanted one below 12"));
        assert!(error(&[3, 0, 4]).starts_with("text 1 has the token 0"));
        assert!(translate(&model, &[], 1, &search(2)).unwrap().is_empty());
    }
}
