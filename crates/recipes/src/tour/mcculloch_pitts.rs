//! 1943: a net of neurons computes any function of logic, and learns nothing.

use super::{Drawing, Figure, Stop, View, Visit};
use crate::first_light::mcculloch_pitts::{all_of_four, answers, draw};
use crate::promise::Unit;
use crate::recipe::Era;
use eras_models::first_light::{Net, Source, TruthTable};
use eras_report::{Table, format};
use eras_tensor::Result;

pub(super) static STOP: Stop = Stop {
    name: "mcculloch-pitts",
    title: "A neuron is a piece of logic",
    era: Era::FirstLight,
    year: 1943,
    idea: "A cell fires when enough of its inputs fire, and keeps silent when one that inhibits it does. Warren McCulloch and \
           Walter Pitts showed that nets of such cells can compute whatever logic can say.",
    next: "Hebb (1949): let a connection grow when it is used.",
    recipe: "mcculloch-pitts",
    story: include_str!("../../stories/mcculloch-pitts.md"),
    visit,
};

/// How often the same questions are put to see whether a net learns from them.
const ROUNDS: usize = 1000;

fn visit(visit: &mut Visit<'_>) -> Result<String> {
    const WIRED: &str = "a xor b";
    let (table, net) = (TruthTable::parse(WIRED)?, Net::parse(WIRED)?);
    let said = answers(&net, &table);
    let mut asked = Table::new(["a", "b", "answer", "right"]);
    for (row, (said, wanted)) in said.iter().zip(table.values()).enumerate() {
        let mut cells: Vec<&str> = table.arguments(row).iter().map(|on| bit(*on)).collect();
        cells.extend([bit(*said), if said == wanted { "yes" } else { "no" }]);
        asked = asked.row(cells);
    }
    visit.show(vec![
        View::new(
            format!("wired for {WIRED}"),
            wiring(&net),
            Figure::Diagram(draw(&net, WIRED)),
        ),
        View::table("what it answers", asked),
    ]);
    visit.key("+ excites and - silences; in parentheses how many must excite a neuron at once");

    visit.doing("making a net for every function of four inputs ..")?;
    let (realized, sizes) = all_of_four()?;
    let realized = visit.counted("functions_realized", realized as usize);
    let functions: usize = sizes.iter().sum();
    let largest = visit.counted("largest_net", sizes.len() - 1);
    visit.say(format!(
        "There are {} functions of four inputs. A net was made for each and asked all 16 cases: {} of them are right, the \
         largest with {largest} neurons.",
        format::count(functions as u64),
        format::count(realized as u64),
    ));

    // A cold thing that touches the skin for one step.
    let cold = [false, true, false, false, false, false];
    let illusion = Net::heat_illusion();
    let felt = illusion.run(&cold.map(|cold| [false, cold]));
    let line = |name: &str, on: &dyn Fn(usize) -> bool| {
        let steps = (0..cold.len()).map(|step| if on(step) { "█" } else { "·" });
        let cells = [name.to_owned()]
            .into_iter()
            .chain(steps.map(str::to_owned));
        cells.collect::<Vec<_>>()
    };
    let head = ["step", "1", "2", "3", "4", "5", "6"];
    let course = Table::new(head)
        .row(line("cold touches", &|step| cold[step]))
        .row(line("cold is felt", &|step| felt[step][1]))
        .row(line("heat is felt", &|step| felt[step][0]));
    let heat = felt.iter().filter(|felt| felt[0]).count();
    visit.counted("heat_felt", heat);
    visit.show(vec![View::table(
        "the paper's own net, with a memory: a brief cold feels hot",
        course,
    )]);

    let before = net.clone();
    let mut questions = 0;
    for _ in 0..ROUNDS {
        questions += answers(&net, &table).len();
    }
    let changed = before.units().iter().zip(net.units());
    let changed = changed.filter(|(before, after)| before != after).count();
    visit.measured("units_changed", changed as f64, Unit::Count);
    Ok(format!(
        "{} more questions were put to the first net, and {changed} of its {} neurons changed. It cannot learn: somebody has \
         to draw every net.",
        format::count(questions as u64),
        net.units().len(),
    ))
}

fn bit(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}

/// A line for each unit with its inputs, brought together at the last, as nets of one sum are compiled.
fn wiring(net: &Net) -> Drawing {
    let inputs = net.inputs();
    let (last, units) = net.units().split_last().expect("a net has an answer");
    let name = units.iter().map(|unit| unit.name.chars().count());
    let name = name.max().unwrap_or(0);
    let mut lines = vec![format!("{:name$}   {}", "", inputs.join("  "))];
    for (i, unit) in units.iter().enumerate() {
        let mut line = format!("{:name$}   ", unit.name);
        for (input, label) in inputs.iter().enumerate() {
            let comes = |sources: &[Source]| sources.contains(&Source::Input(input));
            let sign = match (comes(&unit.excitatory), comes(&unit.inhibitory)) {
                (true, _) => '+',
                (false, true) => '-',
                (false, false) => ' ',
            };
            line += &format!("{sign:<0$}", label.chars().count() + 2);
        }
        line += &format!("({}) ", unit.threshold);
        line += match (i, i + 1 == units.len()) {
            (0, true) => "──",
            (0, false) => "─┐",
            (_, false) => "─┤",
            (_, true) => "─┴─",
        };
        if i + 1 == units.len() {
            let ending = if last.excitatory.is_empty() { "o" } else { ">" };
            line += &format!("{ending} ({}) {}", last.threshold, last.name);
        }
        lines.push(line);
    }
    Drawing::lines(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wiring_of_a_net_is_drawn_as_it_is() {
        let net = Net::parse("a xor b").unwrap();
        let lines = wiring(&net).text();
        assert_eq!(
            lines,
            [
                "         a  b",
                "!a & b   -  +  (1) ─┐",
                "a & !b   +  -  (1) ─┴─> (1) a xor b"
            ]
        );
    }
}
