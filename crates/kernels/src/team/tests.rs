use super::*;
use std::collections::HashSet;
use std::sync::atomic::AtomicU32;

/// Tests of one process share the team; those that count its threads must not run at once.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

fn counts(tasks: usize) -> Vec<AtomicU32> {
    (0..tasks).map(|_| AtomicU32::new(0)).collect()
}

fn each_ran(counts: &[AtomicU32], times: u32) -> bool {
    counts.iter().all(|c| c.load(Ordering::Relaxed) == times)
}

#[test]
fn each_task_runs_exactly_once_at_any_number_of_threads() {
    let _alone = alone();
    for threads in [1, 2, 3, 4, 7, 1, 16, 2] {
        set_threads(threads);
        assert_eq!(super::threads(), threads);
        for tasks in [0, 1, 2, 3, 10, 1000] {
            let counts = counts(tasks);
            for _ in 0..50 {
                run(tasks, |i| _ = counts[i].fetch_add(1, Ordering::Relaxed));
            }
            assert!(each_ran(&counts, 50), "{threads} threads, {tasks} tasks");
        }
    }
}

/// Repeats `attempt` until it succeeds. A test that wants the helpers may find the team taken by another test, and
/// then does all by itself.
fn in_time(mut attempt: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if attempt() {
            return true;
        }
    }
    false
}

#[test]
fn helpers_take_part_and_no_more_than_wanted() {
    let _alone = alone();
    for threads in [2, 4, 3] {
        set_threads(threads);
        let seen = Mutex::new(HashSet::new());
        let all_came = in_time(|| {
            run(64, |_| {
                thread::sleep(Duration::from_micros(50));
                seen.lock().unwrap().insert(thread::current().id());
            });
            seen.lock().unwrap().len() == threads
        });
        assert!(
            all_came,
            "{} of {threads} threads took part",
            seen.lock().unwrap().len()
        );
    }
}

#[test]
fn a_sleeping_team_wakes_up() {
    let _alone = alone();
    set_threads(2);
    for _ in 0..5 {
        // Two tasks that wait for each other.
        let both_came = in_time(|| {
            thread::sleep(AWAKE * 5);
            let (met, start) = (AtomicUsize::new(0), Instant::now());
            run(2, |_| {
                met.fetch_add(1, Ordering::SeqCst);
                while met.load(Ordering::SeqCst) < 2 && start.elapsed() < Duration::from_millis(500)
                {
                    thread::yield_now();
                }
            });
            start.elapsed() < Duration::from_millis(500)
        });
        assert!(both_came);
    }
}

#[test]
fn a_job_inside_a_task_runs_too() {
    let counts = counts(8 * 8);
    run(8, |i| {
        run(8, |j| _ = counts[8 * i + j].fetch_add(1, Ordering::Relaxed))
    });
    assert!(each_ran(&counts, 1));
}

#[test]
fn many_threads_may_call_at_once() {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for tasks in 0..300 {
                    let counts = counts(tasks);
                    run(tasks, |i| _ = counts[i].fetch_add(1, Ordering::Relaxed));
                    assert!(each_ran(&counts, 1));
                }
            });
        }
    });
}

#[test]
fn the_number_of_threads_may_change_while_jobs_run() {
    let _alone = alone();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in (1..=5).cycle() {
                set_threads(n);
                thread::yield_now();
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..300 {
            let counts = counts(20);
            run(20, |i| {
                if i == 7 {
                    set_threads(3);
                }
                counts[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(each_ran(&counts, 1));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_panic_in_a_task_reaches_the_caller_and_the_team_goes_on() {
    let _alone = alone();
    for threads in [1, 2, 4] {
        set_threads(threads);
        for bad in [0, 1, 63] {
            let end = catch_unwind(|| run(64, |i| assert!(i != bad, "task {i} is bad")));
            let payload = end.unwrap_err();
            assert_eq!(
                *payload.downcast::<String>().unwrap(),
                format!("task {bad} is bad")
            );
            let counts = counts(64);
            run(64, |i| _ = counts[i].fetch_add(1, Ordering::Relaxed));
            assert!(each_ran(&counts, 1));
        }
    }
}

#[test]
fn a_panic_of_all_tasks_at_once_is_one_panic() {
    let _alone = alone();
    set_threads(4);
    for _ in 0..20 {
        assert!(catch_unwind(|| run(100, |_| panic!("all"))).is_err());
    }
}

#[test]
#[should_panic(expected = "wanted at least 1 thread, got 0")]
fn no_threads_at_all_is_a_mistake() {
    set_threads(0);
}

#[test]
fn chunks_cover_a_slice_and_know_their_place() {
    for (len, chunk) in [(0, 3), (1, 3), (3, 3), (10, 3), (1000, 7)] {
        let mut data = vec![0; len];
        chunks_mut(&mut data, chunk, |i, part| {
            assert!(part.len() == chunk || i == len / chunk);
            for (j, x) in part.iter_mut().enumerate() {
                *x += i * chunk + j;
            }
        });
        assert!(data.iter().enumerate().all(|(i, &x)| i == x));
        let ranges = map_chunks(len, chunk, |range| range);
        assert!(ranges.into_iter().flatten().eq(0..len));
        let count = AtomicUsize::new(0);
        for_chunks(len, chunk, |range| {
            _ = count.fetch_add(range.len(), Ordering::Relaxed)
        });
        assert_eq!(count.into_inner(), len);
    }
}

#[test]
fn slices_of_different_width_are_cut_at_the_same_rows() {
    let x: Vec<usize> = (0..7 * 3).collect();
    let (mut sum, mut copy, mut most) = (vec![0; 7], vec![0; 7 * 3], vec![0; 4]);
    let parts = (
        &mut sum[..],
        Rows::new(&x[..], 3),
        Rows::new(&mut copy[..], 3),
        PerChunk::new(&mut most[..], 1),
    );
    split(parts, 2, |first, (sum, x, copy, most)| {
        assert_eq!(x[0], 3 * first);
        copy.copy_from_slice(x);
        for (sum, x) in sum.iter_mut().zip(x.chunks(3)) {
            *sum = x.iter().sum();
        }
        most[0] = sum.iter().copied().max().unwrap();
    });
    assert_eq!(sum, [3, 12, 21, 30, 39, 48, 57]);
    assert_eq!(copy, x);
    assert_eq!(most, [12, 30, 48, 57]);
}

#[test]
#[should_panic(expected = "slice 1 has Some(3) rows where another has Some(4)")]
fn slices_of_different_length_are_a_mistake() {
    split((&mut [0; 4][..], &[0; 3][..]), 2, |_, _| ());
}

#[test]
#[should_panic(expected = "7 elements are no whole number of rows of 2")]
fn a_torn_row_is_a_mistake() {
    split(Rows::new(&[0; 7][..], 2), 2, |_, _| ());
}

#[test]
#[should_panic(expected = "no part 1..2 in a slice of 1")]
fn a_missing_row_per_chunk_is_a_mistake() {
    split(
        (&[0; 4][..], PerChunk::new(&mut [0; 1][..], 1)),
        2,
        |_, _| (),
    );
}
