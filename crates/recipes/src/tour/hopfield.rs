//! 1982: memories as valleys, and how many there is room for.

use super::visit::count;
use super::{Drawing, Figure, Stop, View, Visit};
use crate::connectionism::hopfield::{SAME, break_at, chosen, noisy, overlap};
use crate::promise::Unit;
use crate::recipe::Era;
use crate::tour::sight::within;
use eras_models::connectionism::{Hopfield, capacity};
use eras_report::{Chart, Series, format};
use eras_tensor::{Result, Rng, Tensor};

pub(super) static STOP: Stop = Stop {
    name: "hopfield",
    title: "Memories are valleys",
    era: Era::Connectionism,
    year: 1982,
    idea: "John Hopfield connected every unit with every other, by Hebb's rule. Such a net has an energy, and each unit that \
           changes lowers it: begin near a memory, and the net rolls down into it.",
    next: "The Boltzmann machine (1985): warm the net up, hide some of its units, and let it learn from its dreams.",
    recipe: "hopfield",
    story: include_str!("../../stories/hopfield.md"),
    visit,
};

/// Digits that are stored.
const DIGITS: usize = 3;
/// The share of bits turned over before a recall.
const NOISE: f64 = 0.3;
const SWEEPS: usize = 20;
/// Recalls of each digit.
const RECALLS: usize = 20;
/// Characters of a picture.
const WIDTH: usize = 24;
/// Units of the nets whose capacity is measured, and recalls at each load.
const UNITS: usize = 500;
const TRIALS: usize = 20;

fn visit(visit: &mut Visit<'_>) -> Result<String> {
    let digits = &visit.digits()?.train;
    let rng = &mut visit.rng();
    let memories = chosen(digits, DIGITS);
    let net = net_of(&memories);
    let view = |caption: &str, state: &Tensor| View::digit(caption, &bits(state), WIDTH);
    let (first, start) = (&memories[0], noisy(&memories[0], NOISE, rng));
    let (end, sweeps) = recall(visit, &net, &start, rng)?;
    let mut views = vec![
        view("stored", first),
        view("begun with", &start),
        view("at rest", &end),
    ];
    // Another one is drawn on the page alone.
    let start = noisy(&memories[1], NOISE, rng);
    let rest = net.recall(&start, SWEEPS, rng).state;
    let other = [
        ("stored", &memories[1]),
        ("begun with", &start),
        ("at rest", &rest),
    ];
    views.extend(other.map(|(caption, state)| View {
        drawing: Drawing::default(),
        ..view(caption, state)
    }));
    visit.show(views);

    let same = visit.measured("overlap", overlap(&end, first), Unit::Share);
    let hits = visit.counted("recalled", recalled(&memories, rng));
    let valley = if same >= SAME {
        "that is the memory"
    } else {
        "another valley, which nobody had put there"
    };
    visit.say(format!(
        "{DIGITS} digits are stored in {} units. {:.0}% of the bits of one were turned over; in a sweep every unit looks once at all \
         others, and after {} none changed any more. The overlap with the memory was {}: {valley}. Of {} such recalls {hits} \
         came back.",
        first.len(),
        100.0 * NOISE,
        count(sweeps, "sweep"),
        format::percent(same),
        DIGITS * RECALLS,
    ));

    let more = chosen(digits, DIGITS + 1);
    let hits = visit.counted("recalled_with_one_more", recalled(&more, rng));
    let load = loads(visit, rng)?;
    Ok(format!(
        "It is soon full. With one digit more {hits} of {} recalls come back, for digits resemble each other. Random patterns, which \
         do not, are lost beyond {} a unit (of {UNITS} units; in theory, of infinitely many, beyond {}). And it learns nothing \
         that was not put in.",
        more.len() * RECALLS,
        format::significant(load),
        Hopfield::CRITICAL_LOAD,
    ))
}

fn net_of(memories: &[Tensor]) -> Hopfield {
    let mut net = Hopfield::new(memories[0].len());
    net.store(&Tensor::stack(memories, 0));
    net
}

/// The state that `start` rolls down to, and the sweeps in which something moved.
fn recall(
    visit: &mut Visit<'_>,
    net: &Hopfield,
    start: &Tensor,
    rng: &mut Rng,
) -> Result<(Tensor, usize)> {
    let mut state = start.clone();
    for sweep in 0..SWEEPS {
        visit.play(|| {
            let drawing = Drawing::gray(&within(&bits(&state)), WIDTH);
            vec![(
                format!("recalling, after {}", count(sweep, "sweep")),
                drawing,
            )]
        })?;
        let next = net.recall(&state, 1, rng);
        if next.is_stable {
            return Ok((state, sweep));
        }
        state = next.state;
    }
    Ok((state, SWEEPS))
}

/// How many recalls from noise came back to their memory.
fn recalled(memories: &[Tensor], rng: &mut Rng) -> usize {
    let net = net_of(memories);
    let mut hits = 0;
    for memory in memories {
        for _ in 0..RECALLS {
            let state = net.recall(&noisy(memory, NOISE, rng), SWEEPS, rng).state;
            hits += usize::from(overlap(&state, memory) >= SAME);
        }
    }
    hits
}

/// The load at which random patterns are lost.
fn loads(visit: &mut Visit<'_>, rng: &mut Rng) -> Result<f64> {
    let (mut loads, mut overlaps) = (Vec::new(), Vec::new());
    for percent in (5..=25).step_by(2) {
        visit.doing(&format!(
            "filling nets: {percent} patterns for 100 units .."
        ))?;
        let load = f64::from(percent) / 100.0;
        loads.push(load);
        overlaps.extend(capacity(UNITS, &[load], TRIALS, rng));
    }
    let bars: Vec<(String, f64, String)> = loads
        .iter()
        .zip(&overlaps)
        .map(|(load, overlap)| (format!("{load:.2}"), *overlap, format::percent(*overlap)))
        .collect();
    let points = loads.iter().copied().zip(overlaps.iter().copied());
    let chart = Chart::new("Overlap with a memory after a recall from it")
        .x_label("patterns for each unit")
        .y_percent()
        .series(Series::new("overlap", points.collect()));
    visit.show(vec![View::new(
        "patterns a unit, and what is left of one after its recall",
        Drawing::bars(&bars, 40),
        Figure::Chart(chart),
    )]);
    Ok(visit.measured("capacity", break_at(&loads, &overlaps), Unit::Plain))
}

/// A state of -1 and 1 as pixels of 0 and 1.
fn bits(state: &Tensor) -> Vec<f32> {
    ((state + 1.0) * 0.5).to_vec()
}
