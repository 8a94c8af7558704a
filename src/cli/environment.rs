//! Options from the environment: `MULTICONN_MAX_CONNECTIONS=100` is `--max-connections 100`, unless that is given as well.

use std::env;
use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};

/// Lets every option of `command` and of its subcommands come from the environment, and says so in their help.
pub fn read(command: Command) -> Command {
    let prefix = command.get_name().to_owned();
    read_with(command, &prefix)
}

fn read_with(command: Command, prefix: &str) -> Command {
    let first = command.get_opts().find_map(Arg::get_long).map(str::to_owned);
    let command =
        command.mut_args(|arg| from_variable(arg, prefix)).mut_subcommands(|subcommand| read_with(subcommand, prefix));
    let Some(option) = first else { return command };
    let note =
        format!("Options can also be set in the environment, such as --{option} by {}.", variable(prefix, &option));
    let help = command.get_after_help().map_or_else(|| note.clone(), |help| format!("{help}\n\n{note}"));
    command.after_help(help)
}

/// The variable of the option `long` of the program `prefix`.
fn variable(prefix: &str, long: &str) -> String {
    format!("{prefix}_{long}").replace('-', "_").to_ascii_uppercase()
}

/// The same argument, from its variable if that is set and not empty.
fn from_variable(arg: Arg, prefix: &str) -> Arg {
    let Some(name) = arg.get_long().map(|long| variable(prefix, long)) else { return arg };
    if !is_set(&name) {
        return arg;
    }
    // The parser keeps names for as long as the program runs.
    let arg = arg.env(&*name.leak()).hide_env(true);
    match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
        _ => arg,
    }
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// A line about the variable that `error` comes from, if `args` don't have its option.
pub fn note(command: &Command, args: &[OsString], error: &clap::Error) -> Option<String> {
    let ContextValue::String(shown) = error.get(ContextKind::InvalidArg)? else { return None };
    let long = shown.strip_prefix("--")?.split([' ', '=']).next()?;
    let is_given = args.iter().any(|arg| {
        let arg = arg.to_string_lossy();
        arg.strip_prefix("--").is_some_and(|arg| arg.split('=').next() == Some(long))
    });
    let name = variable(command.get_name(), long);
    (!is_given && is_set(&name)).then(|| format!("The environment sets it: {name}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_the_names_of_the_program_and_the_option() {
        assert_eq!(variable("multiconn", "max-connections-per-peer"), "MULTICONN_MAX_CONNECTIONS_PER_PEER");
        assert_eq!(variable("my-echo", "ports"), "MY_ECHO_PORTS");
    }
}
