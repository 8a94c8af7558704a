//! A prompt on the terminal.

use std::mem;
use std::task::{Poll, Waker};

use super::explain::{self, Words};
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
            explain::say(Words::Note(self.prompt.into())).map_err(SessionError::other)?;
            self.is_shown = true;
        }
        Ok(self.lines.next(make_waker)?.map(|line| {
            match line.as_deref().and_then(|line| line.strip_suffix(b"\n")) {
                Some(text) => {
                    self.is_shown = false;
                    Some(text.to_vec())
                }
                None => {
                    self.end_line();
                    line
                }
            }
            .filter(|text| !text.is_empty())
        }))
    }
}

impl Prompt {
    /// Ends the prompt's line, so that later output starts on its own. A drawing goes on with an empty line anyway.
    fn end_line(&mut self) {
        if mem::take(&mut self.is_shown) && !explain::is_on() {
            stderr::print_now("\n");
        }
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        self.end_line();
    }
}
