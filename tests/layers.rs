//! Each layer knows only those above it: read off the imports.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the top down, and the modules each consists of.
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

fn layer(module: &str) -> usize {
    let found = LAYERS.iter().position(|(_, modules)| modules.contains(&module));
    found.unwrap_or_else(|| panic!("src/{module} belongs to no layer"))
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn each_layer_knows_only_those_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for path in sources(&src) {
        let relative = path.strip_prefix(&src).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        // Tests may look further.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for used in line.split("crate::").skip(1) {
                let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                let (mine, theirs) = (layer(module), layer(used));
                assert!(
                    theirs <= mine,
                    "src/{}:{}: {} must not know {}",
                    relative.display(),
                    number + 1,
                    LAYERS[mine].0,
                    LAYERS[theirs].0
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "the imports are written as expected");
}

#[test]
fn only_what_drives_reads_the_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let readers: Vec<String> = sources(&src)
        .iter()
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.split("#[cfg(test)]").next().unwrap().contains("Instant::now()")
        })
        .map(|path| path.strip_prefix(&src).unwrap().display().to_string())
        .collect();
    let drive = ["selector/", "models/", "relay.rs", "bench/"];
    assert!(readers.iter().all(|path| drive.iter().any(|layer| path.starts_with(layer))), "{readers:?}");
}

#[test]
fn unsafe_code_stands_in_one_place() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowing: Vec<String> = sources(&src)
        .iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("allow(unsafe_code"))
        .map(|path| path.strip_prefix(&src).unwrap().display().to_string())
        .collect();
    assert_eq!(allowing, ["sys.rs"]);
}
