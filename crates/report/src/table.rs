//! Tables in a page.

use crate::svg::{escape, put};

/// A table: a head, rows, and perhaps a last row that sums up. The first column names the
/// rows; others stand to the right if they hold numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The names of the columns.
    pub head: Vec<String>,
    /// The rows; a missing cell is left blank.
    pub rows: Vec<Vec<String>>,
    /// The last row, set apart.
    pub foot: Option<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    #[must_use]
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self {
            head: cells(head),
            ..Self::default()
        }
    }

    /// Adds a row.
    #[must_use]
    pub fn row<S: Into<String>>(mut self, row: impl IntoIterator<Item = S>) -> Self {
        self.rows.push(cells(row));
        self
    }

    /// Sets the last row.
    #[must_use]
    pub fn foot<S: Into<String>>(mut self, foot: impl IntoIterator<Item = S>) -> Self {
        self.foot = Some(cells(foot));
        self
    }

    /// Whether all that stands in a column but the first begins as a number does.
    fn is_numeric(&self, column: usize) -> bool {
        if column == 0 {
            return false;
        }
        let mut cells = self
            .rows
            .iter()
            .filter_map(|row| row.get(column))
            .filter(|c| !c.is_empty())
            .peekable();
        let numeric = |c: &String| {
            let rest = c.trim_start_matches(['-', '−', '+', '<', '≈']);
            c == "–" || rest.starts_with(|first: char| first.is_ascii_digit())
        };
        cells.peek().is_some() && cells.all(numeric)
    }

    pub(crate) fn html(&self) -> String {
        let columns = self
            .rows
            .iter()
            .chain(&self.foot)
            .map(Vec::len)
            .fold(self.head.len(), usize::max);
        let numeric: Vec<bool> = (0..columns).map(|c| self.is_numeric(c)).collect();
        let row = |cells: &[String], tag: &str| {
            let mut out = String::from("<tr>");
            for (column, numeric) in numeric.iter().enumerate() {
                let cell = cells.get(column).map_or("", String::as_str);
                let class = match cell.chars().count() {
                    _ if *numeric => " class=\"n\"",
                    LONG.. => " class=\"long\"",
                    _ => "",
                };
                let text = escape(cell);
                put!(out, "<{tag}{class}>{text}</{tag}>");
            }
            out + "</tr>\n"
        };
        let head = row(&self.head, "th");
        let body: String = self.rows.iter().map(|cells| row(cells, "td")).collect();
        let foot = self.foot.as_ref().map_or(String::new(), |cells| {
            format!("<tfoot>{}</tfoot>", row(cells, "td"))
        });
        format!(
            "<div class=\"scroll\"><table>\n<thead>{head}</thead>\n<tbody>\n{body}</tbody>\n{foot}</table></div>\n"
        )
    }
}

/// A cell of so many characters is a text, which may take several lines.
const LONG: usize = 40;

fn cells<S: Into<String>>(cells: impl IntoIterator<Item = S>) -> Vec<String> {
    cells.into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_may_take_several_lines() {
        let long = "A dog runs over the grass with a ball in its mouth.";
        let html = Table::new(["source", "said"])
            .row([long, "Ein Hund."])
            .html();
        assert!(html.contains("<td class=\"long\">A dog") && html.contains("<td>Ein Hund."));
    }

    #[test]
    fn numbers_stand_right_and_short_rows_are_filled() {
        let table = Table::new(["layer", "shape", "parameters"])
            .row(["0 dense <1>", "(128, 512)", "401,920"])
            .row(["1 relu"])
            .foot(["all", "", "401,920"]);
        let html = table.html();
        assert!(html.contains(
            "<tr><td>0 dense &lt;1&gt;</td><td>(128, 512)</td><td class=\"n\">401,920</td></tr>"
        ));
        assert!(html.contains("<tr><td>1 relu</td><td></td><td class=\"n\"></td></tr>"));
        assert!(roxmltree::Document::parse(&html).is_ok());
    }
}
