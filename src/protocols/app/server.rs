//! The server's side: decodes requests and writes the replies.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use super::reply::{write_error, write_result};
use super::{AppError, Dictionary, DictionaryError, Patience, Timeouts};
use crate::buffer::{Output, Tail};
use crate::message::{
    ByteOrder, ContentType, Field, Heading, Limits, Message, MessageReader, Phase, ProtocolError, content_type, fields,
    len_escaped, write_message, write_text,
};
use crate::session::{Peer, Progress, Reload, Service, Session, SessionError, SessionIo, State};
use crate::text::{Escaped, Word, count};

/// Makes the server's sessions, which share its dictionary.
#[derive(Debug)]
pub struct AppService {
    shared: Arc<AppShared>,
}

#[derive(Debug)]
struct AppShared {
    limits: Limits,
    timeouts: Timeouts,
    /// The byte order of the replies.
    byteorder: ByteOrder,
    dictionary: RwLock<Dictionary>,
    /// The file of the dictionary, for reloading.
    path: Option<PathBuf>,
}

impl AppService {
    /// Creates a service that searches the tutorial's dictionary.
    pub fn new(limits: Limits, timeouts: Timeouts) -> Self {
        Self::with_byteorder(limits, timeouts, ByteOrder::NATIVE)
    }

    /// The same, as on a machine of this byte order, in which it replies.
    pub fn with_byteorder(limits: Limits, timeouts: Timeouts, byteorder: ByteOrder) -> Self {
        Self::with(limits, timeouts, byteorder, Dictionary::default(), None)
    }

    /// Creates a service that searches the dictionary in the file `path`, and reads it again when it is
    /// [reloaded](Service::reload).
    ///
    /// # Errors
    /// If the file can't be read, or isn't a dictionary.
    pub fn with_dictionary(limits: Limits, timeouts: Timeouts, path: PathBuf) -> Result<Self, DictionaryError> {
        let dictionary = Dictionary::read(&path)?;
        Ok(Self::with(limits, timeouts, ByteOrder::NATIVE, dictionary, Some(path)))
    }

    fn with(
        limits: Limits,
        timeouts: Timeouts,
        byteorder: ByteOrder,
        dictionary: Dictionary,
        path: Option<PathBuf>,
    ) -> Self {
        let dictionary = RwLock::new(dictionary.replying_in(byteorder));
        AppService { shared: Arc::new(AppShared { limits, timeouts, byteorder, dictionary, path }) }
    }
}

impl Default for AppService {
    fn default() -> Self {
        Self::new(Limits::default(), Timeouts::default())
    }
}

impl Service for AppService {
    type Session = AppServer;

    fn accept(&mut self, _peer: &Peer) -> AppServer {
        AppServer { reader: MessageReader::default(), patience: Patience::default(), shared: Arc::clone(&self.shared) }
    }

    fn has_messages(&self) -> bool {
        true
    }

    /// Reads the dictionary's file again. If that fails, the old dictionary stays in use.
    fn reload(&mut self) -> Option<Reload> {
        let Some(path) = self.shared.path.clone() else {
            log::warn!("There is no dictionary file to reload; name one with --dictionary FILE");
            return None;
        };
        let shared = Arc::clone(&self.shared);
        Some(Box::new(move || shared.read_again(&path)))
    }
}

impl AppShared {
    fn read_again(&self, path: &Path) {
        match Dictionary::read_again(path) {
            Ok(dictionary) => {
                let dictionary = dictionary.replying_in(self.byteorder);
                let len = dictionary.len();
                let mut current = self.dictionary.write().unwrap_or_else(PoisonError::into_inner);
                let old = mem::replace(&mut *current, dictionary);
                // Freeing a large one takes time, and sessions should not wait for that.
                drop(current);
                drop(old);
                log::info!("Read {} from {}", count(len, "entry"), path.display());
            }
            Err(error) => log::error!("{error}; the old dictionary stays in force"),
        }
    }
}

/// The server's side of one connection: what remains of the `Message` in the tutorial's `libserver`.
///
/// The tutorial's `create_response`, `_create_response_json_content` and `_create_response_binary_content` are among its
/// private methods.
#[doc(alias = "create_response")]
#[doc(alias = "_create_response_json_content")]
#[doc(alias = "_create_response_binary_content")]
#[derive(Debug)]
pub struct AppServer {
    reader: MessageReader,
    patience: Patience,
    shared: Arc<AppShared>,
}

impl Session for AppServer {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        self.answer_requests(io, now).map_err(|error| {
            if error.deserves_reply() {
                write_error(io.output().tail(), self.shared.byteorder, &error);
            }
            error.into()
        })
    }

    fn deadline(&self) -> Option<Instant> {
        self.patience.deadline()
    }

    fn is_idle(&self) -> bool {
        self.reader.phase() == Phase::Idle
    }

    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        write_error(output.tail(), self.shared.byteorder, why);
    }

    fn state(&self, unused: usize) -> State {
        self.reader.position(unused).into()
    }
}

impl AppServer {
    fn answer_requests(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, AppError> {
        let steps = io.steps();
        let progress = loop {
            if !io.output().has_room() {
                break Progress::NeedRoom;
            }
            if !io.begin_message() {
                break Progress::Yield;
            }
            let Some(message) = self.reader.read_noting(io.input(), &self.shared.limits, steps)? else {
                io.no_message();
                break Progress::NeedInput;
            };
            self.patience.restart();
            log::debug!(
                "Received request {} ({}) from {}",
                Escaped(message.content),
                Word(message.header.content_type.name()),
                io.peer()
            );
            let peer = io.peer();
            let mut reply = io.output().tail();
            self.create_response(&message, &mut reply)?;
            log::debug!("Sending {} to {peer}", Escaped(reply.as_slice()));
            if !message.header.keep_alive {
                return Ok(Progress::Finished);
            }
        };
        if progress != Progress::NeedInput {
            // The input may hold a complete message, so the session isn't waiting for the peer.
            self.patience.restart();
            return Ok(progress);
        }
        let position = self.reader.position(io.input().len());
        if io.input_ended() {
            return match position.phase {
                Phase::Idle => Ok(Progress::Finished),
                _ => Err(AppError::PeerClosedMidMessage(position)),
            };
        }
        match self.patience.observe(position, self.shared.timeouts.of(position.phase), now) {
            Some(timeout) => Err(AppError::TooSlow { position, timeout }),
            None => Ok(progress),
        }
    }

    /// Writes the reply to a request: the tutorial's `create_response`.
    ///
    /// Its last arm is the tutorial's `_create_response_binary_content`.
    #[doc(alias = "_create_response_binary_content")]
    fn create_response(&self, message: &Message<'_>, out: &mut Tail<'_>) -> Result<(), ProtocolError> {
        let (byteorder, keep_alive) = (self.shared.byteorder, message.header.keep_alive);
        match &message.header.content_type {
            ContentType::Json => self.answer_json(message, keep_alive, out),
            ContentType::I32 => answer_sum(message, byteorder, keep_alive, out),
            ContentType::I64 | ContentType::ClientBinary | ContentType::ServerBinary | ContentType::Other(_) => {
                let beginning = &message.content[..message.content.len().min(10)];
                let heading = Heading { byteorder, ..Heading::binary(content_type::SERVER_BINARY, keep_alive) };
                write_message(out, heading, |content| {
                    content.extend_from_slice(b"First 10 bytes of request: ");
                    content.extend_from_slice(beginning);
                });
                Ok(())
            }
        }
    }

    /// Writes the reply to a JSON request: the tutorial's `_create_response_json_content`.
    #[doc(alias = "_create_response_json_content")]
    fn answer_json(&self, message: &Message<'_>, keep_alive: bool, out: &mut Tail<'_>) -> Result<(), ProtocolError> {
        let named = message.header.content_encoding.of_text();
        let encoding = named.map_err(|name| ProtocolError::EncodingUnknown(Word(name).to_string()))?;
        let text = encoding.decode(message.content).ok_or(ProtocolError::ContentNotText(encoding.name()))?;
        let [action, value] = fields(&text, ["action", "value"], self.shared.limits.depth_max)
            .map_err(ProtocolError::ContentNotReadable)?;
        let byteorder = self.shared.byteorder;
        match action.unwrap_or(Field::Null) {
            Field::Text(action) if action == "search" => {
                let Some(Field::Text(value)) = value else {
                    return Err(ProtocolError::ValueNotString { found: value.map(|value| value.kind()) });
                };
                let dictionary = self.shared.dictionary.read().unwrap_or_else(PoisonError::into_inner);
                match dictionary.reply(&value) {
                    Some(reply) => out.extend_from_slice(reply.message(keep_alive)),
                    None => write_result(out, byteorder, keep_alive, |content| {
                        write_text(content, len_escaped(&value), |text| {
                            text.extend_from_slice(b"No match for '");
                            text.extend_from_slice(value.as_bytes());
                            text.extend_from_slice(b"'.");
                        });
                    }),
                }
            }
            action => write_result(out, byteorder, keep_alive, |content| {
                write_text(content, action.len_expected(), |text| {
                    text.extend_from_slice(b"Error: invalid action '");
                    action.write(text);
                    text.extend_from_slice(b"'.");
                });
            }),
        }
        Ok(())
    }
}

/// Answers `binary/i32` with the sum of its integers. 64 bits suffice for the integers of any message.
fn answer_sum(
    message: &Message<'_>,
    byteorder: ByteOrder,
    keep_alive: bool,
    out: &mut Tail<'_>,
) -> Result<(), ProtocolError> {
    let (integers, rest) = message.content.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(ProtocolError::IntegersCut { len: message.content.len() });
    }
    let order = message.header.byteorder;
    let sum: i64 = integers.iter().map(|&bytes| i64::from(order.u32(bytes).cast_signed())).sum();
    let bytes = byteorder.bytes(sum.to_be_bytes());
    let heading = Heading { byteorder, ..Heading::binary(content_type::I64, keep_alive) };
    write_message(out, heading, |content| content.extend_from_slice(&bytes));
    Ok(())
}
