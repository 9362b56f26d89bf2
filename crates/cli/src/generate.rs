//! `eras generate`.

use crate::args::{Format, GenerateArgs};
use crate::output;
use eras_models::large_models::{End, Generation, Sampler};
use eras_recipes::{TextModel, Translation, Translator, Writer, Written};
use eras_tensor::{Error, Result};
use serde_json::json;
use std::io::Write;
use std::time::Instant;

/// Lets a model go on with a text, and prints it as it comes; or lets it translate, line by line.
pub(crate) fn generate(args: &GenerateArgs) -> Result<()> {
    let sampler = sampler(args)?;
    if let Some(threads) = args.threads {
        eras_tensor::set_threads(usize::from(threads));
    }
    let prompts = match &args.prompt_file {
        Some(path) => vec![eras_text::read_text(path)?],
        None => args.prompt.clone(),
    };
    let writer = if args.best {
        Writer::read_best(&args.model)?
    } else {
        Writer::read(&args.model)?
    };
    match writer {
        Writer::GoesOn(model) => go_on(args, &model, &prompts, sampler),
        Writer::Translates(translator) => {
            translate(args, &translator, &prompts.join("\n"), &sampler)
        }
    }
}

/// Prints a text, unless JSON is wanted; whether a reader is there to go on for.
fn tell(args: &GenerateArgs, text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    // A reader that went away is no reason to complain, but one to stop.
    args.format != Format::Text
        || out
            .write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .is_ok()
}

fn go_on(
    args: &GenerateArgs,
    model: &TextModel,
    prompts: &[String],
    sampler: Sampler,
) -> Result<()> {
    let tokens = prompts.iter().map(|prompt| model.prompt(prompt));
    let tokens = tokens.collect::<Result<Vec<_>>>()?;
    let context = model.gpt.config().context;
    let room = args.room.map_or(context, |room| context.min(room as usize));
    for (i, tokens) in tokens.iter().enumerate() {
        if tokens.len() > room && !args.slide {
            return Err(Error::usage(format!(
                "{} has {} tokens, wanted at most {room}, which are seen at once{}",
                if prompts.len() > 1 {
                    format!("prompt {}", i + 1)
                } else {
                    "the prompt".into()
                },
                tokens.len(),
                if args.beams.is_some() {
                    ""
                } else {
                    " (--slide reads the end of it)"
                }
            )));
        }
    }
    let start = Instant::now();
    let texts = match args.beams {
        Some(beams) => search(args, model, prompts, &tokens, usize::from(beams))?,
        None => draw(args, model, prompts, &tokens, sampler)?,
    };
    let seconds = start.elapsed().as_secs_f64();
    let mut full = false;
    for text in &texts {
        let end = match text.written.end {
            End::Enough => "max_tokens",
            End::Full => "context",
            End::Stop(_) | End::Told => "stop",
        };
        full |= end == "context";
        if args.format == Format::Json {
            output::json(&json!({
                "event": "generated", "model": args.model.display().to_string(), "prompt": prompts[text.prompt],
                "text": text.told, "prompt_tokens": tokens[text.prompt].len(), "tokens": text.written.tokens, "end": end,
                "seconds": seconds,
            }));
        }
    }
    if full {
        eprintln!(
            "the text ends here: {room} tokens are seen at once, and they are full (--slide goes on, and forgets the older half)"
        );
    }
    say_speed(texts.iter().map(|text| text.written.tokens).sum(), seconds);
    Ok(())
}

/// What was written after a prompt.
struct Text {
    /// Which of them.
    prompt: usize,
    told: String,
    written: Written,
}

/// The likeliest text after each prompt.
fn search(
    args: &GenerateArgs,
    model: &TextModel,
    prompts: &[String],
    tokens: &[Vec<u32>],
    beams: usize,
) -> Result<Vec<Text>> {
    let each = tokens.iter().enumerate().map(|(prompt, tokens)| {
        let (told, written) = model.search(tokens, beams, args.max_tokens)?;
        tell(args, &format!("{}{told}\n", prompts[prompt]));
        Ok(Text {
            prompt,
            told,
            written,
        })
    });
    each.collect()
}

/// Texts that are drawn: one as it comes, several one below the other once all are there.
fn draw(
    args: &GenerateArgs,
    model: &TextModel,
    prompts: &[String],
    tokens: &[Vec<u32>],
    sampler: Sampler,
) -> Result<Vec<Text>> {
    let mut how = Generation::new(sampler, args.max_tokens);
    if let Some(room) = args.room {
        how = how.room(room as usize);
    }
    if args.slide {
        how = how.sliding();
    }
    let count = usize::from(args.count);
    let which: Vec<usize> = (0..prompts.len() * count).map(|i| i / count).collect();
    let begun: Vec<&[u32]> = which.iter().map(|prompt| &tokens[*prompt][..]).collect();
    let is_one = begun.len() == 1;
    // Before the first token, and not before it is known that there is one.
    let mut untold = is_one.then_some(&prompts[0]);
    let mut held: Vec<Held<'_>> = begun.iter().map(|_| Held::new(&args.stop)).collect();
    let mut told = vec![String::new(); begun.len()];
    let written = model.write_each(&begun, &how, |i, text| {
        let (text, goes_on) = held[i].push(text);
        told[i] += &text;
        if let Some(prompt) = untold.take() {
            tell(args, prompt);
        }
        (!is_one || tell(args, &text)) && goes_on
    })?;
    if let Some(prompt) = untold {
        tell(args, prompt);
    }
    for ((told, held), prompt) in told.iter_mut().zip(held).zip(&which) {
        let rest = held.end();
        *told += &rest;
        if is_one {
            tell(args, &format!("{rest}\n"));
        } else {
            tell(args, &format!("{}{told}\n\n", prompts[*prompt]));
        }
    }
    let texts = which.into_iter().zip(told).zip(written);
    let texts = texts.map(|((prompt, told), written)| Text {
        prompt,
        told,
        written,
    });
    Ok(texts.collect())
}

/// Prints the translation of each line.
fn translate(
    args: &GenerateArgs,
    translator: &Translator,
    text: &str,
    sampler: &Sampler,
) -> Result<()> {
    /// As in the Transformer's paper.
    const BEAMS: u16 = 4;
    if !args.stop.is_empty() || *sampler != Sampler::new(GenerateArgs::TEMPERATURE) {
        return Err(Error::usage(
            "this model translates: its texts are searched (--beams), and neither drawn nor stopped",
        ));
    }
    if args.count > 1 || args.room.is_some() || args.slide {
        return Err(Error::usage(
            "this model translates each line once, as it is: --count, --room and --slide are for models that go on with a text",
        ));
    }
    let beams = usize::from(args.beams.unwrap_or(BEAMS));
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let some: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| !line.is_empty())
        .collect();
    if some.is_empty() {
        return Err(Error::usage(
            "the prompt is empty, wanted a text to translate",
        ));
    }
    let start = Instant::now();
    let mut translations = translator
        .translate(&some, beams, args.max_tokens)?
        .into_iter();
    let seconds = start.elapsed().as_secs_f64();
    let mut tokens = 0;
    for line in lines {
        // An empty line stays one.
        let translation = if line.is_empty() {
            None
        } else {
            translations.next()
        };
        let told = translation.as_ref().map_or("", |one| &one.text);
        tell(args, &format!("{told}\n"));
        if let Some(Translation {
            text, tokens: n, ..
        }) = &translation
        {
            tokens += n;
            if args.format == Format::Json {
                output::json(&json!({
                    "event": "translated", "model": args.model.display().to_string(), "prompt": line, "text": text,
                    "tokens": n, "beams": beams,
                }));
            }
        }
    }
    say_speed(tokens, seconds);
    Ok(())
}

fn say_speed(tokens: usize, seconds: f64) {
    let speed = tokens as f64 / seconds;
    eprintln!("{tokens} tokens in {seconds:.1} s, {speed:.0} a second");
}

fn sampler(args: &GenerateArgs) -> Result<Sampler> {
    let rules = [
        (
            args.temperature.is_finite() && args.temperature >= 0.0,
            "temperature",
            "0 or more",
        ),
        (
            args.top_p > 0.0 && args.top_p <= 1.0,
            "top-p",
            "above 0 and at most 1",
        ),
        ((0.0..=1.0).contains(&args.min_p), "min-p", "from 0 to 1"),
        (
            args.repetition_penalty.is_finite() && args.repetition_penalty > 0.0,
            "repetition-penalty",
            "above 0",
        ),
        (
            args.presence_penalty.is_finite(),
            "presence-penalty",
            "a finite number",
        ),
        (
            !args.stop.iter().any(String::is_empty),
            "stop",
            "a text that is not empty",
        ),
    ];
    if let Some((_, name, wanted)) = rules.iter().find(|(fits, ..)| !fits) {
        return Err(Error::usage(format!("--{name} wants {wanted}")));
    }
    Ok(Sampler::new(args.temperature)
        .top_k(args.top_k)
        .top_p(args.top_p)
        .min_p(args.min_p)
        .repetition_penalty(args.repetition_penalty)
        .presence_penalty(args.presence_penalty)
        .seed(args.seed))
}

/// Text that is held back while it may be the beginning of one that stops.
struct Held<'a> {
    stops: &'a [String],
    text: String,
}

impl<'a> Held<'a> {
    fn new(stops: &'a [String]) -> Self {
        Self {
            stops,
            text: String::new(),
        }
    }

    /// What may be told with one more piece, and whether to go on.
    fn push(&mut self, text: &str) -> (String, bool) {
        self.text += text;
        let first = self.stops.iter().filter_map(|stop| self.text.find(stop));
        if let Some(at) = first.min() {
            self.text.truncate(at);
            return (std::mem::take(&mut self.text), false);
        }
        // The longest end that is the beginning of one that stops.
        let may_stop = |end: &str| self.stops.iter().any(|stop| stop.starts_with(end));
        let starts = self.text.char_indices().map(|(at, _)| at);
        let held = starts.into_iter().find(|at| may_stop(&self.text[*at..]));
        let rest = self.text.split_off(held.unwrap_or(self.text.len()));
        (std::mem::replace(&mut self.text, rest), true)
    }

    /// What was held back in vain.
    fn end(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(stops: &[&str], parts: &[&str]) -> (Vec<String>, bool, String) {
        let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
        let mut held = Held::new(&stops);
        let (mut all, mut goes_on) = (Vec::new(), true);
        for part in parts {
            let (text, on) = held.push(part);
            all.push(text);
            goes_on &= on;
            if !on {
                break;
            }
        }
        (all, goes_on, held.end())
    }

    #[test]
    fn a_text_stops_before_what_stops_it_even_in_parts() {
        let (all, goes_on, rest) = told(&["END", "\n\n"], &["one E", "x", " E", "N", "D two"]);
        assert_eq!(all, ["one ", "Ex", " ", "", ""]);
        assert!(!goes_on && rest.is_empty());
        let (all, goes_on, _) = told(&["END", "\n\n"], &["a\n\nEND"]);
        assert_eq!((all, goes_on), (vec!["a".to_owned()], false));
    }

    #[test]
    fn what_was_held_back_in_vain_is_told_at_the_end() {
        let (all, goes_on, rest) = told(&["stop"], &["go st", "o"]);
        assert_eq!(
            (all.concat(), goes_on, rest),
            ("go ".into(), true, "sto".into())
        );
        let (all, ..) = told(&[], &["a", "b"]);
        assert_eq!(all, ["a", "b"]);
    }
}
