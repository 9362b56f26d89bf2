//! The axes of a chart.

use crate::scale::Axis;
use crate::svg::{self, num, put};

/// The rectangle in which the lines are drawn, and its axes.
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) x_axis: Axis,
    pub(crate) y_axis: Axis,
}

impl Frame {
    /// Where a point falls in the picture.
    pub(crate) fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        // The outermost markers do not touch the frame.
        let (left, right) = (self.left + 6.0, self.right - 2.0);
        let across = left + self.x_axis.at(x) * (right - left);
        let up = self.bottom - self.y_axis.at(y) * (self.bottom - self.top);
        (across, up)
    }

    /// Draws grid, axes and their labels.
    pub(crate) fn draw(&self, out: &mut String, x_label: &str) {
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
