//! Writing without waiting: a bounded queue of lines, and the thread that writes them.
//!
//! A write may block for as long as the reader likes: on a full pipe, a terminal stopped with Ctrl-S, or a network disk.
//! A loop must not block, so it only puts lines into a queue.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::os::fd::AsFd;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use crate::sys::{self, PollFd};
use crate::text::reason;

/// The most bytes in the queue. The thread may have as many again.
const LEN_MAX: usize = 1 << 20;
/// The most bytes of a write of several lines: a pipe doesn't mix these with other processes' output.
const PIECE_LEN: usize = libc::PIPE_BUF;
/// How long [`Writer::finish`] waits for something to be written.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most such waits.
const ROUNDS: u32 = 10;
const STACK_LEN: usize = 128 << 10;

/// A file that threads write lines to without ever waiting.
///
/// Lines that find the queue full are dropped, and a note with their number takes their place; so are lines that can't be
/// written, as to a full disk. The first line starts the thread. A forked child has no copy of the thread, so its first
/// line starts another, on an empty queue.
pub struct Writer {
    output: Arc<Output>,
    /// The queue, and the id of the process that it belongs to. The thread never takes this lock, or a fork could leave it
    /// locked forever in the child.
    own: Mutex<(u32, Arc<Queue>)>,
}

struct Output {
    file: Box<dyn AsFd + Send + Sync>,
    note: Box<dyn Fn(u64) -> String + Send + Sync>,
    /// Opens the file of this name again.
    open: Option<Box<Open>>,
    /// Learns of the first line that can't be written.
    failed: Option<Box<Failed>>,
}

type Open = dyn Fn() -> Option<File> + Send + Sync;
type Failed = dyn Fn(&io::Error) + Send + Sync;

/// Lines that could not be written.
#[derive(Default)]
struct Lost {
    lines: u64,
    /// The file ends in the middle of a line.
    is_torn: bool,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    has_thread: bool,
    waiting: Vec<u8>,
    /// The number of lines dropped after those that wait.
    dropped: u64,
    /// After these bytes of those that wait, the file is opened again.
    reopen_at: Option<usize>,
    /// The bytes that the thread has taken and not yet written.
    taken: usize,
    /// The number of writes so far.
    writes: u64,
    /// The number of writes when [`Writer::finish`] last gave up.
    gave_up_at: Option<u64>,
}

impl Writer {
    /// Creates a writer to `file`. `note` makes the line that replaces a number of dropped ones.
    pub fn new(
        file: impl AsFd + Send + Sync + 'static,
        note: impl Fn(u64) -> String + Send + Sync + 'static,
    ) -> Writer {
        Writer::of(Output { file: Box::new(file), note: Box::new(note), open: None, failed: None })
    }

    /// Creates a writer to `file`, which `open` opens [again](Writer::reopen). When a line can't be written, it calls
    /// `failed`, once until another can be. Both run in the writer's thread.
    pub fn reopening(
        file: File,
        note: impl Fn(u64) -> String + Send + Sync + 'static,
        open: impl Fn() -> Option<File> + Send + Sync + 'static,
        failed: impl Fn(&io::Error) + Send + Sync + 'static,
    ) -> Writer {
        let (file, note) = (Box::new(file), Box::new(note));
        Writer::of(Output { file, note, open: Some(Box::new(open)), failed: Some(Box::new(failed)) })
    }

    fn of(output: Output) -> Writer {
        Writer { output: Arc::new(output), own: Mutex::new((process::id(), Arc::default())) }
    }

    /// Puts `lines` into the queue, or drops all of them.
    ///
    /// Without a thread, as when the system has none left, writes them itself.
    pub fn push(&self, lines: &[u8]) {
        self.change(|state| {
            if state.waiting.len() + lines.len() <= LEN_MAX {
                state.settle(&self.output);
                state.waiting.extend_from_slice(lines);
            } else {
                state.dropped += count(lines);
            }
        });
    }

    /// Opens the file again, which may have been moved, after the lines so far. If that fails, the old file stays in use.
    pub fn reopen(&self) {
        self.change(|state| {
            // A second time soon after would open the same file.
            state.reopen_at.get_or_insert(state.waiting.len());
        });
    }

    /// Changes the queue, and makes sure that somebody notices.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let queue = self.queue();
        let mut state = queue.lock();
        let was_idle = state.is_empty();
        change(&mut state);
        if !state.has_thread {
            state.has_thread = start(&self.output, &queue).is_ok();
            if !state.has_thread {
                let mut lost = Lost::default();
                if state.reopen_at.take().is_some() {
                    self.output.reopen(&mut lost);
                }
                self.output.write(&state.take(&self.output), &mut lost);
            }
        } else if was_idle {
            queue.changed.notify_all();
        }
    }

    /// Waits until everything is written, and returns whether it is. Gives up after a second in which nothing is written,
    /// and after ten seconds; doesn't wait again unless something has been written since.
    pub fn finish(&self) -> bool {
        let queue = self.queue();
        let mut state = queue.lock();
        for _ in 0..ROUNDS {
            let before = Some(state.writes);
            if state.gave_up_at == before {
                break;
            }
            let waited = queue.changed.wait_timeout_while(state, PATIENCE, |state| !state.is_done());
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.is_done() {
                return true;
            }
            state.gave_up_at = before;
        }
        false
    }

    /// The queue of this process.
    fn queue(&self) -> Arc<Queue> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = process::id();
        if own.0 != pid {
            // The parent's thread may have held the old queue's lock during the fork.
            *own = (pid, Arc::default());
        }
        Arc::clone(&own.1)
    }
}

/// Each write is one or more lines.
impl Write for &Writer {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.push(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped == 0 && self.reopen_at.is_none()
    }

    fn is_done(&self) -> bool {
        self.is_empty() && self.taken == 0
    }

    /// Notes what has been dropped since the last line.
    fn settle(&mut self, output: &Output) {
        let dropped = mem::take(&mut self.dropped);
        if dropped > 0 {
            self.waiting.extend_from_slice((output.note)(dropped).as_bytes());
        }
    }

    fn take(&mut self, output: &Output) -> Vec<u8> {
        self.settle(output);
        mem::take(&mut self.waiting)
    }
}

fn start(output: &Arc<Output>, queue: &Arc<Queue>) -> io::Result<()> {
    let (output, queue) = (Arc::clone(output), Arc::clone(queue));
    let builder = thread::Builder::new().name("writer".into()).stack_size(STACK_LEN);
    builder.spawn(move || write_all(&output, &queue)).map(drop)
}

/// Writes what is put into `queue`, for as long as the process lives.
fn write_all(output: &Output, queue: &Queue) {
    let mut lost = Lost::default();
    loop {
        let idle = queue.changed.wait_while(queue.lock(), |state| state.is_empty());
        let mut state = idle.unwrap_or_else(PoisonError::into_inner);
        let reopen_at = state.reopen_at.take();
        let lines = state.take(output);
        state.taken = lines.len();
        drop(state);
        let (old, new) = lines.split_at(reopen_at.unwrap_or(0));
        write_pieces(old, output, queue, &mut lost);
        if reopen_at.is_some() {
            output.reopen(&mut lost);
            queue.changed.notify_all();
        }
        write_pieces(new, output, queue, &mut lost);
    }
}

fn write_pieces(mut rest: &[u8], output: &Output, queue: &Queue, lost: &mut Lost) {
    while !rest.is_empty() {
        let (piece, others) = rest.split_at(piece_len(rest));
        output.write(piece, lost);
        rest = others;
        let mut state = queue.lock();
        state.taken -= piece.len();
        state.writes += 1;
        queue.changed.notify_all();
    }
}

/// The length of as many whole lines as fit into a piece, or of one longer line.
fn piece_len(lines: &[u8]) -> usize {
    let end = |byte: &u8| *byte == b'\n';
    if lines.len() <= PIECE_LEN {
        return lines.len();
    }
    let last = lines[..PIECE_LEN].iter().rposition(end);
    last.or_else(|| lines.iter().position(end)).map_or(lines.len(), |end| end + 1)
}

/// The number of lines.
fn count(lines: &[u8]) -> u64 {
    lines.split_inclusive(|&byte| byte == b'\n').count() as u64
}

impl Output {
    /// Opens the file again. The descriptor stays the same, and is the new file's from now on.
    fn reopen(&self, lost: &mut Lost) {
        let Some(file) = self.open.as_ref().and_then(|open| open()) else { return };
        match sys::replace(&self.file, &file) {
            Ok(()) => lost.is_torn = false,
            Err(error) => log::error!("Cannot reopen a file: {}", reason(&error)),
        }
    }

    /// Writes `lines`, and waits for room. Lines that can't be written, to a full disk or a reader that has gone, are
    /// `lost`; when some can be written again, a note with their number comes first.
    fn write(&self, lines: &[u8], lost: &mut Lost) {
        if lost.lines > 0 {
            let end = if lost.is_torn { "\n" } else { "" };
            let note = format!("{end}{}", (self.note)(lost.lines));
            if let Err((written, _)) = self.write_bytes(note.as_bytes()) {
                lost.is_torn |= written > 0;
                lost.lines += count(lines);
                return;
            }
            *lost = Lost::default();
        }
        if let Err((written, error)) = self.write_bytes(lines) {
            let (begun, rest) = lines.split_at(written);
            *lost = Lost { lines: count(rest), is_torn: begun.last().is_some_and(|&byte| byte != b'\n') };
            if let Some(failed) = &self.failed {
                failed(&error);
            }
        }
    }

    /// Writes all `bytes`, and waits for room.
    ///
    /// # Errors
    /// The number of bytes that were written, and why no more.
    fn write_bytes(&self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        while written < bytes.len() {
            match rustix::io::write(&self.file, &bytes[written..]) {
                Ok(len @ 1..) => written += len,
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    // If poll fails, the next write fails or is tried again.
                    let _ = sys::poll(&mut [PollFd::new(&self.file, false, true)], None);
                }
                Err(error) => return Err((written, error.into())),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, PipeReader, Read};
    use std::sync::mpsc;

    use rustix::fs::{OFlags, fcntl_setfl};

    use super::*;

    fn pipe(flags: OFlags) -> (PipeReader, Writer) {
        let (reader, file) = io::pipe().unwrap();
        fcntl_setfl(&file, flags).unwrap();
        (reader, Writer::new(file, |dropped| format!("{dropped} dropped\n")))
    }

    fn line(number: usize) -> String {
        format!("line {number}\n")
    }

    /// Reads up to `last`, in small pieces.
    fn read_to(reader: &mut PipeReader, last: &str) -> String {
        let mut read = Vec::new();
        let mut piece = [0; 100];
        while !read.ends_with(last.as_bytes()) {
            let len = reader.read(&mut piece).unwrap();
            assert_ne!(len, 0, "it is open");
            read.extend_from_slice(&piece[..len]);
        }
        String::from_utf8(read).unwrap()
    }

    #[test]
    fn all_lines_are_written_in_order_even_if_the_file_has_no_room_for_a_while() {
        for flags in [OFlags::empty(), OFlags::NONBLOCK] {
            let (mut reader, writer) = pipe(flags);
            let lines: Vec<String> = (0..50_000).map(line).collect();
            lines.iter().for_each(|line| writer.push(line.as_bytes()));
            assert_eq!(read_to(&mut reader, &line(49_999)), lines.concat());
            assert!(writer.finish());
        }
    }

    #[test]
    fn lines_without_room_are_counted_in_their_place() {
        let (mut reader, writer) = pipe(OFlags::empty());
        let mut sent = 0;
        let mut send = |lines: usize| {
            (sent..sent + lines).for_each(|number| writer.push(line(number).as_bytes()));
            sent += lines;
        };
        // More than the pipe, the thread and the queue can hold.
        send(400_000);
        assert!(!writer.finish());
        // It doesn't wait a second time.
        assert!(!writer.finish());
        let reading = thread::spawn(move || read_to(&mut reader, &line(400_999)));
        while !writer.finish() {
            thread::yield_now();
        }
        // Now there is room.
        send(1000);
        let mut next = 0;
        for line in reading.join().unwrap().lines() {
            match line.strip_prefix("line ") {
                Some(number) => {
                    assert_eq!(number, next.to_string());
                    next += 1;
                }
                None => next += line.strip_suffix(" dropped").unwrap().parse::<usize>().unwrap(),
            }
        }
        assert_eq!(next, 401_000);
    }

    #[test]
    fn a_reader_that_has_gone_ends_nothing() {
        let (reader, writer) = pipe(OFlags::empty());
        drop(reader);
        writer.push(b"lost\n");
        assert!(writer.finish());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn lines_that_a_full_disk_does_not_take_are_counted_and_the_next_file_says_so() {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (failures, failed) = mpsc::channel();
        let open = {
            let path = path.clone();
            move || File::create(&path).ok()
        };
        let note = |lost| format!("{lost} lost\n");
        let writer = Writer::reopening(full(), note, open, move |error| failures.send(error.kind()).unwrap());
        writer.push(b"one\ntwo\n");
        assert!(writer.finish());
        writer.push(b"three\n");
        assert!(writer.finish());
        writer.reopen();
        writer.push(b"four\n");
        assert!(writer.finish());
        assert_eq!(fs::read_to_string(path).unwrap(), "3 lost\nfour\n");
        assert_eq!(failed.try_iter().collect::<Vec<_>>(), [io::ErrorKind::StorageFull]);
    }

    #[test]
    fn a_line_that_was_cut_off_is_ended_before_the_note() {
        let (mut reader, writer) = pipe(OFlags::empty());
        let mut lost = Lost { lines: 2, is_torn: true };
        writer.output.write(b"next\n", &mut lost);
        assert_eq!(read_to(&mut reader, "next\n"), "\n2 dropped\nnext\n");
        assert!(lost.lines == 0 && !lost.is_torn);
    }

    #[test]
    fn pieces_end_with_a_line_if_they_can() {
        let short = "short\n".repeat(1000);
        assert!(piece_len(short.as_bytes()) <= PIECE_LEN && piece_len(short.as_bytes()).is_multiple_of(6));
        let long = format!("{}\nshort\n", "x".repeat(2 * PIECE_LEN));
        assert_eq!(piece_len(long.as_bytes()), 2 * PIECE_LEN + 1);
        assert_eq!(piece_len(b"a\nno end"), 8);
    }
}
