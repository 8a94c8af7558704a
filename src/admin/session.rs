//! A connection of an administrator: one request, and its response.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hub::{Hub, Reader, Snapshot};
use super::page;
use crate::buffer::Output;
use crate::http::{self, EVENTS, Methods, OK, Request, RequestReader, TEXT, document};
use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo, State};

/// How long to wait for a snapshot of all loops. One that computes for longer is left out.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_millis(250);
/// The time between two looks whether it has come.
const LOOK: Duration = Duration::from_millis(2);
/// The time between two looks for events.
const POLL: Duration = Duration::from_millis(50);

/// The sessions of administrators alone, for a loop of its own.
#[derive(Debug)]
pub struct AdminService(pub Arc<Hub>);

impl Service for AdminService {
    type Session = AdminSession;

    fn accept(&mut self, _peer: &Peer) -> AdminSession {
        AdminSession::new(&self.0)
    }
}

/// An administrator's session.
#[derive(Debug)]
pub struct AdminSession {
    hub: Arc<Hub>,
    stage: Stage,
    /// The time of its next call.
    next: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    /// Reads the request.
    Reading(RequestReader),
    /// Waits for a snapshot of this version, until a time.
    Waiting { request: Request, version: u64, until: Instant },
    /// Sends events.
    Following(Reader),
}

impl AdminSession {
    /// Creates a session that shows what `hub` has received.
    pub fn new(hub: &Arc<Hub>) -> Self {
        AdminSession { hub: Arc::clone(hub), stage: Stage::Reading(RequestReader::new(Methods::Read)), next: None }
    }

    fn read(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Progress {
        let Stage::Reading(reader) = &mut self.stage else { return Progress::Finished };
        let request = match reader.read(io, now) {
            Ok(request) => request,
            Err(progress) => {
                self.next = reader.deadline();
                return progress;
            }
        };
        match request.path.as_str() {
            "/events" if !request.is_head => return self.follow(&request, io, now),
            "/state.json" | "/metrics" | "/readyz" if !io.is_stopping() => {
                let version = self.hub.ask();
                self.stage = Stage::Waiting { request, version, until: now + SNAPSHOT_TIMEOUT };
                self.next = Some(now + LOOK);
                return Progress::NeedInput;
            }
            _ => io.output().push(&self.respond(&request, None)),
        }
        Progress::Finished
    }

    fn respond(&self, request: &Request, snapshot: Option<&Snapshot>) -> Vec<u8> {
        let respond = |status: &str, content_type: &str, fields: &str, body: &[u8]| {
            http::response(status, content_type, fields, body, request.is_head)
        };
        match request.path.as_str() {
            "/" => {
                let nonce = http::nonce();
                document::response_with(&nonce, &page::document(&nonce, None), request.is_head)
            }
            "/events" => http::header(OK, EVENTS, ""),
            "/state.json" => {
                let (loops, connections) =
                    snapshot.map_or((&[][..], &[][..]), |snapshot| (&snapshot.loops, &snapshot.connections));
                let body = [b"{\"loops\":[", loops, b"],\"connections\":[", connections, b"]}\n"].concat();
                respond(OK, "application/json", "", &body)
            }
            "/metrics" => {
                let content_type = if request.reads_openmetrics { OPENMETRICS } else { PROMETHEUS };
                respond(OK, content_type, "", self.hub.metrics(request.reads_openmetrics).as_bytes())
            }
            // The loop that answers is the one that it's about.
            "/healthz" => respond(OK, TEXT, "", b"ok\n"),
            "/readyz" => match self.hub.not_ready(snapshot) {
                None => respond(OK, TEXT, "", b"ready\n"),
                Some(why) => respond("503 Service Unavailable", TEXT, "", format!("{why}\n").as_bytes()),
            },
            _ => respond("404 Not Found", TEXT, "", b"no such path\n"),
        }
    }

    /// Begins to send events.
    fn follow(&mut self, request: &Request, io: &mut SessionIo<'_>, now: Instant) -> Progress {
        let connection = match request.query.strip_prefix("connection=").map(str::parse) {
            None => None,
            Some(Ok(number)) => Some(number),
            Some(Err(_)) => {
                io.output().push(&http::text("400 Bad Request", "connection=NUMBER"));
                return Progress::Finished;
            }
        };
        let reader = Reader::new(&self.hub, connection);
        let mut output = io.output().tail();
        output.extend_from_slice(&http::header(OK, EVENTS, ""));
        output.extend_from_slice(b"retry: 1000\n\n");
        output.extend_from_slice(reader.header().as_bytes());
        (self.stage, self.next) = (Stage::Following(reader), Some(now + POLL));
        Progress::NeedInput
    }
}

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Session for AdminSession {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        match &mut self.stage {
            Stage::Reading(_) => return Ok(self.read(io, now)),
            Stage::Waiting { version, until, .. } => {
                io.input().take_all();
                if self.hub.latest().version < *version {
                    if now < *until && !io.is_stopping() {
                        self.next = Some(now + LOOK);
                        return Ok(Progress::NeedInput);
                    }
                    self.hub.give_up();
                }
                let Stage::Waiting { request, .. } = &self.stage else { return Ok(Progress::Finished) };
                io.output().push(&self.respond(request, Some(&self.hub.latest())));
            }
            Stage::Following(reader) => {
                io.input().take_all();
                let is_over = io.is_stopping() || io.input_ended();
                if io.output().has_room() {
                    io.output().push(&reader.read());
                }
                if !is_over {
                    self.next = Some(now + POLL);
                    return Ok(Progress::NeedInput);
                }
            }
        }
        Ok(Progress::Finished)
    }

    fn deadline(&self) -> Option<Instant> {
        self.next
    }

    fn is_idle(&self) -> bool {
        false
    }

    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        output.push(&http::text("503 Service Unavailable", why));
    }

    fn state(&self, _unused: usize) -> State {
        State::named(match self.stage {
            Stage::Reading(_) => "request",
            Stage::Waiting { .. } => "snapshot",
            Stage::Following(_) => "events",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::REQUEST_TIMEOUT;
    use crate::session::testing::{Harness, PEER};

    fn session() -> (Arc<Hub>, Harness<AdminSession>) {
        let hub = Arc::new(Hub::new("2026-01-01T00:00:00Z", false));
        let session = AdminService(Arc::clone(&hub)).accept(&PEER);
        (hub, Harness::new(session))
    }

    #[test]
    fn a_request_has_ten_seconds_to_arrive() {
        let (_, mut session) = session();
        let now = Instant::now();
        session.feed(b"GET / HT");
        assert_eq!(session.call(now).unwrap(), Progress::NeedInput);
        assert_eq!(session.session.deadline(), Some(now + REQUEST_TIMEOUT));
        // More of it does not put that off.
        session.feed(b"TP/1.1\r\n");
        assert_eq!(session.call(now + REQUEST_TIMEOUT / 2).unwrap(), Progress::NeedInput);
        assert_eq!(session.session.deadline(), Some(now + REQUEST_TIMEOUT));
        assert_eq!(session.call(now + REQUEST_TIMEOUT).unwrap(), Progress::Finished);
        assert!(session.take_output().starts_with(b"HTTP/1.1 408 "));
    }

    #[test]
    fn it_ends_with_a_peer_that_asks_for_nothing() {
        let (_, mut session) = session();
        session.end_input();
        assert_eq!(session.call(Instant::now()).unwrap(), Progress::Finished);
        assert!(session.take_output().is_empty());
    }
}
