//! `report.html`: everything about a run on one self-contained page.

use crate::chart::Chart;
use crate::confusion::Confusion;
use crate::format::{count, percent};
use crate::gallery::{self, Mistake};
use crate::section::Section;
use crate::svg::{escape, put};
use crate::table::Table;

/// One of the numbers at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headline {
    /// What it is: `test accuracy`.
    pub name: String,
    /// The number as it is read: `98.45%` (see [`crate::format`]).
    pub value: String,
    /// A remark below, perhaps empty: `promised: at least 98.20%`.
    pub note: String,
}

impl Headline {
    /// A number and its name.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            note: String::new(),
        }
    }

    /// Adds a remark.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// The page of a run. What is left empty does not appear.
///
/// The page needs no script and no network, and every text is escaped. [`Report::render`] gives it as
/// a string of well-formed XHTML in HTML's syntax.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The run: `mlp on MNIST`.
    pub title: String,
    /// A sentence below the title.
    pub lead: String,
    /// The numbers at the top; the first is set largest.
    pub headlines: Vec<Headline>,
    /// Curves over the run.
    pub charts: Vec<Chart>,
    /// What was taken for what, on the test set.
    pub confusion: Option<Confusion>,
    /// The worst mistakes, the worst first.
    pub mistakes: Vec<Mistake>,
    /// Parts that only this page has.
    pub sections: Vec<Section>,
    /// The layers of the model.
    pub summary: Option<Table>,
    /// The command that repeats the run.
    pub command: String,
    /// The settings, name and value.
    pub settings: Vec<(String, String)>,
    /// Where and with what it ran: version, processor, threads, seed, data set and its hash.
    pub environment: Vec<(String, String)>,
    /// The last line: `Made by eras 0.1.0 on 2026-11-23`.
    pub footer: String,
}

impl Report {
    /// An empty page with a title.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// Sets the sentence below the title.
    #[must_use]
    pub fn lead(mut self, lead: impl Into<String>) -> Self {
        self.lead = lead.into();
        self
    }

    /// Adds a number at the top.
    #[must_use]
    pub fn headline(mut self, headline: Headline) -> Self {
        self.headlines.push(headline);
        self
    }

    /// Adds a chart.
    #[must_use]
    pub fn chart(mut self, chart: Chart) -> Self {
        self.charts.push(chart);
        self
    }

    /// Sets the confusion matrix.
    #[must_use]
    pub fn confusion(mut self, confusion: Confusion) -> Self {
        self.confusion = Some(confusion);
        self
    }

    /// Adds a mistake.
    #[must_use]
    pub fn mistake(mut self, mistake: Mistake) -> Self {
        self.mistakes.push(mistake);
        self
    }

    /// Adds a part that only this page has.
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// Sets the table of layers.
    #[must_use]
    pub fn summary(mut self, summary: Table) -> Self {
        self.summary = Some(summary);
        self
    }

    /// Sets the command that repeats the run.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    /// Adds a setting.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Adds a fact about where and with what the run was made.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets the last line.
    #[must_use]
    pub fn footer(mut self, footer: impl Into<String>) -> Self {
        self.footer = footer.into();
        self
    }

    /// The page.
    #[must_use]
    pub fn render(&self) -> String {
        let title = escape(&self.title);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"generator\" content=\"eras\"/>\n<title>{title}</title>\n<style>\n{}</style>\n</head>\n\
             <body>\n<main>\n<header>\n<h1>{title}</h1>\n",
            include_str!("page.css")
        );
        if !self.lead.is_empty() {
            put!(out, "<p class=\"lead\">{}</p>\n", escape(&self.lead));
        }
        out.push_str(&self.numbers());
        out.push_str("</header>\n");
        if !self.charts.is_empty() {
            let figures = self
                .charts
                .iter()
                .map(|chart| format!("<figure>{}</figure>\n", chart.svg()));
            section(
                &mut out,
                "Curves",
                "",
                &format!(
                    "<div class=\"charts\">\n{}</div>\n",
                    figures.collect::<String>()
                ),
            );
        }
        if let Some(confusion) = &self.confusion {
            let body = format!(
                "<div class=\"matrix{}\">\n<figure>{}</figure>\n<div>{}</div>\n</div>\n",
                shape(confusion.names()),
                confusion.svg(),
                class_table(confusion).html()
            );
            section(
                &mut out,
                "Classes",
                "What was taken for what on the test set",
                &body,
            );
        }
        if !self.mistakes.is_empty() {
            let note = "What it is → what the model took it for, the highest loss first";
            section(
                &mut out,
                "Worst mistakes",
                note,
                &gallery::html(&self.mistakes),
            );
        }
        for part in &self.sections {
            let [title, note, body] = part.html();
            section(&mut out, &title, &note, &body);
        }
        if let Some(summary) = &self.summary {
            section(&mut out, "Model", "", &summary.html());
        }
        if !self.command.is_empty() || !self.settings.is_empty() {
            let command = match self.command.as_str() {
                "" => String::new(),
                command => format!("<pre><code>{}</code></pre>\n", escape(command)),
            };
            let note = if command.is_empty() {
                ""
            } else {
                "The command repeats this run"
            };
            section(
                &mut out,
                "Settings",
                note,
                &(command + &pairs(&self.settings)),
            );
        }
        if !self.environment.is_empty() {
            section(&mut out, "Environment", "", &pairs(&self.environment));
        }
        if !self.footer.is_empty() {
            put!(out, "<footer>{}</footer>\n", escape(&self.footer));
        }
        out + "</main>\n</body>\n</html>\n"
    }

    fn numbers(&self) -> String {
        if self.headlines.is_empty() {
            return String::new();
        }
        let number = |headline: &Headline| {
            let [name, value, note] =
                [&headline.name, &headline.value, &headline.note].map(|t| escape(t));
            let note = if note.is_empty() {
                note
            } else {
                format!("<small>{note}</small>")
            };
            format!("<div><dt>{name}{note}</dt><dd>{value}</dd></div>\n")
        };
        let numbers: String = self.headlines.iter().map(number).collect();
        format!("<dl class=\"numbers\">\n{numbers}</dl>\n")
    }
}

fn section(out: &mut String, title: &str, note: &str, body: &str) {
    let note = if note.is_empty() {
        String::new()
    } else {
        format!("<p>{note}</p>")
    };
    put!(
        out,
        "<section>\n<div><h2>{title}</h2>{note}</div>\n<div>\n{body}</div>\n</section>\n"
    );
}

/// Names and values, in as many columns as fit. A long value, a hash say, takes a line of its own.
fn pairs(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let pair = |(name, value): &(String, String)| {
        let class = if value.chars().count() > 40 {
            " class=\"long\""
        } else {
            ""
        };
        format!(
            "<div{class}><dt>{}</dt><dd>{}</dd></div>\n",
            escape(name),
            escape(value)
        )
    };
    format!(
        "<dl class=\"pairs\">\n{}</dl>\n",
        pairs.iter().map(pair).collect::<String>()
    )
}

/// How classes of these names are laid out. Few stand beside their table and shrink to a phone's width; many do not, and
/// their table takes two columns, where long names leave room for them.
fn shape(names: &[String]) -> &'static str {
    const FEW: usize = 12;
    const SHORT: usize = 7;
    let is_long = |name: &String| name.chars().count() > SHORT;
    match names.len() > FEW {
        true if names.iter().any(is_long) => " large wide",
        true => " large",
        false => "",
    }
}

/// Precision, recall and F1 of each class, and their plain means.
fn class_table(confusion: &Confusion) -> Table {
    let cells = |name: &str, score: crate::ClassScore| {
        [
            name.to_owned(),
            percent(score.precision),
            percent(score.recall),
            percent(score.f1),
            count(score.support),
        ]
    };
    let table = Table::new(["class", "precision", "recall", "F1", "examples"]);
    let rows = confusion.names().iter().zip(confusion.scores());
    let table = rows.fold(table, |table, (name, score)| table.row(cells(name, score)));
    table.foot(cells("mean", confusion.macro_mean()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Animation, Moving, Picture, Series, Shown};
    use roxmltree::{Document, ParsingOptions};
    use std::time::Duration;

    fn parse(page: &str) -> Document<'_> {
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        Document::parse_with_options(page, options).expect("well-formed")
    }

    /// A page in which every text is `text`.
    fn full(text: &str) -> Report {
        let mistake = Mistake {
            picture: Picture::grey(1, 1, vec![0]),
            truth: text.into(),
            predicted: text.into(),
            probability: 0.9,
            loss: 2.3,
            file: text.into(),
        };
        Report::new(text)
            .lead(text)
            .headline(Headline::new(text, text).note(text))
            .chart(
                Chart::new(text)
                    .x_label(text)
                    .y_label(text)
                    .series(Series::by_epoch(text, &[1.0, 2.0])),
            )
            .confusion(Confusion::new(
                vec![text.into(), text.into()],
                vec![3, 1, 0, 4],
            ))
            .section(
                Section::new(text)
                    .note(text)
                    .text(text)
                    .table(Table::new([text]).row([text]))
                    .pictures(vec![Shown {
                        picture: mistake.picture.clone(),
                        caption: text.into(),
                        detail: text.into(),
                    }])
                    .animations(vec![Moving {
                        animation: Animation::new(
                            vec![mistake.picture.clone(); 2],
                            Duration::from_millis(40),
                        ),
                        caption: text.into(),
                        detail: text.into(),
                    }]),
            )
            .mistake(mistake)
            .summary(Table::new([text]).row([text]).foot([text]))
            .command(text)
            .setting(text, text)
            .environment(text, text)
            .footer(text)
    }

    #[test]
    fn no_text_can_break_out_of_the_page() {
        let page = full("</style><script>alert('x')</script> & \"q\" \u{0}").render();
        let document = parse(&page);
        assert!(
            document
                .descendants()
                .all(|n| n.tag_name().name() != "script")
        );
        assert!(
            document
                .descendants()
                .all(|n| n.attributes().all(|a| !a.name().starts_with("on")))
        );
    }

    #[test]
    fn nothing_is_fetched() {
        let page = full("plain").render();
        for node in parse(&page).descendants() {
            let name = node.tag_name().name();
            assert!(
                !["link", "script", "iframe", "object", "base"].contains(&name),
                "{name}"
            );
            for source in ["src", "href", "srcset", "data"]
                .iter()
                .filter_map(|a| node.attribute(*a))
            {
                assert!(source.starts_with("data:"), "{source}");
            }
        }
        assert!(!page.contains("url(") && !page.contains("@import"));
    }

    #[test]
    fn sections_come_in_order_and_only_where_there_is_something() {
        let titles = |page: &str| -> Vec<String> {
            let document = parse(page);
            let heads = document.descendants().filter(|n| n.has_tag_name("h2"));
            heads.filter_map(|n| n.text().map(str::to_owned)).collect()
        };
        let all = [
            "Curves",
            "Classes",
            "Worst mistakes",
            "x",
            "Model",
            "Settings",
            "Environment",
        ];
        assert_eq!(titles(&full("x").render()), all);
        assert_eq!(titles(&Report::default().render()), [""; 0]);
        let some = Report::new("x").command("eras train mlp").render();
        assert_eq!(titles(&some), ["Settings"]);
        assert!(!some.contains("<dl"), "no empty lists");
    }

    #[test]
    fn many_classes_of_long_names_get_wide_columns_in_which_names_wrap() {
        let classes = |count: usize, name: &str| {
            let names = (0..count).map(|i| format!("{name}{i}")).collect();
            let page = Report::new("x").confusion(Confusion::new(names, vec![1; count * count]));
            let page = page.render();
            let (_, rest) = page.split_once("<div class=\"matrix").expect("a matrix");
            rest.split_once('"').expect("its end").0.to_owned()
        };
        let long = "a class with a rather long name ";
        assert_eq!(classes(40, long), " large wide");
        assert_eq!(classes(40, "cat "), " large");
        assert_eq!(classes(12, long), "");
        // A cell that does not wrap is wider than its column, and lies on the next one.
        let rule = ".matrix.wide td:first-child { white-space: normal; overflow-wrap: anywhere;";
        assert!(include_str!("page.css").contains(rule));
    }

    #[test]
    fn the_table_of_classes_has_a_row_each_and_the_mean() {
        let confusion = Confusion::new(vec!["cat".into(), "dog".into()], vec![8, 2, 5, 5]);
        let table = class_table(&confusion);
        assert_eq!(table.rows[0], ["cat", "61.54%", "80.00%", "69.57%", "10"]);
        assert_eq!(
            table.foot,
            Some(
                ["mean", "66.48%", "65.00%", "64.19%", "20"]
                    .map(String::from)
                    .to_vec()
            )
        );
    }
}
