//! A server that leaves nothing behind when it has ended.

use std::os::unix::process::CommandExt;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use crate::Model;
use crate::common::{Server, multiconn};

/// A server under some model, in a process group of its own.
pub struct Running {
    /// None once it has ended.
    server: Option<Server>,
    /// The name of the server, for failure messages.
    pub name: String,
}

impl Running {
    /// Starts a server of `protocol` under `model`, and waits until it listens.
    pub fn start(model: &Model, protocol: &str, args: &[&str]) -> Running {
        let mut command = multiconn(&[&["serve", protocol, "0"], model.args, args].concat());
        command.process_group(0);
        let name = [&[model.name, protocol], args].concat().join(" ");
        let running = Running { server: Some(Server::spawn(command)), name };
        // Nor is there a child before anybody comes, under any model.
        assert_eq!(children_of(running.server().pid()), "", "{}: children at the start", running.name);
        running
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("it has not ended yet")
    }

    /// All its processes.
    fn group(&self) -> Pid {
        Pid::from_raw(self.server().pid().cast_signed()).expect("it has a number")
    }

    /// Lets it stop, and looks after what it leaves behind.
    pub fn stop(self, model: &Model) {
        // Children that have served may not be reaped yet; but a model without children has none left.
        if !model.forks {
            assert_eq!(children_of(self.server().pid()), "", "{}: children at the end", self.name);
        }
        self.server().signal(Signal::TERM);
        self.ended();
    }

    /// Waits until it has ended by itself, and looks after what it leaves behind: a status of 0 and no process. Returns
    /// its name and the rest of its log.
    pub fn ended(mut self) -> (String, Vec<u8>) {
        let group = self.group();
        let (status, log) = self.server.take().expect("it has not ended yet").ended();
        assert_eq!(status.code(), Some(0), "{}: {}", self.name, String::from_utf8_lossy(&log));
        assert_eq!(test_kill_process_group(group), Err(Errno::SRCH), "{}: a process is left", self.name);
        (std::mem::take(&mut self.name), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.server.is_some() {
            // A test has failed: the server's children go with it.
            let _ = kill_process_group(self.group(), Signal::KILL);
        }
    }
}

/// The children of a process and its threads, as the system writes them down.
#[cfg(target_os = "linux")]
pub fn children_of(pid: u32) -> String {
    use std::fs;
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    // A thread may have ended meanwhile, and some systems don't keep such a list.
    threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok()).collect()
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
pub fn children_of(_pid: u32) -> String {
    String::new()
}
