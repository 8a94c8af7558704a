//! Plants each bug in a copy of the sources, and lets the simulation find it:
//! `cargo run --example planted [-- [--seeds N] [--write | NAME…]]`.
//!
//! Prints a table in Markdown: the bug, the number of seeds until it was found, and the oracle that found it; with
//! `--write`, it goes into `docs/simulation.md`. What each simulation printed is in
//! `target/planted/found`. Exits with 1 if a bug isn't found, or if the sources without a bug fail.

mod bug;
mod bugs;
mod planter;

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{fs, os, thread};

use bug::Bug;
use bugs::BUGS;
use planter::{Judgement, Planter, end, named};

/// The most seeds to try for each bug.
const SEEDS: u64 = 20_000;

/// The time after which a simulation hangs if it comes to no other seed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The marks in `docs/simulation.md` around the table.
const MARKS: [&str; 2] = ["<!-- planted bugs -->\n", "<!-- end of planted bugs -->\n"];

/// The exit status of `worlds` after a failure.
const FAILED: i32 = 3;

/// Optimised, but quick to build again after a small change.
const MANIFEST: &str = r#"[package]
name = "worlds"
edition = "2024"

[[bin]]
name = "worlds"
path = "multiconn/tests/planted/worlds.rs"

[dependencies]
multiconn = { path = "multiconn", default-features = false }

[profile.release]
opt-level = 1
incremental = true
codegen-units = 256

[workspace]
exclude = ["multiconn"]
"#;

fn main() -> ExitCode {
    let order = match arguments() {
        Ok(order) => order,
        Err(why) => {
            eprintln!("planted: {why}\nUsage: planted [--seeds N] [--write | NAME…]");
            return ExitCode::from(2);
        }
    };
    end(run(&order))
}

/// What to do.
struct Order {
    seeds: u64,
    bugs: Vec<&'static Bug>,
    /// Whether the table goes into the documentation.
    is_written: bool,
}

fn arguments() -> Result<Order, String> {
    let (mut seeds, mut names, mut is_written) = (SEEDS, Vec::new(), false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--seeds" {
            let number = words.next().ok_or("--seeds requires a number")?;
            seeds = number.parse().map_err(|_| format!("--seeds requires a number, not '{number}'"))?;
        } else if word == "--write" {
            is_written = true;
        } else {
            names.push(word);
        }
    }
    match is_written && !names.is_empty() {
        true => Err("--write requires all bugs".into()),
        false => Ok(Order { seeds, bugs: named(BUGS, &names)?, is_written }),
    }
}

/// Plants the bugs, and returns how many were not found.
fn run(order: &Order) -> Result<usize, String> {
    let (worlds, planter) = Worlds::make().map_err(|error| format!("cannot copy the sources: {error}"))?;
    worlds.build()?;
    if let Some(found) = worlds.simulate("none", order.seeds)? {
        return Err(format!("without a bug, seed {} fails: {}", found.seed, found.by));
    }
    let planted = planter.plant(&order.bugs, &["seeds until found", "by"], |bug| {
        worlds.build()?;
        let found = worlds.simulate(bug.name, order.seeds)?;
        let is_found = found.is_some();
        let columns = found.map_or("not found | ".into(), |Found { seed, by }| format!("{} | {by}", seed + 1));
        Ok(Judgement { is_found, columns })
    })?;
    print!("{}", planted.table);
    if order.is_written {
        insert(&planted.table).map_err(|why| format!("cannot write the table to docs/simulation.md: {why}"))?;
    }
    Ok(planted.missed)
}

/// Replaces the table in the documentation.
fn insert(table: &str) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/simulation.md");
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let (before, rest) = text.split_once(MARKS[0]).ok_or("it has no mark for the table's beginning")?;
    let (_, after) = rest.split_once(MARKS[1]).ok_or("it has no mark for the table's end")?;
    let text = [before, MARKS[0], table, MARKS[1], after].concat();
    fs::write(&path, text).map_err(|error| error.to_string())
}

/// The program `worlds`, with a copy of the sources, in which everything but `src` is the original.
struct Worlds {
    root: PathBuf,
}

/// How a bug was found.
struct Found {
    /// The first failing seed.
    seed: u64,
    /// The oracle, or what has become of the process.
    by: String,
}

impl Worlds {
    fn make() -> io::Result<(Worlds, Planter)> {
        let original = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = original.join("target/planted");
        let library = root.join("multiconn");
        let _ = fs::remove_dir_all(&library);
        fs::create_dir_all(&library)?;
        for entry in fs::read_dir(original)? {
            let name = entry?.file_name();
            if ![".git", "target", "src"].map(OsStr::new).contains(&name.as_os_str()) {
                os::unix::fs::symlink(original.join(&name), library.join(&name))?;
            }
        }
        let planter = Planter::new(original, &library)?;
        fs::create_dir_all(root.join("found"))?;
        fs::write(root.join("Cargo.toml"), MANIFEST)?;
        fs::copy(original.join("Cargo.lock"), root.join("Cargo.lock"))?;
        Ok((Worlds { root }, planter))
    }

    fn build(&self) -> Result<(), String> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--quiet"]).current_dir(&self.root);
        // Planted code may leave variables unused.
        cargo.env("CARGO_TARGET_DIR", self.root.join("target")).env("RUSTFLAGS", "--cap-lints allow");
        match cargo.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err("it doesn't compile".into()),
            Err(error) => Err(format!("cannot run cargo: {error}")),
        }
    }

    /// Simulates worlds until one fails. What that prints goes into a file of this name.
    fn simulate(&self, name: &str, seeds: u64) -> Result<Option<Found>, String> {
        let path = self.root.join("found").join(name);
        let status = self.run(&path, seeds).map_err(|error| format!("cannot run the simulation: {error}"))?;
        let printed = fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let seed = printed.lines().filter_map(|line| line.parse().ok()).next_back().ok_or("no seed was run")?;
        let by = match status {
            Some(status) if status.success() => return Ok(None),
            Some(status) if status.code() == Some(FAILED) => {
                let mut words = printed.lines().next_back().into_iter().flat_map(|line| line.split(": "));
                words.nth(1).ok_or("the violation names no oracle")?.to_owned()
            }
            Some(status) => format!("the process ends: {status}"),
            None => "the process hangs".to_owned(),
        };
        Ok(Some(Found { seed, by }))
    }

    /// Runs the simulation, and writes its lines to the file `printed`. Without a status, it hangs.
    fn run(&self, printed: &Path, seeds: u64) -> io::Result<Option<ExitStatus>> {
        let mut file = BufWriter::new(fs::File::create(printed)?);
        let mut program = Command::new(self.root.join("target/release/worlds"));
        program.arg(seeds.to_string()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = program.spawn()?;
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        // It ends with the process.
        thread::spawn(move || output.lines().try_for_each(|line| sender.send(line)));
        let hangs = loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => writeln!(file, "{}", line?)?,
                Err(RecvTimeoutError::Disconnected) => break false,
                Err(RecvTimeoutError::Timeout) => break true,
            }
        };
        if hangs {
            process.kill()?;
        }
        let status = process.wait()?;
        file.flush()?;
        Ok((!hangs).then_some(status))
    }
}
