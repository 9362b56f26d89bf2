//! How much of each row falls on each column, as SVG: where a model looked.

use crate::format::percent;
use crate::svg::{self, num, put};

/// Shares in cells, with a name for each row and column: the larger, the darker.
///
/// ```
/// use eras_report::Heat;
///
/// let looks = Heat::new("Where it looked", ["ein", "Hund"], ["a", "dog"], vec![0.9, 0.1, 0.2, 0.8]);
/// assert!(looks.svg().contains("<title>Hund, dog: 80.00%</title>"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    title: String,
    rows: Vec<String>,
    columns: Vec<String>,
    /// Row by row.
    shares: Vec<f32>,
}

const EDGE: f64 = 10.0;
const LABEL: f64 = 12.0;
const LONGEST_LABEL: f64 = 110.0;
const TITLE: f64 = 22.0;

impl Heat {
    /// `shares` from 0 to 1, row by row.
    ///
    /// # Panics
    /// If there are not as many shares as cells, or no cell.
    #[must_use]
    #[track_caller]
    pub fn new<S: Into<String>>(
        title: impl Into<String>,
        rows: impl IntoIterator<Item = S>,
        columns: impl IntoIterator<Item = S>,
        shares: Vec<f32>,
    ) -> Self {
        let rows: Vec<String> = rows.into_iter().map(Into::into).collect();
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        assert!(
            !shares.is_empty() && shares.len() == rows.len() * columns.len(),
            "Heat: found {} shares, wanted one for each of {} x {} cells",
            shares.len(),
            rows.len(),
            columns.len()
        );
        Self {
            title: title.into(),
            rows,
            columns,
            shares,
        }
    }

    /// The drawing as a complete SVG file.
    #[must_use]
    pub fn svg(&self) -> String {
        let most = self.rows.len().max(self.columns.len());
        let cell = (480.0 / most as f64).clamp(6.0, 28.0);
        let size = (cell * 0.8).min(LABEL);
        let longest = |names: &[String]| {
            let widths = names.iter().map(|name| svg::text_width(name, size));
            widths.fold(0.0, f64::max).min(LONGEST_LABEL)
        };
        let (left, top) = (
            EDGE + longest(&self.rows) + 8.0,
            EDGE + TITLE + longest(&self.columns) + 8.0,
        );
        let (width, height) = (
            cell * self.columns.len() as f64,
            cell * self.rows.len() as f64,
        );
        // Names of columns stand upright; a title may be wider than all cells.
        let whole = (left + width + EDGE).max(2.0 * EDGE + svg::text_width(&self.title, 15.0));
        let mut out = svg::open(whole, top + height + EDGE, &self.title);
        let (x, y, title) = (num(EDGE), num(EDGE + 13.0), svg::escape(&self.title));
        put!(
            out,
            "<text class=\"ink\" x=\"{x}\" y=\"{y}\" font-size=\"15\" font-weight=\"600\">{title}</text>\n"
        );
        put!(out, "<g class=\"ink\" font-size=\"{}\">\n", num(size));
        let drop = size * 0.35;
        for (i, name) in self.rows.iter().enumerate() {
            let (name, middle) = (svg::fit(name, size, LONGEST_LABEL), cell * (i as f64 + 0.5));
            svg::text(
                &mut out,
                "row",
                left - 6.0,
                top + middle + drop,
                "end",
                &name,
            );
        }
        for (i, name) in self.columns.iter().enumerate() {
            let name = svg::escape(&svg::fit(name, size, LONGEST_LABEL));
            let (x, y) = (num(left + cell * (i as f64 + 0.5) + drop), num(top - 6.0));
            put!(
                out,
                "<text class=\"column\" transform=\"translate({x} {y}) rotate(-90)\">{name}</text>\n"
            );
        }
        out.push_str("</g>\n");
        let (x, y, w, h) = (num(left), num(top), num(width), num(height));
        put!(
            out,
            "<rect class=\"cell\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>\n"
        );
        let columns = self.columns.len();
        for (i, &share) in self.shares.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let share = f64::from(share).clamp(0.0, 1.0);
            // What nobody would see is not drawn.
            if share < 0.005 {
                continue;
            }
            let (x, y) = (
                num(left + cell * column as f64),
                num(top + cell * row as f64),
            );
            let tip = format!(
                "{}, {}: {}",
                self.rows[row],
                self.columns[column],
                percent(share)
            );
            put!(
                out,
                "<path class=\"right\" fill-opacity=\"{share:.2}\" d=\"M{x} {y}h{c}v{c}h-{c}z\"><title>{}</title></path>\n",
                svg::escape(&tip),
                c = num(cell),
            );
        }
        out.push_str("</svg>\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_share_that_can_be_seen_is_a_cell_in_its_place() {
        let heat = Heat::new(
            "Looks",
            ["<b>", "c"],
            ["x", "a very long name that has no room beside any cell"],
            vec![1.0, 0.0, 0.25, 0.75],
        );
        let svg = heat.svg();
        let file = roxmltree::Document::parse(&svg).unwrap();
        let cells: Vec<&str> = file
            .descendants()
            .filter(|node| node.tag_name().name() == "path")
            .map(|node| node.attribute("fill-opacity").unwrap())
            .collect();
        assert_eq!(cells, ["1.00", "0.25", "0.75"]);
        assert!(
            svg.contains("<title>&lt;b&gt;, x: 100.00%</title>"),
            "{svg}"
        );
        assert!(svg.contains('…'));
    }

    #[test]
    #[should_panic(expected = "Heat: found 3 shares, wanted one for each of 2 x 2 cells")]
    fn shares_that_fill_no_rectangle_are_refused() {
        let _heat = Heat::new("", ["a", "b"], ["c", "d"], vec![0.0; 3]);
    }
}
