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
                    let said = format!("multiconn: {option} can't be had with --model {model}, which {}\n", why(model));
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
