//! Pictures made of characters, for a terminal. A character is twice as high as it is wide, so that each stands for two
//! pixels, one above the other.

use crate::digit::shrink;
use eras_report::Table;

/// What a character stands for, where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Nothing in particular.
    Plain,
    /// Less than the rest.
    Faint,
    /// More than the rest.
    Strong,
    /// One of two classes, or what is above 0.
    Yes,
    /// The other class, or what is below 0.
    No,
}

/// One character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// It is one column wide.
    pub glyph: char,
    /// How it is drawn where there are colours.
    pub ink: Ink,
}

/// Rows of characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawing {
    rows: Vec<Vec<Cell>>,
}

/// Nothing, a quarter, a half, three quarters, all.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
/// The same for what is below 0.
const BELOW: [char; 5] = [' ', '·', '-', '=', '≡'];

impl Drawing {
    /// These lines as they are.
    #[must_use]
    pub fn lines(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let row = |line: &str| line.chars().map(|glyph| cell(glyph, Ink::Plain)).collect();
        let rows = lines.into_iter().map(|line| row(line.as_ref()));
        Self {
            rows: rows.collect(),
        }
    }

    /// The rows, which may differ in length.
    #[must_use]
    pub fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// The length of the longest row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The rows without their inks.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        let text = |row: &Vec<Cell>| row.iter().map(|cell| cell.glyph).collect();
        self.rows.iter().map(text).collect()
    }

    /// A square picture of numbers from 0 to 1, in `columns` characters.
    pub(crate) fn gray(pixels: &[f32], columns: usize) -> Self {
        Self::shaded(pixels, columns, |above, below| {
            // An edge is drawn where it is.
            let glyph = match above - below {
                step if step > EDGE => '▀',
                step if step < -EDGE => '▄',
                _ => shade(&SHADES, (above + below) / 2.0),
            };
            cell(glyph, Ink::Plain)
        })
    }

    /// A square picture of numbers around 0, of which the largest in size becomes black: shades above 0, strokes below.
    pub(crate) fn signed(numbers: &[f32], columns: usize) -> Self {
        let sizes = numbers.iter().map(|x| x.abs());
        let most = sizes.fold(f32::MIN_POSITIVE, f32::max);
        Self::shaded(numbers, columns, |above, below| {
            let mean = (above + below) / 2.0 / most;
            if mean < 0.0 {
                cell(shade(&BELOW, -mean), Ink::No)
            } else {
                cell(shade(&SHADES, mean), Ink::Yes)
            }
        })
    }

    /// A square picture, of which `paint` sees the means of two areas, one above the other, for each character.
    fn shaded(pixels: &[f32], columns: usize, paint: impl Fn(f32, f32) -> Cell) -> Self {
        let side = pixels.len().isqrt();
        let rows = columns.div_ceil(2) * 2; // of areas
        let areas = shrink(|y, x| pixels[y * side + x], (side, side), (rows, columns));
        let pairs = areas.chunks_exact(2 * columns);
        let row = |pair: &[f32]| {
            let (above, below) = pair.split_at(columns);
            above
                .iter()
                .zip(below)
                .map(|(a, b)| paint(*a, *b))
                .collect()
        };
        Self {
            rows: pairs.map(row).collect(),
        }
    }

    /// Points in the plane (x and y in turn) of two classes, `x` and `o`, in capitals where they lie on the wrong side;
    /// dots where `score` is above 0, and a line where its sign changes.
    pub(crate) fn plane(
        points: &[f32],
        labels: &[bool],
        columns: usize,
        score: impl Fn([f32; 2]) -> f32,
    ) -> Self {
        let frame = Frame::around(points, columns);
        let above = |x: f64, y: f64| score(frame.place(x, y)) > 0.0;
        let mut drawing = frame.paint(|column, row| {
            let (x, y) = (column as f64, row as f64);
            // The middles of the four sides, left and right, upper and lower.
            let sides = [(0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0)];
            let sides = sides.map(|(dx, dy)| above(x + dx, y + dy));
            match line(sides) {
                Some(glyph) => cell(glyph, Ink::Strong),
                None if sides[0] => cell('·', Ink::Faint),
                None => cell(' ', Ink::Plain),
            }
        });
        for (point, label) in points.chunks_exact(2).zip(labels) {
            let score = score([point[0], point[1]]);
            let is_right = if *label { score > 0.0 } else { score < 0.0 };
            let (glyph, ink) = match (label, is_right) {
                (true, true) => ('x', Ink::Yes),
                (true, false) => ('X', Ink::Yes),
                (false, true) => ('o', Ink::No),
                (false, false) => ('O', Ink::No),
            };
            frame.put(&mut drawing, point, cell(glyph, ink));
        }
        drawing
    }

    /// What `value` says at each place, from 0 to 1, in shades; the points (x and y in turn) by their labels, 1 and 0.
    pub(crate) fn surface(
        points: &[f32],
        labels: &[bool],
        columns: usize,
        value: impl Fn([f32; 2]) -> f32,
    ) -> Self {
        let frame = Frame::around(points, columns);
        let mut drawing = frame.paint(|column, row| {
            let value = value(frame.place(column as f64 + 0.5, row as f64 + 0.5));
            cell(shade(&SHADES, value), Ink::Faint)
        });
        for (point, label) in points.chunks_exact(2).zip(labels) {
            let (glyph, ink) = if *label {
                ('1', Ink::Yes)
            } else {
                ('0', Ink::No)
            };
            frame.put(&mut drawing, point, cell(glyph, ink));
        }
        drawing
    }

    /// A table with its columns aligned.
    pub(crate) fn table(table: &Table) -> Self {
        let lines = || std::iter::once(&table.head).chain(&table.rows);
        let width = |column: usize| {
            let cells = lines().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let line = |cells: &Vec<String>, ink: Ink| {
            let cells = cells.iter().enumerate();
            let cells = cells.map(|(column, text)| format!("{text:<0$}", width(column)));
            let text = cells.collect::<Vec<_>>().join("  ");
            text.chars().map(|glyph| cell(glyph, ink)).collect()
        };
        let rows = table.rows.iter().map(|row| line(row, Ink::Plain));
        Self {
            rows: std::iter::once(line(&table.head, Ink::Faint))
                .chain(rows)
                .collect(),
        }
    }

    /// A bar for each row: its name, its share of `columns` from 0 to 1, and what is written behind it.
    pub(crate) fn bars(bars: &[(String, f64, String)], columns: usize) -> Self {
        const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
        let names = bars.iter().map(|(name, ..)| name.chars().count());
        let names = names.max().unwrap_or(0);
        let row = |(name, share, text): &(String, f64, String)| {
            let eighths = (share.clamp(0.0, 1.0) * 8.0 * columns as f64).round() as usize;
            let mut bar: String = std::iter::repeat_n('█', eighths / 8).collect();
            if !eighths.is_multiple_of(8) {
                bar.push(EIGHTHS[eighths % 8]);
            }
            let ink = |text: &str, ink| text.chars().map(move |c| cell(c, ink)).collect();
            let parts: [Vec<Cell>; 3] = [
                ink(&format!("{name:<names$}  "), Ink::Plain),
                ink(&format!("{bar:<columns$}"), Ink::Yes),
                ink(&format!("  {text}"), Ink::Plain),
            ];
            parts.concat()
        };
        Self {
            rows: bars.iter().map(row).collect(),
        }
    }
}

fn cell(glyph: char, ink: Ink) -> Cell {
    Cell { glyph, ink }
}

/// The difference of two halves of a character that is drawn as an edge.
const EDGE: f32 = 0.35;

fn shade(shades: &[char; 5], value: f32) -> char {
    shades[(value.clamp(0.0, 1.0) * 4.0).round() as usize]
}

/// The line through a character, from what is above 0 at the middles of its left, right, upper and lower side: a steep line
/// takes one character in each row, a flat one in each column.
fn line([left, right, upper, lower]: [bool; 4]) -> Option<char> {
    match (left != right, upper != lower) {
        (false, false) => None,
        (true, false) => Some('│'),
        (false, true) => Some('─'),
        (true, true) if left == upper => Some('╱'),
        (true, true) => Some('╲'),
    }
}

/// The square part of the plane that is drawn.
struct Frame {
    centre: [f64; 2],
    side: f64,
    columns: usize,
    rows: usize,
}

impl Frame {
    /// With all points (x and y in turn), and some space around them.
    fn around(points: &[f32], columns: usize) -> Self {
        let span = |axis: usize| {
            let along = points.iter().skip(axis).step_by(2).map(|p| f64::from(*p));
            let low = along.clone().fold(f64::INFINITY, f64::min);
            (low, along.fold(f64::NEG_INFINITY, f64::max))
        };
        let ((left, right), (low, high)) = (span(0), span(1));
        Self {
            centre: [(left + right) / 2.0, (low + high) / 2.0],
            side: 1.25 * (right - left).max(high - low).max(1e-6),
            columns,
            rows: columns / 2,
        }
    }

    /// What lies at so many columns from the left and rows from above.
    fn place(&self, column: f64, row: f64) -> [f32; 2] {
        let x = column / self.columns as f64 - 0.5;
        let y = 0.5 - row / self.rows as f64;
        let [cx, cy] = self.centre;
        [(cx + x * self.side) as f32, (cy + y * self.side) as f32]
    }

    fn paint(&self, paint: impl Fn(usize, usize) -> Cell) -> Drawing {
        let row = |row| (0..self.columns).map(|column| paint(column, row)).collect();
        Drawing {
            rows: (0..self.rows).map(row).collect(),
        }
    }

    fn put(&self, drawing: &mut Drawing, point: &[f32], cell: Cell) {
        let along = |axis: usize| (f64::from(point[axis]) - self.centre[axis]) / self.side;
        let at = |share: f64, n: usize| ((share * n as f64) as usize).min(n - 1);
        let (column, row) = (
            at(along(0) + 0.5, self.columns),
            at(0.5 - along(1), self.rows),
        );
        drawing.rows[row][column] = cell;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gray_picture_has_shades_and_edges() {
        #[rustfmt::skip]
        let pixels = [
            0.0, 1.0, 1.0, 0.0,
            0.0, 1.0, 0.0, 1.0,
            0.5, 0.2, 0.0, 0.0,
            0.5, 0.3, 0.0, 0.0,
        ];
        assert_eq!(Drawing::gray(&pixels, 4).text(), [" █▀▄", "▒░  "]);
        // Half as wide: each character is the mean of four by two areas of the same size.
        assert_eq!(Drawing::gray(&pixels, 2).text(), ["▒▀"]);
        // An odd width is drawn too.
        assert_eq!(Drawing::gray(&pixels, 3).text().len(), 2);
    }

    #[test]
    fn what_is_below_0_is_drawn_in_strokes() {
        let drawing = Drawing::signed(&[2.0, -2.0, 2.0, -2.0], 2);
        assert_eq!(drawing.text(), ["█≡"]);
        assert_eq!(
            [drawing.rows[0][0].ink, drawing.rows[0][1].ink],
            [Ink::Yes, Ink::No]
        );
        assert_eq!(Drawing::signed(&[0.0; 4], 2).text(), ["  "]);
    }

    #[test]
    fn a_line_parts_the_plane_and_points_on_the_wrong_side_are_capitals() {
        // Right of x = 0.5 is above 0; the last point is on the wrong side.
        let points = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0];
        let drawing = Drawing::plane(&points, &[false, true, true], 8, |[x, _]| x - 0.45);
        assert_eq!(
            drawing.text(),
            ["X  │···x", "   │····", "   │····", "o  │····"]
        );
        // Where all is 0, nobody is right.
        let nothing = Drawing::plane(&points, &[false, true, true], 8, |_| 0.0);
        let text = nothing.text();
        assert_eq!(
            [text[0].as_str(), text[3].as_str()],
            ["X      X", "O       "]
        );
    }

    #[test]
    fn a_slanting_line_is_drawn_along_its_slope() {
        let points = [0.0, 0.0, 1.0, 1.0];
        let up = Drawing::plane(&points, &[true, true], 8, |[x, y]| y - x + 0.01).text();
        assert!(
            up.concat().contains('╱') && !up.concat().contains('╲'),
            "{up:?}"
        );
        let down = Drawing::plane(&points, &[true, true], 8, |[x, y]| y + x - 1.03).text();
        assert!(
            down.concat().contains('╲') && !down.concat().contains('╱'),
            "{down:?}"
        );
        let flat = Drawing::plane(&points, &[true, true], 8, |[_, y]| y - 0.4).text();
        assert!(flat.contains(&"────────".to_owned()), "{flat:?}");
    }

    #[test]
    fn a_surface_is_shaded_and_carries_its_points() {
        let drawing = Drawing::surface(&[0.0, 0.0, 1.0, 1.0], &[false, true], 8, |[x, _]| x);
        let text = drawing.text();
        assert_eq!((text.len(), text[1].as_str()), (4, "  ░▒▒▓██"));
        assert!(text[0].contains('1') && text[3].contains('0'), "{text:?}");
    }

    #[test]
    fn bars_are_as_long_as_their_shares_to_an_eighth() {
        let bar = |name: &str, share| (name.to_owned(), share, "x".to_owned());
        let drawing = Drawing::bars(&[bar("a", 1.0), bar("bc", 0.3), bar("d", f64::NAN)], 4);
        assert_eq!(
            drawing.text(),
            ["a   ████  x", "bc  █▎    x", "d         x"]
        );
    }

    #[test]
    fn tables_are_aligned() {
        let table = Table::new(["a", "long"]).row(["abc", "1"]);
        assert_eq!(Drawing::table(&table).text(), ["a    long", "abc  1   "]);
    }
}
