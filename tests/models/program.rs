//! What the program makes of signals and options, under every model.

use rustix::process::Signal;

use crate::MODELS;
use crate::common::{Server, multiconn, run, text};
use crate::stopping::half;
use crate::talk::{Came, Way};

#[test]
fn a_second_signal_ends_it_at_once() {
    for model in MODELS {
        for second in [Signal::TERM, Signal::INT] {
            // The first one waits for longer than anybody would.
            let args = ["app", "0", "--drain-timeout", "10m", "--header-timeout", "10m"];
            let server = Server::start(&[&args[..], model.args].concat());
            let mut peer = half(&Way(&server));
            server.signal(Signal::TERM);
            server.wait_for_log("Stopping");
            server.signal(second);
            peer.hear_to_end();
            let came = peer.close();
            assert!(matches!(came[1..], [Came::End | Came::Reset]), "{}: {came:?}", model.name);
            let (status, log) = server.ended();
            assert_eq!(status.code(), Some(1), "{}: {status}: {}", model.name, text(&log));
        }
    }
}

/// Options that the models don't have, and why.
const REFUSED: &[(&[&str], &[&str])] = &[
    (
        &["reactor", "poll", "select"],
        &["--max-threads 5", "--pool-size 2", "--max-children 3", "--reap loop", "--reap signal"],
    ),
    (
        &["sequential"],
        &[
            "--workers 2",
            "--workers auto",
            "--spin 20us",
            "--max-threads 5",
            "--pool-size 2",
            "--max-children 3",
            "--reap loop",
            "--max-connections 5",
        ],
    ),
    (&["threads"], &["--workers 1", "--pool-size 2", "--max-children 3", "--reap loop", "--max-connections 5"]),
    (
        &["pool"],
        &["--workers 2", "--spin 20us", "--max-threads 5", "--max-children 3", "--reap loop", "--max-connections 5"],
    ),
    (&["fork"], &["--workers 2", "--spin 20us", "--max-threads 5", "--pool-size 2", "--max-connections 5"]),
];

fn why(model: &str) -> &'static str {
    match model {
        "reactor" | "poll" | "select" => "serves all connections in the thread of a loop (--workers)",
        "sequential" => "serves one connection at a time, in one thread",
        "threads" => "has a thread for each connection (--max-threads)",
        "pool" => "has a fixed number of threads (--pool-size)",
        "fork" => "has a process for each connection (--max-children)",
        other => unreachable!("{other} is not in the table"),
    }
}

#[test]
fn options_of_other_models_are_refused() {
    for (models, options) in REFUSED {
        for model in *models {
            for given in *options {
                for protocol in ["app", "echo"] {
                    let mut args = vec!["serve", protocol, "0", "--model", model];
                    args.extend(given.split(' '));
                    let output = run(multiconn(&args));
                    let option = args[5];
                    let said =
                        format!("multiconn: {option} cannot be used with --model {model}, which {}\n", why(model));
                    let came = (output.status.code(), text(&output.stderr), text(&output.stdout));
                    assert_eq!(came, (Some(2), said, String::new()), "{args:?}");
                }
            }
        }
    }
}

/// Values that make no sense, and what is said about them.
const SENSELESS: &[(&str, &str)] = &[
    ("--model forks", "invalid value 'forks' for '--model <MODEL>'"),
    ("--workers 0", "invalid value '0' for '--workers <N>': it must be a number from 1 to 1024, or 'auto'"),
    ("--workers many", "invalid value 'many' for '--workers <N>': it must be a number from 1 to 1024, or 'auto'"),
    ("--model threads --max-threads 0", "invalid value '0' for '--max-threads <N>'"),
    ("--model pool --pool-size 0", "invalid value '0' for '--pool-size <N>'"),
    ("--model pool --pool-size auto", "invalid value 'auto' for '--pool-size <N>'"),
    ("--model fork --max-children 0", "invalid value '0' for '--max-children <N>'"),
    ("--model fork --reap never", "invalid value 'never' for '--reap <WAY>'"),
    ("--max-connections 0", "invalid value '0' for '--max-connections <N>'"),
];

#[test]
fn senseless_values_are_refused() {
    for (given, words) in SENSELESS {
        let mut args = vec!["serve", "echo", "0"];
        args.extend(given.split(' '));
        let output = run(multiconn(&args));
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

/// Numbers that no system allows.
#[cfg(target_os = "linux")]
const TOO_MANY: &[(&str, &str)] = &[
    ("echo --model threads --max-threads 4000000000", "threads"),
    ("echo --model pool --pool-size 4000000000", "threads"),
    ("echo --model fork --max-children 4000000000", "processes"),
    ("command --max-children 4000000000", "programs"),
    ("command --model fork --max-children 4000000000", "programs"),
];

#[cfg(target_os = "linux")]
#[test]
fn more_threads_and_processes_than_the_system_allows_are_refused() {
    for (given, what) in TOO_MANY {
        let args: Vec<&str> = ["serve"].into_iter().chain(given.split(' ')).chain(["0"]).collect();
        let output = run(multiconn(&args));
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{args:?}: {said}");
        let option = args[args.len() - 3];
        let words = format!("multiconn: {option}: 4000000000 {what} are more than the ");
        assert!(said.starts_with(&words) && said.ends_with(" allows; choose fewer, or raise that limit\n"), "{said}");
    }
}

/// The kernel's own limits: one more is refused, and as many are not.
#[cfg(target_os = "linux")]
#[test]
fn as_many_threads_as_the_system_allows_may_be_asked_for() {
    let ask_for =
        |number: usize| multiconn(&["serve", "echo", "0", "--model", "threads", "--max-threads", &number.to_string()]);
    let said = text(&run(ask_for(4_000_000_000)).stderr);
    let mut numbers = said.split(' ').filter_map(|word| word.parse::<usize>().ok());
    let max = numbers.nth(1).unwrap_or_else(|| panic!("no number in '{said}'"));
    let mappings: usize = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap();
    // A thread takes four of them.
    assert!(max < mappings / 4, "{said}");
    assert_eq!(run(ask_for(max + 1)).status.code(), Some(2));
    let server = Server::spawn(ask_for(max));
    server.wait_for_log(&format!("There are at most {max} threads, since "));
    server.stop();
}

#[test]
fn the_limits_are_logged_on_request() {
    for model in MODELS {
        let server = Server::start(&[&["echo", "0", "-v"], model.args].concat());
        let line = server.wait_for_log("Limits: ");
        assert!(line.contains("DEBUG") && line.contains("; idle 60s, write 30s, linger 2s, drain 10s"), "{line}");
        let log = text(&Server::start(&[&["echo", "0"], model.args].concat()).stop());
        assert!(!log.contains("Limits: "), "{log}");
        server.stop();
    }
}
