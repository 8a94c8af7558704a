//! `multiconn completions`: the program's options and subcommands, for a shell to complete.

use clap::{Args, Command};
use clap_complete::Shell;

use super::failure::Failure;
use super::{PROGRAM, stdout};

/// Print completions for a shell
///
/// The shell then completes subcommands, options, and the values that are names.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    multiconn completions bash > ~/.local/share/bash-completion/completions/multiconn\n  \
    multiconn completions zsh > ~/.zfunc/_multiconn  (a folder in $fpath)\n  \
    multiconn completions fish > ~/.config/fish/completions/multiconn.fish")]
pub struct Completions {
    /// Shell that will read them
    shell: Shell,
}

impl Completions {
    pub fn run(self, mut command: Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, PROGRAM, &mut script);
        stdout::print(&script)
    }
}
