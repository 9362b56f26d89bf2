//! What there is to see at a stop: in characters, and for the page.

use super::drawing::Drawing;
use crate::drawing;
use eras_report::{Chart, Diagram, Heat, Picture, Table};

/// One thing that a stop shows.
#[derive(Debug, Clone)]
pub enum Sight {
    /// A paragraph.
    Text(String),
    /// How characters are to be read; not for the page.
    Key(String),
    /// Views beside each other.
    Views(Vec<View>),
}

/// Something to look at.
#[derive(Debug, Clone)]
pub struct View {
    /// What it is, in a few words.
    pub caption: String,
    /// In characters.
    pub drawing: Drawing,
    /// On the page.
    pub figure: Figure,
}

/// What stands on the page.
#[derive(Debug, Clone)]
pub enum Figure {
    /// Pixels.
    Picture(Picture),
    /// Curves.
    Chart(Chart),
    /// A net.
    Diagram(Diagram),
    /// Shares in cells.
    Heat(Heat),
    /// Words and numbers.
    Table(Table),
}

impl View {
    /// Anything, drawn by hand for the terminal.
    pub(crate) fn new(caption: impl Into<String>, drawing: Drawing, figure: Figure) -> Self {
        Self {
            caption: caption.into(),
            drawing,
            figure,
        }
    }

    /// A table.
    pub(crate) fn table(caption: impl Into<String>, table: Table) -> Self {
        Self::new(caption, Drawing::table(&table), Figure::Table(table))
    }

    /// A digit of 28 by 28 numbers from 0 to 1, its margin of two pixels left out in the terminal.
    pub(crate) fn digit(caption: impl Into<String>, pixels: &[f32], columns: usize) -> Self {
        let bytes = pixels
            .iter()
            .map(|x| (x.clamp(0.0, 1.0) * 255.0).round() as u8);
        let picture = Picture::grey(SIDE, SIDE, bytes.collect());
        let drawing = Drawing::gray(&within(pixels), columns);
        Self::new(caption, drawing, Figure::Picture(picture))
    }

    /// Weights of 28 by 28 pixels, around 0.
    pub(crate) fn weights(caption: impl Into<String>, weights: &[f32], columns: usize) -> Self {
        let picture = drawing::signed(weights, [SIDE, SIDE]);
        let drawing = Drawing::signed(&within(weights), columns);
        Self::new(caption, drawing, Figure::Picture(picture))
    }

    /// Points in the plane of two classes, and the sides that `score` gives them.
    pub(crate) fn plane(
        caption: impl Into<String>,
        points: &[f32],
        labels: &[bool],
        columns: usize,
        score: impl Fn([f32; 2]) -> f32,
    ) -> Self {
        let drawing = Drawing::plane(points, labels, columns, &score);
        let picture = drawing::plane(points, labels, score);
        Self::new(caption, drawing, Figure::Picture(picture))
    }
}

/// The side of a digit.
pub(crate) const SIDE: usize = 28;
/// What is empty around nearly every digit.
const MARGIN: usize = 2;

/// A digit without its margin.
pub(crate) fn within(pixels: &[f32]) -> Vec<f32> {
    let rows = pixels
        .chunks_exact(SIDE)
        .skip(MARGIN)
        .take(SIDE - 2 * MARGIN);
    rows.flat_map(|row| row[MARGIN..SIDE - MARGIN].iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digit_is_drawn_without_its_margin_and_stands_whole_on_the_page() {
        let mut pixels = vec![0.0; SIDE * SIDE];
        pixels[MARGIN * SIDE + MARGIN] = 1.0; // the first inside
        pixels[SIDE + 1] = 1.0; // on the margin
        let view = View::digit("", &pixels, 24);
        let text = view.drawing.text();
        assert_eq!((text.len(), text[0].trim_end()), (12, "▀"));
        let Figure::Picture(picture) = view.figure else {
            panic!("{view:?}")
        };
        assert_eq!((picture.width(), picture.pixels()[SIDE + 1]), (SIDE, 255));
    }
}
