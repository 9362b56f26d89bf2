//! A part of a page that a caller makes up: texts, tables, charts and pictures below a heading.

use crate::chart::Chart;
use crate::diagram::Diagram;
use crate::gallery::{self, Moving, Shown};
use crate::heat::Heat;
use crate::scatter::Scatter;
use crate::svg::escape;
use crate::table::Table;

/// A part of a page with a heading of its own.
///
/// ```
/// use eras_report::{Report, Section, Table};
///
/// let classes = Table::new(["class", "pictures"]).row(["cat", "12"]).row(["dog", "15"]);
/// let page = Report::new("pets").section(Section::new("Classes").text("Two of them.").table(classes)).render();
/// assert!(page.contains("<h2>Classes</h2>"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    title: String,
    note: String,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq)]
enum Block {
    Text(String),
    Written(String),
    Table(Table),
    Chart(Chart),
    Scatters(Vec<Scatter>),
    Diagram(Diagram),
    Heats(Vec<Heat>),
    Pictures(Vec<Shown>),
    Animations(Vec<Moving>),
}

impl Section {
    /// With nothing below the heading.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// A short remark beside the heading.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.block(Block::Text(text.into()))
    }

    /// Adds a text whose lines stay as they are.
    #[must_use]
    pub fn written(self, text: impl Into<String>) -> Self {
        self.block(Block::Written(text.into()))
    }

    /// Adds a table.
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        self.block(Block::Table(table))
    }

    /// Adds a chart.
    #[must_use]
    pub fn chart(self, chart: Chart) -> Self {
        self.block(Block::Chart(chart))
    }

    /// Adds points in the plane, side by side where there are several; nothing if there is none.
    #[must_use]
    pub fn scatters(self, scatters: impl IntoIterator<Item = Scatter>) -> Self {
        let scatters: Vec<Scatter> = scatters.into_iter().collect();
        if scatters.is_empty() {
            return self;
        }
        self.block(Block::Scatters(scatters))
    }

    /// Adds the drawing of a net.
    #[must_use]
    pub fn diagram(self, diagram: Diagram) -> Self {
        self.block(Block::Diagram(diagram))
    }

    /// Adds shares in cells, side by side where there are several; nothing if there is none.
    #[must_use]
    pub fn heats(self, heats: impl IntoIterator<Item = Heat>) -> Self {
        let heats: Vec<Heat> = heats.into_iter().collect();
        if heats.is_empty() {
            return self;
        }
        self.block(Block::Heats(heats))
    }

    /// Adds a grid of pictures; nothing if there is none.
    #[must_use]
    pub fn pictures(self, pictures: Vec<Shown>) -> Self {
        if pictures.is_empty() {
            return self;
        }
        self.block(Block::Pictures(pictures))
    }

    /// Adds a grid of animations; nothing if there is none.
    #[must_use]
    pub fn animations(self, animations: Vec<Moving>) -> Self {
        if animations.is_empty() {
            return self;
        }
        self.block(Block::Animations(animations))
    }

    fn block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// Heading, note (both safe to print) and body.
    pub(crate) fn html(&self) -> [String; 3] {
        let body = self.blocks.iter().map(|block| match block {
            Block::Text(text) => format!("<p>{}</p>\n", escape(text)),
            Block::Written(text) => format!("<pre>{}</pre>\n", escape(text)),
            Block::Table(table) => table.html(),
            Block::Chart(chart) => figures([chart.svg()]),
            Block::Scatters(scatters) => figures(scatters.iter().map(Scatter::svg)),
            Block::Heats(heats) => figures(heats.iter().map(Heat::svg)),
            Block::Diagram(diagram) => {
                format!(
                    "<div class=\"scroll\"><figure>{}</figure></div>\n",
                    diagram.svg()
                )
            }
            Block::Pictures(pictures) => gallery::shown(pictures),
            Block::Animations(animations) => gallery::moving(animations),
        });
        [escape(&self.title), escape(&self.note), body.collect()]
    }
}

/// Drawings side by side, where there is room.
fn figures(drawings: impl IntoIterator<Item = String>) -> String {
    let all = drawings.into_iter();
    let all: String = all.map(|svg| format!("<figure>{svg}</figure>\n")).collect();
    format!("<div class=\"charts\">\n{all}</div>\n")
}
