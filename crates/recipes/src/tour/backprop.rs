//! 1986: hidden units solve XOR, and the error fades on its way through many layers.

use super::{Drawing, Figure, Stop, View, Visit};
use crate::connectionism::backprop::{Learned, weights};
use crate::drawing;
use crate::promise::Unit;
use crate::recipe::Era;
use eras_models::connectionism::{LogisticNet, xor};
use eras_nn::Module;
use eras_report::{Chart, Scale, Series, Table, format};
use eras_tensor::{Result, Tensor};

pub(super) static STOP: Stop = Stop {
    name: "backprop",
    title: "Hidden units find out for themselves",
    era: Era::Connectionism,
    year: 1986,
    idea: "Between input and output lie units that nobody tells what to do. Rumelhart, Hinton and Williams ask how much each of \
           them had to do with the error, and the chain rule answers: send the error back by the way the answer came.",
    next: "More data, faster machines, units that do not fade (ReLU, 2010): layers upon layers.",
    recipe: "backprop",
    story: include_str!("../../stories/backprop.md"),
    visit,
};

/// Characters of a picture that moves, and of those beside each other.
const WIDTH: usize = 24;
const SMALL: usize = 18;
/// Sweeps that are kept.
const KEPT: [usize; 4] = [0, 100, 200, 2000];

fn visit(visit: &mut Visit<'_>) -> Result<String> {
    let (x, d) = xor();
    let points = x.to_vec::<f32>();
    let labels: Vec<bool> = d.to_vec::<f32>().iter().map(|d| *d > 0.5).collect();
    let learned = Learned::xor(visit.seed(), |sweep, net| {
        if sweep <= 400 && sweep.is_multiple_of(10) {
            visit.play(|| {
                let drawing = Drawing::surface(&points, &labels, WIDTH, value(net));
                vec![(format!("XOR after {sweep} sweeps"), drawing)]
            })?;
        }
        Ok(())
    })?;
    let moments = learned.nets.iter().zip(Learned::SHOWN);
    let moments = moments.filter(|(_, sweep)| KEPT.contains(sweep));
    let surface = |(net, sweep): (&LogisticNet, usize)| {
        let score = |place| value(net)(place) - 0.5;
        View::new(
            format!("{sweep} sweeps"),
            Drawing::surface(&points, &labels, SMALL, value(net)),
            Figure::Picture(drawing::plane(&points, &labels, score)),
        )
    };
    visit.show(moments.map(surface).collect());

    let net = learned.net();
    let mut table = Table::new([
        "a",
        "b",
        "first hidden",
        "second hidden",
        "answer",
        "wanted",
    ]);
    let activities = net.activities(&x);
    let mut right = 0;
    for case in 0..labels.len() {
        let row = |layer: usize| activities[layer].select(0, case).to_vec::<f32>();
        let (inputs, hidden, answer) = (row(0), row(1), row(2)[0]);
        right += usize::from((answer > 0.5) == labels[case]);
        let mut cells: Vec<String> = inputs.iter().map(|x| format!("{x:.0}")).collect();
        cells.extend(hidden.iter().map(|y| format!("{y:.2}")));
        cells.extend([format!("{answer:.2}"), u8::from(labels[case]).to_string()]);
        table = table.row(cells);
    }
    visit.show(vec![
        View::table("what the two hidden units make of the cases", table),
        View::new("", Drawing::default(), Figure::Diagram(weights(net))),
    ]);
    let right = visit.counted("xor_right", right);
    let starts = visit.counted("starts", learned.starts as usize);
    let error = learned.errors[learned.errors.len() - 1];
    let error = visit.measured("xor_error", error, Unit::Plain);
    visit.say(format!(
        "The wall is gone: {right} of 4 cases are right, with an error of {} (start {starts}). The hidden units drew a line \
         each, which nobody had told them, and the output unit put the two together.",
        format::significant(error),
    ));
    fading(visit)
}

/// What the network says at each place.
fn value(net: &LogisticNet) -> impl Fn([f32; 2]) -> f32 {
    |place| net.forward(&Tensor::from([place])).item() as f32
}

/// How the gradient shrinks through many layers.
fn fading(visit: &mut Visit<'_>) -> Result<String> {
    /// From the input up.
    const SIZES: [usize; 10] = [2, 8, 8, 8, 8, 8, 8, 8, 8, 1];
    let net = LogisticNet::new(&SIZES, 1.0, &mut visit.rng());
    let (x, d) = xor();
    let (_, grads) = net.gradients(&x, &d);
    let mut sizes = Vec::new();
    net.for_each_param(&mut |name, param| {
        if name.ends_with("weight") {
            sizes.push(grads[param].abs().mean(..).item());
        }
    });
    // Long bars for large numbers, a fixed piece shorter for each power of ten.
    let logs: Vec<f64> = sizes.iter().map(|size| size.log10()).collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = logs.iter().copied().fold(f64::INFINITY, f64::min);
    let bars = logs.iter().zip(&sizes).enumerate().rev();
    let bars: Vec<(String, f64, String)> = bars
        .map(|(layer, (log, size))| {
            let share = 0.05 + 0.95 * (log - least) / (most - least);
            (
                format!("layer {}", layer + 1),
                share,
                format::significant(*size),
            )
        })
        .collect();
    let points = (1..).map(f64::from).zip(sizes.iter().copied());
    let chart = Chart::new("The mean size of a gradient")
        .x_label("layer, from the input up")
        .y_scale(Scale::Log)
        .series(Series::new("gradient", points.collect()));
    visit.show(vec![View::new(
        "the mean size of the gradient in each layer (logarithmic)",
        Drawing::bars(&bars, 40),
        Figure::Chart(chart),
    )]);
    let shrunk = visit.measured("shrunk", sizes[sizes.len() - 1] / sizes[0], Unit::Plain);
    Ok(format!(
        "The error fades on its way. Through {} layers of the same units, before anything is learned, the gradient at the bottom \
         is {} times smaller than at the top: the lower layers hardly learn.",
        sizes.len(),
        format::count(shrunk.round() as u64),
    ))
}
