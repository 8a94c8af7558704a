//! A connection's own part of the audit of a reactor.

use super::{Config, Connection, ConnectionState, InputEnd, READ_LEN};
use crate::selector::{Interest, Stream};
use crate::session::Session;

impl<S: Stream, T: Session> Connection<S, T> {
    /// Checks it between two turns.
    ///
    /// # Errors
    /// The first violation, in words.
    #[inline]
    pub fn audit(&self, config: &Config) -> Result<(), String> {
        if matches!(self.state, ConnectionState::Closed) {
            return Err("it is closed, and still there".into());
        }
        if self.left_over.is_empty() {
            return Ok(());
        }
        if !(self.left_over.has_input() || self.left_over.has_output()) {
            return Err("it holds nothing, and keeps memory".into());
        }
        if !self.left_over.is_charged() {
            return Err("it holds data, and is not charged for memory".into());
        }
        let (input, charged) = (self.left_over.input_len(), self.left_over.charged());
        if input > config.input_len_max.saturating_add(READ_LEN) {
            return Err(format!("it has {input} bytes of unused input; at most {} are left", config.input_len_max));
        }
        if charged < input {
            return Err(format!("it is charged {charged} bytes of memory for {input} of input"));
        }
        match self.left_over.memory_max(config.output_high_water.max(1)) {
            Some(max) if charged > max => {
                let output = self.left_over.output_len();
                Err(format!("it uses {charged} bytes for {input} of input and {output} of output; {max} suffice"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether it holds data between its runs.
    pub fn holds_data(&self) -> bool {
        !self.left_over.is_empty()
    }

    /// Checks that it has nothing to do while it waits: no event is lost.
    ///
    /// # Errors
    /// What it could do, in words.
    #[inline]
    pub fn audit_wait(&self, config: &Config) -> Result<(), String> {
        let (may_read, may_be_called) = match &self.state {
            ConnectionState::Served(_) => (self.needs(config).reads(), self.is_due),
            ConnectionState::Lingering(_) => (self.input_end != InputEnd::Read, false),
            ConnectionState::Connecting(_) | ConnectionState::Draining(_) | ConnectionState::Closed => (false, false),
        };
        if may_read && self.readable {
            return Err("it waits, and could read".into());
        }
        if self.can_send() {
            return Err("it waits, and could write".into());
        }
        if may_be_called {
            return Err("it waits, and its session is to be called".into());
        }
        Ok(())
    }

    /// Checks the interest with which it waits.
    ///
    /// # Errors
    /// The violation, in words.
    #[inline]
    pub fn audit_interest(&self, interest: Interest, config: &Config) -> Result<(), String> {
        let wanted = match &self.state {
            ConnectionState::Connecting(_) | ConnectionState::Draining(_) => Interest::WRITE,
            ConnectionState::Served(_) => self.needs(config).interest(),
            // For the moment until its first look, a registration isn't worth its system call.
            ConnectionState::Lingering(lingering) if lingering.looks_soon() && interest == Interest::NONE => interest,
            ConnectionState::Lingering(_) => Interest::READ,
            ConnectionState::Closed => Interest::NONE,
        };
        if interest == wanted { Ok(()) } else { Err(format!("it is registered for {interest}, and wants {wanted}")) }
    }
}
