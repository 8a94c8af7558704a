//! A connection of a browser: one request, and its response.
//!
//! Every path begins with the token. `GET` gives the page and its `events`; `POST` to `start`, `cancel`, `resume` and
//! `remove` changes the list.

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::downloads::{CONNECTIONS_MAX, Downloads, Impossible, NotResumed, NotStarted};
use super::fields::Fields;
use super::{page, token};
use crate::buffer::Output;
use crate::http::{self, EVENTS, JSON, Methods, OK, Request, RequestReader, document};
use crate::session::{Progress, Session, SessionError, SessionIo, State};

/// The most bytes that are posted: the longest path, escaped, with the other fields.
const BODY_LEN_MAX: usize = 32 << 10;
/// The time between two reports of progress.
const TICK: Duration = Duration::from_millis(200);

/// The state that all connections of the page share.
#[derive(Debug)]
pub struct Form {
    /// The token in the page's address.
    pub token: String,
    /// The downloads.
    pub downloads: Rc<RefCell<Downloads>>,
}

/// A session of the page.
#[derive(Debug)]
pub struct PageSession {
    form: Rc<Form>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Reads the request.
    Reading(RequestReader),
    /// Sends the downloads whenever they change.
    Following(Reader),
}

/// A page that is open.
#[derive(Debug, Default)]
struct Reader {
    /// The version that it has received.
    version: u64,
    /// The time of the next update about running downloads.
    next: Option<Instant>,
    /// An update is due and waits for room. A slow reader then gets only the latest state.
    is_owed: bool,
    waker: Option<Waker>,
}

/// The entry that a request is about.
#[derive(Deserialize)]
struct Which {
    id: u64,
}

impl PageSession {
    /// Creates a session.
    pub fn new(form: Rc<Form>) -> Self {
        let reader = RequestReader::new(Methods::Post { body_len_max: BODY_LEN_MAX });
        PageSession { form, stage: Stage::Reading(reader) }
    }

    /// The path below the token, if that is right.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (given, rest) = path.strip_prefix('/')?.split_once('/')?;
        token::matches(&self.form.token, given).then_some(rest)
    }

    fn respond(&self, request: &Request, path: &str) -> Vec<u8> {
        let downloads = &mut *self.form.downloads.borrow_mut();
        let Some(body) = &request.body else {
            return match path {
                "" => {
                    let nonce = http::nonce();
                    document::response_with(&nonce, &page::document(&nonce, &downloads.root_shown()), request.is_head)
                }
                "events" => http::header(OK, EVENTS, ""),
                _ => http::text("404 Not Found", "no such path"),
            };
        };
        let which = || serde_json::from_slice(body).map(|Which { id }| id);
        let changed = |changed: Result<(), Impossible>| match changed {
            Ok(()) => reply(OK, &json!({})),
            Err(Impossible) => impossible(),
        };
        let done = match path {
            "start" => serde_json::from_slice::<Fields>(body).map(|fields| start(downloads, fields)),
            "cancel" => which().map(|number| changed(downloads.cancel(number))),
            "remove" => which().map(|number| changed(downloads.remove(number))),
            "resume" => which().map(|number| match downloads.resume(number) {
                Ok(()) => reply(OK, &json!({})),
                Err(NotResumed::Impossible) => impossible(),
                Err(NotResumed::TooMany) => too_many(),
            }),
            _ => return http::text("404 Not Found", "no such path"),
        };
        done.unwrap_or_else(|error| http::text("400 Bad Request", &error.to_string()))
    }
}

fn start(downloads: &mut Downloads, fields: Fields) -> Vec<u8> {
    match downloads.start(fields) {
        Ok(number) => reply("201 Created", &json!({ "id": number })),
        Err(NotStarted::Errors(errors)) => {
            let errors: serde_json::Map<String, Value> =
                errors.into_iter().map(|(field, why)| (field.name().to_owned(), why.into())).collect();
            reply("422 Unprocessable Content", &json!({ "errors": errors }))
        }
        Err(NotStarted::Begun(len)) => reply("409 Conflict", &json!({ "begun": len })),
        Err(NotStarted::TooMany) => too_many(),
    }
}

fn too_many() -> Vec<u8> {
    let why = format!("{CONNECTIONS_MAX} downloads are running; wait for one, or cancel one");
    reply("429 Too Many Requests", &json!({ "errors": { "form": why } }))
}

fn impossible() -> Vec<u8> {
    reply("409 Conflict", &json!({ "errors": { "form": "this download has changed meanwhile" } }))
}

fn reply(status: &str, body: &Value) -> Vec<u8> {
    http::response(status, JSON, "", format!("{body}\n").as_bytes(), false)
}

impl Session for PageSession {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if let Stage::Reading(reader) = &mut self.stage {
            let request = match reader.read(io, now) {
                Ok(request) => request,
                Err(progress) => return Ok(progress),
            };
            let Some(path) = self.below(&request.path) else {
                let why = "the token is missing or wrong; open the address that multiconn has printed";
                io.output().push(&http::text("403 Forbidden", why));
                return Ok(Progress::Finished);
            };
            io.output().push(&self.respond(&request, path));
            if path != "events" || request.is_head || request.body.is_some() {
                return Ok(Progress::Finished);
            }
            io.output().push(b"retry: 1000\n\n");
            self.stage = Stage::Following(Reader::default());
        }
        io.input().take_all();
        let Stage::Following(reader) = &mut self.stage else { return Ok(Progress::Finished) };
        if io.is_stopping() || io.input_ended() {
            return Ok(Progress::Finished);
        }
        let downloads = &mut *self.form.downloads.borrow_mut();
        reader.is_owed |= downloads.version() > reader.version || reader.next.is_some_and(|next| now >= next);
        downloads.wake_at_change(reader.waker.get_or_insert_with(|| io.waker()));
        if !io.output().has_room() {
            reader.next = None;
            return Ok(Progress::NeedEither);
        }
        if mem::take(&mut reader.is_owed) {
            io.output().push(format!("data: {}\n\n", downloads.since(reader.version)).as_bytes());
            reader.version = downloads.version();
            reader.next = downloads.is_any_running().then(|| now + TICK);
        }
        Ok(Progress::NeedInput)
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Reading(reader) => reader.deadline(),
            Stage::Following(reader) => reader.next,
        }
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
            Stage::Following(_) => "events",
        })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::cli::call::getfile::form::downloads::Settings;
    use crate::cli::call::getfile::form::fields::Root;
    use crate::cli::call::getfile::form::names::Names;
    use crate::selector::{MioSelector, Selector};
    use crate::session::testing::Harness;

    /// A reader of a list without downloads, and the list.
    fn reader() -> (Harness<PageSession>, Rc<RefCell<Downloads>>, TempDir) {
        let dir = TempDir::new().unwrap();
        let settings = Settings { force: false, plain: false, timeout: Duration::from_secs(10) };
        let names = Names::new(MioSelector::new().unwrap().waker());
        let downloads = Rc::new(RefCell::new(Downloads::new(Root::open(dir.path()).unwrap(), settings, names)));
        let form = Rc::new(Form { token: "t".into(), downloads: Rc::clone(&downloads) });
        (Harness::new(PageSession { form, stage: Stage::Following(Reader::default()) }), downloads, dir)
    }

    fn start(downloads: &RefCell<Downloads>, file: &str) {
        let fields = json!({ "server": "127.0.0.1", "file": file });
        downloads.borrow_mut().start(serde_json::from_value(fields).unwrap()).unwrap();
    }

    #[test]
    fn a_reader_is_told_of_changes_and_of_progress() {
        let (mut session, downloads, _dir) = reader();
        let now = Instant::now();
        assert_eq!(session.call(now).unwrap(), Progress::NeedInput);
        assert_eq!(session.take_output(), b"data: {\"all\":[],\"entries\":[]}\n\n");
        // With nothing to tell, nothing is sent, however often it is called.
        assert_eq!(session.call(now).unwrap(), Progress::NeedInput);
        assert_eq!((session.take_output(), session.session.deadline()), (Vec::new(), None));
        start(&downloads, "a");
        assert_eq!(session.call(now).unwrap(), Progress::NeedInput);
        assert!(String::from_utf8(session.take_output()).unwrap().contains("\"file\":\"a\""));
        assert_eq!(session.session.deadline(), Some(now + TICK));
        assert_eq!(session.call(now + TICK).unwrap(), Progress::NeedInput);
        assert!(!session.take_output().is_empty());
    }

    #[test]
    fn a_reader_that_is_slow_gets_the_latest_state_at_last() {
        let (mut session, downloads, _dir) = reader();
        let now = Instant::now();
        session.high_water = 1;
        assert_eq!(session.call(now).unwrap(), Progress::NeedInput);
        for (number, file) in ["a", "b"].into_iter().enumerate() {
            start(&downloads, file);
            let now = now + 10 * TICK * u32::try_from(number).unwrap();
            assert_eq!(session.call(now).unwrap(), Progress::NeedEither);
            assert_eq!(session.session.deadline(), None, "it waits for room alone");
        }
        session.take_output();
        assert_eq!(session.call(now).unwrap(), Progress::NeedInput);
        let output = String::from_utf8(session.take_output()).unwrap();
        assert!(output.matches("data: ").count() == 1 && output.contains("\"all\":[1,2]"), "{output}");
    }
}
