//! Refused command lines and failed starts, with their error messages.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Instant;

use crate::common::{PATIENCE, refusing};
use crate::complaint;
use crate::scripted::{Act, scripted};

#[test]
fn what_cannot_be_measured_is_told() {
    let (_socket, nobody) = refusing();
    let said = complaint(&["--against", &format!("x={nobody}")], 1);
    assert_eq!(
        said,
        format!("multiconn: x: cannot connect to {nobody}: connection refused (is a server running there?)\n")
    );
    let (liar, _) = scripted(0, Act::Lie);
    assert!(complaint(&["--against", &format!("x={liar}")], 1).contains("is not an echo server: '"));
    let (leaver, _) = scripted(0, Act::Leave);
    let said = complaint(&["--against", &format!("x={leaver}")], 1);
    assert!(said.contains("is not an echo server: it closed after 0 of 64 bytes"), "{said}");
    let said = complaint(&["app", "--against", &format!("x={liar}")], 1);
    assert!(said.contains("app server") || said.contains("answers"), "{said}");
    let said = complaint(&["--shell", "--command", "x=echo this is broken >&2; exit 3 # {port}"], 1);
    assert_eq!(said, "multiconn: cannot start x: it says 'this is broken'\n");
    let said = complaint(&["--shell", "--command", "x=exit 3 # {port}"], 1);
    assert!(said.contains("cannot start x: it has ended with exit status: 3"), "{said}");
    // A command that has ended is not waited for, whatever --start-timeout says.
    let begun = Instant::now();
    let said = complaint(&["--shell", "--command", "x=exit 4 # {port}", "--start-timeout", "1h"], 1);
    assert!(said.contains("it has ended with exit status: 4") && begun.elapsed() < PATIENCE, "{said}");
    let said = complaint(&["--shell", "--command", "x=exec sleep 1000 # {port}", "--start-timeout", "50ms"], 1);
    assert_eq!(said, "multiconn: cannot start x: it does not listen within 50ms\n");
    let said =
        complaint(&["--shell", "--command", "x=echo not yet >&2; sleep 1000 # {port}", "--start-timeout", "1s"], 1);
    assert_eq!(said, "multiconn: cannot start x: it does not listen within 1s; it says 'not yet'\n");
    assert!(complaint(&["--against", "x=192.0.2.1:7"], 2).contains("--allow-remote"));
    assert!(complaint(&["--pid", "1"], 2).contains("--pid 1 matches no server of --against"));
    assert!(complaint(&["--command", "a=x {port}", "--command", "a=y {port}"], 2).contains("two servers are called a"));
    let said = complaint(&["--command", "x=python3 server.py 7000"], 2);
    assert!(said.contains("{port} is missing, the place for the port"), "{said}");
    for (wrong, why) in [
        ("true; exit {port}", "';' needs a shell: add --shell, or put it in single quotes"),
        ("exec serve {port}", "\"exec\" needs a shell: add --shell"),
        ("serve # {port}", "{port} is missing, the place for the port to listen on"),
    ] {
        let said = complaint(&["--command", &format!("x={wrong}")], 2);
        assert_eq!(said, format!("multiconn: --command x={wrong}: {why}\n"));
    }
    let said = complaint(&["--command", "x=/no/such/program {port}"], 1);
    assert_eq!(said, "multiconn: cannot start x: /no/such/program: no such file\n");
    assert!(complaint(&["--shell"], 2).contains("--command"));
    assert!(complaint(&["--command", "x= "], 2).contains("there is no command after '='"));
    assert!(complaint(&["--connections", "999999"], 1).contains("limit of open files"));
    let said = complaint(&["--poisson", "--closed"], 2);
    assert!(said.contains("'--poisson' cannot be used with '--closed'"), "{said}");
    for wrong in ["x", "0", "1000001", "-1", "1.5", ""] {
        let said = complaint(&[&format!("--connections=1,{wrong}")], 2);
        assert!(said.contains("it must be a whole number from 1 to 1000000"), "{said}");
    }
    if cfg!(target_os = "linux") {
        let said = complaint(&["--server-cpus", "0,1023"], 2);
        assert!(said.contains("--server-cpus 0,1023: there is no processor 1023, but 0"), "{said}");
    }
    let said = complaint(&["--size", "64,100g"], 2);
    assert!(said.contains("'100g' for '--size <SIZE>': it must be at most 1g"), "{said}");
}

#[test]
fn where_nothing_is_measured_no_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.json");
    complaint(&["--shell", "--command", "x=exit 3 # {port}", "--json", path.to_str().unwrap()], 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::write(&path, "earlier").unwrap();
    complaint(&["--shell", "--command", "x=exit 3 # {port}", "--json", path.to_str().unwrap()], 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
    // Unwritable files are found before anything is started.
    let nowhere = folder.path().join("none").join("new.json");
    let said = complaint(&["--shell", "--command", "x=exit 3 # {port}", "--json", nowhere.to_str().unwrap()], 1);
    assert!(said.contains("new.json: no such folder"), "{said}");
}

#[test]
fn no_value_is_measured_twice() {
    for (args, what) in [
        (&["--connections", "1,50,1"][..], "--connections has 1 twice"),
        (&["--idle", "0", "--idle", "00"], "--idle has 0 twice"),
        (&["--size", "65536,64k"], "--size has 65536 twice"),
        (&["--depth", "2,3,3"], "--depth has 3 twice"),
        (&["--rate", "1000,1e3"], "--rate has 1000 twice"),
        (&["app-close", "echo", "app-close"], "PROTOCOL has app-close twice"),
    ] {
        assert_eq!(complaint(args, 2), format!("multiconn: {what}; --rounds repeats measurements\n"));
    }
    assert_eq!(complaint(&["--model", "reactor,reactor"], 2), "multiconn: two servers are called reactor\n");
}

#[test]
fn what_nothing_could_bear_is_refused_with_its_limit() {
    for (args, limit) in [
        (&["--rate", "1e9"], "'1e9' for '--rate <R>': it must be a number of requests a second, from 0.1 to 10000000"),
        (&["--connections", "1e9"], "it must be a whole number from 1 to 1000000"),
        (&["--idle", "1000001"], "it must be a whole number from 0 to 1000000"),
        (&["--depth", "10001"], "it must be a whole number from 1 to 10000"),
        (&["--rounds", "1000000000"], "it must be a whole number from 1 to 1000"),
        (&["--duration", "400d"], "it must be at most a year"),
        (&["--warmup", "400d"], "it must be at most a year"),
        (&["--start-timeout", "400d"], "it must be at most a year"),
    ] {
        let said = complaint(args, 2);
        assert!(said.contains(limit), "{said}");
    }
    let said = complaint(&["--connections", "1,1000", "--depth", "10000,1"], 2);
    assert_eq!(
        said,
        "multiconn: --connections 1000 with --depth 10000 would have 10000000 requests in flight; the maximum is \
         1000000\n"
    );
}

#[test]
fn two_outputs_in_one_file_are_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // Neither file exists yet, and one is a link to the other.
    symlink("a.json", at("link")).unwrap();
    let [a, link, plots] = ["a.json", "link", "plots"].map(at);
    for (first, second) in [(&a, &a), (&a, &link), (&link, &a)] {
        let said = complaint(&["--json", first, "--html", second], 2);
        assert_eq!(
            said,
            format!("multiconn: --html {second} would overwrite --json {first}: give it a file of its own\n")
        );
    }
    let said = complaint(&["--json", &plots, "--plots", &plots], 1);
    assert_eq!(said, format!("multiconn: cannot make the folder {plots}: file exists\n"));
    if cfg!(target_os = "linux") {
        let said = complaint(&["--plots", "/proc/new"], 1);
        assert_eq!(said, "multiconn: cannot make the folder /proc/new: no such file\n");
    }
    // Creating the folder is tried, and leaves nothing behind.
    let deep = at("new/and/deep");
    complaint(&["--plots", &deep, "--command", "x=false {port}"], 1);
    let said = complaint(&["--json", &a, "--csv", folder.path().to_str().unwrap()], 1);
    assert!(said.ends_with(": is a directory\n"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the link alone");
}
