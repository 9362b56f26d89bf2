//! A visit to the stops: what they are given, and who shows what they tell.

use super::{Drawing, Sight, Stop, View};
use crate::promise::{Measured, Unit};
use eras_data::Mnist;
use eras_report::format;
use eras_tensor::{Error, Result, Rng};
use std::cell::OnceCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Shows what the stops tell, while they tell it.
pub trait Guide {
    /// A stop begins.
    fn arrive(&mut self, stop: &Stop);

    /// Something to keep.
    fn show(&mut self, sight: &Sight);

    /// Whether anybody looks at [`live`](Self::live); otherwise nothing is drawn for it.
    fn is_live(&self) -> bool;

    /// Whether the last of it was seen for long enough.
    fn is_due(&self) -> bool;

    /// What is being learned at this moment, captions and drawings: takes the place of what was live before, once that was
    /// seen for long enough.
    fn live(&mut self, frame: &[(String, Drawing)]);

    /// A stop ends.
    ///
    /// # Errors
    /// If the tour shall end here.
    fn leave(&mut self, told: &Told) -> Result<()>;
}

/// What a stop told.
#[derive(Debug, Clone)]
pub struct Told {
    /// Which.
    pub stop: &'static Stop,
    /// In the order in which it was shown.
    pub sights: Vec<Sight>,
    /// What came of it, in numbers.
    pub measured: Vec<Measured>,
    /// Where the idea ends.
    pub limit: String,
    /// How long it took.
    pub seconds: f64,
}

/// What a stop works with.
pub struct Visit<'a> {
    seed: u64,
    digits: &'a OnceCell<Mnist>,
    stop: &'a AtomicBool,
    guide: &'a mut dyn Guide,
    sights: Vec<Sight>,
    measured: Vec<Measured>,
}

impl fmt::Debug for Visit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Goes to the stops one after the other, until `stop` becomes true.
///
/// # Errors
/// If it was stopped, or digits that `$ERAS_DATA` or the cache has cannot be read.
pub fn walk(
    stops: &[&'static Stop],
    seed: u64,
    stop: &AtomicBool,
    guide: &mut dyn Guide,
) -> Result<Vec<Told>> {
    let digits = OnceCell::new();
    let mut all = Vec::with_capacity(stops.len());
    for &at in stops {
        let start = Instant::now();
        guide.arrive(at);
        let mut visit = Visit {
            seed,
            digits: &digits,
            stop,
            guide,
            sights: Vec::new(),
            measured: Vec::new(),
        };
        let limit = (at.visit)(&mut visit).and_then(|limit| visit.go_on().map(|()| limit));
        let Visit {
            sights, measured, ..
        } = visit;
        let told = Told {
            stop: at,
            sights,
            measured,
            limit: limit
                .map_err(|error| error.context(format!("the tour ended at `{}`", at.name)))?,
            seconds: start.elapsed().as_secs_f64(),
        };
        guide.leave(&told)?;
        all.push(told);
    }
    Ok(all)
}

impl<'a> Visit<'a> {
    /// The seed of everything random.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator of that seed.
    pub(crate) fn rng(&self) -> Rng {
        Rng::new(self.seed)
    }

    /// The digits, read when they are first asked for.
    pub(crate) fn digits(&self) -> Result<&'a Mnist> {
        match self.digits.get() {
            Some(digits) => Ok(digits),
            None => {
                let digits = Mnist::load()?;
                Ok(self.digits.get_or_init(|| digits))
            }
        }
    }

    /// Fails once the user has asked to stop.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::interrupted("it was stopped"));
        }
        Ok(())
    }

    /// A moment of a training that one can look on, passed over if the last was just now; fails once the user has asked to
    /// stop.
    pub(crate) fn live(&mut self, frame: impl FnOnce() -> Vec<(String, Drawing)>) -> Result<()> {
        if self.guide.is_due() {
            return self.play(frame);
        }
        self.go_on()
    }

    /// A moment of a training that is over too soon to look on: it is shown for as long as it takes to see it.
    pub(crate) fn play(&mut self, frame: impl FnOnce() -> Vec<(String, Drawing)>) -> Result<()> {
        self.go_on()?;
        if self.guide.is_live() {
            self.guide.live(&frame());
        }
        Ok(())
    }

    /// Says what is being done that takes a while.
    pub(crate) fn doing(&mut self, what: &str) -> Result<()> {
        self.play(|| vec![(what.to_owned(), Drawing::default())])
    }

    /// A paragraph.
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.put(Sight::Text(text.into()));
    }

    /// How the characters before it are to be read.
    pub(crate) fn key(&mut self, text: impl Into<String>) {
        self.put(Sight::Key(text.into()));
    }

    /// Views beside each other.
    pub(crate) fn show(&mut self, views: Vec<View>) {
        self.put(Sight::Views(views));
    }

    fn put(&mut self, sight: Sight) {
        self.guide.show(&sight);
        self.sights.push(sight);
    }

    /// Keeps a number, and gives it back to be spoken of.
    pub(crate) fn measured(&mut self, name: &str, value: f64, unit: Unit) -> f64 {
        self.measured.push(Measured::new(name, value, unit));
        value
    }

    /// As [`measured`](Self::measured), for a count.
    pub(crate) fn counted(&mut self, name: &str, count: usize) -> usize {
        self.measured(name, count as f64, Unit::Count);
        count
    }
}

/// `1 mistake`, `2 mistakes`, `3 passes`
pub(super) fn count(n: usize, what: &str) -> String {
    let ending = match what {
        _ if n == 1 => "",
        what if what.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {what}{ending}", format::count(n as u64))
}
