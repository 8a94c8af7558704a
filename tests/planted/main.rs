//! The lists of bugs that the simulation and the models of threads must find: each can still be planted. `run.rs` and
//! `../loom/planted.rs` do so.

mod bug;
mod bugs;
#[path = "../loom/bugs.rs"]
mod bugs_of_threads;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bug::Bug;

fn bugs() -> impl Iterator<Item = &'static Bug> {
    bugs::BUGS.iter().chain(bugs_of_threads::BUGS)
}

#[test]
fn each_replaces_code_that_occurs_once() {
    let is_stale = |bug: &&Bug| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(bug.file);
        let code = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        code.matches(bug.before).count() != 1 || bug.before == bug.after
    };
    let stale: Vec<_> = bugs().filter(is_stale).map(|bug| (bug.name, bug.file)).collect();
    assert_eq!(stale, [], "the code has changed");
}

#[test]
fn each_has_a_name_and_a_sentence_of_its_own() {
    let names: BTreeSet<_> = bugs().map(|bug| bug.name).collect();
    let sentences: BTreeSet<_> = bugs().map(|bug| bug.what).collect();
    assert_eq!((names.len(), sentences.len()), (bugs().count(), bugs().count()));
}
