//! A connection's own part of the audit of a reactor.

use super::{Config, Connection, ConnectionState, READ_LEN};
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
        let (input, charged) = (self.left_over.input_len(), self.left_over.charged());
        if input > config.input_len_max.saturating_add(READ_LEN) {
            return Err(format!("it has {input} bytes of unused input; at most {} are left", config.input_len_max));
        }
        if !(self.left_over.has_input() || self.left_over.has_output()) && charged > 0 {
            return Err(format!("it holds nothing, and is charged {charged} bytes"));
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
