//! The file server as a subject.

use std::fmt::Write;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use crate::folder::MemoryFolder;
use crate::protocols::getfile::GetFileService;
use crate::selector::sim::{FaultKind, Random, SimFolder, SimNet};
use crate::sim::subject::{Answer, Subject, Then};
use crate::text::{Escaped, count, reason};

/// The longest request without its newline.
const REQUEST_LEN_MAX: usize = 4128;

/// The most bytes of an error reply.
const ERROR_LEN_MAX: usize = 1000;

/// Paths of files. Some begin with others, which are requested if a peer leaves in the middle.
const PATHS: [&[u8]; 12] = [
    b"file",
    b"file.txt",
    b"sub/file",
    b"sub/deep/er/file",
    b"sub/deep/12 monkeys",
    b"a",
    b"return\r",
    "🐶\\'x".as_bytes(),
    b"\xff\xfe",
    b".hidden",
    b"sub/.dot/file",
    b"...",
];

/// The file server, with a folder of its own.
#[derive(Clone, Debug)]
pub struct GetFileSubject {
    files: Vec<(&'static [u8], Arc<[u8]>)>,
    /// The same files.
    folder: Rc<MemoryFolder>,
    hidden: bool,
    timeout: Duration,
}

impl Default for GetFileSubject {
    fn default() -> Self {
        let (files, folder) = (Vec::new(), Rc::default());
        GetFileSubject { files, folder, hidden: false, timeout: Duration::from_secs(10) }
    }
}

impl Subject for GetFileSubject {
    type Service = GetFileService<SimFolder>;

    fn drawn(&self, random: &mut Random) -> Self {
        let (hidden, count) = (random.once_in(3), random.within(1..=6));
        let first = random.below(PATHS.len());
        // Neighbours, so that some begin with others.
        let paths = PATHS.iter().cycle().skip(first).step_by(1 + random.below(2)).take(count as usize);
        let files: Vec<_> = paths.map(|&path| (path, contents(random))).collect();
        let mut folder = MemoryFolder::new(hidden);
        files.iter().for_each(|(path, contents)| folder.insert(*path, Arc::clone(contents)));
        let timeout = Duration::from_millis(*random.pick(&[1, 100, 5_000, 10_000]));
        GetFileSubject { files, folder: Rc::new(folder), hidden, timeout }
    }

    fn words(&self) -> String {
        let mut words = format!("a file server, with requests within {:?}, and", self.timeout);
        if self.hidden {
            words += " hidden";
        }
        words += " files:";
        for (path, contents) in &self.files {
            let _ = write!(words, " {} of {},", Escaped(path), count(contents.len(), "byte"));
        }
        words.trim_end_matches(',').to_owned()
    }

    fn service(&self) -> Self::Service {
        self.service_on(&SimNet::new(0))
    }

    fn service_on(&self, net: &SimNet) -> Self::Service {
        GetFileService::new(net.folder(Rc::clone(&self.folder)), self.timeout)
    }

    fn fault(&self, random: &mut Random) -> Option<FaultKind> {
        Some(match random.below(3) {
            0 => FaultKind::OpenFails(random.pick(&[Errno::NOENT, Errno::ACCESS, Errno::MFILE]).raw_os_error()),
            1 => FaultKind::FileReadFails(Errno::IO.raw_os_error()),
            _ => FaultKind::FilesShrink(*random.pick(&[0, 1, 150, 4_999, 64 << 10])),
        })
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let (path, len) = match self.files.len() {
            0 => (&b"nothing"[..], 0),
            files => {
                let (path, contents) = &self.files[random.below(files)];
                (*path, contents.len())
            }
        };
        let path = match random.below(18) {
            0 => [b"./", path].concat(),
            1 => [b"sub/..//", path].concat(),
            2 => [path, b"/"].concat(),
            3 => [path, b"/../", path].concat(),
            4 => [path, b"x"].concat(),
            5 => [b"../", path].concat(),
            6 => {
                let odd: [&[u8]; 8] = [b"", b".", b"sub", b"sub/deep/", b"/etc/passwd", b"a/../..", b"fi\0le", b"\r"];
                random.pick(&odd).to_vec()
            }
            7 if random.once_in(6) => match random.below(4) {
                0 => b"x".repeat(256),
                1 => b"x/".repeat(3_000),
                2 => [&b"./".repeat(2_000), path].concat(),
                _ => b"/".repeat(4_094 + random.below(40)),
            },
            _ => path.to_vec(),
        };
        let mut line = match random.below(4) {
            0 | 1 => Vec::new(),
            2 => b"\0".to_vec(),
            _ => {
                let offsets = [0, 1, len / 2, len.saturating_sub(1), len, len + 1, usize::MAX];
                format!("\0{} ", random.pick(&offsets)).into_bytes()
            }
        };
        let end: &&[u8] = random.pick(&[b"\n", b"\n", b"\n", b"\r\n", b"\nmore", b""]);
        line.extend_from_slice(&path);
        line.extend_from_slice(end);
        vec![line]
    }

    fn answer(&self, input: &[u8]) -> Answer {
        self.answer_amid(input, &[])
    }

    /// Wire format: a path, ended by a newline or by the end of the client's sending side; the file's bytes; the server
    /// closes. After a zero byte, a status comes first.
    fn answer_amid(&self, input: &[u8], faults: &[FaultKind]) -> Answer {
        let newline = input.iter().position(|&byte| byte == b'\n');
        let line = &input[..newline.unwrap_or(input.len())];
        let error = |what: String| if line.starts_with(b"\0") { format!("ERROR {what}\n") } else { String::new() };
        if line.len() > REQUEST_LEN_MAX {
            let output = error(format!("the request is over the limit of {REQUEST_LEN_MAX} bytes")).into();
            return Answer { output, replies: Some(vec![0]), then: Then::Fails, ..Answer::default() };
        }
        let (output, fails) = match self.reply(line, faults) {
            Ok(output) => (output, false),
            Err(why) => (error(why).into_bytes(), true),
        };
        let replies = Some(vec![0, output.len()]);
        match newline {
            Some(_) => {
                Answer { output, replies, then: if fails { Then::Fails } else { Then::Closes }, ..Answer::default() }
            }
            None => {
                let then = if fails { Then::FailsAtEnd } else { Then::ClosesAtEnd };
                Answer { at_end: output, replies, then, ..Answer::default() }
            }
        }
    }

    fn output_len_max(&self, input: &[u8], answer: &Answer) -> usize {
        // A peer that leaves in the middle may get another file.
        let is_named = |path: &[u8]| input.windows(path.len()).any(|part| part == path);
        let named = self.files.iter().filter(|(path, _)| is_named(path)).map(|(_, contents)| contents.len());
        answer.len_max().max(named.max().unwrap_or(0)) + ERROR_LEN_MAX
    }

    fn is_error_reply(&self, bytes: &[u8]) -> bool {
        let is_line = bytes.iter().position(|&byte| byte == b'\n') == Some(bytes.len().saturating_sub(1));
        bytes.is_empty() || bytes.starts_with(b"ERROR ") && is_line
    }

    fn crowd(&self) -> u64 {
        2
    }

    fn patience(&self) -> Duration {
        self.timeout
    }
}

impl GetFileSubject {
    /// The reply to a request, or what is wrong with it.
    fn reply(&self, line: &[u8], faults: &[FaultKind]) -> Result<Vec<u8>, String> {
        let (path, offset) = match line.strip_prefix(b"\0") {
            None => (line, None),
            Some(rest) => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let number = str::from_utf8(&rest[..digits]).expect("digits").parse::<u64>();
                match (number, rest.get(digits)) {
                    (Ok(number), Some(b' ')) => (&rest[digits + 1..], Some(number)),
                    _ => (rest, Some(0)),
                }
            }
        };
        let failed = |why: &str| format!("cannot send {}: {why}", Escaped(path));
        let found = match (self.find(path), path.strip_suffix(b"\r")) {
            (Err(NO_FILE), Some(path)) => self.find(path),
            (found, _) => found,
        };
        let contents = found.map_err(failed)?;
        for fault in faults {
            if let FaultKind::OpenFails(errno) = *fault {
                return Err(failed(&reason(&io::Error::from_raw_os_error(errno))));
            }
        }
        let len = contents.len();
        let status = offset.map_or(String::new(), |_| format!("OK {len}\n"));
        let offset = offset.unwrap_or(0);
        match usize::try_from(offset).ok().and_then(|offset| contents.get(offset..)) {
            Some(rest) => Ok([status.as_bytes(), rest].concat()),
            None => {
                let len = count(len, "byte");
                Err(failed(&format!("offset {offset} is beyond the end of the file, which has {len}")))
            }
        }
    }

    /// The contents of the file at `path`, or why there is none.
    fn find(&self, path: &[u8]) -> Result<&[u8], &'static str> {
        let names = path.split(|&byte| byte == b'/');
        if path.contains(&0) {
            return Err("a path with a zero byte");
        }
        if path.starts_with(b"/") {
            return Err("it leads out of the served folder");
        }
        let is_hidden = |name: &[u8]| name.starts_with(b".") && name != b"." && name != b"..";
        if !self.hidden && names.clone().any(is_hidden) {
            return Err("hidden files are not served");
        }
        if path.len() >= 4096 {
            return Err("file name too long");
        }
        // What the names so far lead to: a folder, a file, or nothing.
        let file = |place: &[u8]| self.files.iter().find(|(path, _)| *path == place);
        let is_folder = |place: &[u8]| {
            let is_above = |path: &[u8]| path.strip_prefix(place).is_some_and(|rest| rest.starts_with(b"/"));
            place.is_empty() || self.files.iter().any(|(path, _)| is_above(path))
        };
        let mut place: Vec<u8> = Vec::new();
        for name in names {
            match name {
                _ if file(&place).is_some() => return Err("not a directory"),
                _ if !is_folder(&place) => return Err(NO_FILE),
                b"" | b"." => {}
                b".." if place.is_empty() => return Err("it leads out of the served folder"),
                b".." => place.truncate(place.iter().rposition(|&byte| byte == b'/').unwrap_or(0)),
                name if name.len() > 255 => return Err("file name too long"),
                name => {
                    place.extend_from_slice(if place.is_empty() { b"" } else { b"/" });
                    place.extend_from_slice(name);
                }
            }
        }
        match file(&place) {
            Some((_, contents)) => Ok(contents),
            None if is_folder(&place) && !path.is_empty() => Err("not a regular file"),
            None => Err(NO_FILE),
        }
    }
}

const NO_FILE: &str = "no such file";

/// Draws the contents of a file: a pattern that no shift of it matches. The lengths are at the edges of what a connection
/// holds, sends in a turn or reads at once. Long files are rare, since they take as long as many worlds.
fn contents(random: &mut Random) -> Arc<[u8]> {
    let edges: &[usize] = match random.below(120) {
        0..4 => &[64 << 10, 32 << 10],
        4 => &[384 << 10, 128 << 10],
        5 if random.once_in(8) => &[1 << 20],
        _ => &[1, 64, 200, 5_000],
    };
    let len = match random.below(6) {
        0 => 0,
        1 => random.below(300),
        2 => random.pick(edges) - 1,
        3 => random.pick(edges) + 1,
        _ => *random.pick(edges),
    };
    let mut contents = Vec::with_capacity(len + 8);
    while contents.len() < len {
        contents.extend_from_slice(&random.next().to_le_bytes());
    }
    contents.truncate(len);
    contents.into()
}
