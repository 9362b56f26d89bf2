//! Line charts as SVG.
//!
//! A value that is not finite, or that a logarithmic axis cannot show, leaves a gap in its line: a
//! diverged run shows where it broke.

pub(crate) mod frame;
mod series;
#[cfg(test)]
mod tests;

pub use series::{Best, Series};

use crate::format::{percent, significant};
use crate::scale::{Axis, Scale, Unit};
use crate::svg::{self, COLOURS, num, put};
use frame::Frame;

/// A line chart.
///
/// ```
/// use eras_report::{Chart, Scale, Series};
///
/// let svg = Chart::new("Loss")
///     .x_label("epoch")
///     .y_label("cross entropy")
///     .y_scale(Scale::Log)
///     .series(Series::by_epoch("training", &[0.4, 0.1, f64::NAN, 0.01]))
///     .svg();
/// assert!(svg.ends_with("</svg>\n"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// What is drawn.
    pub title: String,
    /// What the x axis counts.
    pub x_label: String,
    /// What the y axis measures.
    pub y_label: String,
    /// How the x axis maps.
    pub x_scale: Scale,
    /// How the y axis maps.
    pub y_scale: Scale,
    /// Whether the y values are shares of one, to be written as percentages.
    pub y_percent: bool,
    /// The lines; later ones lie on top.
    pub series: Vec<Series>,
}

pub(crate) const WIDTH: f64 = 460.0;
const PLOT_HEIGHT: f64 = 210.0;
pub(crate) const EDGE: f64 = 10.0;
pub(crate) const LEGEND_ROW: f64 = 18.0;

/// Up to so many points each gets a marker of its own; more would hide the line.
const MARKED_POINTS: usize = 30;
/// From so many points on, only what can be told apart is drawn.
const DENSE: usize = 1500;

impl Chart {
    /// An empty chart with a title.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// Names the x axis.
    #[must_use]
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// Names the y axis.
    #[must_use]
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// Chooses how the x axis maps.
    #[must_use]
    pub fn x_scale(mut self, scale: Scale) -> Self {
        self.x_scale = scale;
        self
    }

    /// Chooses how the y axis maps.
    #[must_use]
    pub fn y_scale(mut self, scale: Scale) -> Self {
        self.y_scale = scale;
        self
    }

    /// Says that the y values are shares of one, to be written as percentages.
    #[must_use]
    pub fn y_percent(mut self) -> Self {
        self.y_percent = true;
        self
    }

    /// Adds a line.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// The chart as a complete SVG file.
    #[must_use]
    pub fn svg(&self) -> String {
        let legend = self.legend();
        let rows = legend.last().map_or(0, |entry| entry.row + 1);
        let subtitle = self.subtitle();

        let (x_axis, y_axis) = self.axes();
        let label_width = y_axis
            .ticks
            .iter()
            .map(|(_, label)| svg::text_width(label, 13.0))
            .fold(0.0, f64::max);
        // The label below the last tick reaches half its width to the right.
        let last_label = x_axis
            .ticks
            .last()
            .map_or(0.0, |(_, label)| svg::text_width(label, 13.0) / 2.0 - 4.0);
        let head = if subtitle.is_empty() { 29.0 } else { 47.0 };
        let frame = Frame {
            left: EDGE + label_width.max(14.0) + 8.0,
            right: WIDTH - EDGE - last_label.max(6.0),
            top: head + rows as f64 * LEGEND_ROW + 14.0,
            bottom: head + rows as f64 * LEGEND_ROW + 14.0 + PLOT_HEIGHT,
            x_axis,
            y_axis,
        };
        let foot = if self.x_label.is_empty() { 28.0 } else { 46.0 };

        let mut out = svg::open(WIDTH, frame.bottom + foot, &self.description());
        let title = svg::fit(&self.title, 15.0, WIDTH - 2.0 * EDGE);
        let title = svg::escape(&title);
        let (x, y) = (num(EDGE), num(22.0));
        put!(
            out,
            "<text class=\"ink\" x=\"{x}\" y=\"{y}\" font-size=\"15\" font-weight=\"600\">{title}</text>\n"
        );
        if !subtitle.is_empty() {
            svg::text(&mut out, "soft", EDGE, 40.0, "start", &subtitle);
        }
        draw_legend(&mut out, &legend, head);
        frame.draw(&mut out, &self.x_label);
        let mut anything = false;
        for (i, series) in self.series.iter().enumerate() {
            anything |= self.draw_series(&mut out, &frame, series, i);
        }
        if !anything {
            let (x, y) = (
                (frame.left + frame.right) / 2.0,
                (frame.top + frame.bottom) / 2.0 + 4.0,
            );
            svg::text(&mut out, "soft", x, y, "middle", "nothing to show");
        }
        out.push_str("</svg>\n");
        out
    }

    fn subtitle(&self) -> String {
        let log = if self.y_scale == Scale::Log {
            "log scale"
        } else {
            ""
        };
        let parts: Vec<&str> = [self.y_label.as_str(), log]
            .into_iter()
            .filter(|p| !p.is_empty())
            .collect();
        svg::fit(&parts.join(", "), 12.0, WIDTH - 2.0 * EDGE)
    }

    /// What a screen reader says.
    fn description(&self) -> String {
        let names: Vec<&str> = self.series.iter().map(|s| s.name.as_str()).collect();
        format!(
            "Line chart: {}. {} by {}. Lines: {}.",
            self.title,
            self.y_label,
            self.x_label,
            names.join(", ")
        )
    }

    fn shows(&self, point: &(f64, f64)) -> bool {
        self.x_scale.shows(point.0) && self.y_scale.shows(point.1)
    }

    fn axes(&self) -> (Axis, Axis) {
        let points = || {
            self.series
                .iter()
                .flat_map(|s| &s.points)
                .filter(|p| self.shows(p))
        };
        let whole = points().all(|p| p.0.fract() == 0.0);
        let x_unit = if whole { Unit::Whole } else { Unit::Plain };
        let y_unit = if self.y_percent {
            Unit::Percent
        } else {
            Unit::Plain
        };
        let x_axis = |want| Axis::new(points().map(|p| p.0), self.x_scale, x_unit, want, false);
        let crowded = |axis: &Axis| {
            let labels = axis
                .ticks
                .iter()
                .map(|(_, label)| svg::text_width(label, 12.0) + 16.0);
            labels.sum::<f64>() > WIDTH - 80.0
        };
        let x = Some(x_axis(7))
            .filter(|axis| !crowded(axis))
            .unwrap_or_else(|| x_axis(4));
        let y = Axis::new(points().map(|p| p.1), self.y_scale, y_unit, 5, true);
        (x, y)
    }

    fn value(&self, y: f64) -> String {
        if self.y_percent {
            percent(y)
        } else {
            significant(y)
        }
    }

    /// `epoch 9`, or just `9` where the axis has no name.
    fn place(&self, x: f64) -> String {
        let x = if x.fract() == 0.0 && x.abs() < 1e15 {
            format!("{x:.0}")
        } else {
            significant(x)
        };
        format!("{} {x}", self.x_label).trim_start().to_owned()
    }

    fn legend(&self) -> Vec<Entry> {
        let only_one = self.series.len() == 1 && self.series[0].best.is_none();
        if only_one {
            return Vec::new(); // the title says it
        }
        let (mut x, mut row) = (EDGE, 0);
        let mut entries = Vec::new();
        for (i, series) in self.series.iter().enumerate() {
            let best = series.best_point(|p| self.shows(p));
            let note = best.map_or(String::new(), |(x, y)| {
                format!("best {} at {}", self.value(y), self.place(x))
            });
            let note_width = if note.is_empty() {
                0.0
            } else {
                svg::text_width(&note, 12.0) + 6.0
            };
            let name = svg::fit(
                &series.name,
                12.0,
                (WIDTH - 2.0 * EDGE - 30.0 - note_width).max(60.0),
            );
            let width = 28.0 + svg::text_width(&name, 12.0) + note_width;
            if x > EDGE && x + width > WIDTH - EDGE {
                (x, row) = (EDGE, row + 1);
            }
            entries.push(Entry {
                series: i,
                name,
                note,
                x,
                row,
            });
            x += width + 18.0;
        }
        entries
    }

    /// Draws one line and says whether any of it could be shown.
    fn draw_series(&self, out: &mut String, frame: &Frame, series: &Series, index: usize) -> bool {
        let colour = index % COLOURS;
        let mut path = String::new();
        for run in series
            .points
            .split(|p| !self.shows(p))
            .filter(|run| !run.is_empty())
        {
            let run: Vec<(f64, f64)> = run.iter().map(|&p| frame.place(p)).collect();
            for (i, (x, y)) in thin(&run).into_iter().enumerate() {
                let step = if i == 0 { 'M' } else { 'L' };
                put!(path, "{step}{} {}", num(x), num(y));
            }
            if run.len() == 1 {
                path.push_str("h0"); // the round cap makes a dot of it
            }
        }
        if path.is_empty() {
            return false;
        }
        let dash = dash(index);
        let class = if series.points.len() < DENSE {
            "line"
        } else {
            "line fine"
        };
        put!(
            out,
            "<path class=\"{class} s{colour}\"{dash} d=\"{path}\"/>\n"
        );

        if series.points.len() <= MARKED_POINTS {
            for &point in series.points.iter().filter(|p| self.shows(p)) {
                let (x, y) = frame.place(point);
                let tip = format!(
                    "{}, {}: {}",
                    series.name,
                    self.place(point.0),
                    self.value(point.1)
                );
                let (shape, tip) = (marker(index, x, y, 1.0), svg::escape(&tip));
                put!(
                    out,
                    "<path class=\"dot f{colour}\" d=\"{shape}\"><title>{tip}</title></path>\n"
                );
            }
        }
        if let Some(point) = series.best_point(|p| self.shows(p)) {
            let (x, y) = frame.place(point);
            let (x, y) = (num(x), num(y));
            put!(
                out,
                "<circle class=\"ring s{colour}\" cx=\"{x}\" cy=\"{y}\" r=\"6.5\"/>\n"
            );
        }
        true
    }
}

/// Lines whose colour was used before are dashed.
fn dash(index: usize) -> &'static str {
    match index / COLOURS {
        0 => "",
        1 => " stroke-dasharray=\"7 5\"",
        _ => " stroke-dasharray=\"1 5\"",
    }
}

/// Circle, square, triangle, diamond in turn: the lines differ without colour too.
pub(crate) fn marker(index: usize, x: f64, y: f64, size: f64) -> String {
    let n = |from: f64, units: f64| num(from + units * size);
    let length = |units: f64| n(0.0, units);
    match index % 4 {
        0 => format!(
            "M{} {}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z",
            n(x, -3.2),
            num(y),
            r = length(3.2),
            d = length(6.4)
        ),
        1 => format!(
            "M{} {}h{s}v{s}h-{s}z",
            n(x, -2.9),
            n(y, -2.9),
            s = length(5.8)
        ),
        2 => format!(
            "M{} {}l{} {}h-{}z",
            num(x),
            n(y, -4.2),
            length(3.8),
            length(6.6),
            length(7.6)
        ),
        _ => format!(
            "M{} {}l{s} {s}l-{s} {s}l-{s} -{s}z",
            num(x),
            n(y, -4.0),
            s = length(4.0)
        ),
    }
}

/// Keeps the first, lowest, highest and last point in each column of the picture: what the eye can see.
fn thin(run: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if run.len() < DENSE {
        return run.to_vec();
    }
    let columns = run.chunk_by(|a, b| a.0.floor() == b.0.floor());
    columns
        .flat_map(|column| {
            let by_height = |&a: &usize, &b: &usize| column[a].1.total_cmp(&column[b].1);
            let all = 0..column.len();
            let lowest = all.clone().min_by(by_height).unwrap_or(0);
            let highest = all.max_by(by_height).unwrap_or(0);
            let mut keep = [0, lowest, highest, column.len() - 1].to_vec();
            keep.sort_unstable();
            keep.dedup();
            keep.into_iter().map(|i| column[i])
        })
        .collect()
}

/// One entry of the legend and where it stands.
struct Entry {
    series: usize,
    name: String,
    note: String,
    x: f64,
    row: usize,
}

fn draw_legend(out: &mut String, entries: &[Entry], top: f64) {
    for Entry {
        series,
        name,
        note,
        x,
        row,
    } in entries
    {
        let y = top + 12.0 + *row as f64 * LEGEND_ROW;
        let (colour, dash) = (series % COLOURS, dash(*series));
        let (from, line, shape) = (
            num(*x),
            num(y - 4.0),
            marker(*series, x + 10.0, y - 4.0, 1.0),
        );
        let (name, note) = (svg::escape(name), svg::escape(note));
        let note = if note.is_empty() {
            note
        } else {
            format!(" <tspan class=\"soft\">{note}</tspan>")
        };
        put!(
            out,
            "<path class=\"line s{colour}\"{dash} d=\"M{from} {line}h20\"/><path class=\"dot f{colour}\" \
             d=\"{shape}\"/><text class=\"ink\" x=\"{}\" y=\"{}\">{name}{note}</text>\n",
            num(x + 27.0),
            num(y)
        );
    }
}
