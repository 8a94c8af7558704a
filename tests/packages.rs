//! What distributors get: man pages, completions, the files of the package, and the image of a container.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use common::*;
use multiconn::cli::Cli;

/// The program's command and its subcommands, by the names of their pages, such as `multiconn-serve-app`.
fn commands() -> Vec<(String, clap::Command)> {
    fn collect(command: &clap::Command, found: &mut Vec<(String, clap::Command)>) {
        let name = command.get_display_name().unwrap_or(command.get_name());
        found.push((name.to_owned(), command.clone()));
        command.get_subcommands().for_each(|subcommand| collect(subcommand, found));
    }
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut found = Vec::new();
    collect(&command, &mut found);
    found
}

#[test]
fn each_subcommand_has_a_man_page_with_all_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("new/man1");
    assert_eq!(printed(multiconn(&["man", pages.to_str().unwrap()])), b"");
    let mut expected = BTreeSet::new();
    for (name, command) in commands() {
        let file = format!("{name}.1");
        let page = fs::read_to_string(pages.join(&file)).unwrap().replace('\\', "");
        for option in command.get_arguments() {
            let Some(long) = option.get_long() else { continue };
            assert_eq!(page.contains(&format!("--{long}")), !option.is_hide_set(), "{file}: --{long}");
        }
        for subcommand in command.get_subcommands() {
            let page_of = format!("{name}-{}(1)", subcommand.get_name());
            assert!(page.contains(&page_of), "{file}: {page_of}");
        }
        expected.insert(file);
    }
    assert!(expected.contains("multiconn-serve-app.1"));
    let written = fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(written.collect::<BTreeSet<_>>(), expected);
}

#[test]
fn man_pages_need_a_folder() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let output = run(multiconn(&["man", path]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), format!("multiconn: cannot make the folder {path}: file exists\n"));
}

#[test]
fn bash_completes_subcommands_and_options() {
    let script = text(&printed(multiconn(&["completions", "bash"])));
    let complete = |words: &str, last: &str| {
        let previous = words.split(' ').next_back().unwrap();
        let count = words.split(' ').count();
        let set = format!("COMP_WORDS=({words} {last}); COMP_CWORD={count}; _multiconn multiconn {last} {previous}");
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("{script}\n{set}; echo \"${{COMPREPLY[@]}}\"")]);
        text(&printed(bash))
    };
    assert_eq!(complete("multiconn", "si"), "simulate\n");
    assert_eq!(complete("multiconn serve", "a"), "app accumulate\n");
    assert_eq!(complete("multiconn serve app", "--max-d"), "--max-depth\n");
    assert_eq!(complete("multiconn serve app --model", "f"), "fork\n");
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = text(&printed(multiconn(&["completions", shell])));
        for (_, command) in commands() {
            assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
        }
    }
}

/// Finds the files in a folder and its subfolders.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn the_package_has_all_sources_and_documents_and_no_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["package", "--list", "--package", "multiconn", "--allow-dirty", "--offline"]);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let listed = text(&output.stdout);
    let listed: BTreeSet<&str> = listed.lines().collect();
    let documents = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut needed: Vec<PathBuf> = documents.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    files(&root.join("src"), &mut needed);
    files(&root.join("docs/examples"), &mut needed);
    needed.extend(["Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT", "README.md"].map(|name| root.join(name)));
    for path in needed {
        let path = path.strip_prefix(root).unwrap().to_str().unwrap();
        assert!(listed.contains(path), "{path}");
    }
    for path in &listed {
        let folder = path.split_once('/').map_or("", |(folder, _)| folder);
        assert!(["", "src", "docs"].contains(&folder), "{path}");
    }
}

/// The instructions of the `Containerfile`, with continued lines joined.
fn instructions() -> Vec<(&'static str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut continues = false;
    for line in include_str!("../Containerfile").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let text = line.strip_suffix('\\').unwrap_or(line).trim();
        match found.last_mut().filter(|_| continues) {
            Some((_, rest)) => rest.extend([" ", text]),
            None => {
                let (name, rest) = text.split_once(' ').expect("an instruction has arguments");
                found.push((name, rest.to_owned()));
            }
        }
        continues = line.ends_with('\\');
    }
    found
}

#[test]
fn the_image_is_the_program_alone_and_runs_as_nobody() {
    let instructions = instructions();
    let last_stage = instructions.iter().rposition(|(name, _)| *name == "FROM").unwrap();
    let (_, stage) = instructions.split_at(last_stage);
    let value_of = |wanted: &str| {
        let values: Vec<&str> =
            stage.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.as_str()).collect();
        assert_eq!(values.len(), 1, "{wanted}");
        values[0]
    };
    assert_eq!(value_of("FROM"), "scratch");
    assert!(value_of("COPY").ends_with(" /multiconn"));
    assert_eq!(value_of("USER"), "65534:65534");
    assert_eq!(value_of("EXPOSE"), "65432");
    assert_eq!(value_of("ENTRYPOINT"), r#"["/multiconn"]"#);
    // Its command is one that the program accepts.
    let command = value_of("CMD");
    let words = command.trim_matches(['[', ']']).split(',').map(|word| word.trim().trim_matches('"'));
    Cli::command().try_get_matches_from(["multiconn"].into_iter().chain(words)).unwrap();
    // The toolchain that builds it is no older than the one that the sources need.
    let (_, from) = &instructions[0];
    let version = from.split("rust:").nth(1).unwrap().split('-').next().unwrap();
    let number = |version: &str| version.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    assert!(number(version) >= number(env!("CARGO_PKG_RUST_VERSION")), "{version}");
}
