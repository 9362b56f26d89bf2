//! The inside of a convolutional network as pictures: its first filters, and what they and those behind them make of one
//! picture.

use crate::classification::picture;
use crate::drawing::signed;
use eras_data::{Dataset, Images};
use eras_report::{Picture, Section, Shown};
use eras_tensor::{Result, Tensor, no_grad};

/// How many filters or maps are drawn of a layer.
const DRAWN: usize = 64;

/// The filters `(K, C, H, W)` of a first convolution.
pub(crate) fn section(filters: &Tensor) -> Section {
    let &[count, channels, height, width] = filters.shape() else {
        unreachable!("filters of pictures are (K, C, H, W)")
    };
    let all = filters.detach().to_vec::<f32>();
    let drawn = all.chunks_exact(channels * height * width).take(DRAWN);
    let pictures: Vec<Picture> = drawn
        .map(|filter| match channels {
            3 => colored(filter, [height, width]),
            _ => signed(filter, [height, width]),
        })
        .map(|picture| enlarged(&picture, 28 / height.min(28)))
        .collect();
    let look = if channels == 3 {
        "in the colours that they look for; gray is 0"
    } else {
        "gray is 0, white what they look for, black what they look away from"
    };
    Section::new("Filters").pictures(vec![Shown {
        picture: Picture::grid_on(255, &pictures, 16),
        caption: format!("the first {} of {count} filters", pictures.len()),
        detail: format!("{height}x{width}, {look}"),
    }])
}

/// What the convolutions make of picture `index`: maps of each, `(1, K, H, W)`, with their names.
pub(crate) fn activations(
    data: &Images,
    index: usize,
    maps: impl FnOnce(&Tensor) -> Vec<(&'static str, Tensor)>,
) -> Result<Section> {
    let batch = data.planes().batch(&[index])?;
    let mut shown = vec![Shown {
        picture: enlarged(&picture(data, index), 3),
        caption: "what it is given".into(),
        detail: data.classes()[data.labels()[index] as usize].clone(),
    }];
    for (name, maps) in no_grad(|| maps(&batch.x)) {
        let (height, width) = (maps.shape()[2], maps.shape()[3]);
        let numbers = maps.to_vec::<f32>();
        let most = numbers
            .iter()
            .fold(f32::MIN_POSITIVE, |most, x| most.max(*x));
        let map = |map: &[f32]| {
            let gray = map
                .iter()
                .map(|x| (255.0 * (x / most).max(0.0)).round() as u8);
            enlarged(
                &Picture::grey(width, height, gray.collect()),
                (28 / height).max(1),
            )
        };
        let all = numbers.chunks_exact(height * width);
        let drawn: Vec<Picture> = all.take(DRAWN).map(map).collect();
        shown.push(Shown {
            picture: Picture::grid(&drawn, 16),
            caption: name.into(),
            detail: format!(
                "{} maps of {height}x{width}; white is the strongest answer",
                maps.shape()[1]
            ),
        });
    }
    Ok(Section::new("Activations")
        .note("What the layers make of one picture of the test set")
        .pictures(shown))
}

/// The weights `(3, H, W)` of a filter around gray, the largest in size at an end.
fn colored(filter: &[f32], [height, width]: [usize; 2]) -> Picture {
    let most = filter
        .iter()
        .fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
    let plane = height * width;
    let pixels = (0..plane).flat_map(|p| (0..3).map(move |c| filter[c * plane + p]));
    let bytes = pixels.map(|x| (127.5 + 127.5 * x / most).round() as u8);
    Picture::rgb(width, height, bytes.collect())
}

/// Each pixel as a square of `times` x `times`.
fn enlarged(picture: &Picture, times: usize) -> Picture {
    let (width, height) = (picture.width(), picture.height());
    let channels = picture.pixels().len() / (width * height);
    let mut pixels = Vec::with_capacity(picture.pixels().len() * times * times);
    for row in picture.pixels().chunks_exact(width * channels) {
        let wide: Vec<u8> = row
            .chunks_exact(channels)
            .flat_map(|pixel| pixel.repeat(times))
            .collect();
        pixels.extend(wide.repeat(times));
    }
    match channels {
        3 => Picture::rgb(width * times, height * times, pixels),
        _ => Picture::grey(width * times, height * times, pixels),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_become_squares() {
        let picture = enlarged(&Picture::grey(2, 1, vec![1, 2]), 2);
        assert_eq!((picture.width(), picture.height()), (4, 2));
        assert_eq!(picture.pixels(), [1, 1, 2, 2, 1, 1, 2, 2]);
        let picture = enlarged(&Picture::rgb(1, 1, vec![1, 2, 3]), 2);
        assert_eq!(picture.pixels(), [1, 2, 3].repeat(4));
    }

    #[test]
    fn a_filter_shows_the_colour_that_it_looks_for() {
        let picture = colored(&[1.0, 0.0, -0.5], [1, 1]);
        assert_eq!(picture.pixels(), [255, 128, 64]);
    }
}
