//! A file server is asked for whatever leads out of its folder, thousands of times, and while the folder changes.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, Mode, RenameFlags, mkfifoat, renameat_with};
use tempfile::TempDir;

use crate::common::*;

const SECRET: &str = "the secret that is outside";
const INSIDE: &str = "what is inside";
const HIDDEN: &str = "the secret that is hidden";

/// A folder `served` with everything in it that could lead elsewhere, beside one with a secret. `served` has another name,
/// as a prefix, too.
fn tree() -> TempDir {
    let dir = TempDir::new().unwrap();
    let top = dir.path();
    for folder in ["served/sub/deep", "served/.hidden", "outside", "served-not"] {
        fs::create_dir_all(top.join(folder)).unwrap();
    }
    for path in ["secret", "outside/secret", "served-not/secret", "outside/file"] {
        fs::write(top.join(path), SECRET).unwrap();
    }
    for path in ["served/file", "served/sub/file", "served/sub/deep/file", "served/a b", "served/..."] {
        fs::write(top.join(path), INSIDE).unwrap();
    }
    for path in ["served/.dot", "served/.hidden/file"] {
        fs::write(top.join(path), HIDDEN).unwrap();
    }
    let served = top.join("served");
    let absolute = |path: &str| top.join(path).into_os_string().into_string().unwrap();
    let proc = |path: &str| format!("/proc/self/root{}", absolute(path));
    for (link, to) in [
        ("in", "file".into()),
        ("in-folder", "sub/deep".into()),
        ("out", "../secret".into()),
        ("out-folder", "../outside".into()),
        ("up", "..".into()),
        ("slash", "/".into()),
        ("absolute-in", absolute("served/file")),
        ("absolute-out", absolute("secret")),
        ("absolute-folder", absolute("outside")),
        ("out-and-in", "../served/file".into()),
        ("proc-root", proc("secret")),
        ("proc-folder", proc("outside")),
        ("proc-cwd", "/proc/self/cwd".into()),
        ("proc-fd", "/proc/self/fd".into()),
        ("chain", "chain-2".into()),
        ("chain-2", "sub/chain-3".into()),
        ("sub/chain-3", "../out-folder".into()),
        ("sub/up-up", "../..".into()),
        ("loop", "loop-2".into()),
        ("loop-2", "loop".into()),
        ("dot-link", ".dot".into()),
        ("hidden-link", ".hidden".into()),
        ("zero", "/dev/zero".into()),
        ("tty", "/dev/tty".into()),
        ("nowhere", "nothing".into()),
    ] {
        symlink(to, served.join(link)).unwrap();
    }
    mkfifoat(CWD, served.join("fifo"), Mode::RWXU).unwrap();
    drop(UnixListener::bind(served.join("socket")).unwrap());
    dir
}

/// A generator of numbers, each below what is asked for.
struct Random(u64);

impl Random {
    fn below(&mut self, len: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % len
    }
}

/// Names that paths are made of.
const NAMES: &[&[u8]] = &[
    b"..",
    b"..",
    b"..",
    b".",
    b"",
    b"file",
    b"file",
    b"file",
    b"file",
    b"file",
    b"file",
    b"sub",
    b"sub",
    b"in",
    b"secret",
    b"secret",
    b"outside",
    b"outside",
    b"served",
    b"served-not",
    b"sub",
    b"deep",
    b"in",
    b"in-folder",
    b"out",
    b"out-folder",
    b"up",
    b"slash",
    b"absolute-in",
    b"absolute-out",
    b"absolute-folder",
    b"out-and-in",
    b"proc-root",
    b"proc-folder",
    b"proc-cwd",
    b"proc-fd",
    b"chain",
    b"chain-2",
    b"chain-3",
    b"up-up",
    b"loop",
    b"loop-2",
    b"dot-link",
    b"hidden-link",
    b".hidden",
    b".dot",
    b"...",
    b"fifo",
    b"socket",
    b"zero",
    b"tty",
    b"nowhere",
    b"a b",
    b"proc",
    b"self",
    b"root",
    b"fd",
    b"3",
    b"4",
    b"5",
    b"cwd",
    b"etc",
    b"passwd",
    b"dev",
    b"%2e%2e",
    b"..%2f..",
    b"%2e%2e%2fsecret",
    b"..\\..",
    b"..\\secret",
    b"C:\\",
    b"~",
    b"~root",
    b"$HOME",
    b"file\0",
    b"\0..",
    b"..\0",
    b"\xff\xfe",
    b"\xc0\xae\xc0\xae",
    b"file ",
    b" ..",
    b"*",
    b"file;cat",
];

/// A path: names with slashes between them, now and then more than one, before them and after them.
fn path(random: &mut Random, absolute: &Path) -> Vec<u8> {
    let mut path = match random.below(12) {
        0 => b"/".to_vec(),
        1 => b"//".to_vec(),
        2 => [absolute.as_os_str().as_bytes(), b"/"].concat(),
        3 => [b"/proc/self/root", absolute.as_os_str().as_bytes(), b"/"].concat(),
        4 => b"./".to_vec(),
        5 => b"../".repeat(1 + random.below(600)),
        6 => b"sub/../".repeat(1 + random.below(100)),
        7 => vec![b'x'; random.below(5000)],
        _ => Vec::new(),
    };
    for number in 0..1 + random.below(4) {
        if number > 0 {
            path.extend([&b"/"[..], b"/", b"/", b"//", b"/./"][random.below(5)]);
        }
        path.extend(NAMES[random.below(NAMES.len())]);
    }
    if random.below(8) == 0 {
        path.push(b'/');
    }
    path
}

fn ask(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut peer = connect(server);
    // It may have answered and gone before it has all of a long one.
    let _ = peer.write_all(request);
    let mut reply = Vec::new();
    let _ = peer.read_to_end(&mut reply);
    reply
}

/// That a reply is the file's content, or nothing, or what says why.
fn check(reply: &[u8], with_status: bool, hidden: bool, request: &[u8], seed: u64) -> bool {
    let contents: &[&str] = if hidden { &[INSIDE, HIDDEN] } else { &[INSIDE] };
    let is_file = contents.iter().any(|content| match with_status {
        true => reply == format!("OK {}\n{content}", content.len()).as_bytes(),
        false => reply == content.as_bytes(),
    });
    let is_refusal =
        if with_status { reply.starts_with(b"ERROR ") && reply.ends_with(b"\n") } else { reply.is_empty() };
    let shown = (request.escape_ascii(), reply.escape_ascii());
    assert!(is_file || is_refusal, "seed {seed}: {} is answered with {}", shown.0, shown.1);
    is_file
}

#[test]
fn thousands_of_paths_lead_nowhere() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let dir = tree();
    let served = dir.path().join("served");
    for args in [&[][..], &["--hidden"]] {
        let server = Server::start(&[&["getfile", "0", "-q", "--root", served.to_str().unwrap()], args].concat());
        let address = server.address();
        let mut found = 0;
        let mut random = Random(seed);
        for number in 0..4000 {
            let absolute = [dir.path(), &served][random.below(2)];
            let path = path(&mut random, absolute);
            let with_status = number % 2 == 0 || path.starts_with(b"\0");
            let request = match with_status {
                true => [b"\x000 ", &path[..], b"\n"].concat(),
                false => [&path[..], b"\n"].concat(),
            };
            let reply = ask(address, &request);
            found += usize::from(check(&reply, with_status, !args.is_empty(), &request, seed));
        }
        println!("{found} of 4000 led to a file inside");
        assert!(found > 10, "seed {seed}: some of them lead to a file inside: {found}");
        assert_same(&ask(address, b"in-folder/../../sub/file\n"), INSIDE.as_bytes());
        // Each by itself, and what is below it.
        for name in NAMES {
            for tail in [&b""[..], b"/", b"/secret", b"/file", b"/../secret", b"/etc/passwd", b"/3", b"/outside/secret"]
            {
                let request = [b"\x000 ", *name, tail, b"\n"].concat();
                check(&ask(address, &request), true, !args.is_empty(), &request, seed);
            }
        }
        let log = server.stop();
        assert!(log.is_empty(), "{}", String::from_utf8_lossy(&log));
    }
}

/// Exchanges two names in a folder, again and again until told otherwise.
fn exchange(folder: &Path, names: [&str; 2], done: &AtomicBool) -> u64 {
    let mut times = 0;
    while !done.load(Ordering::Relaxed) {
        let [one, other] = names.map(|name| folder.join(name));
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).expect("the file system can exchange names");
        times += 1;
    }
    times
}

#[test]
fn no_exchange_of_names_lets_anything_out() {
    let dir = tree();
    let served = dir.path().join("served");
    // A folder and a file of ours, each exchanged all the time for a link that leads out.
    fs::create_dir(served.join("folder")).unwrap();
    fs::write(served.join("folder/secret"), INSIDE).unwrap();
    symlink("../outside", served.join("folder-link")).unwrap();
    fs::write(served.join("swapped"), INSIDE).unwrap();
    symlink("../secret", served.join("swapped-link")).unwrap();
    // And one that is moved out of the folder while a `..` of it is looked up.
    fs::create_dir_all(served.join("moving/deep")).unwrap();
    fs::create_dir_all(dir.path().join("outside/moving/deep")).unwrap();
    fs::write(served.join("secret"), INSIDE).unwrap();
    // With --hidden, what was opened is not looked at again, so it's the kernel's word alone that counts.
    let server = Server::start(&["getfile", "0", "-q", "--hidden", "--root", served.to_str().unwrap()]);
    let address = server.address();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let swaps = [
            (served.clone(), ["folder", "folder-link"]),
            (served.clone(), ["swapped", "swapped-link"]),
            (dir.path().to_owned(), ["served/moving", "outside/moving"]),
        ];
        let swaps = swaps.map(|(folder, names)| {
            let done = &done;
            scope.spawn(move || exchange(&folder, names, done))
        });
        let result = thread::scope(|scope| {
            scope
                .spawn(|| {
                    let mut found = 0;
                    for _ in 0..1500 {
                        for path in ["folder/secret", "swapped", "moving/deep/../../secret", "folder/../secret"] {
                            let request = format!("\x000 {path}\n");
                            found += usize::from(check(
                                &ask(address, request.as_bytes()),
                                true,
                                false,
                                request.as_bytes(),
                                0,
                            ));
                        }
                    }
                    found
                })
                .join()
        });
        done.store(true, Ordering::Relaxed);
        let times = swaps.map(|swap| swap.join().unwrap());
        let found = result.expect("nothing got out");
        println!("{found} of 6000 were answered with a file, while names were exchanged {times:?} times");
        assert!(found > 0 && times.iter().all(|&times| times > 100));
    });
    assert_same(&server.stop(), b"");
}
