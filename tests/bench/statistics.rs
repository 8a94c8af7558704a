//! The load generator's statistics, and their evaluation.

use std::iter;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;
use std::time::{Duration, Instant};

use multiconn::bench::load::{Finish, Load, Measured, Moment, Talk, UNANSWERED};
use multiconn::bench::recorder::Recorder;
use multiconn::bench::results::{self, Pace, Schedule};
use multiconn::bench::schedule::{Requests, Timetable};
use multiconn::bench::slo::{Objective, search};

use crate::common::PATIENCE;
use crate::scripted::{Act, SIZE, scripted};

static NEVER: AtomicBool = AtomicBool::new(false);
static UNREAD: AtomicU64 = AtomicU64::new(0);

/// Load on an echo server, from a generator that sleeps, and so leaves it a processor.
fn load(target: SocketAddr, talk: &Talk, pace: Pace, duration: Duration) -> Load<'_> {
    Load {
        target: target.into(),
        send_proxy: None,
        talk,
        busy: 4,
        dripping: 0,
        idle: 0,
        depth: 1,
        pace,
        seed: 1,
        warmup: Duration::from_millis(100),
        duration,
        spin: false,
        warmup_replies: &UNREAD,
        interrupted: &NEVER,
    }
}

fn run_load(load: &Load<'_>) -> Measured {
    load.run(&mut |_| {}).unwrap()
}

fn even(rate_per_second: f64) -> Pace {
    Pace::Open { rate_per_second, schedule: Schedule::Even }
}

fn seconds(histogram: &Recorder, quantile: f64) -> f64 {
    histogram.quantile(quantile) as f64 / 1e9
}

/// Puts a load of `rate` requests a second on a server that stalls. Returns the measurement, the duration of the stall, and
/// the sorted latencies by the server's clock: from when a request was due to when its answer was sent.
fn latencies_by_the_server(rate: f64, duration: Duration, stall: Act) -> (Measured, f64, Vec<f64>) {
    let talk = Talk::echo(SIZE);
    let (address, script) = scripted((rate * 0.8) as u64, stall);
    let load = load(address, &talk, even(rate), duration);
    let mut loaded = Instant::now();
    let measured = load
        .run(&mut |moment| {
            if moment == Moment::Loaded {
                loaded = Instant::now()
            }
        })
        .unwrap();
    let script = script.lock().unwrap();
    // Each connection makes a request before the load. From then on, requests are answered in the order of their due
    // times.
    let due = (0..).map(|number| loaded + Duration::from_secs_f64(f64::from(number) / rate));
    let latencies = due.zip(&script.answers[load.busy..]).map(|(due, answer)| (*answer - due).as_secs_f64());
    let [unmeasured, measured_ones] = [load.warmup, duration].map(|time| (time.as_secs_f64() * rate) as usize);
    let mut latencies: Vec<f64> = latencies.skip(unmeasured).take(measured_ones).collect();
    latencies.sort_by(f64::total_cmp);
    (measured, script.stalled.expect("it has stalled").as_secs_f64(), latencies)
}

#[test]
fn of_a_stall_the_open_loop_says_what_theory_says_and_the_closed_loop_next_to_nothing() {
    const RATE: f64 = 200.0;
    const SECONDS: f64 = 3.0;
    let stall = Act::Stall(Duration::from_secs(1));
    let talk = Talk::echo(SIZE);
    let duration = Duration::from_secs_f64(SECONDS);
    thread::scope(|scope| {
        // In the open loop, one request on each connection waits for an answer, and all others that are due are queued.
        let open = scope.spawn(|| latencies_by_the_server(RATE, duration, stall));
        // In the closed loop, the exact position of the stall makes no difference.
        let closed = scope.spawn(|| {
            let (address, _) = scripted(2000, stall);
            run_load(&load(address, &talk, Pace::Closed, duration))
        });

        let (open, stalled, latencies) = open.join().unwrap();
        assert_eq!(
            (open.finish, open.tally.unsent, open.tally.errors.len()),
            (Finish::Whole, 0, 0),
            "{:?}",
            open.tally.errors
        );
        assert_eq!(open.tally.latency.count(), (RATE * SECONDS) as u64);
        assert_eq!(latencies.len(), (RATE * SECONDS) as usize);
        // On a busy machine the generator is late, and records by how much.
        let late = seconds(&open.tally.lag, 0.99);
        for quantile in [0.8, 0.9, 0.95, 0.99, 0.999] {
            let said = seconds(&open.tally.latency, quantile);
            // A request that is due during the stall waits for the rest of it, and requests are evenly spaced. So the
            // share of requests that wait longer than t is (stall - t) / duration.
            let theory = stalled - (1.0 - quantile) * SECONDS;
            assert!(said > 0.95 * theory, "{quantile}: {said} s, not {theory} s");
            // On a busy machine the server is late, too, and its own clock shows by how much.
            let answered = latencies[(quantile * latencies.len() as f64).ceil() as usize - 1];
            assert!((said - answered).abs() < 0.05 * theory + late, "{quantile}: {said} s, not {answered} s");
        }
        assert!(seconds(&open.tally.latency, 0.5) < 0.1, "most are not affected");
        // The service time differs: only four requests were in flight during the stall.
        assert!(seconds(&open.tally.service, 0.9) < 0.1);

        let closed = closed.join().unwrap().tally;
        assert!(closed.latency.count() > 2000, "{}", closed.latency.count());
        assert!(seconds(&closed.latency, 0.99) < 0.1, "the same stall, as good as unseen");
        assert!(closed.latency.max() as f64 / 1e9 > 0.95);
    });
}

#[test]
fn what_is_never_answered_counts_as_long_as_it_has_waited() {
    const RATE: f64 = 200.0;
    let talk = Talk::echo(SIZE);
    let (address, _) = scripted(70, Act::Silence);
    let begun = Instant::now();
    let measured = run_load(&load(address, &talk, even(RATE), Duration::from_millis(500)));
    let took = begun.elapsed().as_secs_f64();
    let tally = &measured.tally;
    let unanswered = tally.errors.get(UNANSWERED).copied().unwrap_or_default();
    assert_eq!(unanswered, 4, "one on each connection: {:?}", tally.errors);
    assert!(tally.unsent > 20, "the others are in the queue yet: {}", tally.unsent);
    // Every due request is counted exactly once.
    assert_eq!(tally.latency.count(), 100);
    // Not `replies`: a late generator also receives some whose requests were due during the warm-up.
    assert_eq!(tally.service.count() + tally.unsent, 100);
    // The generator waits a second longer than the measured time, or more if the machine keeps it from running.
    let (least, longest) = (seconds(&tally.latency, 0.0), seconds(&tally.latency, 1.0));
    assert!(seconds(&tally.latency, 0.99) > 1.0 && longest < took, "{least} to {longest} s in {took} s");
}

#[test]
fn errors_are_counted_by_kind_and_end_what_they_leave_nothing_of() {
    let talk = Talk::echo(SIZE);
    for (act, kinds) in
        [(Act::Lie, &["wrong reply"][..]), (Act::Leave, &["closed by the server", "connection reset by peer"])]
    {
        let (address, _) = scripted(100, act);
        let begun = Instant::now();
        let measured = run_load(&load(address, &talk, Pace::Closed, Duration::from_secs(60)));
        assert!(begun.elapsed() < PATIENCE);
        assert_eq!(measured.finish, Finish::NoServer);
        let errors = &measured.tally.errors;
        assert!(errors.keys().all(|kind| kinds.contains(&kind.as_str())), "{act:?}: {errors:?}");
        assert_eq!(errors.values().sum::<u64>(), 4, "{act:?}: {errors:?}");
    }
}

#[test]
fn a_timetable_keeps_its_rate_and_is_the_same_for_everybody() {
    let dues = |schedule, seed| {
        let mut table = Timetable::new(10_000.0, schedule, seed);
        std::iter::from_fn(move || table.take_due(u64::MAX)).take(10_000).collect::<Vec<u64>>()
    };
    let even = dues(Schedule::Even, 1);
    assert_eq!((even[0], even[1], even[9999]), (0, 100_000, 999_900_000));
    let poisson = dues(Schedule::Poisson, 1);
    assert_eq!(poisson, dues(Schedule::Poisson, 1));
    assert_ne!(poisson, dues(Schedule::Poisson, 2));
    assert!(poisson.is_sorted());
    // One second ± 3 %: three standard deviations, which this seed stays within.
    assert!((970_000_000..1_030_000_000).contains(&poisson[9999]), "{}", poisson[9999]);
    // Exponential intervals: a share of 1/e of them, more than a third, is longer than the mean.
    let longer = poisson.windows(2).filter(|pair| pair[1] - pair[0] > 100_000).count();
    assert!((3500..3860).contains(&longer), "{longer}");

    let mut table = Timetable::new(1000.0, Schedule::Even, 0);
    assert_eq!(table.take_due(0), Some(0));
    assert_eq!(table.take_due(999_999), None, "nothing before it's due");
    assert_eq!(
        (table.take_due(2_500_000), table.take_due(2_500_000), table.take_due(2_500_000)),
        (Some(1_000_000), Some(2_000_000), None)
    );
}

#[test]
fn requests_that_wait_are_sent_in_the_order_in_which_they_are_due() {
    for schedule in [Schedule::Even, Schedule::Poisson] {
        let mut table = Timetable::new(1000.0, schedule, 7);
        let mut requests = Requests::new(table.clone());
        assert_eq!((requests.next_due(), requests.take_waiting()), (table.next_due(), None), "none has come");
        let dues: Vec<u64> = iter::from_fn(|| table.take_due(5_000_000_000)).collect();
        // Requests become due in two batches, and are sent in parts.
        let mut come = Vec::new();
        let mut sent = Vec::new();
        for now in [2_000_000_000, 5_000_000_000] {
            come.extend(iter::from_fn(|| requests.arrive(now)));
            assert!(requests.next_due() > now);
            sent.extend(iter::from_fn(|| requests.take_waiting()).take(1500));
        }
        assert_eq!((sent.len(), &come), (3000, &dues));
        sent.extend(iter::from_fn(|| requests.take_waiting()));
        assert_eq!(sent, dues);
    }
}

#[test]
fn requests_that_wait_take_no_memory() {
    let memory = |rate| {
        let talk = Talk::echo(SIZE);
        let (address, _) = scripted(20, Act::Silence);
        let load = load(address, &talk, even(rate), Duration::from_millis(100));
        let mut unsent = 0;
        let counted = allocation_counter::measure(|| unsent = run_load(&load).tally.unsent);
        (unsent, counted.bytes_max)
    };
    let ((few, little), (many, much)) = (memory(1000.0), memory(1e6));
    assert!(few < 200 && many > 90_000, "{few} and {many}");
    assert!(much < little + 10_000, "{little} bytes became {much}");
}

#[test]
fn the_highest_rate_that_keeps_an_objective_is_found() {
    let found = |highest: f64, border: f64| {
        let mut tries = 0;
        let rate = search(highest, |rate| {
            tries += 1;
            Ok::<_, ()>(rate <= border)
        });
        (rate.unwrap(), tries)
    };
    for border in [12_000.0, 50_000.0, 77_777.0, 99_000.0] {
        let (rate, tries) = found(100_000.0, border);
        let rate = rate.unwrap();
        assert!(rate <= border && rate >= border * 0.96 && tries <= 18, "{border}: {rate} after {tries}");
    }
    assert_eq!(found(100_000.0, 200_000.0), (Some(100_000.0), 1));
    assert_eq!(found(100_000.0, 0.0).0, None);
    // A single failure doesn't decide.
    let mut calls = 0;
    let lucky = search(1000.0, |_| {
        calls += 1;
        Ok::<_, ()>(calls != 1)
    });
    assert_eq!(lucky, Ok(Some(1000.0)));
    assert_eq!(search(1000.0, |_| Err("broken")), Err("broken"));
}

#[test]
fn objectives_are_read_as_they_are_written() {
    for text in ["p99<5ms", "p99.9<250us", "p50<1s", "max<2s"] {
        assert_eq!(text.parse::<Objective>().unwrap().to_string(), text);
    }
    for text in ["", "p99", "99<5ms", "p0<5ms", "p101<5ms", "pNaN<5ms", "p99<5", "p99<0s", "p99>5ms"] {
        assert!(text.parse::<Objective>().is_err(), "{text}");
    }
}

#[test]
fn a_histogram_says_in_its_file_what_it_said_before() {
    let mut recorder = Recorder::new();
    for ns in [0, 1, 999, 12_345, 12_345, 1_000_000_000, u64::MAX] {
        recorder.record(ns);
    }
    let file = results::Histogram::from(&recorder);
    assert!(file.buckets.is_sorted() && file.buckets.iter().map(|(_, count)| count).sum::<u64>() == 7);
    for quantile in [0.0, 0.3, 0.5, 0.9, 1.0] {
        assert_eq!(file.quantile(quantile), Some(recorder.quantile(quantile)));
    }
}
