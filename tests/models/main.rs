//! One script of conversations, held with the program under every concurrency model and both protocols: what comes back
//! is the same in all of them, to the byte. And crowds: a thousand connections at once.

#[path = "../common/mod.rs"]
mod common;

mod app;
mod caps;
#[cfg(target_os = "linux")]
mod children;
mod crowd;
mod echo;
mod files;
mod program;
#[cfg(target_os = "linux")]
mod reloading;
mod running;
mod stopping;
mod talk;
mod work;

/// How many connections a model serves at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum AtOnce {
    One,
    Few,
    Thousand,
}

/// A concurrency model: a way in which the program serves.
#[derive(Clone, Copy, Debug)]
struct Model {
    name: &'static str,
    /// What asks for it.
    args: &'static [&'static str],
    at_once: AtOnce,
    /// Its connections are served by processes of their own.
    forks: bool,
}

/// The table of models, and for each the tests of all of them.
macro_rules! models {
    ($($name:ident: $args:expr, $at_once:ident, forks: $forks:expr;)*) => {
        const MODELS: &[Model] = &[
            $(Model { name: stringify!($name), args: &$args, at_once: AtOnce::$at_once, forks: $forks },)*
        ];

        $(mod $name {
            fn with_model(test: fn(&crate::Model)) {
                let model = crate::MODELS.iter().find(|model| model.name == stringify!($name)).expect("it is a row");
                test(model);
            }

            #[test]
            fn echo() {
                with_model(crate::echo::script);
            }

            #[test]
            fn echo_with_timeouts() {
                with_model(crate::echo::timeouts);
            }

            #[test]
            fn app() {
                with_model(crate::app::script);
            }

            #[test]
            fn app_with_timeouts() {
                with_model(crate::app::timeouts);
            }

            #[test]
            fn getfile() {
                with_model(crate::files::getfile);
            }

            #[test]
            fn multiply() {
                with_model(crate::files::multiply);
            }

            #[test]
            fn stopping_lets_finish() {
                with_model(crate::stopping::lets_finish);
            }

            #[test]
            fn stopping_cuts_off() {
                with_model(crate::stopping::cuts_off);
            }

            #[test]
            fn stopping_several() {
                with_model(crate::stopping::several);
            }

            #[test]
            fn crowd_at_once() {
                with_model(crate::crowd::at_once);
            }

            #[test]
            fn crowd_in_turn() {
                with_model(crate::crowd::in_turn);
            }
        })*
    };
}

models! {
    reactor: [], Thousand, forks: false;
    reactor_with_workers: ["--model", "reactor", "--workers", "2"], Thousand, forks: false;
    poll: ["--model", "poll"], Thousand, forks: false;
    poll_with_workers: ["--model", "poll", "--workers", "2"], Thousand, forks: false;
    select: ["--model", "select"], Thousand, forks: false;
    select_with_workers: ["--model", "select", "--workers", "2"], Thousand, forks: false;
    sequential: ["--model", "sequential"], One, forks: false;
    threads: ["--model", "threads"], Thousand, forks: false;
    pool: ["--model", "pool", "--pool-size", "3"], Few, forks: false;
    pool_of_a_thousand: ["--model", "pool", "--pool-size", "1000"], Thousand, forks: false;
    fork_reaped_in_the_loop: ["--model", "fork", "--reap", "loop"], Thousand, forks: true;
    fork_reaped_at_signals: ["--model", "fork", "--reap", "signal"], Thousand, forks: true;
}
