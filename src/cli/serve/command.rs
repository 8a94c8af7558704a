//! `multiconn serve command`: runs the programs of a list and sends their output.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustix::fs::{Access, access};

use super::run::run_with;
use crate::cli::descriptors::Needs;
use crate::cli::failure::Failure;
use crate::cli::options::ServerOptions;
use crate::cli::units;
use crate::programs::Processes;
use crate::protocols::command::{CommandService, Limits, NAME_LEN_MAX, PORT, Program};
use crate::text::reason;

/// The default of `--max-children`.
const PROGRAMS_MAX: u32 = 16;
/// The connection's socket; and while its program starts, both ends of its pipe, its input, and the pair that reports the
/// start.
const NEEDS: Needs = Needs { each: 1 + 6, woken: true };
/// The folders to search for the text's own programs.
const FOLDERS: [&str; 2] = ["/usr/bin", "/bin"];

/// The command server: runs programs from a list and sends their output (port 8888)
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn serve command 127.0.0.1:8888\n  \
                  multiconn serve command --allow 'disk=/bin/df -h /' --allow up=/usr/bin/uptime\n  \
                  multiconn call command 127.0.0.1:8888 w")]
pub struct ServeCommand {
    #[command(flatten)]
    server: ServerOptions,
    /// A program that clients may run: its full path and arguments, quoted as for a shell; may be given more than once
    /// [default: w and ps]
    #[arg(long, value_name = "NAME=PATH ARGS", value_parser = program)]
    allow: Vec<Program>,
    /// How long a program may run before it is killed
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::timeout)]
    time_limit: Duration,
    /// Maximum output of a program; one that exceeds it is killed
    #[arg(long, value_name = "SIZE", default_value = "1m", value_parser = units::size)]
    output_limit: usize,
}

impl ServeCommand {
    pub fn run(mut self) -> Result<(), Failure> {
        let programs_max = self.server.take_max_children(PROGRAMS_MAX)?;
        let programs = if self.allow.is_empty() { ["w", "ps"].map(usual).into() } else { self.allow };
        for (index, program) in programs.iter().enumerate() {
            if programs[..index].iter().any(|before| before.name == program.name) {
                return Err(Failure::of_usage(format!("--allow has '{}' more than once", program.name)));
            }
        }
        let limits = Limits { run_time_max: self.time_limit, output_len_max: self.output_limit };
        let service = CommandService::new(programs, Processes::new(programs_max), limits);
        run_with(&self.server, "command", PORT, NEEDS, service, |_| {})
    }
}

/// One of the text's own programs, from the first folder that has it.
fn usual(name: &str) -> Program {
    let paths = FOLDERS.map(|folder| Path::new(folder).join(name));
    let found = paths.iter().find(|path| check(path).is_ok());
    if found.is_none() {
        log::warn!("Cannot run '{name}': there is no such program in {}", FOLDERS.join(" or "));
    }
    let path = found.unwrap_or(&paths[0]).clone();
    Program { name: name.to_owned(), path, args: Vec::new() }
}

/// Parses a program given with `--allow`.
fn program(text: &str) -> Result<Program, String> {
    let (name, line) = text.split_once('=').ok_or("it must be NAME=PATH, such as up=/usr/bin/uptime")?;
    if !(1..=NAME_LEN_MAX).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("a name has 1 to {NAME_LEN_MAX} printable ASCII characters, and no spaces"));
    }
    let mut words = shell_words::split(line).map_err(|_| "a quote is not closed")?.into_iter();
    let path = PathBuf::from(words.next().ok_or("there is no path after the name")?);
    check(&path)?;
    Ok(Program { name: name.to_owned(), path, args: words.collect() })
}

/// Checks that there is a program at `path`.
fn check(path: &Path) -> Result<(), String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("'{shown}' is not a full path, such as /usr/bin/uptime"));
    }
    let metadata = fs::metadata(path).map_err(|error| format!("cannot run '{shown}': {}", reason(&error)))?;
    if !metadata.is_file() {
        return Err(format!("cannot run '{shown}': it is not a file"));
    }
    access(path, Access::EXEC_OK).map_err(|_| format!("cannot run '{shown}': it is not executable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does_and_not_expanded() {
        let parsed = program(r#"say=/bin/sh -c 'echo "$HOME"; ls *' $PATH a\ b "" ~ > x"#).unwrap();
        assert_eq!((parsed.name.as_str(), parsed.path.as_path()), ("say", Path::new("/bin/sh")));
        assert_eq!(parsed.args, ["-c", "echo \"$HOME\"; ls *", "$PATH", "a b", "", "~", ">", "x"]);
        assert_eq!(program("sh=/bin/sh").unwrap().args, [""; 0]);
        // The first `=` ends the name.
        assert_eq!(program("env=/bin/sh A=B").unwrap().args, ["A=B"]);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let long = format!("{}=/bin/sh", "n".repeat(101));
        for (text, why) in [
            ("w", "it must be NAME=PATH, such as up=/usr/bin/uptime"),
            ("=/bin/sh", "a name has 1 to 100 printable ASCII characters, and no spaces"),
            ("a b=/bin/sh", "a name has 1 to 100 printable ASCII characters, and no spaces"),
            ("a\u{1b}=/bin/sh", "a name has 1 to 100 printable ASCII characters, and no spaces"),
            ("🐶=/bin/sh", "a name has 1 to 100 printable ASCII characters, and no spaces"),
            (&long, "a name has 1 to 100 printable ASCII characters, and no spaces"),
            ("w=", "there is no path after the name"),
            ("w=  ", "there is no path after the name"),
            ("w=/bin/sh 'a", "a quote is not closed"),
            ("w=sh", "'sh' is not a full path, such as /usr/bin/uptime"),
            ("w=./sh -c x", "'./sh' is not a full path, such as /usr/bin/uptime"),
            ("w=/", "cannot run '/': it is not a file"),
            ("w=/nowhere/sh", "cannot run '/nowhere/sh': no such file"),
            ("w=/etc/passwd", "cannot run '/etc/passwd': it is not executable"),
        ] {
            assert_eq!(program(text), Err(why.into()), "{text}");
        }
    }
}
