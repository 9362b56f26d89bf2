//! What all pictures share: escaping, numbers, colours and the opening of an `<svg>`.
//!
//! Colours are set by classes in a `<style>` of each picture, first for light and then, under a media
//! query, for dark screens. CSS variables would be shorter, but librsvg, resvg and Inkscape do not know
//! them, and a picture must look right there too.

/// How many colours there are before they repeat.
pub(crate) const COLOURS: usize = 6;

/// Six series colours, then the ink. Found by search: under normal vision, protanopia, deuteranopia and
/// tritanopia (Machado et al. 2009) any two are at least 0.088 apart in OKLab, and each has a contrast
/// of 3 or more with its background.
const STYLE: &str = "\
.eras .bg{fill:#fff}.eras .ink{fill:#1b1c1f}.eras .soft{fill:#63666c}\
.eras .grid{stroke:#e4e4e1}.eras .axis{stroke:#8d9096}.eras .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\
.eras .fine{stroke-width:1.25}.eras .dot{stroke:#fff;stroke-width:1.25}.eras .ring{fill:none;stroke-width:1.5}\
.eras .tag{fill:#1b1c1f;stroke:#fff;stroke-width:3.5;stroke-linejoin:round;paint-order:stroke;font-weight:600}\
.eras .cell{fill:#f1f1ee}.eras .gap{stroke:#fff}.eras .right{fill:#0a55c2}.eras .wrong{fill:#d1590b}.eras .on{fill:#fff}\
.eras .f0{fill:#0a55c2}.eras .f1{fill:#e0660a}.eras .f2{fill:#1a4d3b}.eras .f3{fill:#ae6890}.eras .f4{fill:#7d5b04}.eras .f5{fill:#614184}\
.eras .s0{stroke:#0a55c2}.eras .s1{stroke:#e0660a}.eras .s2{stroke:#1a4d3b}.eras .s3{stroke:#ae6890}.eras .s4{stroke:#7d5b04}.eras .s5{stroke:#614184}\
@media screen and (prefers-color-scheme:dark){\
.eras .bg{fill:#15171a}.eras .ink{fill:#e9e9e7}.eras .soft{fill:#9b9fa6}\
.eras .grid{stroke:#2c2f35}.eras .axis{stroke:#70747c}.eras .dot{stroke:#15171a}.eras .tag{fill:#e9e9e7;stroke:#15171a}\
.eras .cell{fill:#1f2227}.eras .gap{stroke:#15171a}.eras .right{fill:#2f74d8}.eras .wrong{fill:#d9671c}.eras .on{fill:#fff}\
.eras .f0{fill:#4f9dff}.eras .f1{fill:#ff9040}.eras .f2{fill:#a0fde6}.eras .f3{fill:#bb759a}.eras .f4{fill:#f3e043}.eras .f5{fill:#c1bff2}\
.eras .s0{stroke:#4f9dff}.eras .s1{stroke:#ff9040}.eras .s2{stroke:#a0fde6}.eras .s3{stroke:#bb759a}.eras .s4{stroke:#f3e043}.eras .s5{stroke:#c1bff2}\
}";

/// Appends formatted text to a `String`.
macro_rules! put {
    ($out:expr, $($text:tt)*) => { $out.push_str(&format!($($text)*)) };
}
pub(crate) use put;

/// Starts a picture of `width` by `height` units; the caller closes it with `</svg>`.
pub(crate) fn open(width: f64, height: f64, label: &str) -> String {
    let (w, h, label) = (num(width), num(height), escape(label));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"eras\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" \
         height=\"{h}\" role=\"img\" aria-label=\"{label}\" font-family=\"system-ui,-apple-system,'Segoe UI',\
         Roboto,'Helvetica Neue',Arial,sans-serif\" font-size=\"12\">\n<style>{STYLE}</style>\n\
         <rect class=\"bg\" width=\"{w}\" height=\"{h}\"/>\n"
    )
}

/// Text that starts (`start`), ends (`end`) or is centred (`middle`) at `x`, on the baseline `y`.
pub(crate) fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
    let (x, y, text) = (num(x), num(y), escape(text));
    put!(
        svg,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>\n"
    );
}

/// Escapes text for elements and quoted attributes; what XML forbids outright becomes U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A coordinate with one decimal at most.
pub(crate) fn num(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// The width of text, guessed from its letters: without the font nobody can know it.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let em: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | 'f' | 't' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' => 0.33,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.92,
            c if c.is_ascii_uppercase() => 0.70,
            c if c.is_ascii() => 0.60,
            c if (c as u32) < 0x2e80 => 0.64,
            _ => 1.05, // CJK and emoji take a full square
        })
        .sum();
    em * size
}

/// The text, cut with an ellipsis where it is wider than `room`.
pub(crate) fn fit(text: &str, size: f64, room: f64) -> String {
    if text_width(text, size) <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        cut.push(c);
        if text_width(&cut, size) + 0.9 * size > room {
            cut.pop();
            break;
        }
    }
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_an_element_or_an_attribute() {
        assert_eq!(escape("a<b>&\"c\"'"), "a&lt;b&gt;&amp;&quot;c&quot;&#39;");
        assert_eq!(
            escape("bell \u{7}, nul \0, é ok"),
            "bell \u{fffd}, nul \u{fffd}, é ok"
        );
    }

    #[test]
    fn coordinates_are_short() {
        let cases = [
            (1.0, "1"),
            (1.25, "1.2"),
            (-0.04, "0"),
            (10.06, "10.1"),
            (-3.5, "-3.5"),
        ];
        for (value, text) in cases {
            assert_eq!(num(value), text);
        }
    }

    #[test]
    fn long_text_ends_in_an_ellipsis_within_its_room() {
        let cut = fit("a very long class name", 10.0, 60.0);
        assert!(cut.ends_with('…') && cut.starts_with("a ver"), "{cut}");
        assert!(text_width(&cut, 10.0) <= 62.0, "{cut}");
        assert_eq!(fit("short", 10.0, 60.0), "short");
        assert_eq!(fit("short", 10.0, 0.0), "…");
    }
}
