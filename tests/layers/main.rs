//! The order of the modules: each layer knows only those above it, and modules form no circles.

mod circles;
mod examples;

mod modules;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use circles::circles;
use modules::{Crate, Mention, sources};

/// The layers from the top down, and the modules of each.
const LAYERS: [(&str, &[&str]); 13] = [
    ("text and bytes", &["text", "buffer"]),
    ("message", &["message"]),
    ("files", &["folder"]),
    ("session", &["session"]),
    ("protocols", &["protocols"]),
    ("system calls", &["sys"]),
    ("programs", &["programs"]),
    ("selector", &["selector"]),
    ("connection", &["connection"]),
    ("reactor", &["reactor"]),
    ("models", &["models"]),
    ("relay", &["relay"]),
    ("tools", &["client", "queues", "bench", "cli"]),
];

/// The circles that still exist. This list must only shrink.
const KNOWN_CIRCLES: [&[&str]; 8] = [
    // A measurement starts a server, which takes the measurement's conditions.
    &["crate::bench::measure", "crate::bench::server"],
    // A document contains the objectives' sections, whose type it defines.
    &["crate::bench::report::document", "crate::bench::report::objectives"],
    // The page contains plots, which use its function to escape text.
    &["crate::bench::report::html", "crate::bench::report::plot", "crate::bench::report::plotted"],
    // An output is written to a queue of outgoing data, which lends out an output to fill it.
    &["crate::buffer::outgoing", "crate::buffer::output"],
    // `serve` lists its subcommands, and each of them calls `serve::run`.
    &[
        "crate::cli::serve",
        "crate::cli::serve_accumulate",
        "crate::cli::serve_app",
        "crate::cli::serve_command",
        "crate::cli::serve_echo",
        "crate::cli::serve_fixed",
        "crate::cli::serve_getfile",
        "crate::cli::serve_multiply",
        "crate::cli::serve_sink",
    ],
    // A header names an encoding, which depends on the header's byte order.
    &["crate::message::encoding", "crate::message::header"],
    // An id finds its slot in the slab, and a slot returns its id.
    &["crate::reactor::id", "crate::reactor::slot"],
    // The world creates peers, which use its function for client addresses.
    &["crate::selector::sim::peer", "crate::selector::sim::world"],
];

static LIBRARY: LazyLock<Crate> = LazyLock::new(|| source_crate("lib.rs"));

fn source_crate(root: &str) -> Crate {
    Crate::read(&sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")), root)
}

/// The index of a module's layer. None for the root of the crate.
fn layer(module: &str) -> Option<usize> {
    let module = module.split("::").nth(1)?;
    let found = LAYERS.iter().position(|(_, modules)| modules.contains(&module));
    Some(found.unwrap_or_else(|| panic!("{module} belongs to no layer")))
}

#[test]
fn each_layer_knows_only_those_above_it() {
    let mut wrong = Vec::new();
    for used in LIBRARY.uses() {
        if let (Some(mine), Some(theirs)) = (layer(&used.from), layer(&used.to))
            && mine < theirs
        {
            wrong.push(format!("{used}: {} must not know {}", LAYERS[mine].0, LAYERS[theirs].0));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_module_of_a_layer_exists() {
    for module in LAYERS.iter().flat_map(|(_, modules)| *modules) {
        assert!(LIBRARY.modules.contains_key(&format!("crate::{module}")), "{module}");
    }
}

#[test]
fn modules_form_no_circles() {
    let uses = LIBRARY.uses();
    let found = circles(&uses);
    let known = KNOWN_CIRCLES.map(|modules| BTreeSet::from_iter(modules.iter().copied()));
    let new = found.iter().filter(|circle| !known.contains(&circle.modules));
    let mut wrong: Vec<String> = new.map(|circle| format!("these modules form a circle:\n{circle}")).collect();
    let gone = known.iter().filter(|known| !found.iter().any(|circle| circle.modules == **known));
    wrong.extend(gone.map(|known| format!("no longer a circle, remove it from KNOWN_CIRCLES: {known:?}")));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The source files that contain a matching path outside of tests.
fn files_with(path: impl Fn(&Mention) -> bool) -> BTreeSet<String> {
    let program = source_crate("main.rs");
    let modules = LIBRARY.modules.values().chain(program.modules.values());
    modules.filter(|module| module.mentions.iter().any(&path)).map(|module| module.file.clone()).collect()
}

#[test]
fn only_what_drives_reads_the_clock() {
    let readers = files_with(|mention| mention.path.ends_with(&["Instant".to_owned(), "now".to_owned()]));
    let drive = ["selector/", "models/", "relay.rs", "bench/"];
    assert!(!readers.is_empty());
    assert!(readers.iter().all(|file| drive.iter().any(|layer| file.starts_with(layer))), "{readers:?}");
}

#[test]
fn unsafe_code_stands_in_one_place() {
    // It is denied in Cargo.toml, and allowed by an attribute.
    let allowing = files_with(|mention| mention.path == ["unsafe_code"]);
    assert_eq!(allowing, BTreeSet::from(["sys.rs".to_owned()]));
}
