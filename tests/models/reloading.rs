//! A slow reload of the dictionary delays no client.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use rustix::process::Signal;

use crate::common::{expect, expect_last, json, kept_result, kept_search, python, result, search};
use crate::running::Running;
use crate::{AtOnce, MODELS};

/// A lease on a file: opening the file waits until the lease is given back.
struct Lease {
    holder: Child,
    says: BufReader<ChildStdout>,
    give_back: ChildStdin,
}

impl Lease {
    fn on(path: &Path) -> Lease {
        let mut command = python("lease.py");
        let mut holder = command.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 runs");
        let (says, give_back) = (BufReader::new(holder.stdout.take().unwrap()), holder.stdin.take().unwrap());
        let mut lease = Lease { holder, says, give_back };
        lease.wait_for("held\n");
        lease
    }

    fn wait_for(&mut self, words: &str) {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        assert_eq!(line, words);
    }

    fn give_back(mut self) {
        self.give_back.write_all(b"\n").unwrap();
        assert!(self.holder.wait().unwrap().success());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // It fails only where the holder has ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn connections_go_on_while_the_dictionary_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.json");
    let write = |text: &str| fs::write(&path, json(&[("who", text)])).unwrap();
    for model in MODELS {
        write("the old one");
        let args = ["--dictionary", path.to_str().unwrap(), "--idle-timeout", "10m"];
        let running = Running::start(model, "app", &args);
        let server = running.server();
        // Where one is served at a time, it would keep the others out.
        let mut kept = (model.at_once > AtOnce::One).then(|| server.connect());
        let mut ask = |text: &str| {
            if let Some(kept) = &mut kept {
                kept.write_all(&kept_search("who")).unwrap();
                expect(kept, &kept_result(text));
            }
        };
        let ask_anew = |text: &str| {
            let mut peer = server.connect();
            peer.write_all(&search("who")).unwrap();
            expect_last(&mut peer, &result(text));
        };
        ask("the old one");
        write("the new one");
        let mut lease = Lease::on(&path);
        server.signal(Signal::HUP);
        lease.wait_for("awaited\n");
        ask("the old one");
        // A process can't fork while it reads, so new connections wait for it.
        if !model.forks {
            ask_anew("the old one");
        }
        lease.give_back();
        server.wait_for_log("Read 1 entry from ");
        // A child keeps the dictionary that it was born with.
        ask(if model.forks { "the old one" } else { "the new one" });
        drop(kept);
        ask_anew("the new one");
        running.stop(model);
    }
}
