//! Points in the plane as SVG, in groups that can be told apart.

use crate::chart::frame::Frame;
use crate::chart::{EDGE, LEGEND_ROW, WIDTH, marker};
use crate::scale::{Axis, Scale, Unit};
use crate::svg::{self, COLOURS, num, put};

/// Points in the plane. Each group has a colour and a form of its own, and its name where most of it lies.
///
/// ```
/// use eras_report::Scatter;
///
/// let svg = Scatter::new("Codes")
///     .group("0", vec![(0.1, 0.2), (0.3, 0.1)])
///     .group("1", vec![(2.0, 1.9), (1.8, 2.2)])
///     .svg();
/// assert!(svg.ends_with("</svg>\n"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scatter {
    /// What is drawn.
    pub title: String,
    /// What the x axis measures.
    pub x_label: String,
    /// What the y axis measures.
    pub y_label: String,
    /// The name of each group, and its points.
    pub groups: Vec<(String, Vec<(f64, f64)>)>,
}

const PLOT_HEIGHT: f64 = 400.0;
/// Of a marker, beside that on a line.
const SIZE: f64 = 0.7;

impl Scatter {
    /// Without points.
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

    /// Adds a group of points. One that is not finite is not drawn.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.groups.push((name.into(), points));
        self
    }

    /// The drawing as a complete SVG file.
    #[must_use]
    pub fn svg(&self) -> String {
        let places = self.legend();
        let rows = places.last().map_or(0.0, |(_, row)| row + 1.0);
        let head = if self.y_label.is_empty() { 29.0 } else { 47.0 };
        let axis = |value: fn(&(f64, f64)) -> f64| {
            let points = self.groups.iter().flat_map(|(_, points)| shown(points));
            Axis::new(points.map(value), Scale::Linear, Unit::Plain, 5, false)
        };
        let (x_axis, y_axis) = (axis(|p| p.0), axis(|p| p.1));
        let width = |(_, label): &(f64, String)| svg::text_width(label, 13.0);
        let labels = y_axis.ticks.iter().map(width).fold(14.0, f64::max);
        let top = head + rows * LEGEND_ROW + 14.0;
        let frame = Frame {
            left: EDGE + labels + 8.0,
            right: WIDTH - EDGE - x_axis.ticks.last().map_or(0.0, width) / 2.0,
            top,
            bottom: top + PLOT_HEIGHT,
            x_axis,
            y_axis,
        };
        let foot = if self.x_label.is_empty() { 28.0 } else { 46.0 };

        let mut out = svg::open(WIDTH, frame.bottom + foot, &self.description());
        let title = svg::escape(&svg::fit(&self.title, 15.0, WIDTH - 2.0 * EDGE));
        let (x, y) = (num(EDGE), num(22.0));
        put!(
            out,
            "<text class=\"ink\" x=\"{x}\" y=\"{y}\" font-size=\"15\" font-weight=\"600\">{title}</text>\n"
        );
        let y_label = svg::fit(&self.y_label, 12.0, WIDTH - 2.0 * EDGE);
        svg::text(&mut out, "soft", EDGE, 40.0, "start", &y_label);
        for (i, ((name, _), (x, row))) in self.groups.iter().zip(&places).enumerate() {
            let y = head + 12.0 + row * LEGEND_ROW;
            let (colour, shape) = (i % COLOURS, marker(i, x + 4.0, y - 4.0, 1.0));
            put!(out, "<path class=\"f{colour}\" d=\"{shape}\"/>");
            svg::text(
                &mut out,
                "ink",
                x + 13.0,
                y,
                "start",
                &svg::fit(name, 12.0, 200.0),
            );
        }
        frame.draw(&mut out, &self.x_label);
        for (i, (_, points)) in self.groups.iter().enumerate() {
            let markers = shown(points).map(|&point| {
                let (x, y) = frame.place(point);
                marker(i, x, y, SIZE)
            });
            let (colour, markers) = (i % COLOURS, markers.collect::<String>());
            put!(
                out,
                "<path class=\"f{colour}\" fill-opacity=\"0.75\" d=\"{markers}\"/>\n"
            );
        }
        // Names lie above all points.
        for (name, points) in &self.groups {
            if let Some(middle) = middle(points) {
                let (x, y) = frame.place(middle);
                svg::text(
                    &mut out,
                    "tag",
                    x,
                    y + 4.0,
                    "middle",
                    &svg::fit(name, 12.0, 120.0),
                );
            }
        }
        out.push_str("</svg>\n");
        out
    }

    /// Where the entry of each group begins, and in which row.
    fn legend(&self) -> Vec<(f64, f64)> {
        let (mut x, mut row) = (EDGE, 0.0);
        let place = |(name, _): &(String, Vec<(f64, f64)>)| {
            let width = 13.0 + svg::text_width(&svg::fit(name, 12.0, 200.0), 12.0);
            if x > EDGE && x + width > WIDTH - EDGE {
                (x, row) = (EDGE, row + 1.0);
            }
            let at = (x, row);
            x += width + 16.0;
            at
        };
        self.groups.iter().map(place).collect()
    }

    /// What a screen reader says.
    fn description(&self) -> String {
        let names: Vec<&str> = self.groups.iter().map(|(name, _)| name.as_str()).collect();
        format!(
            "Points in the plane: {}. Groups: {}.",
            self.title,
            names.join(", ")
        )
    }
}

/// The points that axes can show.
fn shown(points: &[(f64, f64)]) -> impl Iterator<Item = &(f64, f64)> {
    let shows = |&&(x, y): &&(f64, f64)| Scale::Linear.shows(x) && Scale::Linear.shows(y);
    points.iter().filter(shows)
}

/// The median of either coordinate.
fn middle(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let median = |value: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = shown(points).map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    Some((median(|p| p.0)?, median(|p| p.1)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use roxmltree::Document;

    #[test]
    fn every_point_is_drawn_in_the_form_of_its_group() {
        let svg = Scatter::new("t")
            .group("round", vec![(0.0, 0.0), (1.0, 1.0), (f64::NAN, 0.0)])
            .group("square", vec![(0.5, 0.5)])
            .svg();
        let document = Document::parse(&svg).expect("valid XML");
        let drawn: Vec<&str> = document
            .descendants()
            .filter(|n| n.attribute("fill-opacity").is_some())
            .filter_map(|n| n.attribute("d"))
            .collect();
        assert_eq!(drawn[0].matches('M').count(), 2, "{drawn:?}");
        assert!(
            drawn[0].contains('a') && drawn[1].contains('v'),
            "{drawn:?}"
        );
    }

    #[test]
    fn a_group_has_its_name_at_its_median() {
        assert_eq!(
            middle(&[(0.0, 5.0), (1.0, 4.0), (100.0, 3.0)]),
            Some((1.0, 4.0))
        );
        assert_eq!(middle(&[]), None);
        let svg = Scatter::new("t").group("a & b", vec![(0.0, 0.0)]).svg();
        assert_eq!(
            svg.matches(">a &amp; b</text>").count(),
            2,
            "in the legend and at its place"
        );
    }

    #[test]
    fn none_and_many_groups_are_still_pictures() {
        Document::parse(&Scatter::default().svg()).expect("valid XML");
        let mut many = Scatter::new("many").x_label("x").y_label("y");
        for i in 0..40 {
            many = many.group(format!("group {i}"), vec![(f64::from(i), f64::from(i * i))]);
        }
        Document::parse(&many.svg()).expect("valid XML");
        let places = many.legend();
        assert!(places.iter().all(|(x, _)| *x < WIDTH) && places[39].1 > 3.0);
    }
}
