//! What `eras sample` gives of models that make small gray pictures out of noise.

use crate::drawing;
use crate::recipe::{Draw, SampleRequest, Sampled};
use crate::small_gray;
use eras_report::{Animation, Picture};
use eras_tensor::{Error, Result, Rng, Tensor, nearest, no_grad};
use std::time::Duration;

/// The stream of a seed for what is drawn to be looked at.
pub(crate) const SHOWN: u64 = 3;
/// How long a frame is shown on the way from noise to noise.
pub(crate) const DELAY: Duration = Duration::from_millis(120);
/// Frames of such a way.
const FRAMES: usize = 24;
/// Pictures drawn together.
const CHUNK: usize = 500;

/// The class of the set `dataset` that each of the pictures is to show: the one that was asked for, or all in turn.
pub(crate) fn classes(request: &SampleRequest, dataset: &str) -> Result<Vec<i64>> {
    let known = small_gray::classes(dataset);
    let class = match &request.class {
        None => None,
        Some(name) => {
            let found = known.iter().position(|class| class == name);
            Some(found.ok_or_else(|| {
                let hint = nearest(name, &known);
                Error::usage(format!("there is no class `{name}`; {hint}"))
            })?)
        }
    };
    let class = |i: usize| class.unwrap_or(i % known.len()) as i64;
    Ok((0..request.count).map(class).collect())
}

/// Refuses a class, where the model cannot be told one.
pub(crate) fn no_class(request: &SampleRequest) -> Result<()> {
    match request.class {
        None => Ok(()),
        Some(_) => Err(Error::usage("this model cannot be told a class")),
    }
}

/// What was asked for: `noise` draws what `count` pictures are made of, `between` what lies at a part of the way from one to
/// another, and `draw` makes pictures `(n, 1, H, W)` of it, `n` from a first one on.
pub(crate) fn sampled(
    request: &SampleRequest,
    noise: impl Fn(&mut Rng) -> Tensor,
    between: impl Fn(&Tensor, &Tensor, f64) -> Tensor,
    draw: impl Fn(&Tensor, usize, usize) -> Tensor,
) -> Sampled {
    let noise = |seed| no_grad(|| noise(&mut Rng::at(seed, SHOWN, 0)));
    let draw = |z: &Tensor| {
        let chunks = (0..request.count).step_by(CHUNK).flat_map(|start| {
            let n = CHUNK.min(request.count - start);
            drawing::pictures(&no_grad(|| draw(&z.narrow(0, start, n), start, n)))
        });
        chunks.collect::<Vec<Picture>>()
    };
    match request.draw {
        Draw::Seed(seed) => Sampled::Pictures(draw(&noise(seed))),
        Draw::Between(from, to) => {
            let (a, b) = (noise(from), noise(to));
            let way = (0..FRAMES).map(|i| i as f64 / (FRAMES - 1) as f64);
            let frames: Vec<Vec<Picture>> = way.map(|t| draw(&between(&a, &b, t))).collect();
            let one = |i: usize| frames.iter().map(|frame| frame[i].clone()).collect();
            let each = (0..request.count).map(|i| Animation::new(one(i), DELAY));
            Sampled::Animations(each.collect())
        }
    }
}

/// Between normal noises, at `t` from 0 to 1: along an arc, for what lies on the straight line is shorter than any noise.
pub(crate) fn arc(a: &Tensor, b: &Tensor, t: f64) -> Tensor {
    let angle = t * std::f64::consts::FRAC_PI_2;
    a * angle.cos() + b * angle.sin()
}
