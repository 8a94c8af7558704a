//! The client's side: sends requests and decodes the replies.

use std::fmt;
use std::time::{Duration, Instant};

use super::replies::Replies;
use super::{AppError, Request};
use crate::message::{ByteOrder, ContentType, JsonError, Limits, Message, Phase, fields};
use crate::session::{Progress, Session, SessionError, SessionIo, State};
use crate::text::{Escaped, Word, count};

/// A server's answer: the tutorial's `response`.
#[doc(alias = "response")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The `result` of a JSON reply.
    Result(String),
    /// The integer of a `binary/i64` reply.
    Sum(i64),
    /// The content of any other reply.
    Binary(Vec<u8>),
}

/// Why a reply can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// Its encoding is unknown. The name is escaped and cut.
    EncodingUnknown(String),
    /// It is not text in its encoding.
    NotText(&'static str),
    /// It is not a JSON object.
    NotReadable(JsonError),
    /// It is an object without a `result`.
    NoResult,
    /// It is an integer whose content doesn't have eight bytes.
    IntegerCut {
        /// Bytes of content.
        len: usize,
    },
    /// The server closed the connection before the remaining requests.
    NotKept {
        /// Replies that came.
        got: usize,
        /// Requests made.
        want: usize,
    },
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EncodingUnknown(name) => write!(f, "malformed reply: unknown encoding '{name}'"),
            Self::NotText(encoding) => write!(f, "malformed reply: the content is not {encoding}"),
            Self::NotReadable(error) => write!(f, "malformed reply: the content is {error}"),
            Self::NoResult => write!(f, "malformed reply: it has no 'result'"),
            Self::IntegerCut { len } => {
                write!(f, "malformed reply: a binary/i64 content of {}, not 8", count(*len, "byte"))
            }
            Self::NotKept { got, want } => write!(f, "peer closed after {got} of {want} replies"),
        }
    }
}

impl std::error::Error for ReplyError {}

impl Reply {
    /// The error text, if this is an error reply. A dictionary entry that begins with `Error: ` counts as one too: on
    /// the wire, they look the same.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Result(words) if words.starts_with("Error: ") => Some(words),
            Self::Result(_) | Self::Sum(_) | Self::Binary(_) => None,
        }
    }

    /// Decodes a message: the tutorial's `process_response`.
    ///
    /// Its arms are the tutorial's `_process_response_json_content` and `_process_response_binary_content`.
    ///
    /// # Errors
    /// If it can't be used.
    #[doc(alias = "process_response")]
    #[doc(alias = "_process_response_json_content")]
    #[doc(alias = "_process_response_binary_content")]
    pub fn from_message(message: &Message<'_>, depth_max: usize) -> Result<Reply, ReplyError> {
        match &message.header.content_type {
            ContentType::Json => {
                let named = message.header.content_encoding.of_text();
                let encoding = named.map_err(|name| ReplyError::EncodingUnknown(Word(name).to_string()))?;
                let text = encoding.decode(message.content).ok_or(ReplyError::NotText(encoding.name()))?;
                let [result] = fields(&text, ["result"], depth_max).map_err(ReplyError::NotReadable)?;
                result.map(|result| Reply::Result(result.into_text())).ok_or(ReplyError::NoResult)
            }
            ContentType::I64 => {
                let len = message.content.len();
                let bytes = message.content.try_into().map_err(|_| ReplyError::IntegerCut { len })?;
                Ok(Reply::Sum(message.header.byteorder.i64(bytes)))
            }
            ContentType::I32 | ContentType::ClientBinary | ContentType::ServerBinary | ContentType::Other(_) => {
                Ok(Reply::Binary(message.content.to_vec()))
            }
        }
    }
}

/// The client's side of one connection: sends its requests, without waiting for one reply before the next request, and
/// finishes when all replies have arrived.
#[derive(Debug)]
pub struct AppClient {
    requests: Vec<Request>,
    byteorder: ByteOrder,
    /// The number of requests in the output or sent: the tutorial's `_request_queued`.
    #[doc(alias = "_request_queued")]
    sent: usize,
    /// The replies received.
    replies: Vec<Reply>,
    awaited: Replies,
}

impl AppClient {
    /// Creates a client that sends `requests`, accepts replies within `limits`, and gives up after `timeout` without
    /// progress.
    pub fn new(requests: Vec<Request>, limits: Limits, timeout: Duration) -> Self {
        Self::with_byteorder(requests, limits, timeout, ByteOrder::NATIVE)
    }

    /// Like [`new`](Self::new), for a client on a machine of this byte order. Requests of the kind
    /// [`Content`](Request::Content) keep their own.
    pub fn with_byteorder(requests: Vec<Request>, limits: Limits, timeout: Duration, byteorder: ByteOrder) -> Self {
        AppClient { requests, byteorder, sent: 0, replies: Vec::new(), awaited: Replies::new(limits, timeout) }
    }

    /// The replies received, in the order of the requests.
    pub fn into_replies(self) -> Vec<Reply> {
        self.replies
    }

    fn send(&mut self, io: &mut SessionIo<'_>) {
        let peer = io.peer();
        while io.output().has_room() && self.sent < self.requests.len() {
            // After the last request, the server may close, as after the tutorial's only one.
            let keep_alive = self.sent + 1 < self.requests.len();
            let mut request = io.output().tail();
            self.requests[self.sent].write_in(self.byteorder, &mut request, keep_alive);
            log::debug!("Sending {} to {peer}", Escaped(request.as_slice()));
            self.sent += 1;
            self.awaited.restart();
        }
    }
}

impl Session for AppClient {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if self.requests.is_empty() {
            return Ok(Progress::Finished);
        }
        self.awaited.check_output(io);
        self.send(io);
        self.awaited.remember_output(io);
        while let Some(message) = self.awaited.read(io)? {
            let reply = Reply::from_message(&message, self.awaited.depth_max()).map_err(SessionError::violation)?;
            self.replies.push(reply);
            if self.replies.len() == self.requests.len() {
                return Ok(Progress::Finished);
            }
        }
        let position = self.awaited.position(io.input().len());
        if io.input_ended() {
            let (got, want) = (self.replies.len(), self.requests.len());
            return Err(match position.phase {
                Phase::Idle if got > 0 => SessionError::input_ended(ReplyError::NotKept { got, want }),
                _ => AppError::PeerClosedMidMessage(position).into(),
            });
        }
        self.awaited.wait(position, now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.awaited.deadline()
    }

    fn is_idle(&self) -> bool {
        false
    }

    fn state(&self, unused: usize) -> State {
        self.awaited.position(unused).into()
    }
}
