use super::*;

fn cyclic(fading: Fading) -> Schedule {
    Schedule::Cyclic {
        up: 2,
        down: 4,
        low: 0.2,
        fading,
    }
}

fn close(schedule: &Schedule, wanted: &[f64]) {
    for (step, wanted) in (0..).zip(wanted) {
        let factor = schedule.factor(step);
        assert!(
            (factor - wanted).abs() < 1e-15,
            "{schedule} at {step}: {factor}"
        );
    }
}

#[test]
fn cycles_rise_fall_and_fade() {
    let first = [0.2, 0.6, 1.0, 0.8, 0.6, 0.4];
    close(&cyclic(Fading::Never), &[first, first].concat());
    let halved = [0.2, 0.4, 0.6, 0.5, 0.4, 0.3];
    close(&cyclic(Fading::Halving), &[first, halved].concat());
    close(&cyclic(Fading::Exponential(0.5)), &[0.2, 0.4, 0.4, 0.275]);
    // Long after, the height is gone and no number overflows.
    assert_eq!(cyclic(Fading::Halving).factor(u64::MAX), 0.2);
}

#[test]
fn restarts_begin_anew_and_grow() {
    // Periods of 2, 6 and 18.
    let sgdr = Schedule::cosine_restarts(2, 3);
    close(
        &sgdr,
        &[1.0, 0.5, 1.0, (2.0 + 3f64.sqrt()) / 4.0, 0.75, 0.5, 0.25],
    );
    assert_eq!((sgdr.factor(8), sgdr.factor(26)), (1.0, 1.0));
    close(&Schedule::cosine_restarts(2, 1), &[1.0, 0.5, 1.0, 0.5, 1.0]);
    for growth in [1, 2, u64::MAX] {
        let late = Schedule::cosine_restarts(3, growth).factor(u64::MAX);
        assert!((0.0..=1.0).contains(&late));
    }
}

#[test]
fn the_root_of_the_step_is_the_transformers() {
    let (width, warm_up) = (512f64, 4000u64);
    let schedule = Schedule::inverse_sqrt(warm_up);
    let highest = 1.0 / (width * warm_up as f64).sqrt();
    for step in [0, 1, 999, 3998, 3999, 4000, 100_000] {
        // The paper's formula.
        let s = (step + 1) as f64;
        let paper = width.powf(-0.5) * s.powf(-0.5).min(s * (warm_up as f64).powf(-1.5));
        let found = highest * schedule.factor(step);
        assert!((found - paper).abs() < 1e-15, "{step}: {found}");
    }
    assert_eq!(schedule.factor(3999), 1.0);
}

#[test]
fn powers_quotients_and_products_fall_as_they_are_written() {
    close(
        &Schedule::polynomial(4, 2.0),
        &[1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0],
    );
    let above = Schedule::Polynomial {
        steps: 2,
        power: 1.0,
        end: 0.5,
    };
    close(&above, &[1.0, 0.75, 0.5, 0.5]);
    close(&Schedule::inverse_time(2, 1.0), &[1.0, 1.0 / 1.5, 0.5]);
    let both = Schedule::product([Schedule::step(1, 0.5), above]);
    close(&both, &[1.0, 0.375, 0.125]);
    close(&Schedule::product([]), &[1.0, 1.0]);
}

#[test]
fn stairs_go_down_at_their_edges() {
    let stairs = Schedule::step(3, 0.5);
    let factors: Vec<f64> = (0..7).map(|step| stairs.factor(step)).collect();
    assert_eq!(factors, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]);
}

#[test]
fn what_is_over_stays_at_its_end() {
    for schedule in [
        Schedule::cosine(10, 0.25),
        Schedule::linear(10, 1.0, 0.25),
        Schedule::cosine(0, 0.25),
    ] {
        assert_eq!(schedule.factor(10), 0.25);
        assert_eq!(schedule.factor(u64::MAX), 0.25);
    }
    let last = 1.0 / 25.0 / 1e4;
    assert!((Schedule::one_cycle(10).factor(99) - last).abs() < 1e-15);
}

#[test]
fn every_schedule_is_read_back_as_written() {
    let one_cycle = Schedule::OneCycle {
        steps: 7,
        rise: 0.25,
        div: 10.0,
        final_div: 1e-30,
        shape: Anneal::Linear,
        three_phase: true,
    };
    for schedule in [
        Schedule::constant(),
        Schedule::step(5, 0.1),
        Schedule::exponential(0.99),
        Schedule::linear(3, 0.0, 1.0),
        Schedule::one_cycle(100),
        Schedule::polynomial(80, 2.0),
        Schedule::inverse_time(10, 0.5),
        Schedule::inverse_sqrt(40),
        Schedule::cosine_restarts(10, 2),
        Schedule::cyclic(7, 0.1),
        cyclic(Fading::Halving),
        Schedule::product([]),
        Schedule::product([
            cyclic(Fading::Exponential(0.99)),
            Schedule::exponential(0.9),
        ]),
        Schedule::piecewise([
            (0, one_cycle.warm_up(3)),
            (20, Schedule::cosine(9, 1e-7).warm_up(2).warm_up(1)),
        ]),
    ] {
        let text = schedule.to_string();
        assert_eq!(text.parse::<Schedule>().expect(&text), schedule, "{text}");
    }
    assert_eq!(
        "one_cycle(7)".parse::<Schedule>().expect("short"),
        Schedule::one_cycle(7)
    );
}

#[test]
fn what_is_no_schedule_is_refused() {
    let deep = format!("{}1{}", "warm_up(1, ".repeat(100_000), ")".repeat(100_000));
    for text in [
        "",
        "cosine",
        "cosine(",
        "cosine(1)",
        "cosine(1, 2, 3)",
        "cosine(-1, 0)",
        "step(0, 0.1)",
        "cosine(1, NaN)",
        "polynomial(1, 2)",
        "inverse_time(0, 1)",
        "inverse_sqrt(0)",
        "cosine_restarts(0, 1, 0)",
        "cosine_restarts(1, 0, 0)",
        "cyclic(1, 0, 0.1, triangular)",
        "cyclic(1, 1, 0.1, square)",
        "cyclic(1, 1, 0.1, exp_range(x))",
        "product(constant, )",
        "exponential(-0.5)",
        "inverse_time(1, -1)",
        "cyclic(1, 1, 0.1, exp_range(1.5))",
        "one_cycle(9, 0.3, 0, 10, cosine, 2)",
        "warm_up(3, product(constant, linear(1, inf, 0)))",
        "piecewise()",
        "piecewise(5, constant)",
        "piecewise(0, constant, 0, constant)",
        "warm_up(1, cosine(1, 2)",
        "warm_up(1, cosine)1, 2(",
        &deep,
    ] {
        let error = text.parse::<Schedule>().expect_err("no schedule");
        assert!(error.is_usage(), "{error}");
    }
}

#[test]
#[should_panic(
    expected = "piecewise: wanted pieces that begin at 0 and at later and later steps, got [1]"
)]
fn pieces_begin_at_the_beginning() {
    let _schedule = Schedule::piecewise([(1, Schedule::constant())]);
}

#[test]
#[should_panic(expected = "cosine_restarts: steps must be at least 1, not 0")]
fn numbers_written_without_their_function_are_checked_before_they_count() {
    let (steps, growth, end) = (0, 2, 0.0);
    let written = Schedule::CosineRestarts { steps, growth, end };
    let _factor = written.warm_up(1).factor(0);
}
