//! `multiconn man`: the help texts as man pages.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use super::failure::Failure;
use super::outputs;
use crate::bench::whole::write_whole;

/// Write the man pages into a folder
///
/// The program has a page, and so has each of its subcommands, such as multiconn-serve-app.1. The folder is made if it
/// is missing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    multiconn man ~/.local/share/man/man1 && man multiconn-serve-app")]
pub struct Pages {
    /// Folder to write them into
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Pages {
    pub fn run(self, command: Command) -> Result<(), Failure> {
        fs::create_dir_all(&self.folder).map_err(|error| outputs::cannot_make(&self.folder, &error))?;
        // `multiconn help serve` shows what multiconn-serve.1 says.
        let mut command = command.disable_help_subcommand(true);
        command.build();
        write(&command, &self.folder)
    }
}

/// Writes the page of a command and those of its subcommands.
fn write(command: &Command, folder: &Path) -> Result<(), Failure> {
    // Without a date, the fields after it would take its place.
    let page = Man::new(command.clone()).source("");
    let path = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)
        .and_then(|()| write_whole(&path, &text))
        .map_err(|error| Failure::of_writing_file(&path, &error))?;
    command.get_subcommands().try_for_each(|subcommand| write(subcommand, folder))
}
