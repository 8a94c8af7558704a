//! The README's Python client works, and the README of the tests lists every test file.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use multiconn::protocols::app::AppService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;

#[test]
fn the_python_client_gets_its_reply() {
    let readme = include_str!("../README.md");
    let (_, after) = readme.split_once("```python\n").expect("there is a Python client");
    let (client, _) = after.split_once("```").expect("it ends");

    let mut reactor = Reactor::new(MioSelector::new().unwrap(), AppService::default(), Config::default());
    let addr = reactor.listen("127.0.0.1:0").unwrap()[0];
    let handle = reactor.handle();
    let server = thread::spawn(move || reactor.run());
    let client = client.replace("65432", &addr.port().to_string());
    let output = Command::new("python3").args(["-c", &client]).env("PYTHONUTF8", "1").output().expect("python3 runs");
    handle.stop();
    server.join().unwrap().unwrap();

    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Follow the white rabbit. 🐰\n");
}

#[test]
fn the_texts_are_named_and_linked_with_their_command_lines() {
    let documents = [include_str!("../README.md"), include_str!("../docs/protocols.md")];
    for words in [
        "[Socket Programming in Python (Guide)](https://realpython.com/python-sockets/)",
        "Mark Lutz, [Programming Python](https://",
        "Norman Matloff, [Introduction to Network Programming with Python](https://",
        "[Foundations of Python Network Programming](https://",
        "python3 app-client.py 127.0.0.1 65432 search morpheus",
        "multiconn serve app 127.0.0.1:65432",
        "python3 app-server.py 127.0.0.1 65432",
        "multiconn call app 127.0.0.1:65432 search morpheus",
        "python3 multiconn-client.py 127.0.0.1 65432 2",
        "multiconn call echo 127.0.0.1:65432 --connections 2",
    ] {
        assert!(documents.iter().all(|document| document.contains(words)), "{words}");
    }
    // This program has no default for its host.
    for role in ["client", "server"] {
        assert!(documents[1].contains(&format!("python3 tcp_sixteen.py {role} 127.0.0.1")), "{role}");
    }
}

/// The test files in a folder and its subfolders, as the table names them. `balancers`, `peers`, `fuzz`, `loom` and `page` have one row
/// each.
fn test_files(folder: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| {
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        match path.is_dir() {
            true if ["balancers", "peers", "fuzz", "loom", "page"].contains(&name.as_str()) => vec![format!("{name}/")],
            true => test_files(&path, &format!("{name}/")),
            false if name.ends_with(".rs") => vec![name],
            false => vec![],
        }
    });
    files.collect()
}

#[test]
fn each_test_file_has_its_row() {
    let names = include_str!("README.md").lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut rows: Vec<&str> = names.collect();
    let mut files = test_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), "");
    rows.sort();
    files.sort();
    assert_eq!(rows, files);
}
