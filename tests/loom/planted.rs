//! Plants each bug in a copy of the sources, and lets the models find it:
//! `cargo run --manifest-path tests/loom/Cargo.toml --example planted [-- NAME…]`.
//!
//! Prints a table in Markdown: the bug, and the models that failed. Exits with 1 if a bug isn't found, or if the sources
//! without a bug fail.

#[expect(dead_code, reason = "its list is for the simulation")]
#[path = "../planted/bugs.rs"]
mod bugs;
#[path = "bugs.rs"]
mod bugs_of_threads;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::{env, fs, io};

use bugs::Bug;
use bugs_of_threads::BUGS;

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            eprintln!("planted: {missed} of the bugs not found");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("planted: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Plants the bugs of these names, or all, and returns how many were not found.
fn run(names: &[String]) -> Result<usize, String> {
    if let Some(name) = names.iter().find(|name| BUGS.iter().all(|bug| bug.name != **name)) {
        return Err(format!("there is no bug '{name}'"));
    }
    let copy = Copy::make().map_err(|error| format!("cannot copy the sources: {error}"))?;
    let failed = copy.test()?;
    if !failed.is_empty() {
        return Err(format!("without a bug, these models fail: {}", failed.join(", ")));
    }
    println!("| bug | what goes wrong | found by |\n|---|---|---|");
    let mut missed = 0;
    for bug in BUGS.iter().filter(|bug| names.is_empty() || names.iter().any(|name| name == bug.name)) {
        let failed = copy.with(bug)?;
        missed += usize::from(failed.is_empty());
        println!("| {} | {} | {} |", bug.name, bug.what, if failed.is_empty() { "not found" } else { &failed[0] });
    }
    Ok(missed)
}

/// A copy of the library's sources and of the models.
struct Copy {
    root: PathBuf,
}

impl Copy {
    fn make() -> io::Result<Copy> {
        let models = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = models.join("target/planted");
        copy_files(&models.join("../../src"), &root.join("src"))?;
        copy_files(models, &root.join("tests/loom"))?;
        copy_files(&models.join("../planted"), &root.join("tests/planted"))?;
        Ok(Copy { root })
    }

    /// The models that fail with `bug`.
    fn with(&self, bug: &Bug) -> Result<Vec<String>, String> {
        let file = self.root.join("src").join(bug.file);
        let change =
            |code: &str| fs::write(&file, code).map_err(|error| format!("cannot write {}: {error}", file.display()));
        let code = fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        change(&code.replacen(bug.before, bug.after, 1))?;
        let failed = self.test().map_err(|why| format!("{}: {why}", bug.name));
        change(&code)?;
        failed
    }

    /// The models that fail.
    fn test(&self) -> Result<Vec<String>, String> {
        let built = self.cargo(&["--no-run"])?;
        if !built.status.success() {
            return Err(format!("it doesn't compile:\n{}", String::from_utf8_lossy(&built.stderr)));
        }
        let tested = self.cargo(&[])?;
        let printed = String::from_utf8_lossy(&tested.stdout);
        let failed = |line: &str| Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.to_owned());
        let failed: Vec<String> = printed.lines().filter_map(failed).collect();
        match tested.status.success() || !failed.is_empty() {
            true => Ok(failed),
            false => Ok(vec![format!("the process, which ends: {}", tested.status)]),
        }
    }

    /// Runs `cargo test` for the models, which have their dependencies in common with the original.
    fn cargo(&self, args: &[&str]) -> Result<Output, String> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--test", "models"]).args(args).current_dir(self.root.join("tests/loom"));
        cargo.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_MANIFEST_DIR")).join("target")).env("RUST_BACKTRACE", "0");
        cargo.output().map_err(|error| format!("cannot run cargo: {error}"))
    }
}

/// Copies the files of a folder, and its subfolders except `target`.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() == "target" {
            continue;
        }
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_files(&entry.path(), &to)?,
            false => fs::copy(entry.path(), to).map(drop)?,
        }
    }
    Ok(())
}
