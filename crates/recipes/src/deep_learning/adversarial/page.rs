//! What the report shows of a contest: pictures of noise, what became of them, what lies between, and that none was learned by
//! heart.

use super::game::Game;
use super::{Contest, make};
use crate::classification;
use crate::deep_learning::sampling::{DELAY, SHOWN};
use crate::drawing;
use crate::run::Run;
use eras_data::{Color, Dataset};
use eras_report::{Animation, Moving, Picture, Section, Shown, format};
use eras_tensor::{Result, Rng, Tensor, no_grad};

/// Pictures from the same noise, after each epoch.
const STRIP: usize = 16;

/// A row of what is made of the same noise each time.
pub(super) fn row(contest: &impl Contest, seed: u64, classes: usize) -> Picture {
    let rng = &mut Rng::at(seed, SHOWN, 0);
    let made = make(contest, STRIP, rng, |i| (i % classes) as i64);
    Picture::grid(&drawing::pictures(&made), STRIP)
}

/// The file in which the pictures of an epoch are kept.
pub(crate) fn strip(epoch: usize) -> String {
    format!("epoch-{epoch:03}.png")
}

/// A grid of what the generator makes, also as a file.
pub(super) fn samples<C: Contest>(game: &Game<C>, run: &Run) -> Result<Section> {
    let classes = game.data[0].classes();
    let rng = &mut Rng::at(game.common.seed, SHOWN, 1 << 40);
    let (side, text) = if C::CONDITIONAL {
        let columns = classes.join(", ");
        let text = format!("A column for each class that was asked for: {columns}.");
        (classes.len(), text)
    } else {
        let text = "From noise that was not drawn before, and none left out.".to_owned();
        (8, text)
    };
    let made = make(&game.contest, side * 8, rng, |i| (i % classes.len()) as i64);
    let grid = Picture::grid(&drawing::pictures(&made), side);
    run.write("samples.png", &grid.png())?;
    Ok(Section::new("Samples")
        .note("Pictures that nobody took")
        .text(text)
        .pictures(vec![Shown {
            picture: grid,
            caption: "samples".into(),
            detail: String::new(),
        }]))
}

/// What lies between three noises, from one to the next and back to the first.
fn walk(
    contest: &impl Contest,
    n: usize,
    rng: &mut Rng,
    class: impl Fn(usize) -> i64,
) -> Vec<Tensor> {
    const STEPS: usize = 10;
    let corners: Vec<Tensor> = (0..3).map(|_| contest.noise(n, rng)).collect();
    let classes = Tensor::from((0..n).map(class).collect::<Vec<_>>());
    let frame = |i: usize| {
        let (from, t) = (i / STEPS, (i % STEPS) as f64 / STEPS as f64);
        let (a, b) = (&corners[from], &corners[(from + 1) % corners.len()]);
        no_grad(|| contest.pictures(&contest.between(a, b, t), &classes))
    };
    (0..corners.len() * STEPS).map(frame).collect()
}

/// The walks as an animation, also as a file.
pub(super) fn between<C: Contest>(game: &Game<C>, run: &Run) -> Result<Section> {
    let classes = game.data[0].classes().len();
    let rng = &mut Rng::at(game.common.seed, SHOWN, 3 << 40);
    let (n, columns) = if C::CONDITIONAL {
        (2 * classes, classes)
    } else {
        (STRIP, STRIP / 2)
    };
    let frames = walk(&game.contest, n, rng, |i| (i % classes) as i64);
    let frames = frames
        .iter()
        .map(|made| Picture::grid(&drawing::pictures(made), columns));
    let animation = Animation::new(frames.collect(), DELAY);
    run.write("between.png", &animation.png())?;
    Ok(Section::new("Between")
        .note("From noise to noise, a step at a time")
        .text(
            "Each picture walks from one noise to a second, a third, and back to the first. What lies on the way was never \
             drawn in training; a generator that knew single pictures by heart would jump.",
        )
        .animations(vec![Moving {
            animation,
            caption: "between".into(),
            detail: String::new(),
        }]))
}

/// What became of the same noise.
pub(crate) fn growth(run: &Run, epochs: usize) -> Section {
    let (mut rows, mut shown) = (Vec::new(), Vec::new());
    for epoch in milestones(epochs) {
        let path = run.folder().join(strip(epoch));
        // One that was lost leaves the others.
        if let Ok(picture) = eras_data::Picture::read(&path, None, Color::Gray) {
            let [_, height, width] = picture.shape;
            rows.push(Picture::grey(width, height, picture.pixels));
            shown.push(epoch.to_string());
        }
    }
    let section = Section::new("Growth").note("The same noise, as training goes on");
    if rows.is_empty() {
        return section.text("The pictures of the epochs are no longer there.");
    }
    section
        .text(format!(
            "Each row is made of the same noise, from above after {} epochs.",
            shown.join(", ")
        ))
        .pictures(vec![Shown {
            picture: Picture::grid(&rows, 1),
            caption: "growth".into(),
            detail: String::new(),
        }])
}

/// The beginning, doubling epochs, and the last.
fn milestones(epochs: usize) -> Vec<usize> {
    let doubling = std::iter::successors(Some(1), |n| Some(2 * n));
    let mut all = vec![0];
    all.extend(doubling.take_while(|&n| n < epochs));
    all.push(epochs);
    all
}

/// Made pictures, and the training pictures that are nearest to them: a generator that learned by heart would be found out.
pub(super) fn neighbours<C: Contest>(game: &Game<C>) -> Result<Section> {
    const COUNT: usize = 12;
    const ROWS: usize = 5000;
    let train = game.data[0].flat();
    let classes = train.classes().len();
    let rng = &mut Rng::at(game.common.seed, SHOWN, 2 << 40);
    let made = make(&game.contest, COUNT, rng, |i| (i % classes) as i64);
    let flat = made.flatten(1, -1); // (COUNT, 784)
    let mut best = [(f32::INFINITY, 0); COUNT];
    let all: Vec<usize> = (0..train.len()).collect();
    for chunk in all.chunks(ROWS) {
        let x = train.batch(chunk)?.x;
        // |a − b|² = |a|² − 2 a·b + |b|², of which the first is the same for all.
        let distance = x.sqr().sum(1) - flat.matmul(&x.t()) * 2.0; // (COUNT, rows)
        let (least, at) = (distance.amin(1), distance.argmin(1));
        for (i, (d, at)) in least
            .to_vec::<f32>()
            .into_iter()
            .zip(at.to_vec::<i64>())
            .enumerate()
        {
            if d < best[i].0 {
                best[i] = (d, chunk[at as usize]);
            }
        }
    }
    let made = drawing::pictures(&made);
    let pairs = made.into_iter().zip(best).map(|(made, (_, nearest))| {
        let real = classification::picture(&train, nearest);
        Shown {
            picture: Picture::grid(&[made, real], 2),
            caption: train.classes()[train.labels()[nearest] as usize].clone(),
            detail: format!(
                "picture {} of the training set",
                format::count(nearest as u64)
            ),
        }
    });
    Ok(Section::new("No copies")
        .note("Made, and the nearest of the training set")
        .pictures(pairs.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_shown_from_the_beginning_at_doubling_epochs_to_the_end() {
        assert_eq!(milestones(1), [0, 1]);
        assert_eq!(milestones(8), [0, 1, 2, 4, 8]);
        assert_eq!(milestones(10), [0, 1, 2, 4, 8, 10]);
    }
}
