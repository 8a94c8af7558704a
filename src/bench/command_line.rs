//! Command lines that start servers: words as a shell splits them, without a shell.

/// Splits a command line into the program and its arguments by a POSIX shell's rules for quotes and backslashes.
///
/// # Errors
/// If it requires a shell or has an unclosed quote, with a readable reason.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    if let Some(syntax) = shell_syntax(line) {
        return Err(format!("{syntax:?} needs a shell: add --shell, or put it in single quotes"));
    }
    let words = shell_words::split(line).map_err(|_| "a quote is not closed")?;
    match words.first() {
        None => Err("there is no command".into()),
        Some(first) if SHELLS_OWN.contains(&first.as_str()) || is_assignment(first) => {
            Err(format!("{first:?} needs a shell: add --shell"))
        }
        Some(_) => Ok(words),
    }
}

/// Builtins and keywords of a shell, which are not programs.
const SHELLS_OWN: [&str; 17] = [
    ".", ":", "{", "cd", "eval", "exec", "exit", "export", "for", "if", "set", "source", "trap", "ulimit", "umask",
    "until", "while",
];

/// The first character with a meaning that requires a shell, such as a pipe's.
fn shell_syntax(line: &str) -> Option<char> {
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None, '\'' | '"') => quote = Some(char),
            (None | Some('"'), '\\') => _ = chars.next(),
            (None | Some('"'), '$' | '`') | (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '\n') => {
                return Some(char);
            }
            _ => {}
        }
    }
    None
}

/// Whether a first word sets a variable, such as `PORT=7000`.
fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        for (line, split) in [
            ("python3 server.py {port}", &["python3", "server.py", "{port}"][..]),
            ("  'my server'  --name=a\\ b \"{port}\" ", &["my server", "--name=a b", "{port}"]),
            (
                "sh -c 'exec serve $1 | tee log; true' sh {port}",
                &["sh", "-c", "exec serve $1 | tee log; true", "sh", "{port}"],
            ),
            ("serve '' *.txt \"\\$HOME\" \\; a=b", &["serve", "", "*.txt", "$HOME", ";", "a=b"]),
        ] {
            assert_eq!(words(line).unwrap(), split, "{line}");
        }
    }

    #[test]
    fn what_only_a_shell_can_do_is_refused() {
        for (line, why) in [
            ("cd /srv && serve {port}", "'&' needs a shell: add --shell, or put it in single quotes"),
            ("serve {port} | tee log", "'|' needs a shell: add --shell, or put it in single quotes"),
            ("serve {port} >/dev/null", "'>' needs a shell: add --shell, or put it in single quotes"),
            ("serve \"$HOME\" {port}", "'$' needs a shell: add --shell, or put it in single quotes"),
            ("serve {port}\nserve 1", "'\\n' needs a shell: add --shell, or put it in single quotes"),
            ("exec serve {port}", "\"exec\" needs a shell: add --shell"),
            ("PORT={port} serve", "\"PORT={port}\" needs a shell: add --shell"),
            ("serve 'as {port}", "a quote is not closed"),
            ("# {port}", "there is no command"),
        ] {
            assert_eq!(words(line).unwrap_err(), why, "{line}");
        }
    }
}
