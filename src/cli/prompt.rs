//! A prompt on the terminal.

use std::task::{Poll, Waker};

use super::stderr;
use super::stdin::Stdin;
use crate::session::{SessionError, Source};

/// Lines typed at a prompt, each without its line end, up to an empty one. The prompt is on standard error, so that
/// standard output has only data.
#[derive(Debug)]
pub struct Prompt {
    prompt: &'static str,
    lines: Stdin,
    /// Whether the cursor is behind the prompt.
    is_shown: bool,
}

impl Prompt {
    pub fn new(prompt: &'static str) -> Self {
        Prompt { prompt, lines: Stdin::lines(), is_shown: false }
    }
}

impl Source for Prompt {
    fn next(&mut self, make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        if !self.is_shown {
            stderr::print_now(self.prompt);
            self.is_shown = true;
        }
        Ok(self.lines.next(make_waker)?.map(|line| {
            let line = line?;
            let Some(text) = line.strip_suffix(b"\n") else { return Some(line).filter(|line| !line.is_empty()) };
            self.is_shown = false;
            Some(text.to_vec()).filter(|text| !text.is_empty())
        }))
    }
}

/// Ends the prompt's line, so that later output starts on its own.
impl Drop for Prompt {
    fn drop(&mut self) {
        if self.is_shown {
            stderr::print_now("\n");
        }
    }
}
