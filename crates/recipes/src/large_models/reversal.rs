//! The smallest task that has all of the Transformer: to write digits backwards, or in order.

use super::next_token::{BEGIN, END, NextToken, PADDING};
use crate::classification::check_loop;
use crate::experiment::Findings;
use crate::minimization::{Learned, Task};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use crate::training;
use eras_data::Dataset;
use eras_models::large_models::{
    BeamSearch, StackConfig, Transformer, TransformerConfig, translate,
};
use eras_nn::{Adam, Schedule};
use eras_report::{Heat, Section, Table};
use eras_tensor::{Error, Result, Rng, Tensor, no_grad};
use eras_text::Pairs;
use eras_train::Trainer;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;

/// `eras train reversal`.
#[derive(Debug)]
pub struct ReversalRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) epochs: usize,
    /// The most tokens of a batch, padding included.
    pub(crate) batch_size: usize,
    /// Of the digits, the weights and the order.
    pub(crate) seed: u64,
    /// `reverse` or `sort`.
    pub(crate) order: String,
    /// The fewest and the most digits of a row.
    pub(crate) shortest: usize,
    pub(crate) longest: usize,
    /// Rows to learn from.
    pub(crate) rows: usize,
    /// Rows that are never learned from.
    pub(crate) test_rows: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) width: usize,
    pub(crate) lr: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 5,
            batch_size: 1000,
            seed: 0,
            order: "reverse".into(),
            shortest: 1,
            longest: 10,
            rows: 20_000,
            test_rows: 1000,
            layers: 1,
            heads: 4,
            width: 64,
            lr: 3e-3,
        }
    }
}

/// Digits, behind the three marks.
const FIRST_DIGIT: u32 = 3;
const VOCABULARY: usize = 13;
/// The random stream of a seed that rows are drawn from.
const ROWS: u64 = 7;

impl Settings {
    fn of(config: &Config) -> Result<Self> {
        let settings: Self = settings::read(&config.settings)?;
        check_loop(settings.epochs, settings.batch_size)?;
        settings::want_word("order", &settings.order, &["reverse", "sort"])?;
        let heads = settings.heads > 0 && settings.width.is_multiple_of(settings.heads);
        let rules = [
            // Fewer digits do not make enough rows.
            (settings.longest > 4, "longest", "at least 5"),
            (
                (1..=settings.longest).contains(&settings.shortest),
                "shortest",
                "from 1 to `longest`",
            ),
            (
                (1..=50_000).contains(&settings.rows),
                "rows",
                "from 1 to 50,000",
            ),
            (
                (1..=10_000).contains(&settings.test_rows),
                "test_rows",
                "from 1 to 10,000",
            ),
            (settings.layers > 0, "layers", "at least 1"),
            (settings.width > 0, "width", "at least 1"),
            (heads, "heads", "a number that divides `width`"),
            (
                settings.lr.is_finite() && settings.lr > 0.0,
                "lr",
                "a number above 0",
            ),
        ];
        settings::want(&rules)?;
        Ok(settings)
    }

    pub(crate) fn model(&self) -> Transformer {
        let config = TransformerConfig {
            source_vocab: VOCABULARY,
            target_vocab: VOCABULARY,
            tied: true,
            padding: PADDING,
            stacks: StackConfig {
                d_model: self.width,
                n_head: self.heads,
                n_encoder: self.layers,
                n_decoder: self.layers,
                d_ff: 2 * self.width,
                norm_first: true,
                dropout: 0.0,
            },
        };
        Transformer::new(config, &mut Rng::new(self.seed))
    }

    fn trainer(&self, train: &Pairs) -> Result<Trainer> {
        let trainer = Trainer::for_objective(self.adam())
            .batch_size(self.batch_size)
            .epochs(self.epochs)
            .seed(self.seed);
        let steps = train.len().div_ceil(trainer.samples_per_step_of(train)?) * self.epochs;
        Ok(trainer.schedule(self.schedule(steps)))
    }

    pub(crate) fn adam(&self) -> Adam {
        Adam::new(self.lr).betas(0.9, 0.98).clip_norm(1.0)
    }

    /// Up in a tenth of all steps, then down along a half cosine.
    pub(crate) fn schedule(&self, steps: usize) -> Schedule {
        let warm_up = (steps / 10).max(1) as u64;
        let rest = (steps as u64).saturating_sub(warm_up);
        Schedule::cosine(rest, 0.0).warm_up(warm_up)
    }

    /// Rows to learn from and rows for the test, each with what is to be written; none comes twice.
    pub(crate) fn data(&self) -> [Pairs; 2] {
        let rng = &mut Rng::at(self.seed, ROWS, 0);
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        while all.len() < self.rows + self.test_rows {
            let lengths = 1 + self.longest - self.shortest;
            let digits: Vec<u32> = (0..self.shortest + rng.below(lengths))
                .map(|_| FIRST_DIGIT + rng.below(10) as u32)
                .collect();
            if !seen.insert(digits.clone()) {
                continue; // of the short ones there are few
            }
            let mut wanted = digits.clone();
            match &*self.order {
                "sort" => wanted.sort_unstable(),
                _ => wanted.reverse(),
            }
            all.push([
                [&digits[..], &[END]].concat(),
                [&[BEGIN], &wanted[..], &[END]].concat(),
            ]);
        }
        let test = all.split_off(self.rows);
        [all, test].map(|pairs| Pairs::new(pairs, PADDING))
    }
}

impl Recipe for ReversalRecipe {
    fn card(&self) -> Card {
        Card {
            name: "reversal",
            title: "A small Transformer that writes digits backwards, or in order",
            era: Era::LargeModels,
            paper: "Vaswani et al. 2017, Attention is all you need",
            data: "rows of up to ten digits, drawn here",
            promise: "at least 99% of 1,000 rows that it never saw are written backwards without a mistake",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        vec![Promise {
            name: "rows_right",
            unit: Unit::Share,
            bound: Bound::AtLeast(0.99),
        }]
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        Ok(Box::new(task(config)?))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        refuse_data(data)?;
        let mut task = task(run.config())?;
        training::load(&mut task.model, run)?;
        let right = rows_right(&task.model, &task.data[1])?;
        let mut evaluation = task.measured()?;
        evaluation.score.metrics.push(("rows_right".into(), right));
        Ok(evaluation)
    }

    fn predict(&self, _run: &Run, _files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        Err(Error::usage("`reversal` tells no classes; see its report"))
    }
}

fn refuse_data(data: Option<&Path>) -> Result<()> {
    match data {
        Some(_) => Err(Error::usage(
            "`reversal` draws its own digits: it takes no data",
        )),
        None => Ok(()),
    }
}

fn task(config: &Config) -> Result<Task<Transformer, NextToken, Pairs>> {
    refuse_data(config.data.as_deref())?;
    let settings = Settings::of(config)?;
    let data = settings.data();
    Ok(Task {
        recipe: &ReversalRecipe,
        story: include_str!("../../stories/reversal.md"),
        name: "digits".to_owned(),
        model: settings.model(),
        objective: NextToken { smoothing: 0.0 },
        trainer: settings.trainer(&data[0])?,
        data,
        checkpoint_steps: 0,
        origin_sha256: None,
        watch: None,
        keeps: Vec::new(),
        curves: &[(
            "Loss, nats a digit",
            &[("training", "loss"), ("test", "val_loss")],
        )],
        show: Box::new(findings),
    })
}

/// What `model` writes of each of `pairs`, taking the likeliest digit each time: with its end.
fn written(model: &Transformer, pairs: &Pairs) -> Result<Vec<Vec<u32>>> {
    let sources: Vec<&[u32]> = (0..pairs.len()).map(|i| &pairs.pair(i)[0][..]).collect();
    let longest = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let found = translate(
        model,
        &sources,
        BEGIN,
        &BeamSearch::new(1, longest + 1, [END]),
    )?;
    let best = found
        .into_iter()
        .map(|found| found.into_iter().next().map(|one| one.tokens));
    Ok(best.map(Option::unwrap_or_default).collect())
}

/// The share of `pairs` that `model` writes without a mistake.
pub(crate) fn rows_right(model: &Transformer, pairs: &Pairs) -> Result<f64> {
    Ok(share_right(&written(model, pairs)?, pairs))
}

/// The share of `pairs` of which this was `written`, and without a mistake.
fn share_right(written: &[Vec<u32>], pairs: &Pairs) -> f64 {
    let is_right = |(i, row): &(usize, &Vec<u32>)| pairs.pair(*i)[1][1..] == row[..];
    let right = written.iter().enumerate().filter(is_right).count();
    right as f64 / pairs.len() as f64
}

/// Digits as they are read.
pub(crate) fn digits(tokens: &[u32]) -> Vec<String> {
    let digit = |token: &u32| match token.checked_sub(FIRST_DIGIT) {
        Some(digit) => digit.to_string(),
        None => "end".to_owned(),
    };
    tokens.iter().map(digit).collect()
}

fn findings(learned: &Learned<'_, Transformer, Pairs>) -> Result<Findings> {
    let written = written(learned.model, learned.test)?;
    let right = share_right(&written, learned.test);
    Ok(Findings {
        measured: vec![
            Measured::new("rows_right", right, Unit::Share),
            Measured::new("test_loss", learned.score.loss, Unit::Plain),
        ],
        sections: vec![
            rows(&written, learned.test),
            looks(learned.model, learned.test),
        ],
    })
}

fn rows(written: &[Vec<u32>], pairs: &Pairs) -> Section {
    const SHOWN: usize = 8;
    let told = |tokens: &[u32]| digits(&tokens[..tokens.len().saturating_sub(1)]).join(" ");
    let table = written
        .iter()
        .take(SHOWN)
        .enumerate()
        .fold(Table::new(["read", "written"]), |table, (i, row)| {
            table.row([told(&pairs.pair(i)[0]), told(row)])
        });
    Section::new("Rows")
        .note("The first of the test, which it never saw")
        .table(table)
}

/// Where each layer looks for each token to write, in the mean of all heads: `(T, S)` each.
pub(crate) fn look(model: &Transformer, [read, wanted]: &[Vec<u32>; 2]) -> Vec<Tensor> {
    let row = |tokens: &[u32]| {
        let all: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
        Tensor::from_slice(&all, [1, all.len()])
    };
    let given = &wanted[..wanted.len() - 1];
    let layers = model.looks(&row(read), &row(given)).into_iter();
    layers.map(|shares| shares.squeeze(0).mean(0)).collect()
}

/// Where it looked for each digit of the longest row of the test.
fn looks(model: &Transformer, test: &Pairs) -> Section {
    let longest = (0..test.len()).max_by_key(|i| test.pair(*i)[0].len());
    let row = test.pair(longest.unwrap_or(0));
    let layers = no_grad(|| look(model, row));
    let heats = layers.iter().enumerate().map(|(i, shares)| {
        let (title, [read, wanted]) = (format!("Layer {}", i + 1), row);
        Heat::new(title, digits(&wanted[1..]), digits(read), shares.to_vec())
    });
    Section::new("Where it looked")
        .note("Attention of the decoder on what was read")
        .text(
            "Each row is a digit that it wrote, each column one that it read; the darker, the more of its look fell there, in the \
             mean of all heads. Nobody told it where to look.",
        )
        .heats(heats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, scratch, weights};

    fn train(folder: &Path, stop: Option<u64>, resume: bool) -> Result<f64> {
        let small = [
            "order=sort",
            "longest=5",
            "rows=1500",
            "test_rows=200",
            "width=32",
            "epochs=6",
            "batch_size=400",
        ];
        let outcome = testing::train(&ReversalRecipe, &small, folder, stop, resume)?;
        Ok(outcome.measured[0].value)
    }

    #[test]
    fn one_that_was_stopped_ends_with_the_same_bits_and_sorts_what_it_never_saw() {
        let (whole, cut) = (scratch("reversal-whole"), scratch("reversal-cut"));
        let first = train(&whole, None, false).unwrap();
        assert!(train(&cut, Some(60), false).unwrap_err().is_interrupted());
        assert_ne!(weights(&cut), weights(&whole));
        assert_eq!(train(&cut, None, true).unwrap(), first);
        assert_eq!(weights(&cut), weights(&whole));
        assert!(first > 0.5, "{first}");
        let run = Run::open(&cut).unwrap();
        let evaluation = ReversalRecipe.evaluate(&run, None).unwrap();
        assert_eq!(evaluation.score.get("rows_right"), Some(first));
        let refused = ReversalRecipe.evaluate(&run, Some(Path::new("."))).err();
        assert!(refused.unwrap().to_string().contains("takes no data"));
        let page = std::fs::read_to_string(cut.join("report.html")).unwrap();
        assert!(page.contains("<h2>Where it looked") && page.contains("Layer 1"));
        drop(run);
        for folder in [whole, cut] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn rows_of_the_test_are_none_of_the_training_and_as_they_are_wanted() {
        let settings = Settings {
            rows: 300,
            test_rows: 200,
            longest: 5,
            ..Settings::default()
        };
        let [train, test] = settings.data();
        let all = |pairs: &Pairs| -> HashSet<Vec<u32>> {
            (0..pairs.len()).map(|i| pairs.pair(i)[0].clone()).collect()
        };
        assert_eq!((all(&train).len(), all(&test).len()), (300, 200));
        assert!(all(&train).is_disjoint(&all(&test)));
        for i in 0..200 {
            let [read, wanted] = test.pair(i);
            let (read, end) = read.split_at(read.len() - 1);
            let back: Vec<u32> = read.iter().rev().copied().collect();
            assert_eq!(*wanted, [&[BEGIN][..], &back, end].concat());
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        for (assignment, wanted) in [
            ("order=revers", "did you mean `reverse`?"),
            ("longest=4", "`longest` wants at least 5"),
            ("heads=3", "`heads` wants a number that divides `width`"),
            ("rows=100000", "`rows` wants from 1 to 50,000"),
        ] {
            let folder = scratch("reversal-refused");
            let error = testing::train(&ReversalRecipe, &[assignment], &folder, None, false);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
