//! Plants each bug in a copy of the sources, and lets `multiconn simulate` find it:
//! `cargo run --release --example planted [-- [--seeds N] [NAME…]]`.
//!
//! Prints a table in Markdown: the bug, the number of seeds until it was found, and the oracle that found it. Exits with 1
//! if a bug isn't found, or if the sources without a bug fail.

mod bugs;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{fs, io, os};

use bugs::{BUGS, Bug};
use serde_json::Value;

/// The most seeds to try for each bug.
const SEEDS: u64 = 20_000;

/// Optimised, but quick to build again after a small change.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "true"),
    // Planted code may leave variables unused.
    ("RUSTFLAGS", "--cap-lints allow"),
];

fn main() -> ExitCode {
    let (seeds, names) = match arguments() {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("planted: {why}\nUsage: planted [--seeds N] [NAME…]");
            return ExitCode::from(2);
        }
    };
    match run(seeds, &names) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            eprintln!("planted: {missed} of the bugs not found within {seeds} seeds");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("planted: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The number of seeds, and the names of the bugs to plant: none means all.
fn arguments() -> Result<(u64, Vec<String>), String> {
    let (mut seeds, mut names) = (SEEDS, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--seeds" {
            let number = words.next().ok_or("--seeds requires a number")?;
            seeds = number.parse().map_err(|_| format!("--seeds requires a number, not '{number}'"))?;
        } else if BUGS.iter().any(|bug| bug.name == word) {
            names.push(word);
        } else {
            return Err(format!("there is no bug '{word}'"));
        }
    }
    Ok((seeds, names))
}

/// Plants the bugs, and returns how many were not found.
fn run(seeds: u64, names: &[String]) -> Result<usize, String> {
    let copy = Copy::make().map_err(|error| format!("cannot copy the sources: {error}"))?;
    copy.build()?;
    if let Some(found) = copy.simulate(seeds)? {
        return Err(format!("without a bug, seed {} fails: {}", found.seed, found.oracle));
    }
    println!("| bug | what goes wrong | seeds until found | by |\n|---|---|---|---|");
    let mut missed = 0;
    for bug in BUGS.iter().filter(|bug| names.is_empty() || names.iter().any(|name| name == bug.name)) {
        let found = copy.with(bug, || {
            copy.build()?;
            copy.simulate(seeds)
        })?;
        missed += usize::from(found.is_none());
        let (seeds, oracle) = match found {
            Some(Found { seed, oracle }) => ((seed + 1).to_string(), oracle),
            None => ("not found".into(), String::new()),
        };
        println!("| {} | {} | {seeds} | {oracle} |", bug.name, bug.what);
    }
    Ok(missed)
}

/// A copy of the sources, in which everything but `src` is the original.
struct Copy {
    root: PathBuf,
}

/// The first failing seed.
struct Found {
    seed: u64,
    oracle: String,
}

impl Copy {
    fn make() -> io::Result<Copy> {
        let original = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = original.join("target/planted");
        let _ = fs::remove_dir_all(root.join("src"));
        fs::create_dir_all(&root)?;
        for entry in fs::read_dir(original)? {
            let name = entry?.file_name();
            if [".git", "target", "src"].map(OsStr::new).contains(&name.as_os_str()) {
                continue;
            }
            let link = root.join(&name);
            let _ = fs::remove_file(&link);
            os::unix::fs::symlink(original.join(&name), link)?;
        }
        copy_folder(&original.join("src"), &root.join("src"))?;
        Ok(Copy { root })
    }

    /// Calls `run` while `bug` is planted.
    fn with<R>(&self, bug: &Bug, run: impl FnOnce() -> Result<R, String>) -> Result<R, String> {
        let file = self.root.join("src").join(bug.file);
        let change =
            |code: String| fs::write(&file, code).map_err(|error| format!("cannot write {}: {error}", file.display()));
        let code = fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        change(code.replacen(bug.before, bug.after, 1))?;
        let result = run().map_err(|why| format!("{}: {why}", bug.name));
        change(code)?;
        result
    }

    fn build(&self) -> Result<(), String> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--quiet", "--bin", "multiconn"]).current_dir(&self.root);
        cargo.env("CARGO_TARGET_DIR", self.root.join("target")).envs(PROFILE);
        match cargo.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err("it doesn't compile".into()),
            Err(error) => Err(format!("cannot run cargo: {error}")),
        }
    }

    /// Simulates worlds until one fails.
    fn simulate(&self, seeds: u64) -> Result<Option<Found>, String> {
        let report = self.root.join("report.json");
        let mut program = Command::new(self.root.join("target/release/multiconn"));
        program.args(["simulate", "--seeds", &seeds.to_string(), "--json"]).arg(&report);
        let output = program.output().map_err(|error| format!("cannot run the simulation: {error}"))?;
        let text = fs::read_to_string(&report).map_err(|error| format!("cannot read the report: {error}"))?;
        let report: Value = serde_json::from_str(&text).map_err(|error| format!("cannot read the report: {error}"))?;
        match (output.status.code(), &report["failure"]) {
            (Some(0), _) => Ok(None),
            (Some(1), failure) if failure.is_object() => {
                let (seed, oracle) = (failure["seed"].as_u64(), failure["oracle"].as_str());
                let (seed, oracle) = seed.zip(oracle).ok_or("the report names no seed or no oracle")?;
                Ok(Some(Found { seed, oracle: oracle.into() }))
            }
            // The process itself has ended: caught by no oracle, but not missed either.
            _ => Err(format!("the simulation ended with {}", output.status)),
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
