//! The drawing: from the events of the trace to lines of text.

use std::collections::HashMap;
use std::time::Duration;

use clap::builder::styling::Style;

use super::parts::{Part, Parts, Piece};
use crate::address::Addr;
use crate::cli::paint::{BLUE, BOLD, CYAN, DIM, GREEN, MAGENTA, PLAIN, Paint, RED, YELLOW};
use crate::cli::wrap::wrap;
use crate::exchange::Stage;
use crate::selector::{Interest, Readiness};
use crate::session::{Role, State};
use crate::text::count;
use crate::trace::{Bytes, Connection, Event, Record, RunEnd};

/// The columns of a line.
const WIDTH: usize = 80;
/// The bytes of a line of a dump.
const ROW_LEN: usize = 16;
/// The most lines of a dump; of a longer one, the beginning and the last line are shown.
const ROWS_MAX: usize = 12;
/// The lines of that beginning.
const ROWS_FIRST: usize = 8;
/// The most lines of a text.
const TEXT_LINES_MAX: usize = 12;
/// The indent of lines that continue another.
const INDENT: &str = "      ";

/// The mark behind the port in the margin: the first that no other client with this port has.
const MARKS: [char; 8] = ['│', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/// Draws conversations step by step. Each line of a server begins with the port of the client that it is about, or with
/// the client's number on a Unix socket.
#[derive(Debug, Default)]
pub struct Drawing {
    paint: Paint,
    /// The connections, by address and number: several loops may use the same numbers.
    talks: HashMap<(Addr, u64), Talk>,
}

/// The client's part of its address: the port, or the number on a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Port(u16),
    Number(u32),
}

fn tag(addr: Addr) -> Tag {
    match addr {
        Addr::Inet(addr) => Tag::Port(addr.port()),
        Addr::Unix(addr) => Tag::Number(addr.number().unwrap_or(0)),
    }
}

/// One connection.
#[derive(Debug)]
struct Talk {
    mark: char,
    stage: Stage,
    received: Parts,
    sent: Parts,
    /// The time since when it waits.
    waits_since: Option<Duration>,
    /// What ended the wait.
    news: Vec<&'static str>,
}

impl Talk {
    fn new(stage: Stage, mark: char) -> Talk {
        let (received, sent) = (Parts::default(), Parts::default());
        Talk { mark, stage, received, sent, waits_since: None, news: Vec::new() }
    }
}

/// Lines that are not yet broken.
#[derive(Debug, Default)]
struct Lines(Vec<(Style, String)>);

impl Lines {
    fn push(&mut self, style: Style, line: impl Into<String>) {
        self.0.push((style, line.into()));
    }

    fn blank(&mut self) {
        self.push(PLAIN, "");
    }
}

impl Drawing {
    /// An empty drawing.
    pub fn new(paint: Paint) -> Drawing {
        Drawing { paint, talks: HashMap::new() }
    }

    /// The lines of the next event, which happens at `time`. Most events have none.
    pub fn draw(&mut self, record: &Record<'_>, time: Duration) -> String {
        let mut lines = Lines::default();
        let margin = match record.connection {
            None => {
                draw_own(&record.event, &mut lines);
                None
            }
            Some(Connection { id, peer }) => {
                let key = (peer.addr, id);
                let stage = match peer.role {
                    Role::Opened(_) => Stage::Connecting,
                    Role::Accepted => Stage::Receiving,
                };
                if let Event::Introduced { by } = record.event
                    && let Some(talk) = self.talks.remove(&(by, id))
                {
                    self.talks.insert(key, talk);
                }
                if !self.talks.contains_key(&key) {
                    let mark = self.free_mark(tag(peer.addr));
                    self.talks.insert(key, Talk::new(stage, mark));
                }
                let talk = self.talks.get_mut(&key).expect("it is there by now");
                let margin = (peer.role == Role::Accepted).then_some((tag(peer.addr), talk.mark));
                draw_of_connection(talk, peer.addr, &record.event, time, &mut lines);
                if matches!(record.event, Event::Closed { .. } | Event::Panicked { .. }) {
                    self.talks.remove(&key);
                }
                margin
            }
        };
        if lines.0.is_empty() { String::new() } else { self.finish(margin, lines) }
    }

    /// The mark of another client with this `tag`.
    fn free_mark(&self, tag: Tag) -> char {
        let is_taken = |mark: char| self.talks.iter().any(|(key, talk)| self::tag(key.0) == tag && talk.mark == mark);
        MARKS.into_iter().find(|&mark| !is_taken(mark)).unwrap_or('?')
    }

    /// Breaks long lines, and puts the margin, a tag and its mark, before each.
    fn finish(&self, margin: Option<(Tag, char)>, lines: Lines) -> String {
        let is_wide = margin.is_some();
        let margin = match margin {
            Some((tag, mark)) => {
                let (text, nth) = match tag {
                    // Successive clients mostly have ports close to each other, and get different colours.
                    Tag::Port(port) => (port.to_string(), usize::from(port) / 2),
                    Tag::Number(number) => (format!("#{}", number % 10_000), number as usize),
                };
                let nth = nth + MARKS.iter().position(|&other| other == mark).unwrap_or(0);
                self.paint.paint([GREEN, YELLOW, BLUE, MAGENTA, CYAN][nth % 5], &format!("{text:>5}{mark}"))
            }
            None => String::new(),
        };
        let room = WIDTH - if is_wide { 7 } else { 0 };
        let mut drawn = String::new();
        for (style, line) in lines.0 {
            let pieces = wrap(&line, room, room - INDENT.len());
            for (nth, piece) in pieces.iter().take(TEXT_LINES_MAX).enumerate() {
                let is_cut = nth + 1 == TEXT_LINES_MAX && pieces.len() > TEXT_LINES_MAX;
                let indent = if nth == 0 { "" } else { INDENT };
                let piece = self.paint.paint(style, if is_cut { "…" } else { piece });
                let space = if is_wide && !(indent.is_empty() && piece.is_empty()) { " " } else { "" };
                drawn += &format!("{margin}{space}{indent}{piece}\n");
            }
        }
        drawn
    }
}

/// Draws what the loop does for itself.
fn draw_own(event: &Event<'_>, lines: &mut Lines) {
    match event {
        Event::AcceptingPaused { why, .. } => lines.push(RED, format!("accepting has paused: {why}")),
        Event::AcceptingResumed => lines.push(PLAIN, "accepting goes on"),
        Event::StopDelayed { delay } => {
            lines.blank();
            lines.push(BOLD, format!("stopping in {delay:?}: until then, it accepts connections"));
        }
        Event::Stopping { .. } => {
            lines.blank();
            lines.push(BOLD, "stopping: accepts no more connections, and finishes work in progress");
        }
        _ => {}
    }
}

fn draw_of_connection(talk: &mut Talk, addr: Addr, event: &Event<'_>, time: Duration, lines: &mut Lines) {
    match event {
        Event::Accepted => {
            lines.blank();
            lines.push(BOLD, format!("accepted: {addr} has connected"));
        }
        Event::Introduced { by } => lines.push(BOLD, format!("introduced: {by} speaks for {addr}")),
        Event::Refused { why } => {
            talk.stage = Stage::Draining;
            lines.push(RED, format!("{addr} is refused: {why}"));
        }
        Event::Opening => lines.push(BOLD, format!("connecting to {addr}")),
        Event::CannotConnect { addr, why } => lines.push(RED, format!("cannot connect to {addr}: {why}")),
        Event::Selected { readiness } => talk.news.extend(names_of(*readiness)),
        Event::Woken => talk.news.push("woken"),
        Event::TimerFired { is_due: true } => talk.news.push("a deadline has passed"),
        Event::RunBegun => {
            let news = std::mem::take(&mut talk.news);
            if let Some(since) = talk.waits_since.take() {
                let news = if news.is_empty() { "looks again".to_owned() } else { news.join(", ") };
                lines.blank();
                lines.push(DIM, format!("… {} later: {news}", shown(time.saturating_sub(since))));
            }
        }
        Event::Received { bytes } => {
            let what = if talk.stage == Stage::Lingering { ", which are dropped" } else { "" };
            lines.push(BOLD, format!("<- received {}{what}", count(bytes.len(), "byte")));
            dump(&mut talk.received, *bytes, lines);
        }
        Event::InputEnded => lines.push(BOLD, "<- received the end: the peer sends no more"),
        Event::Stepped(step) => lines.push(BLUE, format!("message: {} --[ {} ]--> {}", step.from, step.event, step.to)),
        Event::Moved { from, event, to } => {
            talk.stage = *to;
            lines.push(BLUE, format!("connection: {from} --[ {event} ]--> {to}"));
        }
        Event::Sent { bytes, left } => {
            let rest = match *left {
                0 => String::new(),
                usize::MAX => ", with more to come".into(),
                left => format!(", {left} left"),
            };
            lines.push(BOLD, format!("-> sent {}{rest}", count(bytes.len(), "byte")));
            dump(&mut talk.sent, *bytes, lines);
        }
        Event::Dropped { len } => lines.push(PLAIN, format!("dropped {} of output", count(*len, "byte"))),
        Event::OutputEnded => lines.push(BOLD, "-> sent the end: we send no more"),
        Event::RunEnded { how: how @ RunEnd::Waits(_), state, .. } => {
            talk.waits_since = Some(time);
            lines.push(MAGENTA, format!("{}: {}", talk.stage, waits(talk.stage, *how, *state)));
        }
        Event::InterestChanged { from, to } => {
            lines.push(DIM, format!("interest: {} -> {}", name_of(*from), name_of(*to)));
        }
        Event::Panicked { message, .. } => lines.push(RED, format!("panicked: {message}")),
        Event::Closed { end, .. } => lines.push(BOLD, format!("closed: {end}")),
        _ => {}
    }
}

/// What a connection waits for.
fn waits(stage: Stage, how: RunEnd, state: State) -> String {
    match stage {
        Stage::Connecting => "waits until it is open".into(),
        Stage::Draining => "waits for room".into(),
        Stage::Lingering => "waits for the peer's end".into(),
        Stage::Receiving | Stage::Responding | Stage::Closed => format!("{how}: {state}"),
    }
}

fn name_of(interest: Interest) -> String {
    let letters = interest.to_string();
    let word = match letters.as_str() {
        "r" => "readable",
        "w" => "writable",
        "rw" => "readable or writable",
        "h" => "hang-up",
        "e" => "error",
        _ => return letters,
    };
    format!("{letters} ({word})")
}

fn names_of(readiness: Readiness) -> impl Iterator<Item = &'static str> {
    let Readiness { readable, writable, read_closed, urgent, .. } = readiness;
    let names =
        [(readable, "readable"), (writable, "writable"), (read_closed, "the peer has ended"), (urgent, "urgent")];
    names.into_iter().filter_map(|(is_so, name)| is_so.then_some(name))
}

/// Draws bytes as a dump of their parts.
fn dump(parts: &mut Parts, bytes: Bytes<'_>, lines: &mut Lines) {
    let bytes: Vec<u8> = bytes.slices().flatten().copied().collect();
    for piece in parts.take(&bytes) {
        draw_piece(&piece, lines);
    }
}

fn draw_piece(piece: &Piece<'_>, lines: &mut Lines) {
    let style = match piece.part {
        Part::Protoheader => YELLOW,
        Part::Jsonheader => CYAN,
        Part::Content => GREEN,
        Part::Unknown => RED,
    };
    let (name, len) = (piece.part.name(), piece.bytes.len());
    lines.push(
        style,
        match piece.want {
            Some(want) if len < want => {
                let (first, last) = (piece.before + 1, piece.before + len);
                let which = if len == 1 { format!("byte {first}") } else { format!("bytes {first} to {last}") };
                format!("{name}: {which} of {want}")
            }
            _ => format!("{name}: {}", count(len, "byte")),
        },
    );
    let rows: Vec<&[u8]> = piece.bytes.chunks(ROW_LEN).collect();
    let hidden = if rows.len() > ROWS_MAX { ROWS_FIRST..rows.len() - 1 } else { 0..0 };
    for (nth, row) in rows.iter().enumerate() {
        if nth == hidden.start && !hidden.is_empty() {
            lines.push(style, format!("{INDENT}… {} …", count(hidden.len() * ROW_LEN, "byte")));
        }
        if !hidden.contains(&nth) {
            lines.push(style, drawn_row(piece.offset + nth * ROW_LEN, row));
        }
    }
    if let Some(meaning) = &piece.meaning {
        lines.push(style, format!("{INDENT}{meaning}"));
    }
}

/// A line of a dump: the offset, the bytes, and those of them that are printable ASCII.
fn drawn_row(offset: usize, row: &[u8]) -> String {
    let bytes: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
    let shown = |&byte: &u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
    let text: String = row.iter().map(shown).collect();
    format!("{offset:04x}  {:47}  {text}", bytes.join(" ")).trim_end().to_owned()
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::rc::Rc;
    use std::time::Instant;

    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::protocols::app::{AppService, Request};
    use crate::reactor::{Config, Reactor};
    use crate::selector::sim::SimNet;
    use crate::trace::Subscriber;

    /// Draws what a loop does on the simulated network, whose times are exact.
    #[derive(Clone)]
    struct Artist(Rc<RefCell<(Drawing, Option<Instant>, String)>>);

    impl Subscriber for Artist {
        fn record(&self, record: &Record<'_>) {
            let (drawing, start, drawn) = &mut *self.0.borrow_mut();
            let start = *start.get_or_insert(record.at);
            *drawn += &drawing.draw(record, record.at - start);
        }
    }

    /// The drawing of a server that two clients talk to, and a third one that makes no sense.
    fn drawn(paint: Paint) -> String {
        let net = SimNet::new(1);
        let artist = Artist(Rc::new(RefCell::new((Drawing::new(paint), None, String::new()))));
        let mut reactor =
            Reactor::with_subscriber(net.selector(), AppService::default(), Config::default(), artist.clone());
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 65432));
        reactor.add_listener(net.listener(server)).unwrap();
        let message = |request: Request| {
            let mut message = Vec::new();
            request.write(&mut message, false);
            message
        };
        let at = Duration::from_millis;
        let ring = message(Request::Search("ring".into()));
        let first = net.client_at(at(10), server);
        first.send_at(at(20), &ring[..1]).send_at(at(50), &ring[1..50]).send_at(at(90), &ring[50..]);
        net.client_at(at(30), server).send_at(at(60), message(Request::Binary(vec![0xff; 400])));
        net.client_at(at(70), server).send_at(at(80), b"\0\x02[]?");
        let handle = reactor.handle();
        net.at(Duration::from_secs(4), move || handle.stop());
        reactor.run().unwrap();
        artist.0.borrow().2.clone()
    }

    #[test]
    fn a_server_is_drawn_with_its_clients_told_apart() {
        let drawn = drawn(Paint::default());
        assert!(drawn.lines().all(|line| line.width() <= WIDTH), "{drawn}");
        assert!(!drawn.contains('\u{1b}'), "{drawn}");
        insta::with_settings!({ snapshot_path => "../../../tests/snapshots", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("explain__server", drawn);
        });
    }

    #[test]
    fn colours_add_nothing_but_themselves() {
        let (plain, coloured) = (drawn(Paint::default()), drawn(Paint::always()));
        assert!(coloured.contains("\u{1b}["));
        let bare: String = coloured
            .split("\u{1b}[")
            .enumerate()
            .map(|(nth, piece)| if nth == 0 { piece } else { piece.split_once('m').expect("it is a colour").1 })
            .collect();
        assert_eq!(bare, plain);
    }

    #[test]
    fn no_line_is_too_long_whatever_is_sent() {
        let mut lines = Lines::default();
        let mut parts = Parts::default();
        let mut message = Vec::new();
        Request::Json { action: "🐶".repeat(500), value: "x".repeat(5000) }.write(&mut message, false);
        for piece in parts.take(&message) {
            draw_piece(&Piece { offset: piece.offset + (1 << 40), ..piece }, &mut lines);
        }
        let drawn = Drawing::default().finish(Some((Tag::Port(65535), MARKS[0])), lines);
        assert!(drawn.lines().all(|line| line.width() <= WIDTH && line.starts_with("65535│")), "{drawn}");
        assert!(drawn.lines().count() < 70, "{drawn}");
    }
}
