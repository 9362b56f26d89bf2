//! Sets that are made on the fly.

use eras_data::{Dataset, Images, Loader, MovingDigits, Shapes};

use crate::common::panic_of;

/// Two digits: a bright square of 4 x 4 (class 3) and a dark one (class 5), each pixel of it alike.
fn squares() -> Images {
    let pixels = [vec![200; 16], vec![100; 16]].concat();
    let classes: Vec<String> = (0..6).map(|c| c.to_string()).collect();
    Images::new(pixels, [1, 4, 4], vec![3, 5], &classes).unwrap()
}

fn values(set: &dyn Dataset, index: usize) -> (Vec<f32>, Vec<i64>) {
    let batch = set.batch(&[index]).unwrap();
    (batch.x.to_vec(), batch.y.to_vec())
}

#[test]
fn a_sample_is_a_function_of_seed_and_index_in_any_batch_and_by_any_thread() {
    let videos = MovingDigits::new(&squares(), 40, 7).frames(3).size(8);
    let shapes = Shapes::new(40, 7).size(16);
    let others: [&dyn Dataset; 2] = [
        &MovingDigits::new(&squares(), 40, 8).frames(3).size(8),
        &Shapes::new(40, 8).size(16),
    ];
    for (set, other) in [&videos as &dyn Dataset, &shapes].into_iter().zip(others) {
        let together = set.batch(&[5, 9, 5]).unwrap();
        let x = together.x.to_vec::<f32>();
        let (first, rest) = x.split_at(x.len() / 3);
        assert_eq!(
            (first, &rest[first.len()..]),
            (&values(set, 5).0[..], first)
        );
        assert_eq!(rest[..first.len()], values(set, 9).0);
        assert_ne!(first, &rest[..first.len()]);
        assert_ne!(values(set, 5), values(other, 5));
        assert_ne!(set.fingerprint(), other.fingerprint());
        let epoch = |workers| -> Vec<Vec<f32>> {
            let mut loader = Loader::new(set, 6).shuffle(1).workers(workers);
            (&mut loader).map(|batch| batch.x.to_vec()).collect()
        };
        assert_eq!(epoch(0), epoch(3));
        assert!(set.background().is_some());
    }
}

/// Where the square stands in each frame: its row and its column.
fn places(video: &[f32], size: usize) -> Vec<[usize; 2]> {
    let frames = video.chunks(size * size);
    let place = |frame: &[f32]| {
        let lit: Vec<usize> = (0..frame.len()).filter(|&i| frame[i] > 0.0).collect();
        assert_eq!(lit.len(), 16, "a digit is never cut off");
        let (top, left) = (lit[0] / size, lit[0] % size);
        let inside = |i: &usize| {
            (top..top + 4).contains(&(i / size)) && (left..left + 4).contains(&(i % size))
        };
        assert!(lit.iter().all(inside), "it keeps its form");
        [top, left]
    };
    frames.map(place).collect()
}

#[test]
fn a_digit_moves_straight_on_and_bounces_off_the_sides() {
    const SIZE: usize = 104;
    let videos = MovingDigits::new(&squares(), 200, 0)
        .frames(60)
        .size(SIZE)
        .digits(1);
    let (mut bounces, mut classes) = (0, [0; 6]);
    for index in 0..200 {
        let (video, class) = values(&videos, index);
        classes[class[0] as usize] += 1;
        let brightness = if class[0] == 3 { 200.0 } else { 100.0 };
        assert!(video.iter().all(|x| *x == 0.0 || *x == brightness / 255.0));
        let places = places(&video, SIZE);
        let mut speeds = Vec::new();
        for axis in 0..2 {
            let at: Vec<i64> = places.iter().map(|place| place[axis] as i64).collect();
            let steps: Vec<i64> = at.windows(2).map(|w| w[1] - w[0]).collect();
            let largest = steps.iter().map(|step| step.abs()).max().unwrap();
            for (t, pair) in steps.windows(2).enumerate() {
                // Rounded to whole pixels; but where it bounces it goes back.
                let is_straight = (pair[0] - pair[1]).abs() <= 1;
                let edge = at[t + 1].min(SIZE as i64 - 4 - at[t + 1]);
                assert!(
                    is_straight || edge <= largest,
                    "video {index}, axis {axis}: {at:?}"
                );
                bounces += u32::from(!is_straight);
            }
            speeds.push(largest as f64);
        }
        // Between 5 and 15 of 100 pixels a frame, in whole pixels on each axis.
        let speed = speeds[0].hypot(speeds[1]);
        assert!((4.0..17.0).contains(&speed), "video {index}: {speed}");
    }
    assert!(bounces > 500, "{bounces}");
    assert!(
        classes[3] > 70 && classes[5] > 70 && classes[3] + classes[5] == 200,
        "{classes:?}"
    );
}

#[test]
fn where_digits_overlap_the_brighter_is_seen() {
    let videos = MovingDigits::new(&squares(), 50, 0).frames(10).size(6);
    assert_eq!(videos.batch(&[0]).unwrap().x.shape(), [1, 1, 10, 6, 6]);
    for index in 0..50 {
        let (video, classes) = values(&videos, index);
        // In 6 x 6 two squares of 4 x 4 always overlap.
        let lit = |x: f32| {
            video
                .chunks(36)
                .all(|frame| frame.iter().filter(|p| **p == x / 255.0).count() >= 16)
        };
        if classes.contains(&3) {
            assert!(lit(200.0), "{classes:?}");
        } else {
            assert!(lit(100.0), "{classes:?}");
        }
    }
}

#[test]
fn every_shape_is_whole_in_its_class_and_brightness_does_not_tell_it() {
    let set = Shapes::new(400, 3).size(48).most(1).noise(0.0);
    let mut of_class = vec![Vec::new(); 4];
    for index in 0..set.len() {
        let (x, y) = values(&set, index);
        let class = *y.iter().max().unwrap();
        assert!(y.iter().all(|c| *c == 0 || *c == class), "one shape");
        // Two brightnesses, which the mask tells apart exactly.
        let (background, inside) = (
            y.iter().position(|c| *c == 0),
            y.iter().position(|c| *c > 0),
        );
        let Some(inside) = inside else {
            continue; // it lies outside
        };
        let (background, foreground) = (x[background.unwrap()], x[inside]);
        for (x, y) in x.iter().zip(&y) {
            assert_eq!(*x, if *y == 0 { background } else { foreground });
        }
        assert!((foreground - background).abs() >= 0.2499);
        let area = y.iter().filter(|c| **c > 0).count();
        of_class[class as usize].push((foreground, area));
    }
    for (class, shapes) in of_class.iter().enumerate().skip(1) {
        assert!(shapes.len() > 90, "{class}: {}", shapes.len());
        let bright = shapes.iter().filter(|(x, _)| *x > 0.5).count() as f64 / shapes.len() as f64;
        assert!((0.35..0.65).contains(&bright), "{class}: {bright}");
        // From a tenth to a quarter of 48 pixels in size, the largest pi 12² for a disc.
        assert!(shapes.iter().all(|(_, area)| *area <= 580), "{class}");
    }
}

#[test]
fn the_middle_of_a_picture_has_the_forms_that_are_named() {
    // Discs, rectangles and triangles that lie wholly inside have these areas for their width and height.
    let set = Shapes::new(2000, 1).size(64).most(1).noise(0.0);
    let mut ratios = vec![Vec::new(); 4];
    for index in 0..set.len() {
        let (_, y) = values(&set, index);
        let covered: Vec<usize> = (0..y.len()).filter(|&i| y[i] > 0).collect();
        let on_border = |i: &usize| [i / 64, i % 64].iter().any(|at| *at == 0 || *at == 63);
        if covered.is_empty() || covered.iter().any(on_border) {
            continue;
        }
        // The farthest pixel from the centre of mass: the radius of the circle around.
        let mean = |f: fn(usize) -> usize| {
            covered.iter().map(|&i| f(i) as f64).sum::<f64>() / covered.len() as f64
        };
        let (cy, cx) = (mean(|i| i / 64), mean(|i| i % 64));
        let far = |i: &usize| ((i / 64) as f64 - cy).hypot((i % 64) as f64 - cx);
        let radius = covered.iter().map(far).fold(0.0, f64::max);
        ratios[y[covered[0]] as usize].push(covered.len() as f64 / (radius * radius));
    }
    let mean = |class: usize| {
        let of: &Vec<f64> = &ratios[class];
        assert!(of.len() > 100, "{class}: {}", of.len());
        of.iter().sum::<f64>() / of.len() as f64
    };
    // pi for a disc, 2 sin 2a for a rectangle (1.6 to 2), 3√3/4 = 1.30 for a triangle; pixels have a size.
    assert!((3.0..3.5).contains(&mean(1)), "disc {}", mean(1));
    assert!((1.7..2.1).contains(&mean(2)), "rectangle {}", mean(2));
    assert!((1.2..1.5).contains(&mean(3)), "triangle {}", mean(3));
}

#[test]
fn later_shapes_cover_earlier_ones_and_noise_stays_in_range() {
    let set = Shapes::new(300, 5).size(32).noise(0.3);
    let (mut several, mut sum, mut squares, mut count) = (0, 0.0, 0.0, 0.0);
    let clean = set.clone().noise(0.0);
    for index in 0..set.len() {
        let ((x, y), (without, same)) = (values(&set, index), values(&clean, index));
        assert_eq!(y, same, "noise changes no mask");
        assert!(x.iter().all(|x| (0.0..=1.0).contains(x)));
        let classes: std::collections::BTreeSet<i64> = y.iter().copied().collect();
        several += usize::from(classes.len() > 2);
        for (x, clean) in x.iter().zip(&without) {
            if (0.45..0.55).contains(clean) {
                let noise = f64::from(x - clean);
                sum += noise;
                squares += noise * noise;
                count += 1.0;
            }
        }
    }
    assert!(several > 60, "{several}");
    // Normal with deviation 0.3, cut off near ±0.5, as far as 1.67 deviations: 0.3 √(0.834) = 0.27 in theory.
    let (mean, deviation) = (sum / count, (squares / count).sqrt());
    assert!(mean.abs() < 0.02, "{mean}");
    assert!((0.26..0.29).contains(&deviation), "{deviation}");
    assert_eq!(set.classes(), Shapes::CLASSES);
}

#[test]
fn settings_that_leave_nothing_are_refused() {
    let videos = || MovingDigits::new(&squares(), 1, 0);
    assert_eq!(
        panic_of(|| drop(videos().size(3))),
        "MovingDigits: found frames of 3 x 3, wanted room for digits of 4 x 4"
    );
    assert_eq!(
        panic_of(|| drop(videos().frames(0))),
        "MovingDigits: found 0 frames, wanted one or more"
    );
    let colour = Images::new(vec![0; 48], [3, 4, 4], vec![0], &["x"]).unwrap();
    assert_eq!(
        panic_of(|| drop(MovingDigits::new(&colour, 1, 0))),
        "MovingDigits: found images of shape [3, 4, 4], wanted one channel"
    );
    assert_eq!(
        panic_of(|| drop(Shapes::new(1, 0).size(7))),
        "Shapes: found pictures of 7 x 7, wanted 8 x 8 or more"
    );
    assert_eq!(
        panic_of(|| drop(Shapes::new(1, 0).noise(f64::NAN))),
        "Shapes: found noise of NaN, wanted 0 to 1"
    );
    assert_eq!(
        panic_of(|| drop(videos().batch(&[1]))),
        "MovingDigits: sample 1 of a set of 1"
    );
}
