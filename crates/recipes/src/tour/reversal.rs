//! 2017: attention alone reads a row of digits and writes it backwards.

use super::{Drawing, Figure, Stop, View, Visit};
use crate::large_models::reversal::{Settings, digits, look, rows_right};
use crate::promise::Unit;
use crate::recipe::Era;
use eras_data::{Dataset, Loader};
use eras_models::large_models::Transformer;
use eras_nn::{Mode, Optimizer};
use eras_report::{Heat, format, sparkline};
use eras_tensor::{Result, no_grad};
use eras_text::Pairs;
use std::time::Instant;

pub(super) static STOP: Stop = Stop {
    name: "reversal",
    title: "Attention is all it needs",
    era: Era::LargeModels,
    year: 2017,
    idea: "A net that reads word by word must carry all it knows in one state. Vaswani et al. left that out: every place looks \
           straight at every other, and a wave added to each word tells where it stands. Let such a net read up to ten \
           digits, and write them backwards.",
    next: "Its decoder alone, made larger and given all the texts there are: GPT (2018), and what came of it.",
    recipe: "translation",
    story: include_str!("../../stories/reversal.md"),
    visit,
};

/// Characters of a map, and of a curve.
const WIDTH: usize = 22;
const CURVE: usize = 40;
/// Digits more than it has ever seen at once.
const MORE: usize = 2;

fn visit(visit: &mut Visit<'_>) -> Result<String> {
    let settings = Settings {
        seed: visit.seed(),
        ..Settings::default()
    };
    let [train, test] = settings.data();
    // A row as long as any.
    let longest = (0..test.len()).max_by_key(|i| test.pair(*i)[0].len());
    let shown = test.pair(longest.unwrap_or(0)).clone();
    let mut model = settings.model();
    let start = Instant::now();
    let steps = learn(visit, &settings, &mut model, &train, &shown)?;
    let seconds = start.elapsed().as_secs_f64();

    let right = visit.measured("rows_right", rows_right(&model, &test)?, Unit::Share);
    let map = looked(&model, &shown);
    let [read, wanted] = &shown;
    let heat = Heat::new(
        "Where it looked",
        digits(&wanted[1..]),
        digits(read),
        map.clone(),
    );
    let caption = format!(
        "{}: read from left to right, written from top to bottom",
        digits(&read[..read.len() - 1]).join(" ")
    );
    visit.show(vec![View::new(
        caption,
        Drawing::gray(&map, WIDTH),
        Figure::Heat(heat),
    )]);
    visit.key("The darker, the more it looked there when it wrote.");
    visit.say(format!(
        "{} steps ({}): of {} rows that it never saw, {} are written backwards without a mistake. The line from corner to corner \
         is where it looked: for the first digit to write, at the last that it read. Nobody told it.",
        format::count(steps),
        format::seconds(seconds),
        format::count(test.len() as u64),
        format::percent(right),
    ));

    let long = Settings {
        longest: settings.longest + MORE,
        shortest: settings.longest + MORE,
        rows: 1,
        ..settings
    };
    let [_, longer] = long.data();
    let right = visit.measured("longer_right", rows_right(&model, &longer)?, Unit::Share);
    Ok(format!(
        "It learned up to {} digits. Of rows of {}, {} are right: it knows no wave of a place where it has never been.",
        long.longest - MORE,
        long.longest,
        format::percent(right)
    ))
}

/// The recipe's training, looked on; the number of steps.
fn learn(
    visit: &mut Visit<'_>,
    settings: &Settings,
    model: &mut Transformer,
    train: &Pairs,
    shown: &[Vec<u32>; 2],
) -> Result<u64> {
    let mut loader = Loader::new(train, settings.batch_size).shuffle(settings.seed);
    let steps = loader.batches() * settings.epochs;
    let (mut adam, schedule) = (settings.adam(), settings.schedule(steps));
    let lr = adam.lr();
    let (mut step, mut curve) = (0, Vec::new());
    for _ in 0..settings.epochs {
        while let Some(batch) = loader.next_batch()? {
            adam.set_lr(lr * schedule.factor(step));
            let mode = Mode::train(settings.seed, step);
            let loss = model.loss(&batch.x, &batch.y, 0.0, &mode);
            adam.step(model, &loss.backward());
            step += 1;
            curve.push(loss.item());
            visit.live(|| {
                let map = Drawing::gray(&looked(model, shown), WIDTH);
                let bars = sparkline(&curve, CURVE);
                let line = format!("{bars:CURVE$}  {}", format::significant(loss.item()));
                vec![
                    ("where it looks".to_owned(), map),
                    (
                        format!("step {step} of {steps}: loss"),
                        Drawing::lines([line]),
                    ),
                ]
            })?;
        }
    }
    Ok(step)
}

/// Where it looked in its last layer, in the mean of all heads: as many rows as columns, for a row is written as long as it is.
fn looked(model: &Transformer, row: &[Vec<u32>; 2]) -> Vec<f32> {
    let layers = no_grad(|| look(model, row));
    layers.last().map_or(Vec::new(), |last| last.to_vec())
}
