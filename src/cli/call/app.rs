//! `multiconn call app`: sends requests to a framed application server, one after the other on one connection.

use std::cell::RefCell;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::task::{Poll, Waker};
use std::time::Duration;
use std::vec;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::converse::{converse, failure_of};
use super::pieces::Pieces;
use crate::cli::address::Address;
use crate::cli::explain::{ExplainCall, Words, say, say_the_rest};
use crate::cli::failure::Failure;
use crate::cli::prompt::Prompt;
use crate::cli::stdin::Stdin;
use crate::cli::{PROGRAM, units};
use crate::message::{ByteOrder, Encoding, Limits, Message, content_type};
use crate::protocols::app::{AppClient, AppTalker, Form, PORT, Reply, Request};
use crate::session::{End, Peer, SessionError, Source};
use crate::text::{Escaped, printable, reason};

/// Send requests to a framed application server, and print its replies
#[derive(Debug, Args)]
#[command(
    override_usage = "multiconn call app [OPTIONS] <ADDRESS> [ACTION VALUE]...",
    after_help = "Each request is sent once the one before is answered, all on one connection. Without \
                  ACTION, each line of standard input is a request, and on a terminal there is a prompt; an \
                  empty line, or Ctrl-D, ends it. The exit status is 1 if a reply is an error.\n\n\
                  Example:\n  \
                  multiconn call app 127.0.0.1:65432 search morpheus\n  \
                  multiconn call app 127.0.0.1:65432 search ring search 🐶\n  \
                  multiconn call app 127.0.0.1:65432 --type binary/i32 1 -2 70000\n  \
                  multiconn call app 127.0.0.1:65432 --content request.json --type text/json"
)]
pub struct CallApp {
    /// Where the server is: HOST:PORT, [V6]:PORT, HOST (port 65432), PORT (loopback) or unix:PATH
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// `search` makes a JSON request; any other word is sent as bytes, followed by VALUE without a space
    #[arg(value_name = "ACTION", allow_negative_numbers = true)]
    action: Option<String>,
    /// What to search for; further pairs of ACTION and VALUE make further requests
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: Option<String>,
    #[arg(value_name = "MORE", hide = true, allow_negative_numbers = true)]
    more: Vec<String>,
    /// The type of all requests: `text/json`, with any ACTION; `binary/i32`, where each word is an integer, and the reply
    /// is their sum; with any other, each word is a request's content [default: depends on ACTION]
    #[arg(long = "type", value_name = "TYPE", value_parser = word_of_header)]
    content_type: Option<String>,
    /// The encoding of text, by any of Python's names for it [default: utf-8]
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    encoding: Option<String>,
    /// The byte order of integers, which the header names: `little` or `big` [default: this machine's]
    #[arg(long, value_name = "ORDER", hide_possible_values = true, value_parser = byteorder())]
    byteorder: Option<ByteOrder>,
    /// Send the bytes of FILE as the content of a request; may be given more than once
    #[arg(long, value_name = "FILE", conflicts_with_all = ["action", "value", "more"])]
    content: Vec<PathBuf>,
    /// Print each reply whole: protoheader, JSON header and content
    #[arg(long)]
    raw: bool,
    /// Maximum content length of a reply
    #[arg(long, value_name = "SIZE", default_value = "64m", value_parser = units::size)]
    max_content: usize,
    /// How long to wait for the connection and for progress on it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
    #[command(flatten)]
    explain: ExplainCall,
}

impl CallApp {
    /// A call of the server on a loopback port.
    pub fn new(port: u16, action: &str, value: &str, timeout: Duration) -> Self {
        CallApp {
            address: Address::loopback(port),
            action: Some(action.to_owned()),
            value: Some(value.to_owned()),
            more: Vec::new(),
            content_type: None,
            encoding: None,
            byteorder: None,
            content: Vec::new(),
            raw: false,
            max_content: Limits::default().content_len_max,
            timeout,
            explain: ExplainCall::default(),
        }
    }

    /// Makes the request of [`CallApp::new`].
    pub fn ask(&self) -> Result<Reply, Failure> {
        let address = self.address.or_port(PORT);
        let addresses = address.to_connect_to()?;
        let requests = self.form().words(&self.words()).map_err(|error| Failure::of_usage(error.to_string()))?;
        let conversation = converse(&addresses, AppClient::new(requests, self.limits(), self.timeout), self.timeout)?;
        match conversation.end {
            End::Finished => Ok(conversation.session.into_replies().pop().expect("a finished session has its reply")),
            _ => Err(failure_of(&address, &conversation)),
        }
    }

    /// Makes the requests, and prints each reply as soon as it arrives.
    pub fn run(self) -> Result<(), Failure> {
        let form = self.form();
        if self.encoding.is_some() && form.content_type.as_deref() == Some(content_type::I32) {
            return Err(Failure::of_usage("--encoding is for text; integers have no encoding"));
        }
        let given = self.given(&form)?;
        let is_one = given.as_ref().is_some_and(|given| given.len() == 1);
        let wrong = RefCell::new(Wrong { is_one, ..Wrong::default() });
        if self.explain.steps() && given.is_none() {
            return Err(Failure::of_usage("--step reads standard input, so the requests must be given as arguments"));
        }
        self.explain.start();
        match given {
            Some(requests) => self.call(Given::new(&requests), &wrong),
            None if io::stdin().is_terminal() => {
                self.call(Lines { input: Prompt::new(prompt(&form)), form, wrong: &wrong }, &wrong)
            }
            None => self.call(Lines { input: Stdin::lines(), form, wrong: &wrong }, &wrong),
        }
    }

    fn form(&self) -> Form {
        Form {
            content_type: self.content_type.clone(),
            content_encoding: self.encoding.clone(),
            byteorder: self.byteorder.unwrap_or(ByteOrder::NATIVE),
        }
    }

    fn limits(&self) -> Limits {
        Limits { content_len_max: self.max_content, ..Limits::default() }
    }

    fn words(&self) -> Vec<&str> {
        self.action.iter().chain(&self.value).chain(&self.more).map(String::as_str).collect()
    }

    /// The requests of the command line, if it has any.
    fn given(&self, form: &Form) -> Result<Option<Vec<Request>>, Failure> {
        if !self.content.is_empty() {
            let read = |path: &PathBuf| {
                let content = fs::read(path)
                    .map_err(|error| Failure::new(format!("cannot read {}: {}", path.display(), reason(&error))))?;
                Ok(form.content(content))
            };
            return self.content.iter().map(read).collect::<Result<_, _>>().map(Some);
        }
        let words = self.words();
        if words.is_empty() {
            return Ok(None);
        }
        let requests = form.words(&words).map_err(|error| Failure::of_usage(error.to_string()))?;
        requests.iter().for_each(|request| warn_of_bytes(form, request));
        Ok(Some(requests))
    }

    fn call(&self, messages: impl Source, wrong: &RefCell<Wrong>) -> Result<(), Failure> {
        let address = self.address.or_port(PORT);
        let addresses = address.to_connect_to()?;
        let limits = self.limits();
        let show = |message: &Message<'_>, bytes: &[u8], peer: &Peer| {
            let reply = Reply::from_message(message, limits.depth_max).map_err(SessionError::violation);
            let error =
                reply.as_ref().ok().and_then(Reply::error).map(|words| format!("{} answers: {words}", peer.addr));
            let is_error = error.is_some();
            wrong.borrow_mut().note(error);
            let text = match reply {
                _ if self.raw => shown_raw(bytes, io::stdout().is_terminal()),
                Ok(_) if is_error => return Ok(()),
                reply => shown(reply?, io::stdout().is_terminal()),
            };
            say(Words::Answer(text)).map_err(SessionError::other)
        };
        let timeout = self.explain.timeout(self.timeout);
        let session = Pieces::new(AppTalker::new(messages, show, limits, timeout), self.explain.pieces());
        let conversation = converse(&addresses, session, timeout);
        let said = say_the_rest();
        let conversation = conversation?;
        match conversation.end {
            End::Finished => said.and(wrong.take().outcome()),
            _ => Err(failure_of(&address, &conversation)),
        }
    }
}

/// What went wrong apart from the conversation itself.
#[derive(Debug, Default)]
struct Wrong {
    /// Whether there is only one request, whose error is then the failure.
    is_one: bool,
    /// Requests that were answered, or not sent.
    requests: u64,
    /// Requests that failed.
    failed: u64,
    failure: Option<Failure>,
}

impl Wrong {
    /// Notes how a request has ended. A failure is reported at once if there may be other requests.
    fn note(&mut self, why: Option<String>) {
        self.requests += 1;
        let Some(failure) = why.map(Failure::new) else { return };
        self.failed += 1;
        if !self.is_one {
            let _ = say(Words::Note(format!("{PROGRAM}: request {}: {failure}\n", self.requests)));
        }
        self.failure = Some(failure);
    }

    fn outcome(self) -> Result<(), Failure> {
        match self.failure {
            None => Ok(()),
            Some(failure) if self.is_one => Err(failure),
            Some(_) => Err(Failure::new(format!("{} of {} requests failed", self.failed, self.requests))),
        }
    }
}

/// The requests of the command line, as messages. The last one lets the server close, as the tutorial's single one does.
struct Given(vec::IntoIter<Vec<u8>>);

impl Given {
    fn new(requests: &[Request]) -> Given {
        let messages = requests.iter().enumerate().map(|(index, request)| message(request, index + 1 < requests.len()));
        Given(messages.collect::<Vec<_>>().into_iter())
    }
}

impl Source for Given {
    fn next(&mut self, _make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        Ok(Poll::Ready(self.0.next()))
    }
}

/// The requests in lines, as messages. Empty lines are skipped.
struct Lines<'a, I> {
    input: I,
    form: Form,
    wrong: &'a RefCell<Wrong>,
}

impl<I: Source> Source for Lines<'_, I> {
    fn next(&mut self, make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        loop {
            let mut line = match self.input.next(make_waker)? {
                Poll::Ready(Some(line)) => line,
                other => return Ok(other),
            };
            line.pop_if(|last| *last == b'\n');
            if line.is_empty() {
                continue;
            }
            let request = str::from_utf8(&line)
                .map_err(|_| "the line is not UTF-8".to_owned())
                .and_then(|line| self.form.line(line).map_err(|error| error.to_string()));
            match request {
                Ok(request) => {
                    warn_of_bytes(&self.form, &request);
                    return Ok(Poll::Ready(Some(message(&request, true))));
                }
                Err(why) => self.wrong.borrow_mut().note(Some(why)),
            }
        }
    }
}

fn message(request: &Request, keep_alive: bool) -> Vec<u8> {
    let mut message = Vec::new();
    request.write(&mut message, keep_alive);
    message
}

/// Warns of a request that is sent as bytes without the action `binary`: it may have been meant as a search.
fn warn_of_bytes(form: &Form, request: &Request) {
    let bytes = match request {
        Request::Binary(bytes) => bytes,
        Request::Content { content_type, bytes, .. } if content_type == content_type::CLIENT_BINARY => bytes,
        Request::Search(_) | Request::Json { .. } | Request::Sum(_) | Request::Content { .. } => return,
    };
    if form.content_type.is_none() && !bytes.starts_with(b"binary") {
        let name = content_type::CLIENT_BINARY;
        log::warn!("Only 'search' makes a search; sending {} as {name}", Escaped(bytes));
    }
}

fn prompt(form: &Form) -> &'static str {
    match form.content_type.as_deref() {
        None | Some(content_type::JSON) => "action and value: ",
        Some(content_type::I32) => "integers: ",
        Some(_) => "content: ",
    }
}

/// Parses a word that goes into the header unchanged.
fn word_of_header(text: &str) -> Result<String, String> {
    match text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte)) {
        true if !text.is_empty() => Ok(text.to_owned()),
        _ => Err("it must be printable ASCII without spaces, quotes or backslashes".into()),
    }
}

fn encoding(text: &str) -> Result<String, String> {
    match Encoding::for_name(text) {
        Some(_) => word_of_header(text),
        None => Err("there is no encoding of that name".into()),
    }
}

fn byteorder() -> impl TypedValueParser<Value = ByteOrder> {
    let orders = [ByteOrder::Little, ByteOrder::Big];
    PossibleValuesParser::new(orders.map(ByteOrder::name))
        .map(move |name| if name == ByteOrder::Big.name() { ByteOrder::Big } else { ByteOrder::Little })
}

/// Formats a reply for printing: text on a line of its own, bytes as they are. On a terminal, control characters from
/// the server are escaped.
pub fn shown(reply: Reply, on_terminal: bool) -> Vec<u8> {
    let line = match reply {
        Reply::Binary(bytes) if !on_terminal => return bytes,
        Reply::Binary(bytes) => bytes.escape_ascii().to_string(),
        Reply::Sum(sum) => sum.to_string(),
        Reply::Result(text) if !on_terminal => text,
        Reply::Result(text) => printable(text.as_bytes()),
    };
    (line + "\n").into_bytes()
}

/// Formats a whole reply for printing: as it is, or on a terminal as text, on a line of its own.
fn shown_raw(reply: &[u8], on_terminal: bool) -> Vec<u8> {
    match on_terminal {
        true => (printable(reply) + "\n").into_bytes(),
        false => reply.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_characters() {
        let text = || Reply::Result("a 🐰\t\x1b[31m\u{9b}1m".into());
        assert_eq!(shown(text(), true), "a 🐰\t\\u{1b}[31m\\u{9b}1m\n".as_bytes());
        assert_eq!(shown(text(), false), "a 🐰\t\x1b[31m\u{9b}1m\n".as_bytes());
        let bytes = || Reply::Binary(b"\x00\xffab".to_vec());
        assert_eq!(shown(bytes(), true), b"\\x00\\xffab\n");
        assert_eq!(shown(bytes(), false), b"\x00\xffab");
        assert_eq!(shown(Reply::Sum(-7), false), b"-7\n");
        assert_eq!(shown_raw(b"\0g{}\x1b", true), b"\\u{0}g{}\\u{1b}\n");
        assert_eq!(shown_raw(b"\0g{}\x1b", false), b"\0g{}\x1b");
    }
}
