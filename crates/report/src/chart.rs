//! Line charts as SVG.
//!
//! A value that is not finite, or that a logarithmic axis cannot show, leaves a gap in its line: a
//! diverged run shows where it broke.

use crate::format::{percent, significant};
use crate::scale::{Axis, Scale, Unit};
use crate::svg::{self, COLOURS, num, put};

/// Which point of a series is its best: it gets a ring, and its value stands in the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Best {
    /// The lowest, as of a loss.
    Lowest,
    /// The highest, as of an accuracy.
    Highest,
}

/// One line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Its points `(x, y)`, in the order in which the line goes.
    pub points: Vec<(f64, f64)>,
    /// Which point to mark, if any.
    pub best: Option<Best>,
}

impl Series {
    /// A line through these points.
    #[must_use]
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points,
            best: None,
        }
    }

    /// A line through one value per epoch; the first epoch is 1.
    #[must_use]
    pub fn by_epoch(name: impl Into<String>, values: &[f64]) -> Self {
        let points = values
            .iter()
            .enumerate()
            .map(|(i, &y)| ((i + 1) as f64, y))
            .collect();
        Self::new(name, points)
    }

    /// Marks the best point.
    #[must_use]
    pub fn best(mut self, best: Best) -> Self {
        self.best = Some(best);
        self
    }

    /// The best point that the axes can show; the first, where several are equal.
    fn best_point(&self, shows: impl Fn(&(f64, f64)) -> bool) -> Option<(f64, f64)> {
        let best = self.best?;
        let better = |a: f64, b: f64| match best {
            Best::Lowest => a < b,
            Best::Highest => a > b,
        };
        let points = self.points.iter().copied().filter(shows);
        points.reduce(|a, b| if better(b.1, a.1) { b } else { a })
    }
}

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

const WIDTH: f64 = 460.0;
const PLOT_HEIGHT: f64 = 210.0;
const EDGE: f64 = 10.0;
const LEGEND_ROW: f64 = 18.0;

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
                let (shape, tip) = (marker(index, x, y), svg::escape(&tip));
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
fn marker(index: usize, x: f64, y: f64) -> String {
    match index % 4 {
        0 => format!(
            "M{} {}a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0z",
            num(x - 3.2),
            num(y)
        ),
        1 => format!("M{} {}h5.8v5.8h-5.8z", num(x - 2.9), num(y - 2.9)),
        2 => format!("M{} {}l3.8 6.6h-7.6z", num(x), num(y - 4.2)),
        _ => format!("M{} {}l4 4l-4 4l-4 -4z", num(x), num(y - 4.0)),
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
        let (from, line, shape) = (num(*x), num(y - 4.0), marker(*series, x + 10.0, y - 4.0));
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

/// The rectangle in which the lines are drawn, and its axes.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x_axis: Axis,
    y_axis: Axis,
}

impl Frame {
    /// Where a point falls in the picture.
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        // The outermost markers do not touch the frame.
        let (left, right) = (self.left + 6.0, self.right - 2.0);
        let across = left + self.x_axis.at(x) * (right - left);
        let up = self.bottom - self.y_axis.at(y) * (self.bottom - self.top);
        (across, up)
    }

    fn draw(&self, out: &mut String, x_label: &str) {
        let (left, right, bottom) = (num(self.left), num(self.right), num(self.bottom));
        let mut grid = String::new();
        for (value, label) in &self.y_axis.ticks {
            let y = self.place((self.x_axis.low, *value)).1;
            if y < self.bottom - 0.5 {
                put!(grid, "M{left} {}H{right}", num(y));
            }
            svg::text(out, "soft", self.left - 8.0, y + 4.0, "end", label);
        }
        let mut axis = format!("M{left} {bottom}H{right}");
        for (value, label) in &self.x_axis.ticks {
            let x = self.place((*value, self.y_axis.low)).0;
            if !(self.left - 0.5..=self.right + 0.5).contains(&x) {
                continue; // a logarithmic axis may begin before the data
            }
            put!(axis, "M{} {bottom}v4", num(x));
            svg::text(out, "soft", x, self.bottom + 18.0, "middle", label);
        }
        put!(
            out,
            "<path class=\"grid\" d=\"{grid}\"/>\n<path class=\"axis\" fill=\"none\" d=\"{axis}\"/>\n"
        );
        if !x_label.is_empty() {
            let middle = (self.left + self.right) / 2.0;
            svg::text(out, "soft", middle, self.bottom + 36.0, "middle", x_label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roxmltree::Document;

    /// The `d` of the drawn lines, without those of the legend.
    fn lines(svg: &str) -> Vec<String> {
        let document = Document::parse(svg).expect("valid XML");
        let of_class =
            |n: &roxmltree::Node, c: &str| n.attribute("class").is_some_and(|k| k.starts_with(c));
        let paths = document
            .descendants()
            .filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "path")));
        let lines = paths.filter(|n| {
            of_class(n, "line") && !n.attribute("d").is_some_and(|d| d.ends_with("h20"))
        });
        lines
            .map(|n| n.attribute("d").unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn points_fall_on_the_corners_of_the_plot() {
        // y ticks 0.0 to 1.0: labels are 3 characters, 0.6 + 0.33 + 0.6 em at 13, so left = 10 + 19.89 + 8
        // and the plot runs from 43.9 to 442 (`10` below its end takes less than the 6 left there); without legend or subtitle from 43 down to 253.
        let svg = Chart::new("t")
            .series(Series::new("a", vec![(0.0, 0.0), (5.0, 1.0), (10.0, 0.5)]))
            .svg();
        assert_eq!(lines(&svg), ["M43.9 253L242.9 43L442 148"]);
    }

    #[test]
    fn equal_ratios_are_equal_steps_on_a_log_axis() {
        let svg = Chart::new("t")
            .y_scale(Scale::Log)
            .series(Series::by_epoch("a", &[0.01, 0.1, 1.0]))
            .svg();
        let line = &lines(&svg)[0];
        let heights: Vec<f64> = line[1..]
            .split('L')
            .map(|p| p.split_once(' ').expect("x y").1.parse().expect("a number"))
            .collect();
        assert!(
            (heights[0] - heights[1] - 105.0).abs() < 0.11
                && (heights[1] - heights[2] - 105.0).abs() < 0.11
        );
    }

    #[test]
    fn what_cannot_be_shown_leaves_a_gap_and_a_lone_point_a_dot() {
        let values = [0.0, f64::NAN, 1.0, f64::INFINITY, 0.5, 0.5];
        let line = &lines(&Chart::new("t").series(Series::by_epoch("a", &values)).svg())[0];
        assert_eq!(line.matches('M').count(), 3, "{line}");
        assert_eq!(line.matches("h0").count(), 2, "{line}");
        assert!(!line.contains("NaN") && !line.contains("inf"));

        let log = Chart::new("t")
            .y_scale(Scale::Log)
            .series(Series::by_epoch("a", &[1.0, 0.0, -1.0, 2.0]));
        assert_eq!(lines(&log.svg())[0].matches('M').count(), 2);
    }

    #[test]
    fn one_point_and_none_are_still_pictures() {
        assert_eq!(
            lines(&Chart::new("t").series(Series::by_epoch("a", &[0.5])).svg()).len(),
            1
        );
        for values in [&[][..], &[f64::NAN][..]] {
            let svg = Chart::new("t")
                .series(Series::by_epoch("a", values).best(Best::Lowest))
                .svg();
            assert!(lines(&svg).is_empty() && svg.contains("nothing to show"));
        }
        assert!(Chart::default().svg().contains("nothing to show"));
    }

    #[test]
    fn the_best_point_is_ringed_and_told() {
        let values = [0.3, 0.0523, f64::NAN, 0.0523, 0.2];
        let chart = Chart::new("Loss").x_label("epoch");
        let svg = chart
            .clone()
            .series(Series::by_epoch("validation", &values).best(Best::Lowest))
            .svg();
        assert!(
            svg.contains("validation <tspan class=\"soft\">best 0.05230 at epoch 2</tspan>"),
            "{svg}"
        );
        let highest = Series::by_epoch("a", &[0.9, 0.98, 0.97]).best(Best::Highest);
        assert!(
            chart
                .y_percent()
                .series(highest)
                .svg()
                .contains("best 98.00% at epoch 2")
        );
    }

    #[test]
    fn a_name_cannot_break_the_picture() {
        let nasty = "</text><script>alert(1)</script> & \"quoted\" \u{1}";
        let svg = Chart::new(nasty)
            .x_label(nasty)
            .y_label(nasty)
            .series(Series::by_epoch(nasty, &[1.0, 2.0]));
        let svg = svg.series(Series::by_epoch(nasty, &[2.0])).svg();
        let document = Document::parse(&svg).expect("valid XML");
        assert!(
            document
                .descendants()
                .all(|n| n.tag_name().name() != "script")
        );
        assert_eq!(
            document.root_element().tag_name().namespace(),
            Some("http://www.w3.org/2000/svg")
        );
    }

    #[test]
    fn a_dense_line_keeps_its_extremes_and_few_points() {
        let mut values = vec![0.5; 100_000];
        values[43_210] = 9.9;
        values[77_777] = 0.1;
        let line = &lines(&Chart::new("t").series(Series::by_epoch("a", &values)).svg())[0];
        assert!(line.matches('L').count() < 4 * 460, "{}", line.len());
        // Bounds 0 and 10 over 210 units: 9.9 is 2.1 below the top at 43, 0.1 is 2.1 above the bottom.
        assert!(line.contains(" 45.1L") && line.contains(" 250.9L"));
    }

    #[test]
    fn many_series_wrap_the_legend_and_stay_apart() {
        let mut chart = Chart::new("t");
        for i in 0..14 {
            chart = chart.series(Series::by_epoch(
                format!("learning rate 0.{i:02}"),
                &[f64::from(i), 1.0],
            ));
        }
        let svg = chart.svg();
        assert_eq!(lines(&svg).len(), 14);
        assert!(
            svg.contains("class=\"line s5\" d=")
                && svg.contains("class=\"line s0\" stroke-dasharray=\"7 5\"")
        );
        assert!(svg.contains("stroke-dasharray=\"1 5\""));
    }
}
