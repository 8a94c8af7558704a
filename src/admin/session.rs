//! A connection of an administrator: one request, and its response.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::http::{self, Request, TOO_SLOW};
use super::hub::{Hub, Reader, Snapshot};
use super::page;
use crate::address::Addr;
use crate::buffer::Output;
use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo, State};

/// How long a request may take to arrive.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for a snapshot of the loop. Under a blocking model there is none.
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
    /// Reads the request, until a time that is set at the first call.
    Reading(Option<Instant>),
    /// Waits for a snapshot of this version, until a time.
    Waiting { request: Request, version: u64, until: Instant },
    /// Sends events.
    Following(Reader),
}

impl AdminSession {
    /// Creates a session that shows what `hub` has received.
    pub fn new(hub: &Arc<Hub>) -> Self {
        AdminSession { hub: Arc::clone(hub), stage: Stage::Reading(None), next: None }
    }

    fn read(&mut self, until: Option<Instant>, io: &mut SessionIo<'_>, now: Instant) -> Progress {
        let until = until.unwrap_or(now + REQUEST_TIMEOUT);
        let local = match io.peer().addr {
            Addr::Inet(_) => io.local_addr().ok(),
            Addr::Unix(own) => Some(Addr::Unix(own)),
        };
        let request = match http::parse(io.input().remaining(), local) {
            Ok(Some(request)) => request,
            Ok(None) if io.input_ended() || io.is_stopping() => return Progress::Finished,
            Ok(None) if now < until => {
                (self.stage, self.next) = (Stage::Reading(Some(until)), Some(until));
                return Progress::NeedInput;
            }
            refused => {
                let refusal = refused.err().unwrap_or(TOO_SLOW);
                io.input().take_all();
                io.output().push(&http::response(refusal.status, TEXT, "", line(refusal.why).as_bytes(), false));
                return Progress::Finished;
            }
        };
        io.input().take_all();
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
                let nonce = nonce();
                let policy = page::policy(&nonce);
                let policy = format!("Content-Security-Policy: {policy}; frame-ancestors 'none'\r\n");
                respond(OK, "text/html; charset=utf-8", &policy, page::document(&nonce, None).as_bytes())
            }
            "/events" => http::header(OK, EVENTS, ""),
            "/state.json" => {
                let mut body = b"{\"loop\":".to_vec();
                let looping = snapshot.and_then(|snapshot| snapshot.looping.as_deref());
                body.extend_from_slice(looping.unwrap_or(b"null"));
                body.extend_from_slice(b",\"connections\":[");
                body.extend_from_slice(snapshot.map_or(&[][..], |snapshot| &snapshot.connections));
                body.extend_from_slice(b"]}\n");
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
                Some(why) => respond("503 Service Unavailable", TEXT, "", line(&why).as_bytes()),
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
                io.output().push(&http::response("400 Bad Request", TEXT, "", b"connection=NUMBER\n", false));
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

const OK: &str = "200 OK";
const TEXT: &str = "text/plain; charset=utf-8";
const EVENTS: &str = "text/event-stream";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Letters and digits that nobody can guess: the standard library keys each hasher at random.
fn nonce() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

impl Session for AdminSession {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        match &mut self.stage {
            Stage::Reading(until) => {
                let until = *until;
                return Ok(self.read(until, io, now));
            }
            Stage::Waiting { version, until, .. } => {
                io.input().take_all();
                let snapshot = self.hub.latest();
                let has_come = snapshot.version >= *version;
                if !has_come && now < *until && !io.is_stopping() {
                    self.next = Some(now + LOOK);
                    return Ok(Progress::NeedInput);
                }
                if !has_come {
                    self.hub.give_up();
                }
                let Stage::Waiting { request, .. } = &self.stage else { return Ok(Progress::Finished) };
                io.output().push(&self.respond(request, Some(&*snapshot).filter(|_| has_come)));
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
        output.push(&http::response("503 Service Unavailable", TEXT, "", line(why).as_bytes(), false));
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
