//! The worst mistakes: what the model got wrong, each with its picture.

use crate::animation::Animation;
use crate::format::percent_to;
use crate::picture::Picture;
use crate::svg::{escape, put};

/// A picture that was taken for something else.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// What the model saw.
    pub picture: Picture,
    /// What it is.
    pub truth: String,
    /// What the model took it for.
    pub predicted: String,
    /// How sure the model was of that, from 0 to 1.
    pub probability: f64,
    /// The loss of this example.
    pub loss: f64,
    /// The file that it was read from, perhaps empty.
    pub file: String,
}

/// A picture with what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The picture.
    pub picture: Picture,
    /// What it is, in a word or two.
    pub caption: String,
    /// A smaller line below, perhaps empty.
    pub detail: String,
}

/// An animation with what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Moving {
    /// The animation.
    pub animation: Animation,
    /// What it is, in a word or two.
    pub caption: String,
    /// A smaller line below, perhaps empty.
    pub detail: String,
}

/// Wider pictures, which are grids themselves, get a row of their own.
const NARROW: usize = 120;

/// A grid of pictures as HTML, in the order given.
pub(crate) fn shown(pictures: &[Shown]) -> String {
    let figures = pictures.iter().map(|shown| {
        let uri = shown.picture.data_uri();
        figure(&uri, &shown.picture, &shown.caption, &shown.detail)
    });
    grid(figures)
}

/// A grid of animations as HTML, in the order given.
pub(crate) fn moving(animations: &[Moving]) -> String {
    let figures = animations.iter().map(|moving| {
        let (uri, first) = (moving.animation.data_uri(), &moving.animation.frames()[0]);
        figure(&uri, first, &moving.caption, &moving.detail)
    });
    grid(figures)
}

fn grid(figures: impl Iterator<Item = String>) -> String {
    let figures: String = figures.collect();
    format!("<div class=\"gallery\">\n{figures}</div>\n")
}

/// The file `uri`, which is as large as `picture`.
fn figure(uri: &str, picture: &Picture, caption: &str, detail: &str) -> String {
    let (caption, detail) = (escape(caption), escape(detail));
    let (width, height) = (picture.width(), picture.height());
    let class = if width > NARROW {
        " class=\"wide\""
    } else {
        ""
    };
    format!(
        "<figure{class}><img src=\"{uri}\" width=\"{width}\" height=\"{height}\" alt=\"{caption}\"/>\
         <figcaption><b>{caption}</b><br/><small>{detail}</small></figcaption></figure>\n"
    )
}

/// A grid of mistakes as HTML, in the order given.
pub(crate) fn html(mistakes: &[Mistake]) -> String {
    let mut out = String::from("<div class=\"gallery\">\n");
    for mistake in mistakes {
        let (truth, predicted) = (escape(&mistake.truth), escape(&mistake.predicted));
        let (width, height) = (mistake.picture.width(), mistake.picture.height());
        let (sure, loss) = (escape(&sure(mistake.probability)), mistake.loss);
        let uri = mistake.picture.data_uri();
        let file = match mistake.file.as_str() {
            "" => String::new(),
            file => format!("<br/>{}", escape(file)),
        };
        put!(
            out,
            "<figure><img src=\"{uri}\" width=\"{width}\" height=\"{height}\" alt=\"{truth}, taken for {predicted}\"/>\
             <figcaption><b>{truth}</b> <span class=\"arrow\" aria-label=\"taken for\">→</span> \
             <b class=\"wrong\">{predicted}</b><br/><small>{sure} sure<br/>loss {loss:.2}{file}</small></figcaption></figure>\n"
        );
    }
    out + "</div>\n"
}

/// A probability that is not rounded to certainty.
fn sure(probability: f64) -> String {
    match probability {
        p if (0.999..1.0).contains(&p) => ">99.9%".to_owned(),
        p => percent_to(p, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_tells_truth_guess_certainty_and_loss() {
        let mistake = Mistake {
            picture: Picture::grey(2, 1, vec![0, 255]),
            truth: "T-shirt & top".into(),
            predicted: "<dress>".into(),
            probability: 0.9873,
            loss: 4.3213,
            file: String::new(),
        };
        let html = html(&[mistake]);
        let document = roxmltree::Document::parse(&html).expect("valid XML");
        let image = document
            .descendants()
            .find(|n| n.has_tag_name("img"))
            .expect("an image");
        assert_eq!(
            image.attribute("alt"),
            Some("T-shirt & top, taken for <dress>")
        );
        assert!(
            image
                .attribute("src")
                .is_some_and(|src| src.starts_with("data:image/png;base64,iVBORw0KGgo"))
        );
        assert!(html.contains("98.7% sure<br/>loss 4.32"), "{html}");
    }

    #[test]
    fn a_mistake_names_its_file_where_there_is_one() {
        let of = |file: &str| {
            html(&[Mistake {
                picture: Picture::grey(1, 1, vec![0]),
                truth: "cat".into(),
                predicted: "dog".into(),
                probability: 0.5,
                loss: 1.0,
                file: file.into(),
            }])
        };
        let page = of("cat/<b>&1.png");
        assert!(
            page.contains("loss 1.00<br/>cat/&lt;b&gt;&amp;1.png</small>"),
            "{page}"
        );
        assert!(of("").contains("loss 1.00</small>"));
    }

    #[test]
    fn nearly_sure_is_not_sure() {
        assert_eq!(
            [0.5, 0.9989, 0.99996, 1.0].map(sure),
            ["50.0%", "99.9%", ">99.9%", "100.0%"]
        );
    }
}
