//! Nets of McCulloch-Pitts units: any expression as a net, all functions of four inputs, and the illusion of heat and
//! cold (McCulloch & Pitts 1943).

use crate::experiment::{self, Findings};
use crate::promise::{Bound, Measured, Promise, Unit as Reading};
use crate::recipe::{Card, Era, Job, Outcome, Prepared, Recipe};
use crate::run::Config;
use crate::settings::{self, to_table};
use eras_models::first_light::{Net, Source, TruthTable};
use eras_report::{Chart, Diagram, Ending, Section, Series, Table, format};
use eras_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// `eras train mcculloch-pitts`.
#[derive(Debug)]
pub struct McCullochPittsRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// What the drawn net computes.
    expression: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            expression: "(rain | snow) & !umbrella -> wet".into(),
        }
    }
}

/// Nets with more units are not drawn, tables with more rows not printed: nobody could read them.
const DRAWN: usize = 24;
const PRINTED: usize = 64;
/// All functions of four inputs.
const FUNCTIONS: u32 = 1 << 16;

impl Recipe for McCullochPittsRecipe {
    fn card(&self) -> Card {
        Card {
            name: "mcculloch-pitts",
            title: "McCulloch-Pitts neurons: logic as a net",
            era: Era::FirstLight,
            paper: "McCulloch & Pitts 1943, A logical calculus of the ideas immanent in nervous activity",
            data: "none: nothing is learned",
            promise: "all 65,536 functions of four inputs realized; the paper's illusion of heat and cold",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let exact = |name, unit, least| Promise {
            name,
            unit,
            bound: Bound::AtLeast(least),
        };
        vec![
            exact("functions_realized", Reading::Count, f64::from(FUNCTIONS)),
            exact("expression_right", Reading::Share, 1.0),
            exact("illusion_right", Reading::Share, 1.0),
        ]
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let Settings { expression } = settings::read(&config.settings)?;
        let wrong = |error: Error| Error::usage(format!("setting `expression`: {error}"));
        let table = TruthTable::parse(&expression).map_err(wrong)?;
        let net = Net::parse(&expression).map_err(wrong)?;
        Ok(Box::new(Experiment {
            expression,
            table,
            net,
        }))
    }
}

/// An expression that was understood.
struct Experiment {
    expression: String,
    table: TruthTable,
    net: Net,
}

impl Prepared for Experiment {
    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        let start = Instant::now();
        (job.say)("realizing all functions of four inputs ..");
        let (realized, sizes) = all_of_four()?;
        let (illusion, right) = illusion();
        let findings = Findings {
            measured: vec![
                Measured::new("functions_realized", f64::from(realized), Reading::Count),
                Measured::new("expression_right", self.right(), Reading::Share),
                Measured::new("illusion_right", right, Reading::Share),
            ],
            sections: vec![self.section(), illusion, functions(&sizes)],
        };
        let story = include_str!("../../stories/mcculloch-pitts.md");
        experiment::finish(&McCullochPittsRecipe, story, job.run, findings, start)
    }
}

impl Experiment {
    /// The share of cases in which the net says what the table does.
    fn right(&self) -> f64 {
        let answers = answers(&self.net, &self.table);
        let agree = answers.iter().zip(self.table.values());
        let hits = agree.filter(|(found, wanted)| found == wanted).count();
        hits as f64 / answers.len() as f64
    }

    fn section(&self) -> Section {
        let (units, inputs) = (self.net.units().len(), self.table.variables());
        let mut section = Section::new("A net for an expression")
            .note(self.expression.clone())
            .text(format!(
                "{units} units; the answer comes {} steps after the question. In a circle stands the threshold; an arrow \
                 excites, a ring silences whatever else comes in.",
                Net::DELAY
            ));
        if units <= DRAWN {
            section = section.diagram(draw(&self.net, &self.expression));
        }
        let rows = self.table.values().len();
        if rows > PRINTED {
            return section.text(format!(
                "The table of its {rows} cases is too long to print."
            ));
        }
        let digit = |on: &bool| String::from(if *on { "1" } else { "0" });
        let mut head = inputs.to_vec();
        head.extend(["wanted".to_owned(), "net".to_owned()]);
        let mut table = Table::new(head);
        let answers = answers(&self.net, &self.table);
        for (row, (wanted, found)) in self.table.values().iter().zip(&answers).enumerate() {
            let mut cells: Vec<String> = self.table.arguments(row).iter().map(digit).collect();
            cells.extend([digit(wanted), digit(found)]);
            table = table.row(cells);
        }
        section.table(table)
    }
}

/// What the net answers to every row of the table, one question a step.
pub(crate) fn answers(net: &Net, table: &TruthTable) -> Vec<bool> {
    let rows = table.values().len();
    let questions = (0..rows + Net::DELAY - 1).map(|row| table.arguments(row % rows));
    let questions: Vec<Vec<bool>> = questions.collect();
    net.run(&questions)[Net::DELAY - 1..].concat()
}

/// How many functions of four inputs have a net that computes them, and how many nets there are of each size.
pub(crate) fn all_of_four() -> Result<(u32, Vec<usize>)> {
    let (mut realized, mut sizes) = (0, Vec::new());
    for function in 0..FUNCTIONS {
        let values: Vec<bool> = (0..16).map(|row| function >> row & 1 == 1).collect();
        let table = TruthTable::new(&values)?;
        let net = Net::compile(&table);
        realized += u32::from(answers(&net, &table) == values);
        let units = net.units().len();
        if sizes.len() <= units {
            sizes.resize(units + 1, 0);
        }
        sizes[units] += 1;
    }
    Ok((realized, sizes))
}

fn functions(sizes: &[usize]) -> Section {
    let sized = || sizes.iter().enumerate().filter(|(_, count)| **count > 0);
    let mut table = Table::new(["units", "functions"]);
    for (units, count) in sized() {
        table = table.row([units.to_string(), format::count(*count as u64)]);
    }
    let points: Vec<(f64, f64)> = sized()
        .map(|(units, count)| (units as f64, *count as f64))
        .collect();
    let chart = Chart::new("Functions of four inputs by the units they take")
        .x_label("units")
        .series(Series::new("functions", points));
    Section::new("All functions of four inputs")
        .note("Each was compiled, and asked all of its 16 cases")
        .chart(chart)
        .table(table)
}

/// The illusion of heat and cold, and the share of its three courses that are felt as the paper says.
fn illusion() -> (Section, f64) {
    /// What touches the skin at each step, and what is to be felt, two steps or three later.
    const COURSES: [(&str, &str, &str, &str); 3] = [
        ("heat", "011000", "000000", ".hh..."),
        ("a brief cold", "000000", "010000", "...h.."),
        ("a long cold", "000000", "011111", "..cccc"),
    ];
    let net = Net::heat_illusion();
    let mut table = Table::new(["what touches", "heat", "cold", "felt", "wanted"]);
    let mut right = 0;
    for (name, heat, cold, wanted) in COURSES {
        let inputs = heat.bytes().zip(cold.bytes());
        let inputs: Vec<[bool; 2]> = inputs.map(|(h, c)| [h == b'1', c == b'1']).collect();
        let letter = |felt: &Vec<bool>| match felt[..] {
            [true, false] => 'h',
            [false, true] => 'c',
            [false, false] => '.',
            _ => '!',
        };
        let felt: String = net.run(&inputs).iter().map(letter).collect();
        right += usize::from(felt == wanted);
        table = table.row([name, heat, cold, &felt, wanted]);
    }
    let section = Section::new("The illusion of heat and cold")
        .note("h: heat is felt, c: cold")
        .text(
            "A cold thing that touches the skin for a moment feels hot; one that stays feels cold. The paper's figure 1e \
             explains it by a net with a memory of two steps.",
        )
        .diagram(draw(&net, "The illusion of heat and cold"))
        .table(table);
    (section, right as f64 / COURSES.len() as f64)
}

/// The net, each unit one column to the right of the last that leads to it.
pub(crate) fn draw(net: &Net, title: &str) -> Diagram {
    let inputs = net.inputs().len();
    let node = |source: &Source| match *source {
        Source::Input(i) => i,
        Source::Unit(i) => inputs + i,
    };
    let columns = columns(net);
    let mut diagram = net
        .inputs()
        .iter()
        .fold(Diagram::new(title), |diagram, name| diagram.input(0, name));
    for (unit, column) in net.units().iter().zip(&columns) {
        diagram = diagram.unit(*column, &unit.name, unit.threshold.to_string());
    }
    for (i, unit) in net.units().iter().enumerate() {
        for (sources, ending) in [
            (&unit.excitatory, Ending::Excites),
            (&unit.inhibitory, Ending::Inhibits),
        ] {
            for source in sources {
                diagram = diagram.link(node(source), inputs + i, ending);
            }
        }
    }
    diagram
}

/// The column of each unit: the longest way from an input, cycles left out.
fn columns(net: &Net) -> Vec<usize> {
    let units = net.units();
    let mut columns = vec![1; units.len()];
    // A way without a cycle is no longer than there are units.
    for _ in 0..units.len() {
        for (i, unit) in units.iter().enumerate() {
            let before = unit.excitatory.iter().chain(&unit.inhibitory);
            let before = before.filter_map(|source| match *source {
                Source::Unit(j) if j != i => Some(columns[j] + 1),
                _ => None,
            });
            let longest = before.max().unwrap_or(1);
            columns[i] = columns[i].max(longest).min(units.len());
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(expression: &str) -> Result<Box<dyn Prepared>> {
        let mut config = Config::new("mcculloch-pitts", McCullochPittsRecipe.defaults(), 1);
        config
            .settings
            .insert("expression".into(), expression.into());
        McCullochPittsRecipe.prepare(&config)
    }

    #[test]
    fn an_expression_that_does_not_parse_is_shown_with_the_place() {
        let error = prepared("a & | b")
            .err()
            .expect("it does not parse")
            .to_string();
        assert!(
            error.starts_with("setting `expression`:") && error.contains('^'),
            "{error}"
        );
    }

    #[test]
    fn the_net_of_the_default_expression_is_right_and_drawn() {
        let Settings { expression } = Settings::default();
        let table = TruthTable::parse(&expression).unwrap();
        let net = Net::parse(&expression).unwrap();
        let experiment = Experiment {
            expression,
            table,
            net,
        };
        assert!((experiment.right() - 1.0).abs() < 1e-12);
        let page = eras_report::Report::new("x")
            .section(experiment.section())
            .render();
        assert!(page.contains("umbrella") && page.contains("<svg"));
    }

    #[test]
    fn the_illusion_is_felt_as_the_paper_says() {
        assert!((illusion().1 - 1.0).abs() < 1e-12);
    }
}
