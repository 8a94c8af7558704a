//! Plants bugs in a copy of the sources, one at a time, and makes a table of the judgements.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{fs, io};

use crate::bug::Bug;

/// A copy of the sources, in which bugs are planted.
pub struct Planter {
    src: PathBuf,
}

/// What a judge says of the sources with a bug.
pub struct Judgement {
    pub is_found: bool,
    /// The last columns of the table.
    pub columns: String,
}

/// What was planted.
pub struct Planted {
    /// A table in Markdown.
    pub table: String,
    /// The number of bugs that were not found.
    pub missed: usize,
}

/// The `bugs` of these names, or all if there are none.
pub fn named<'a>(bugs: &'a [Bug], names: &[String]) -> Result<Vec<&'a Bug>, String> {
    match names.iter().find(|name| bugs.iter().all(|bug| bug.name != **name)) {
        Some(name) => Err(format!("there is no bug '{name}'")),
        None => Ok(bugs.iter().filter(|bug| names.is_empty() || names.iter().any(|name| name == bug.name)).collect()),
    }
}

impl Planter {
    /// Copies `src` of a project into `copy`.
    pub fn new(project: &Path, copy: &Path) -> io::Result<Planter> {
        let src = copy.join("src");
        // Of an earlier run.
        let _ = fs::remove_dir_all(&src);
        copy_folder(&project.join("src"), &src)?;
        Ok(Planter { src })
    }

    /// Plants each of the `bugs` and has it judged. The table has these `columns` after those of the bug itself.
    pub fn plant(
        &self,
        bugs: &[&Bug],
        columns: &[&str],
        judge: impl Fn(&Bug) -> Result<Judgement, String>,
    ) -> Result<Planted, String> {
        let mut table =
            format!("| bug | what goes wrong | {} |\n|---|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
        let mut missed = 0;
        for bug in bugs {
            let begun = Instant::now();
            let Judgement { is_found, columns } =
                self.with(bug, || judge(bug)).map_err(|why| format!("{}: {why}", bug.name))?;
            eprintln!("{}: {columns} ({:.0?})", bug.name, begun.elapsed());
            missed += usize::from(!is_found);
            writeln!(table, "| {} | {} | {columns} |", bug.name, bug.what).expect("a string takes everything");
        }
        Ok(Planted { table, missed })
    }

    /// Calls `judge` while `bug` is planted.
    fn with<R>(&self, bug: &Bug, judge: impl FnOnce() -> Result<R, String>) -> Result<R, String> {
        let file = self.src.join(bug.file);
        let change =
            |code: &str| fs::write(&file, code).map_err(|error| format!("cannot write {}: {error}", file.display()));
        let code = fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        change(&code.replacen(bug.before, bug.after, 1))?;
        let judgement = judge();
        change(&code)?;
        judgement
    }
}

/// Copies the files of a folder, and its subfolders except `target`.
pub fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() == "target" {
            continue;
        }
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &to)?,
            false => fs::copy(entry.path(), to).map(drop)?,
        }
    }
    Ok(())
}

/// Says on standard error what went wrong, if anything did.
pub fn end(missed: Result<usize, String>) -> ExitCode {
    match missed {
        Ok(0) => return ExitCode::SUCCESS,
        Ok(missed) => eprintln!("planted: {missed} of the bugs not found"),
        Err(why) => eprintln!("planted: {why}"),
    }
    ExitCode::FAILURE
}
