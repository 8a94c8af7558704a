//! Plants each bug in a copy of the sources, and lets the models find it:
//! `cargo run --manifest-path tests/loom/Cargo.toml --example planted [-- NAME…]`.
//!
//! Prints a table in Markdown: the bug, and the models that failed. Exits with 1 if a bug isn't found, or if the sources
//! without a bug fail.

#[path = "../planted/bug.rs"]
mod bug;
#[path = "bugs.rs"]
mod bugs;
#[path = "../planted/planter.rs"]
mod planter;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use bugs::BUGS;
use planter::{Judgement, Planter, copy_folder, end, named};

fn main() -> ExitCode {
    end(run(&env::args().skip(1).collect::<Vec<_>>()))
}

/// Plants the bugs of these names, or all, and returns how many were not found.
fn run(names: &[String]) -> Result<usize, String> {
    let bugs = named(BUGS, names)?;
    let models = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copy = models.join("target/planted");
    let copied =
        copy_folder(models, &copy.join("tests/loom")).and_then(|()| Planter::new(&models.join("../.."), &copy));
    let planter = copied.map_err(|error| format!("cannot copy the sources: {error}"))?;
    let models = Models { folder: copy.join("tests/loom") };
    let failed = models.failed()?;
    if !failed.is_empty() {
        return Err(format!("without a bug, these models fail: {}", failed.join(", ")));
    }
    let planted = planter.plant(&bugs, &["found by"], |_| {
        let first = models.failed()?.into_iter().next();
        Ok(Judgement { is_found: first.is_some(), columns: first.unwrap_or_else(|| "not found".into()) })
    })?;
    print!("{}", planted.table);
    Ok(planted.missed)
}

/// A copy of the models, beside that of the sources.
struct Models {
    folder: PathBuf,
}

impl Models {
    /// The models that fail.
    fn failed(&self) -> Result<Vec<String>, String> {
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
        cargo.args(["test", "--test", "models"]).args(args).current_dir(&self.folder);
        cargo.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_MANIFEST_DIR")).join("target")).env("RUST_BACKTRACE", "0");
        cargo.output().map_err(|error| format!("cannot run cargo: {error}"))
    }
}
