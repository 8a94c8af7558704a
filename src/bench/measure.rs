//! A single measurement: starts a server, puts load on it, and records its resource use.

use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::conditions::Conditions;
use super::load::{Finish, Load, Measured, Moment, SETTLING, Talk, UNANSWERED};
use super::meet::meet;
use super::pinning::{self, Cpus};
use super::processes::ticks_per_second;
use super::results::{Cause, FASTER_BY, GeneratorUse, Histogram, Point, Run, ServerUse, Workload};
use super::server::{Server, Subject};
use super::system_calls::SystemCalls;
use super::usage::{self, Memory, Processors, Sample};
use crate::text::{count, reason};

/// The outcome of a measurement.
#[derive(Debug)]
pub enum Outcome {
    /// A run, with notes about its figures.
    Measured(Box<Run>, Vec<String>),
    /// It was interrupted, and has no result.
    Interrupted,
}

/// Called under load with the number of replies so far, and the seconds since the beginning.
pub type Tell<'a> = dyn FnMut(u64, f64) + Send + 'a;

/// Measures `subject` at `point` once.
///
/// # Errors
/// If the server is unavailable, or there can be no load, with a readable reason that names the subject. Errors under
/// load are in the run.
pub fn measure(
    subject: &Subject,
    point: &Point,
    round: u32,
    conditions: &Conditions<'_>,
    tell: &mut Tell<'_>,
) -> Result<Outcome, String> {
    let connections = (point.connections + point.idle) as usize;
    let mut server = subject.start(point.workload, connections, conditions)?;
    let of_subject = |error: String| format!("{}: {error}", subject.name);
    let talk = meet(server.address, point.workload, point.size, conditions).map_err(&of_subject)?;
    let warmup_replies = AtomicU64::new(0);
    let load = load(point, round, &talk, &server, &warmup_replies, conditions);
    let refused = |error: std::io::Error| of_subject(format!("the load generator failed: {}", reason(&error)));
    let at_rest = server.pid.and_then(Memory::take);
    let (measured, observed) = thread::scope(|scope| {
        let (say, said) = mpsc::channel();
        let (pid, servers, warmup_replies) = (server.pid, &conditions.pinning.servers, &warmup_replies);
        let observer = scope.spawn(move || {
            // Move away from the generator's processor, which has no time to spare; if that fails, stay.
            let _ = pinning::bind(servers);
            observe(pid, servers, &said, tell, warmup_replies, |pid| system_calls(pid, point, conditions))
        });
        let (seen, is_seen) = mpsc::channel();
        let measured = load.run(&mut |moment| {
            // If connections come or go, the load waits until the server has been inspected, and in the closed loop it
            // also waits before the measurement: the observer may not get a processor for long from a server with
            // thousands of busy threads.
            let waits = match moment {
                Moment::Connected | Moment::Closing => true,
                Moment::Begun => !point.pace.is_open(),
                Moment::Loaded | Moment::Settling | Moment::Underway { .. } | Moment::Halfway | Moment::Over => false,
            };
            // The observer has ended only if it panicked, which is reported below.
            let _ = say.send((moment, waits.then(|| seen.clone())));
            if waits {
                let _ = is_seen.recv_timeout(OBSERVED_WITHIN);
            }
        });
        drop(say);
        (measured, observer.join().expect("the observer does not panic"))
    });
    let measured = measured.map_err(refused)?;
    if measured.finish == Finish::Interrupted {
        return Ok(Outcome::Interrupted);
    }
    let mut notes = Vec::new();
    let processors = observed.processors_begun.zip(observed.processors_over);
    let busiest = observed.busiest();
    let use_of_server = at_rest.and_then(|at_rest| observed.server_use(&at_rest, &subject.name, &mut notes));
    if use_of_server.is_none() {
        notes.push(match server.pid {
            None => format!("Resource use of {} is unknown; pass its process with --pid.", subject.name),
            Some(_) => format!("Resource use of {} is unknown; the system does not report it.", subject.name),
        });
    }
    notes.extend(
        measured.tally.first_wrong.iter().map(|what| format!("The first wrong reply of {}: {what}.", subject.name)),
    );
    let ended = server.has_ended().map(|status| format!("the server ended by itself ({status})"));
    let others = use_of_server.as_ref().zip(processors).map(|(server, processors)| {
        let (servers, ticks_per_second) = (&conditions.pinning.servers, ticks_per_second());
        let share = usage::share_of_others(servers, processors, server.cpu_seconds(), ticks_per_second);
        Others { share, busiest }
    });
    let doubt = ended
        .map(|why| (Cause::Server, why))
        .or_else(|| doubt(&measured, point, use_of_server.as_ref(), others.as_ref(), conditions));
    server.stop();
    Ok(Outcome::Measured(Box::new(run(subject, point, round, &measured, use_of_server, doubt)), notes))
}

/// How long the load waits for an inspection of the server.
const OBSERVED_WITHIN: Duration = Duration::from_secs(5);

/// Descriptors other than connections and counters.
const DESCRIPTORS_SPARE: usize = 64;

/// The share of dripping connections among all busy ones.
const DRIPPING: (usize, usize) = (1, 2);

/// Prepares to count the system calls of the process `pid`, leaving enough descriptors for the load's connections.
fn system_calls(pid: u32, point: &Point, conditions: &Conditions<'_>) -> Result<SystemCalls, String> {
    if conditions.warmup <= SETTLING {
        return Err(format!("where the warm-up takes no more than {}", humantime::format_duration(SETTLING)));
    }
    let descriptors_max = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| limit as usize);
    let connections = (point.connections + point.idle) as usize;
    let in_flight = u64::from(point.connections) * u64::from(point.depth);
    SystemCalls::of(pid, descriptors_max.saturating_sub(connections + DESCRIPTORS_SPARE), in_flight)
}

fn load<'a>(
    point: &Point,
    round: u32,
    talk: &'a Talk,
    server: &Server,
    warmup_replies: &'a AtomicU64,
    conditions: &'a Conditions<'_>,
) -> Load<'a> {
    let connections = point.connections as usize;
    let dripping = match point.workload {
        Workload::Slow => connections * DRIPPING.0 / DRIPPING.1,
        Workload::Echo
        | Workload::App
        | Workload::AppClose
        | Workload::Connect
        | Workload::Idle
        | Workload::Stream
        | Workload::Raw => 0,
    };
    Load {
        target: server.address,
        send_proxy: conditions.send_proxy,
        talk,
        busy: connections - dripping,
        dripping,
        idle: point.idle as usize,
        depth: point.depth as usize,
        pace: point.pace,
        seed: u64::from(round),
        warmup: conditions.warmup,
        duration: conditions.duration,
        spin: conditions.pinning.is_apart(),
        warmup_replies,
        interrupted: conditions.interrupted,
    }
}

fn run(
    subject: &Subject,
    point: &Point,
    round: u32,
    measured: &Measured,
    server: Option<ServerUse>,
    doubt: Option<(Cause, String)>,
) -> Run {
    let (doubt_cause, doubt) = doubt.unzip();
    let tally = &measured.tally;
    let histogram = Histogram::from;
    let is_open = point.pace.is_open();
    Run {
        subject: subject.name.clone(),
        point: point.clone(),
        round,
        is_trial: false,
        seconds: measured.seconds,
        replies: tally.replies,
        reply_bytes: tally.reply_bytes,
        errors: tally.errors.clone(),
        unsent: tally.unsent,
        latency: histogram(&tally.latency),
        service: is_open.then(|| histogram(&tally.service)),
        connect: (tally.connect.count() > 0).then(|| histogram(&tally.connect)),
        over_time: tally.over_time.clone(),
        server,
        generator: GeneratorUse {
            busy: measured.busy,
            cpu_seconds: measured.cpu_seconds,
            lag: is_open.then(|| histogram(&tally.lag)),
        },
        doubt,
        doubt_cause,
    }
}

/// Resource use of the server at the moments of a run.
#[derive(Debug, Default)]
struct Observed {
    connected: Option<Memory>,
    begun: Option<Sample>,
    processors_begun: Option<Processors>,
    halfway: Option<Sample>,
    over: Option<Sample>,
    processors_over: Option<Processors>,
    closing: Option<Memory>,
    system_calls: Option<Result<f64, String>>,
}

type Said = (Moment, Option<mpsc::Sender<()>>);

/// Records resource use of the process `pid` and its processors `cpus`. `system_calls` prepares its system calls for
/// counting.
fn observe(
    pid: Option<u32>,
    cpus: &Cpus,
    said: &Receiver<Said>,
    tell: &mut Tell<'_>,
    warmup_replies: &AtomicU64,
    system_calls: impl Fn(u32) -> Result<SystemCalls, String>,
) -> Observed {
    let mut observed = Observed::default();
    let mut calls = None;
    let look = || pid.and_then(Sample::take);
    for (moment, seen) in said {
        match moment {
            Moment::Connected => {
                observed.connected = pid.and_then(Memory::take);
                calls = pid.map(&system_calls);
            }
            Moment::Loaded => calls = calls.map(|ready| ready?.begin(warmup_replies)),
            Moment::Settling => {
                observed.system_calls = calls.take().map(|counted| counted?.per_reply(warmup_replies));
            }
            // The processors are read between the inspections of the server, which use some of their time.
            Moment::Begun => {
                observed.begun = look();
                observed.processors_begun = Processors::take(cpus);
            }
            Moment::Halfway => observed.halfway = look(),
            Moment::Over => {
                observed.processors_over = Processors::take(cpus);
                observed.over = look();
            }
            Moment::Underway { replies, seconds } => tell(replies, seconds),
            Moment::Closing => observed.closing = pid.and_then(Memory::take),
        }
        if let Some(seen) = seen {
            // The load may no longer be waiting.
            let _ = seen.send(());
        }
    }
    observed
}

impl Observed {
    /// The busiest process that is neither the server's nor this one, in words.
    fn busiest(&self) -> Option<String> {
        self.begun.as_ref().zip(self.over.as_ref()).and_then(|(begun, over)| over.others.busiest_since(&begun.others))
    }

    fn server_use(self, at_rest: &Memory, name: &str, notes: &mut Vec<String>) -> Option<ServerUse> {
        let Observed { connected, begun: Some(begun), halfway, over: Some(over), closing, system_calls, .. } = self
        else {
            return None;
        };
        let halfway: Vec<Sample> = halfway.into_iter().collect();
        let mut used = usage::between(&begun, &halfway, &over, ticks_per_second());
        if used.voluntary_switches.is_none() {
            notes.push(format!(
                "Context switches of {name} are left out where its threads or processes come and go, or are too many to be \
                 read one by one."
            ));
        }
        match system_calls {
            Some(Ok(each)) => used.system_calls_per_request = Some(each),
            // The text is the same for all servers, so that the report has it once.
            Some(Err(why)) => notes.push(format!("System calls are left out {why}.")),
            None => {}
        }
        used.memory_at_rest = Some(at_rest.size);
        used.memory_connected = connected.map(|memory| memory.size);
        used.memory_peak = [Some(*at_rest), connected, closing].into_iter().flatten().map(|memory| memory.peak).max();
        Some(used)
    }
}

/// The busy share at which the generator counts as having no time left.
const BUSY_MAX: f64 = 0.95;
/// The busy share at which a server counts as having exhausted its processors.
const SERVER_BUSY: f64 = 0.95;
/// The least share of its processor that a generator that never sleeps must get.
const CPU_MIN: f64 = 0.9;
/// The share of the servers' processors used by other processes above which results are in doubt.
const OTHERS_MAX: f64 = 0.1;
/// The share of a processor that other programs may use without much effect on the processor time of a request.
const LOST_MAX: f64 = 0.4;
/// The generator is too late if its lag exceeds this, and also a share of the latency.
const LAG_NS_MAX: u64 = 200_000;
const LAG_SHARE_MAX: f64 = 0.1;
/// The least number of replies for a meaningful result.
const REPLIES_MIN: u64 = 100;
/// The largest acceptable share of failed requests.
const ERRORS_SHARE_MAX: f64 = 0.01;

/// Use of the servers' processors by processes other than the server.
#[derive(Clone, Debug, PartialEq)]
struct Others {
    /// The share of the processors that they used.
    share: f64,
    /// The busiest, in words, if known.
    busiest: Option<String>,
}

/// The most important reason why no verdict may be drawn from a run, if there is one, and its cause.
fn doubt(
    measured: &Measured,
    point: &Point,
    server: Option<&ServerUse>,
    others: Option<&Others>,
    conditions: &Conditions<'_>,
) -> Option<(Cause, String)> {
    let tally = &measured.tally;
    let of_server = |why| Some((Cause::Server, why));
    if measured.finish == Finish::NoServer {
        return of_server(format!("no usable connection was left: {}", all_errors(measured)));
    }
    if let Some(&unanswered) = tally.errors.get(UNANSWERED)
        && unanswered as f64 > ERRORS_SHARE_MAX * f64::from(point.connections) * f64::from(point.depth)
    {
        return of_server(format!(
            "{} never answered, on {}",
            count(unanswered, "request"),
            count(point.connections, "connection")
        ));
    }
    let errors: u64 = tally.errors.values().sum();
    if errors as f64 > ERRORS_SHARE_MAX * (tally.replies + errors) as f64 {
        return of_server(format!("requests failed: {}", all_errors(measured)));
    }
    if tally.replies < REPLIES_MIN {
        return of_server(format!("only {} came; a longer --duration gets more", count(tally.replies, "reply")));
    }
    // Checked first, because time in which the generator was kept from working counts as work.
    let got = measured.cpu_seconds / measured.seconds;
    let busiest = others.and_then(|others| others.busiest.as_ref()).map(|name| format!(", most of all {name}"));
    let busiest = busiest.unwrap_or_default();
    let lost = others.map_or(0.0, |others| others.share).max(1.0 - got);
    let of_disturbance = |why| {
        let is_heavy = conditions.pinning.is_apart() && lost > LOST_MAX;
        Some((if is_heavy { Cause::HeavyDisturbance } else { Cause::Disturbance }, why))
    };
    if conditions.pinning.is_apart() && got < CPU_MIN {
        let got = percent(got);
        return of_disturbance(format!(
            "the generator got only {got} of its processor: other programs use it{busiest}"
        ));
    }
    if let Some(others) = others
        && conditions.pinning.is_apart()
        && others.share > OTHERS_MAX
    {
        return of_disturbance(format!(
            "other programs used {} of the server's processors{busiest}",
            percent(others.share)
        ));
    }
    let of_generator = |why| Some((Cause::Generator, why));
    let is_exhausted = server.is_some_and(|server| is_exhausted(server, measured.seconds, conditions));
    let busy = percent(measured.busy);
    if measured.busy > BUSY_MAX {
        return of_generator(match is_exhausted {
            false => format!("the generator was busy for {busy} of the time: this may be its own limit"),
            true => format!(
                "the generator was busy for {busy} of the time, and so was the server: the processor time per request is the \
                 server's, but the throughput may be the limit of either"
            ),
        });
    }
    if point.pace.is_open() {
        let (lag, latency) = (tally.lag.quantile(0.99), tally.latency.quantile(0.99));
        if lag > LAG_NS_MAX && lag as f64 > LAG_SHARE_MAX * latency as f64 {
            return of_disturbance(format!("the generator was {} µs late at the 99th percentile{busiest}", lag / 1000));
        }
        return None;
    }
    // If the generator had headroom and the server had none, the server was measured; otherwise the generator must be
    // [`FASTER_BY`] times as fast.
    if measured.busy > 1.0 / FASTER_BY && !is_exhausted {
        return of_generator(match server {
            Some(_) => format!("the generator was busy for {busy} of the time, but the server had processor time left"),
            None => {
                format!("the generator was busy for {busy} of the time, and it is unknown whether the server was, too")
            }
        });
    }
    None
}

/// Whether a server had no processor time left, with at most one thread on each of its processors.
fn is_exhausted(server: &ServerUse, seconds: f64, conditions: &Conditions<'_>) -> bool {
    let cpus = conditions.pinning.servers.0.len().max(1) as f64;
    let at_once = f64::from(server.threads.max(1)).min(cpus);
    server.cpu_seconds() >= SERVER_BUSY * seconds * at_once
}

fn all_errors(measured: &Measured) -> String {
    let errors: Vec<String> =
        measured.tally.errors.iter().map(|(kind, count)| format!("{count} times {kind}")).collect();
    errors.join(", ")
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::bench::load::Tally;
    use crate::bench::pinning::Pinning;
    use crate::bench::results::{Pace, Schedule};

    #[test]
    fn what_may_not_be_counted_is_left_out_and_said() {
        let (say, said) = mpsc::channel();
        for moment in [Moment::Connected, Moment::Loaded, Moment::Settling, Moment::Begun, Moment::Over] {
            say.send((moment, None)).unwrap();
        }
        drop(say);
        let refuse = |_: u32| -> Result<SystemCalls, String> { Err("since it is refused".into()) };
        let observed =
            observe(Some(std::process::id()), &Cpus(vec![0]), &said, &mut |_, _| {}, &AtomicU64::new(0), refuse);
        let mut notes = Vec::new();
        let used = observed.server_use(&Memory::default(), "ours", &mut notes).unwrap();
        assert_eq!(used.system_calls_per_request, None);
        // Other tests' threads may come and go, which causes another note.
        assert!(notes.contains(&"System calls are left out since it is refused.".to_owned()), "{notes:?}");
        assert!(used.threads > 0, "the other figures are there");
    }

    /// The doubt about a flawless run of one second, in which the server has one processor and time left, after `change`.
    fn doubt_if(
        client: &str,
        others: Option<f64>,
        change: impl FnOnce(&mut Measured, &mut ServerUse, &mut Point),
    ) -> Option<(Cause, String)> {
        let idle = AtomicBool::new(false);
        let second = Duration::from_secs(1);
        let pinning = Pinning { servers: "0".parse().unwrap(), client: client.parse().unwrap() };
        let conditions = Conditions {
            start_timeout: second,
            warmup: second,
            duration: second,
            pinning,
            exchange: None,
            send_proxy: None,
            interrupted: &idle,
        };
        let mut tally = Tally::new(Pace::Closed);
        tally.replies = 1000;
        let mut measured = Measured { finish: Finish::Whole, seconds: 1.0, tally, busy: 0.5, cpu_seconds: 1.0 };
        let mut server = ServerUse { user_seconds: 0.6, threads: 1, ..ServerUse::default() };
        let mut point = Point {
            workload: Workload::Echo,
            connections: 1,
            idle: 0,
            size: 64,
            request: None,
            depth: 1,
            pace: Pace::Closed,
        };
        change(&mut measured, &mut server, &mut point);
        let busiest = Some("firefox (process 7, 30 % of a processor)".to_owned());
        let others = others.map(|share| Others { share, busiest });
        doubt(&measured, &point, Some(&server), others.as_ref(), &conditions)
    }

    #[test]
    fn the_cause_of_a_doubt_is_known() {
        let cause = |change: fn(&mut Measured, &mut ServerUse, &mut Point)| {
            doubt_if("1", Some(0.0), change).map(|(cause, _)| cause)
        };
        assert_eq!(cause(|_, _, _| {}), None);
        assert_eq!(cause(|measured, _, _| measured.finish = Finish::NoServer), Some(Cause::Server));
        assert_eq!(cause(|measured, _, _| measured.tally.replies = 99), Some(Cause::Server));
        let unanswered = |measured: &mut Measured| _ = measured.tally.errors.insert(UNANSWERED.into(), 1);
        assert_eq!(doubt_if("1", None, |measured, _, _| unanswered(measured)).unwrap().0, Cause::Server);
        assert_eq!(cause(|measured, _, _| _ = measured.tally.errors.insert("reset".into(), 100)), Some(Cause::Server));
        assert_eq!(cause(|measured, _, _| measured.busy = 0.7), Some(Cause::Generator));
        let busy_both = |measured: &mut Measured, server: &mut ServerUse, _: &mut Point| {
            (measured.busy, server.user_seconds) = (0.7, 0.96);
        };
        assert_eq!(cause(busy_both), None, "the server was the limit");
        assert_eq!(cause(|measured, _, _| measured.busy = 0.96), Some(Cause::Generator));
        assert_eq!(cause(|measured, _, _| measured.cpu_seconds = 0.8), Some(Cause::Disturbance));
        let late = |measured: &mut Measured, _: &mut ServerUse, point: &mut Point| {
            point.pace = Pace::Open { rate_per_second: 1000.0, schedule: Schedule::Even };
            measured.tally.lag.record(300_000);
            measured.tally.latency.record(400_000);
        };
        assert_eq!(cause(late), Some(Cause::Disturbance));
        // Requests arrive in bursts then.
        assert_eq!(cause(|measured, _, _| measured.cpu_seconds = 0.5), Some(Cause::HeavyDisturbance));
        let of_others = |share| doubt_if("1", Some(share), |_, _, _| {}).map(|(cause, _)| cause);
        assert_eq!((of_others(0.4), of_others(0.41)), (Some(Cause::Disturbance), Some(Cause::HeavyDisturbance)));
    }

    #[test]
    fn a_server_whose_processors_others_use_is_in_doubt() {
        let doubt = |client: &str, others| doubt_if(client, others, |_, _, _| {});
        let said =
            "other programs used 34 % of the server's processors, most of all firefox (process 7, 30 % of a processor)";
        assert_eq!(doubt("1", Some(0.341)), Some((Cause::Disturbance, said.to_owned())));
        assert_eq!(doubt("1", Some(0.1)), None);
        assert_eq!(doubt("1", None), None, "the use by others is unknown");
        assert_eq!(doubt("0", Some(0.341)), None, "the generator is one of them");
    }
}
