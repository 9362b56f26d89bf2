//! What a translator has learned: BLEU, examples, where it looked.

use super::corpus::Corpus;
use super::pairs;
use super::translator::{Translation, Translator};
use crate::experiment::Findings;
use crate::large_models::next_token::NextToken;
use crate::large_models::samples;
use crate::minimization::Learned;
use crate::promise::{Measured, Unit};
use eras_data::Dataset;
use eras_models::large_models::Transformer;
use eras_nn::Mode;
use eras_report::{Section, Table, format};
use eras_tensor::{Result, no_grad};
use eras_text::{Bleu, Pairs, Tokenizer};
use eras_train::Objective;
use std::time::Instant;

/// Of the paper's search.
pub(super) const BEAMS: usize = 4;
/// Sentences that are shown.
const SHOWN: usize = 8;

/// Translations of a test set.
pub(super) struct Judged {
    pub(super) translations: Vec<Translation>,
    pub(super) bleu: f64,
    /// That were written in a second.
    tokens_per_second: f64,
}

/// Translates the sentences of the test set, and counts how much of it stands in the others.
pub(super) fn judged(
    translator: &Translator,
    test: &[[String; 2]],
    beams: usize,
) -> Result<Judged> {
    let start = Instant::now();
    let sources: Vec<&str> = test.iter().map(|[source, _]| &source[..]).collect();
    let translations = translator.translate(&sources, beams, usize::MAX)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut bleu = Bleu::new();
    for (translation, [_, reference]) in translations.iter().zip(test) {
        bleu.add(&translation.text, &[reference]);
    }
    let tokens: usize = translations.iter().map(|one| one.tokens).sum();
    Ok(Judged {
        bleu: bleu.score(),
        tokens_per_second: tokens as f64 / seconds,
        translations,
    })
}

/// Nats a token of `pairs`.
pub(super) fn loss(model: &Transformer, pairs: &Pairs) -> Result<f64> {
    let objective = NextToken { smoothing: 0.0 };
    let (mut nats, mut tokens) = (0.0, 0);
    let mut loader = eras_data::Loader::new(pairs, 4000);
    while let Some(batch) = loader.next_batch()? {
        let count = Objective::<Transformer>::count(&objective, &batch);
        let loss = no_grad(|| objective.forward(model, &batch, &Mode::eval()).loss.item());
        nats += loss * count as f64;
        tokens += count;
    }
    Ok(nats / tokens as f64)
}

pub(super) fn findings(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    learned: &Learned<'_, Transformer, Pairs>,
) -> Result<Findings> {
    let translator = Translator::new(learned.model.clone(), tokenizer.clone())?;
    (learned.say)("translating the test set ..");
    let greedy = judged(&translator, &corpus.test, 1)?;
    let best = judged(&translator, &corpus.test, BEAMS)?;
    let test_loss = loss(learned.model, &pairs(tokenizer, &corpus.test, usize::MAX)?)?;
    Ok(Findings {
        measured: vec![
            Measured::new("bleu", best.bleu, Unit::Plain),
            Measured::new("greedy_bleu", greedy.bleu, Unit::Plain),
            Measured::new("test_loss", test_loss, Unit::Plain),
            Measured::new("test_perplexity", test_loss.exp(), Unit::Plain),
            Measured::new("val_loss", learned.score.loss, Unit::Plain),
        ],
        sections: vec![
            samples::perplexity(learned.history, "validation"),
            examples(corpus, &best.translations),
            looks(&translator, corpus, &best.translations)?,
            about(corpus, tokenizer, learned, &[greedy, best]),
        ],
    })
}

fn examples(corpus: &Corpus, translations: &[Translation]) -> Section {
    let section = Section::new("Translations")
        .note("The first sentences of the test set")
        .text("Each as it was read, as it was translated, and as a human has translated it.");
    let all = corpus.test.iter().zip(translations).take(SHOWN);
    all.fold(section, |section, ([source, reference], translation)| {
        section.written(format!("{source}\n{}\n{reference}", translation.text))
    })
}

/// Where it looked for each token that it wrote: of some sentences the mean of the heads of the last layer, and of the first of
/// them each head.
fn looks(
    translator: &Translator,
    corpus: &Corpus,
    translations: &[Translation],
) -> Result<Section> {
    const SENTENCES: usize = 3;
    let fits = |source: &str| (4..=12).contains(&source.split(' ').count());
    let some = corpus.test.iter().zip(translations);
    let some =
        some.filter(|([source, _], translation)| fits(source) && !translation.text.is_empty());
    let (mut means, mut heads) = (Vec::new(), Vec::new());
    for ([source, _], translation) in some.take(SENTENCES) {
        let looks = translator.looks(source, &translation.text)?;
        if heads.is_empty() {
            let each = 0..looks.shares.shape()[0];
            heads = each
                .map(|head| looks.heat(format!("Head {}", head + 1), &looks.shares.select(0, head)))
                .collect();
        }
        means.push(looks.heat(source.clone(), &looks.shares.mean(0)));
    }
    Ok(Section::new("Where it looked")
        .note("Attention of the decoder on the source, in its last layer")
        .text(
            "Each row is a token that it wrote, each column one that it read; the darker, the more of its look fell there. First the \
             mean of all heads for some sentences, then the heads one by one for the first of them.",
        )
        .heats(means)
        .heats(heads))
}

fn about(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    learned: &Learned<'_, Transformer, Pairs>,
    [greedy, best]: &[Judged; 2],
) -> Section {
    let count = |n: usize| format::count(n as u64);
    let train = learned.train;
    let tokens: usize = (0..train.len())
        .map(|i| train.pair(i).iter().map(Vec::len).sum::<usize>())
        .sum();
    let speed = learned.samples_per_second * tokens as f64 / train.len() as f64;
    let rows = [
        ("sentences", corpus.name.clone()),
        (
            "to learn from, to validate, to test",
            format!(
                "{}, {}, {}",
                count(train.len()),
                count(corpus.valid.len()),
                count(corpus.test.len())
            ),
        ),
        ("tokens it knows", count(tokenizer.vocab_size())),
        ("parameters", count(learned.summary.params)),
        (
            "tokens a second, in training, of both languages",
            count(speed as usize),
        ),
        (
            "tokens a second, written, greedy",
            count(greedy.tokens_per_second as usize),
        ),
        (
            "tokens a second, written, with beams",
            count(best.tokens_per_second as usize),
        ),
        ("BLEU, greedy", format!("{:.2}", greedy.bleu)),
        (
            &*format!("BLEU, {BEAMS} beams"),
            format!("{:.2}", best.bleu),
        ),
    ];
    let table = rows
        .into_iter()
        .fold(Table::new(["", ""]), |table, (name, value)| {
            table.row([name.to_owned(), value])
        });
    Section::new("The model").table(table)
}
