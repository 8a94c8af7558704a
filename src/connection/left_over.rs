//! What a run of a connection has left over for the next.

use std::time::Instant;

use crate::buffer::{Outgoing, Rest};

/// What was received and not used, and what was not sent. Owns no heap memory, and is but a pointer, while that is nothing.
#[derive(Debug, Default)]
pub(super) struct LeftOver(Option<Box<Kept>>);

/// The input, the output, or both.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub input: Rest,
    pub output: Outgoing,
    /// When the peer must have taken some of the output.
    pub write_deadline: Option<Instant>,
}

impl LeftOver {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub fn has_input(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| !kept.input.is_empty())
    }

    pub fn has_output(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| !kept.output.is_empty())
    }

    /// How many bytes of input there are.
    pub fn input_len(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.input.len())
    }

    /// How many bytes of output there are, as far as they can be counted.
    pub fn output_len(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.output.len())
    }

    /// When the peer must have taken some of the output, if there is any.
    pub fn write_deadline(&self) -> Option<Instant> {
        self.0.as_ref()?.write_deadline
    }

    /// What there is, to use some of it; [`Self::tidy`] is to follow.
    pub fn kept(&mut self) -> Option<&mut Kept> {
        self.0.as_deref_mut()
    }

    pub fn keep_input(&mut self, input: &[u8]) {
        if !input.is_empty() {
            self.0.get_or_insert_default().input.extend(input);
        }
    }

    /// Keeps `output`, where there was none, of which the peer has to take some by `write_deadline`.
    pub fn keep_output(&mut self, output: Outgoing, write_deadline: Instant) {
        if output.is_empty() {
            return;
        }
        let kept = self.0.get_or_insert_default();
        kept.output = output;
        kept.write_deadline = Some(write_deadline);
    }

    pub fn drop_input(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.input = Rest::default();
        }
        self.tidy();
    }

    /// Lets go of what is used up.
    pub fn tidy(&mut self) {
        let Some(kept) = &mut self.0 else { return };
        if kept.output.is_empty() {
            kept.write_deadline = None;
            if kept.input.is_empty() {
                self.0 = None;
            }
        }
    }
}
