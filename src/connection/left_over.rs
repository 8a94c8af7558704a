//! Data that a run of a connection leaves over for the next.

use std::time::Instant;

use crate::buffer::{Outgoing, Rest};

/// Unused input and unsent output. While there is none, this owns no heap memory and is only a pointer.
#[derive(Debug, Default)]
pub(super) struct LeftOver(Option<Box<Kept>>);

/// The input, the output, or both.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub input: Rest,
    pub output: Outgoing,
    /// The deadline for the peer to accept some of the output.
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

    /// The number of bytes of input.
    pub fn input_len(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.input.len())
    }

    /// The number of bytes of output, or `usize::MAX` if there are more.
    pub fn output_len(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.output.len())
    }

    /// The deadline for the peer to accept some of the output, if there is any.
    pub fn write_deadline(&self) -> Option<Instant> {
        self.0.as_ref()?.write_deadline
    }

    /// The data, if any, to use some of it; call [`Self::tidy`] afterwards.
    pub fn kept(&mut self) -> Option<&mut Kept> {
        self.0.as_deref_mut()
    }

    pub fn keep_input(&mut self, input: &[u8]) {
        if !input.is_empty() {
            self.0.get_or_insert_default().input.extend(input);
        }
    }

    /// Keeps `output`, where there was none. The peer must accept some of it by `write_deadline`.
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

    /// Frees what is used up.
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
