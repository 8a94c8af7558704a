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
const LAYERS: [(&str, &[&str]); 17] = [
    ("text, addresses, bytes and places", &["text", "address", "buffer", "sync", "places"]),
    ("tables", &["machine"]),
    ("message", &["codec", "message"]),
    ("exchange", &["exchange"]),
    ("files", &["folder"]),
    ("session", &["session"]),
    ("protocols", &["protocols"]),
    ("system calls", &["sys", "panics"]),
    ("programs", &["programs"]),
    ("selector", &["selector"]),
    ("trace", &["trace"]),
    ("connection", &["connection"]),
    ("reactor", &["reactor"]),
    ("simulation", &["sim"]),
    ("models", &["models"]),
    ("relay", &["relay"]),
    ("tools", &["client", "queues", "http", "admin", "bench", "cli"]),
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
    let found: Vec<String> = circles(&uses).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "these modules form circles:\n{}", found.join("\n"));
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
    let loops = ["selector/", "models/", "relay.rs", "bench/"];
    let others = ["cli/explain.rs", "cli/trace.rs", "cli/takeover/wire.rs", "admin/hub.rs"];
    let drive = [loops, others].concat();
    assert!(!readers.is_empty());
    assert!(readers.iter().all(|file| drive.iter().any(|layer| file.starts_with(layer))), "{readers:?}");
}

#[test]
fn unsafe_code_stands_in_one_place() {
    // It is denied in Cargo.toml, and allowed by an attribute.
    let allowing = files_with(|mention| mention.path == ["unsafe_code"]);
    assert_eq!(allowing, BTreeSet::from(["sys.rs".to_owned()]));
}
