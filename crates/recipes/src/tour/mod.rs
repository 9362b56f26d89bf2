//! The tour: the story of the field in a few minutes. Each stop trains its model while one looks on, shows where it ends,
//! and names the idea that led on. What a stop says it has measured.
//!
//! A stop is a file here with a [`Stop`] in it, and its line in [`STOPS`]. It tells a [`Visit`] what there is to see, in
//! characters for a terminal and in pictures for the page; a [`Guide`] shows it.

mod drawing;
mod page;
mod sight;
mod visit;

mod adaline;
mod backprop;
mod hebb;
mod hopfield;
mod mcculloch_pitts;
mod mlp;
mod perceptron;
mod rbm;
mod reversal;

pub use drawing::{Cell, Drawing, Ink};
pub use page::page;
pub use sight::{Figure, Sight, View};
pub use visit::{Guide, Told, Visit, walk};

use crate::recipe::Era;
use eras_tensor::{Error, Result, nearest};

/// Every stop, in the order of the story.
pub static STOPS: [&Stop; 9] = [
    &mcculloch_pitts::STOP,
    &hebb::STOP,
    &perceptron::STOP,
    &adaline::STOP,
    &hopfield::STOP,
    &rbm::STOP,
    &backprop::STOP,
    &mlp::STOP,
    &reversal::STOP,
];

/// A place on the tour.
#[derive(Debug)]
pub struct Stop {
    /// The name by which it is asked for; that of its recipe, where it has one.
    pub name: &'static str,
    /// What happens there.
    pub title: &'static str,
    /// When it belongs.
    pub era: Era,
    /// The year of the idea.
    pub year: u16,
    /// The idea, in two or three sentences.
    pub idea: &'static str,
    /// The idea that led on from its limit.
    pub next: &'static str,
    /// The recipe that shows more.
    pub recipe: &'static str,
    /// The story, as in the recipe's report; empty if there is none.
    pub story: &'static str,
    /// Trains, shows, and says what the limit is.
    pub visit: fn(&mut Visit<'_>) -> Result<String>,
}

/// The stops called `only`, or from the one called `from` on, or all: in the order of the story.
///
/// # Errors
/// If there is no such stop; the nearest names are told.
pub fn choose(only: &[String], from: Option<&str>) -> Result<Vec<&'static Stop>> {
    let find = |name: &str| {
        let found = STOPS.iter().position(|stop| stop.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = STOPS.iter().map(|stop| stop.name).collect();
            let hint = nearest(name, &names);
            Error::usage(format!("there is no stop `{name}` on the tour; {hint}"))
        })
    };
    let first = from.map_or(Ok(0), find)?;
    let wanted: Vec<usize> = only.iter().map(|name| find(name)).collect::<Result<_>>()?;
    let is_wanted = |at: &usize| wanted.is_empty() || wanted.contains(at);
    let chosen = (first..STOPS.len()).filter(is_wanted);
    Ok(chosen.map(|at| STOPS[at]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn stops_are_chosen_by_name_and_come_in_order() {
        let names = |only: &[&str], from| {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            let stops = choose(&only, from)?;
            Ok::<_, Error>(stops.iter().map(|stop| stop.name).collect::<Vec<_>>())
        };
        assert_eq!(
            names(&["backprop", "hebb"], None).unwrap(),
            ["hebb", "backprop"]
        );
        assert_eq!(
            names(&[], Some("backprop")).unwrap(),
            ["backprop", "mlp", "reversal"]
        );
        assert_eq!(names(&[], None).unwrap().len(), STOPS.len());
        let error = names(&["hobfield"], None).unwrap_err();
        assert!(error.is_usage());
        assert_eq!(
            error.to_string(),
            "there is no stop `hobfield` on the tour; did you mean `hopfield`?"
        );
    }

    #[test]
    fn the_story_goes_from_era_to_era_and_no_stop_is_silent() {
        assert!(STOPS.is_sorted_by_key(|stop| stop.era));
        for stop in STOPS {
            assert!((1943..2100).contains(&stop.year), "{}", stop.name);
            for text in [stop.title, stop.idea, stop.next] {
                assert!(!text.is_empty(), "{}", stop.name);
            }
            assert_eq!(
                STOPS.iter().filter(|other| other.name == stop.name).count(),
                1
            );
        }
    }

    /// Keeps nothing, and says how much it was shown.
    #[derive(Default)]
    struct Counting {
        sights: usize,
        frames: usize,
    }

    impl Guide for Counting {
        fn arrive(&mut self, _stop: &Stop) {}
        fn show(&mut self, _sight: &Sight) {
            self.sights += 1;
        }
        fn is_live(&self) -> bool {
            true
        }
        fn is_due(&self) -> bool {
            true
        }
        fn live(&mut self, frame: &[(String, Drawing)]) {
            assert!(frame.iter().all(|(_, drawing)| drawing.width() > 0));
            self.frames += 1;
        }
        fn leave(&mut self, told: &Told) -> Result<()> {
            assert_eq!(self.sights, told.sights.len());
            Ok(())
        }
    }

    #[test]
    fn a_stop_measures_shows_what_it_trains_and_fills_its_part_of_the_page() {
        let stops = choose(&["perceptron".to_owned()], None).unwrap();
        let (running, mut guide) = (AtomicBool::new(false), Counting::default());
        let told = walk(&stops, 3, &running, &mut guide).unwrap();
        assert!(guide.frames > 5 && told[0].limit.contains("XOR"));
        let value = |name: &str| {
            let number = told[0].measured.iter().find(|number| number.name == name);
            number
                .unwrap_or_else(|| panic!("{name} was not measured"))
                .value
        };
        assert!(value("mistakes") <= value("bound"));
        assert!(value("xor_period") >= 1.0 && value("accuracy") > 0.9);
        let page = page(&told, 3);
        assert!(page.contains("<h2>The perceptron learns a line</h2>"));
        assert!(page.matches("data:image/png").count() >= 6);
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_a_stop_is_obeyed() {
        let stops = choose(&["adaline".to_owned()], None).unwrap();
        let go = |seed, stop| {
            let (stop, mut guide) = (AtomicBool::new(stop), Counting::default());
            walk(&stops, seed, &stop, &mut guide)
        };
        let numbers = |told: Vec<Told>| {
            let numbers = told[0].measured.iter();
            numbers.map(|n| n.value.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(
            numbers(go(1, false).unwrap()),
            numbers(go(1, false).unwrap())
        );
        assert_ne!(
            numbers(go(1, false).unwrap()),
            numbers(go(2, false).unwrap())
        );
        let error = go(1, true).expect_err("it was stopped");
        assert!(error.is_interrupted() && error.to_string().contains("`adaline`"));
    }
}
