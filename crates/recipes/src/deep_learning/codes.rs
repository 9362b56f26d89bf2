//! What the pages of autoencoders show: pictures that came back, codes in the plane, ways from one code to another.

use crate::drawing;
use eras_data::{Dataset, Images};
use eras_report::{Picture, Scatter, Shown};
use eras_tensor::{Dtype, Result, Tensor};

/// The number of the first picture of each class.
pub(crate) fn one_of_each(set: &Images) -> Vec<usize> {
    let first = |class| set.labels().iter().position(|label| *label == class);
    (0..set.classes().len() as i64).filter_map(first).collect()
}

/// Pictures that fill a row of their own on the page.
pub(crate) fn wide(picture: Picture, caption: &str, detail: impl Into<String>) -> Shown {
    Shown {
        picture,
        caption: caption.into(),
        detail: detail.into(),
    }
}

/// `(n, H·W)`, or of any shape with as many numbers, as `(n, 1, H, W)`.
pub(crate) fn as_pictures(x: &Tensor, [_, height, width]: [usize; 3]) -> Tensor {
    x.reshape([x.len() / (height * width), 1, height, width])
}

/// Rows of as many pictures each.
pub(crate) fn rows(rows: &[Tensor], shape: [usize; 3]) -> Picture {
    let each = rows.iter().map(|row| as_pictures(row, shape));
    let all: Vec<Picture> = each.flat_map(|row| drawing::pictures(&row)).collect();
    Picture::grid(&all, all.len() / rows.len())
}

/// Where codes `(N, 2)` of pictures of these classes lie.
pub(crate) fn scatter(title: &str, codes: &Tensor, set: &Images) -> Scatter {
    let places = codes.to_dtype(Dtype::F64).to_vec::<f64>();
    let of_class = |class: i64| {
        let labelled = places.chunks_exact(2).zip(set.labels());
        let own = labelled.filter(move |(_, label)| **label == class);
        own.map(|(place, _)| (place[0], place[1])).collect()
    };
    let named = (0..).zip(set.classes());
    named.fold(Scatter::new(title), |scatter, (class, name)| {
        scatter.group(name, of_class(class))
    })
}

/// What `f` makes of the first `count` pictures of `set`, batch by batch: `(count, ..)`.
pub(crate) fn of_first(
    set: &Images,
    count: usize,
    mut f: impl FnMut(&Tensor) -> Tensor,
) -> Result<Tensor> {
    const CHUNK: usize = 500;
    let all: Vec<usize> = (0..count.min(set.len())).collect();
    let parts = all.chunks(CHUNK).map(|chunk| Ok(f(&set.batch(chunk)?.x)));
    Ok(Tensor::concat(&parts.collect::<Result<Vec<_>>>()?, 0))
}

/// Codes on a grid over the plane, `side` each way, as the quantiles of the normal distribution lie, the highest row first:
/// `(side², 2)`. All are equally likely.
pub(crate) fn plane(side: usize) -> Tensor {
    let at = quantiles(side);
    let codes: Vec<f32> = (0..side * side)
        .flat_map(|i| [at[i % side], at[side - 1 - i / side]])
        .collect();
    Tensor::from_slice(&codes, [side * side, 2])
}

/// What normal numbers are below with the probabilities (i + ½) / n.
fn quantiles(n: usize) -> Vec<f32> {
    let wanted: Vec<f64> = (0..n).map(|i| (i as f64 + 0.5) / n as f64).collect();
    let (mut low, mut high) = (vec![-9.0; n], vec![9.0; n]);
    // Halved as often as f64 has bits.
    for _ in 0..60 {
        let middle: Vec<f64> = low.iter().zip(&high).map(|(a, b)| 0.5 * (a + b)).collect();
        let below = Tensor::from(middle.clone()) * std::f64::consts::FRAC_1_SQRT_2;
        let below = ((below.erf() + 1.0) * 0.5).to_vec::<f64>(); // Φ
        for i in 0..n {
            if below[i] < wanted[i] {
                low[i] = middle[i];
            } else {
                high[i] = middle[i];
            }
        }
    }
    low.into_iter().map(|x| x as f32).collect()
}

/// Straight ways in `steps` steps from each of the codes `from (k, Z)` to its fellow in `to`: `(k · steps, Z)`.
pub(crate) fn ways(from: &Tensor, to: &Tensor, steps: usize) -> Tensor {
    let (k, width) = (from.shape()[0], from.shape()[1]);
    let t = Tensor::linspace(0.0, 1.0, steps).reshape([1, steps, 1]);
    let (from, to) = (from.unsqueeze(1), to.unsqueeze(1));
    (&from + (to - &from) * t).reshape([k * steps, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        let found = quantiles(4);
        // Φ⁻¹(1/8) and Φ⁻¹(3/8), from a table.
        let wanted = [-1.150_349, -0.318_639, 0.318_639, 1.150_349];
        assert!(
            found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5),
            "{found:?}"
        );
    }

    #[test]
    fn the_plane_has_its_highest_row_first() {
        let plane = plane(2).to_vec::<f32>();
        let at = 0.674_490;
        let wanted = [-at, at, at, at, -at, -at, at, -at];
        assert!(
            plane.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5),
            "{plane:?}"
        );
    }

    #[test]
    fn ways_begin_and_end_where_they_should() {
        let (from, to) = (
            Tensor::from([[0.0f32, 1.0], [2.0, 2.0]]),
            Tensor::from([[4.0f32, 1.0], [0.0, 0.0]]),
        );
        let ways = ways(&from, &to, 3).to_vec::<f32>();
        assert_eq!(
            ways,
            [0.0, 1.0, 2.0, 1.0, 4.0, 1.0, 2.0, 2.0, 1.0, 1.0, 0.0, 0.0]
        );
    }
}
