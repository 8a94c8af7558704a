//! The interest of a served connection: the tutorial's `_set_selector_events_mask`, as a function.

use super::InputEnd;
use crate::selector::Interest;
use crate::session::{Progress, Role};

/// The facts that determine interest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// Why the session stopped.
    pub progress: Progress,
    pub role: Role,
    /// Whether the output is at its high-water mark.
    pub is_full: bool,
    /// Whether any output is left.
    pub has_output: bool,
    pub input_end: InputEnd,
    /// Whether our FIN has been sent.
    pub output_ended: bool,
}

impl Needs {
    /// Whether input is read. The only place that decides this.
    pub fn reads(&self) -> bool {
        self.input_end != InputEnd::Read
            && match self.progress {
                Progress::NeedInput => !self.is_full,
                // Otherwise a client and its server could each wait for the other to read.
                Progress::NeedEither => !self.is_full || matches!(self.role, Role::Opened(_)),
                Progress::NeedRoom | Progress::Working | Progress::Yield | Progress::Finished => false,
            }
    }

    /// The events to register for: the tutorial's `_set_selector_events_mask`.
    ///
    /// | the session | output | peer's FIN | interest |
    /// |---|---|---|---|
    /// | needs input, or either | none | not read | `r` |
    /// | needs input, or either | some, below the high-water mark | not read | `rw` |
    /// | needs input | full | any | `w` |
    /// | needs either, on a connection that we have opened | full | not read | `rw` |
    /// | needs either, on one that was accepted | full | any | `w` |
    /// | needs input, or either | some | read | `w` |
    /// | needs room, or yields | some | any | `w` |
    /// | is working | none | unknown | `h` |
    /// | is working | some | unknown | `wh` |
    /// | is working | some | known | `w` |
    /// | needs input, or either | none | read | `e`, until our own FIN |
    /// | is working | none | known | `e`, until our own FIN |
    /// | anything else | none | any | none |
    #[doc(alias = "_set_selector_events_mask")]
    pub fn interest(&self) -> Interest {
        let waits = matches!(self.progress, Progress::NeedInput | Progress::NeedEither | Progress::Working);
        let asked = Interest {
            readable: self.reads(),
            writable: self.has_output,
            // A session that reads notices a hang-up by reading.
            hangup: self.progress == Progress::Working && self.input_end < InputEnd::Told,
            error: false,
        };
        // Once both sides have ended, a selector may report that again and again.
        Interest { error: asked == Interest::NONE && waits && !self.output_ended, ..asked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: [InputEnd; 4] = [InputEnd::Open, InputEnd::Reported, InputEnd::Told, InputEnd::Read];
    const NOT_READ: [InputEnd; 3] = [InputEnd::Open, InputEnd::Reported, InputEnd::Told];
    const NOT_KNOWN: [InputEnd; 2] = [InputEnd::Open, InputEnd::Reported];
    const KNOWN: [InputEnd; 2] = [InputEnd::Told, InputEnd::Read];
    const READ: [InputEnd; 1] = [InputEnd::Read];
    const BOTH: [Role; 2] = [Role::Accepted, Role::Opened(1)];

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Left {
        None,
        Some,
        Full,
    }

    /// The rows of the table: sessions, roles, outputs, ends of input, and the interest until our own FIN.
    type Row<'a> = (&'a [Progress], &'a [Role], &'a [Left], &'a [InputEnd], &'a str);

    #[test]
    fn every_row_of_the_table() {
        use Progress::{Finished, NeedEither, NeedInput, NeedRoom, Working, Yield};
        let rows: [Row<'_>; 13] = [
            (&[NeedInput, NeedEither], &BOTH, &[Left::None], &NOT_READ, "r"),
            (&[NeedInput, NeedEither], &BOTH, &[Left::Some], &NOT_READ, "rw"),
            (&[NeedInput], &BOTH, &[Left::Full], &ANY, "w"),
            (&[NeedEither], &BOTH[1..], &[Left::Full], &NOT_READ, "rw"),
            (&[NeedEither], &BOTH[..1], &[Left::Full], &ANY, "w"),
            (&[NeedInput, NeedEither], &BOTH, &[Left::Some, Left::Full], &READ, "w"),
            (&[NeedRoom, Yield, Finished], &BOTH, &[Left::Some, Left::Full], &ANY, "w"),
            (&[Working], &BOTH, &[Left::None], &NOT_KNOWN, "h"),
            (&[Working], &BOTH, &[Left::Some, Left::Full], &NOT_KNOWN, "wh"),
            (&[Working], &BOTH, &[Left::Some, Left::Full], &KNOWN, "w"),
            (&[NeedInput, NeedEither], &BOTH, &[Left::None], &READ, "e"),
            (&[Working], &BOTH, &[Left::None], &KNOWN, "e"),
            (&[NeedRoom, Yield, Finished], &BOTH, &[Left::None], &ANY, "none"),
        ];
        for progress in [NeedInput, NeedEither, NeedRoom, Working, Yield, Finished] {
            for role in BOTH {
                for left in [Left::None, Left::Some, Left::Full] {
                    for input_end in ANY {
                        let (is_full, has_output) = (left == Left::Full, left != Left::None);
                        let needs = Needs { progress, role, is_full, has_output, input_end, output_ended: false };
                        let row = rows.iter().find(|(sessions, roles, lefts, ends, _)| {
                            let fits = sessions.contains(&progress) && roles.contains(&role);
                            fits && lefts.contains(&left) && ends.contains(&input_end)
                        });
                        let (.., expected) = row.unwrap_or_else(|| panic!("no row for {needs:?}"));
                        assert_eq!(needs.interest().to_string(), *expected, "{needs:?}");
                        let after = Needs { output_ended: true, ..needs }.interest().to_string();
                        assert_eq!(after, if *expected == "e" { "none" } else { *expected }, "{needs:?}");
                    }
                }
            }
        }
    }
}
