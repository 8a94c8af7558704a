//! Refusing `HOST PORT` as two words, which the texts' Python programs take, and showing the command to type instead.
//!
//! A number after a host could also be data, as in `call echo HOST LINE`, so guessing would be wrong at times.

use std::ffi::OsString;

use clap::{Arg, Command};

use super::address::{Address, port};
use super::failure::Failure;

/// The value name of every argument that is an address.
const ADDRESS: &str = "ADDRESS";

/// Checks that no address in `args`, the words after the program's name, is followed by a port.
///
/// # Errors
/// The failure, with the command line that has both as one word.
pub fn check(command: &Command, args: &[OsString]) -> Result<(), Failure> {
    let mut command = command.clone();
    command.build();
    let Some(found) = find(&command, args) else { return Ok(()) };
    let port = port(&text(&args[found.port])).map_err(Failure::of_usage)?;
    let mut words: Vec<String> = args.iter().map(text).collect();
    words[found.host] = found.address.or_port(port).to_string();
    if let Some(number) = found.connections {
        words.insert(number, "--connections".into());
    }
    words.remove(found.port);
    words.insert(0, command.get_name().to_owned());
    Err(Failure::of_usage(format!("HOST and PORT are one word, HOST:PORT; type: {}", shell_words::join(words))))
}

/// A host and a port that are two words, with their places among the words.
struct TwoWords {
    address: Address,
    host: usize,
    port: usize,
    /// The number of connections, which the tutorial's client takes as its third word.
    connections: Option<usize>,
}

/// Finds an address without a port whose next word, apart from options, is a number.
fn find(command: &Command, args: &[OsString]) -> Option<TwoWords> {
    let mut command = command;
    // The positional arguments, and values of options that are addresses.
    let mut places: Vec<(usize, Option<Address>)> = Vec::new();
    let mut positionals = 0;
    let mut words = args.iter().enumerate();
    while let Some((index, word)) = words.next() {
        let word = text(word);
        if word == "--" {
            break;
        }
        if word.len() > 1 && word.starts_with('-') {
            if let Some(option) = option_before_value(command, &word)
                && let Some((index, value)) = words.next()
                && is_address(option)
            {
                places.push((index, bare(&text(value))));
            }
        } else if let Some(subcommand) = command.find_subcommand(&word).filter(|_| positionals == 0) {
            command = subcommand;
        } else {
            let many = |arg: &&Arg| arg.get_num_args().is_some_and(|number| number.max_values() > 1);
            let first = command.get_positionals().next().filter(|&arg| is_address(arg));
            let address = first.filter(|arg| positionals == 0 || many(arg)).and_then(|_| bare(&word));
            places.push((index, address));
            positionals += 1;
        }
    }
    let is_number = |&(index, _): &(usize, _)| {
        !args[index].is_empty() && text(&args[index]).bytes().all(|byte| byte.is_ascii_digit())
    };
    let at = places.windows(2).position(|pair| pair[0].1.is_some() && is_number(&pair[1]))?;
    let [(host, address), (port, _)] = &places[at..at + 2] else { return None };
    let takes_connections = command.get_arguments().any(|arg| arg.get_long() == Some("connections"));
    let connections = match &places[at + 2..] {
        [third] if takes_connections && is_number(third) => Some(third.0),
        _ => None,
    };
    Some(TwoWords { address: address.clone()?, host: *host, port: *port, connections })
}

/// The option in `word`, if its value is the next word.
fn option_before_value<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let options = || command.get_arguments().filter(|arg| arg.get_action().takes_values() && !arg.is_positional());
    if let Some(long) = word.strip_prefix("--") {
        return options().find(|arg| arg.get_long() == Some(long));
    }
    // The rest of the word after such a letter is its value.
    let shorts = word[1..].char_indices();
    let found = shorts
        .filter_map(|(at, short)| Some((at + short.len_utf8(), options().find(|arg| arg.get_short() == Some(short))?)));
    found.take(1).find(|(end, _)| 1 + end == word.len()).map(|(_, option)| option)
}

fn is_address(arg: &Arg) -> bool {
    arg.get_value_names().is_some_and(|names| matches!(names, [name] if name == ADDRESS))
}

/// The address in `word`, if it lacks a port.
fn bare(word: &str) -> Option<Address> {
    word.parse().ok().filter(|address: &Address| !address.is_complete())
}

fn text(word: &OsString) -> String {
    word.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn said(line: &str) -> Option<String> {
        let words: Vec<OsString> = shell_words::split(line).unwrap().into_iter().map(OsString::from).collect();
        let prefix = "HOST and PORT are one word, HOST:PORT; type: multiconn ";
        let failure = check(&Cli::command(), &words).err()?.to_string();
        Some(failure.strip_prefix(prefix).unwrap_or(&failure).to_owned())
    }

    #[test]
    fn the_line_to_type_is_told() {
        for (typed, to_type) in [
            ("serve echo 127.0.0.1 65439", "serve echo 127.0.0.1:65439"),
            ("serve app '' 65432", "serve app :65432"),
            ("serve app ::1 65432", "serve app '[::1]:65432'"),
            ("-v serve app --model threads localhost 7 8", "-v serve app --model threads localhost:7 8"),
            ("serve app 127.0.0.1 --max-header 2k 65432", "serve app 127.0.0.1:65432 --max-header 2k"),
            ("serve app 1 2 localhost 7", "serve app 1 2 localhost:7"),
            ("call app 127.0.0.1 65439 search 'the ring'", "call app 127.0.0.1:65439 search 'the ring'"),
            ("call echo 127.0.0.1 65439", "call echo 127.0.0.1:65439"),
            ("call echo 127.0.0.1 65439 2", "call echo 127.0.0.1:65439 --connections 2"),
            ("call echo 127.0.0.1 65439 2 3", "call echo 127.0.0.1:65439 2 3"),
            ("call fixed localhost 1060", "call fixed localhost:1060"),
            ("call sink localhost 65432", "call sink localhost:65432"),
            ("call accumulate localhost 2000", "call accumulate localhost:2000"),
            ("call multiply localhost 2000 hello", "call multiply localhost:2000 hello"),
            ("call command localhost 8888 w", "call command localhost:8888 w"),
            ("call getfile -o x localhost 50001 a", "call getfile -o x localhost:50001 a"),
            ("call raw localhost 25 QUIT --crlf", "call raw localhost:25 QUIT --crlf"),
            ("redirect --listen 127.0.0.1 5000 -- cat", "redirect --listen 127.0.0.1:5000 -- cat"),
            ("redirect --connect localhost 5000 -- cat", "redirect --connect localhost:5000 -- cat"),
        ] {
            assert_eq!(said(typed).as_deref(), Some(to_type), "{typed}");
        }
        assert_eq!(
            said("call echo localhost 65536").as_deref(),
            Some("'65536' is not a port, a number from 0 to 65535")
        );
    }

    #[test]
    fn an_address_that_is_one_word_may_be_followed_by_a_number() {
        for line in [
            "serve app 127.0.0.1:0 0 8080",
            "serve app localhost 127.0.0.1:7",
            "serve app localhost --backlog 7",
            "serve app localhost --backlog=7",
            "call echo 127.0.0.1:65432 2",
            "call echo 65432 2",
            "call echo localhost two 2",
            "call multiply localhost hello",
            "call getfile -f -ox localhost a",
            "call app localhost search 7",
            "redirect --listen 5000 -- echo 7",
            "bench echo --connections 1",
            "call",
        ] {
            assert_eq!(said(line), None, "{line}");
        }
    }
}
