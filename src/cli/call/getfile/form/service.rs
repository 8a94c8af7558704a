//! The service of the form: the page's sessions and those of the downloads, on one loop.

use std::rc::Rc;
use std::time::Instant;

use super::session::{Form, PageSession};
use super::transfer::Transfer;
use crate::buffer::Output;
use crate::session::{Connect, End, Peer, Progress, Service, Session, SessionError, SessionIo, State};

/// Makes the sessions.
#[derive(Debug)]
pub struct FormService(Rc<Form>);

/// A session of either kind.
#[derive(Debug)]
pub enum FormSession {
    /// A connection of a browser.
    Page(PageSession),
    /// A connection to a file server.
    Transfer(Transfer),
}

impl FormService {
    /// Creates the service of a form.
    pub fn new(form: Rc<Form>) -> Self {
        FormService(form)
    }
}

impl Service for FormService {
    type Session = FormSession;

    fn accept(&mut self, _peer: &Peer) -> FormSession {
        FormSession::Page(PageSession::new(Rc::clone(&self.0)))
    }

    fn opens_connections(&self) -> bool {
        true
    }

    fn next_connect(&mut self) -> Option<Connect<FormSession>> {
        let (addresses, transfer) = self.0.downloads.borrow_mut().next_connect()?;
        Some(Connect { addresses, session: FormSession::Transfer(transfer) })
    }

    fn ended(&mut self, session: FormSession, peer: &Peer, end: End) {
        if let FormSession::Transfer(transfer) = session {
            self.0.downloads.borrow_mut().ended(transfer, peer, end);
        }
    }
}

impl FormSession {
    fn inner(&self) -> &dyn Session {
        match self {
            FormSession::Page(session) => session,
            FormSession::Transfer(session) => session,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn Session {
        match self {
            FormSession::Page(session) => session,
            FormSession::Transfer(session) => session,
        }
    }
}

impl Session for FormSession {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        self.inner_mut().advance(io, now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.inner().deadline()
    }

    fn is_idle(&self) -> bool {
        self.inner().is_idle()
    }

    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        self.inner_mut().refuse(output, why);
    }

    fn state(&self, unused: usize) -> State {
        self.inner().state(unused)
    }
}
