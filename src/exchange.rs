//! The state machine of a connection: its stages from opening to closing, and the interest in each.
//!
//! The tutorial's `Message` passes through protoheader, JSON header, content and response, toggling between read and
//! write interest on the way. [`message`](crate::message) has the first three; this module has the fourth and
//! everything around it. A connection receives until a request is read. It responds until the reply is sent, or the
//! rest of it is below the high-water mark, and receives again. When the session is done, the connection drains its
//! output, lingers if the peer may still be sending, and closes.
//!
//! A session takes part through its return value: its [`Progress`](crate::session::Progress) or its
//! [error](crate::session::ErrorKind) becomes one of the [`Event`]s. The connection does the rest for every protocol.

use Stage::{Closed, Connecting, Draining, Lingering, Receiving, Responding};

use crate::machine::{self, named, transitions};

named! {
    /// A stage of a connection's life. The connection's own state has the data for it.
    pub enum Stage {
        /// We are opening it.
        Connecting = "connecting",
        /// The session waits for a request, or for the rest of one.
        Receiving = "receiving",
        /// A request is read. Its reply is being made, or waits until the peer accepts earlier output.
        ///
        /// The tutorial's `response_created` keeps this stage from being entered twice.
        #[doc(alias = "response_created")]
        Responding = "responding",
        /// The session is done; its remaining output is being sent.
        Draining = "draining",
        /// Our side has ended; input is dropped until the peer ends its side.
        Lingering = "lingering",
        /// It is over. This stage is final.
        Closed = "closed",
    }
}

impl Stage {
    /// The stage that `event` leads to. An event that has no row changes nothing.
    #[inline]
    #[must_use]
    pub const fn on(self, event: Event) -> Stage {
        match next(self, event) {
            Some(stage) => stage,
            None => self,
        }
    }

    /// The interest in this stage: the tutorial's `_set_selector_events_mask`, as a column of the table.
    /// `Needs::interest`, in `src/connection/interest.rs`, decides among those that have more than one.
    #[doc(alias = "_set_selector_events_mask")]
    pub const fn interest(self) -> &'static str {
        match self {
            Connecting | Draining => "w",
            Receiving => "r, or e after the end of input, and w while output is left",
            Responding => "w while output is left, h or e while the session is at work",
            Lingering => "r",
            Closed => "none",
        }
    }
}

named! {
    /// What can happen to a connection.
    pub enum Event {
        /// The outgoing connection is open.
        Connected = "connected",
        /// The session has read a request, and has begun its reply.
        RequestRead = "request read",
        /// All of the output is sent, or the rest is below the high-water mark.
        OutputSent = "output sent",
        /// The high-water mark is reached.
        OutputFull = "output full",
        /// The session is finished, and the peer could still send.
        LastReply = "last reply",
        /// The input breaks a rule of the protocol, or the session has failed for another reason.
        Violation = "violation",
        /// The peer has ended its sending side, after a whole request or within one.
        InputEnded = "input ended",
        /// A timeout has passed without the input that the session, or the connection, was waiting for.
        DeadlinePassed = "deadline passed",
        /// The server stops while no work is in progress.
        Stopped = "stopped",
        /// The session of a connection that we opened has finished or failed, so the rest of its output is not needed.
        Done = "done",
        /// The peer has accepted none of the output within the write timeout.
        OutputStalled = "output stalled",
        /// Our FIN is sent while input may still be on its way.
        OurEndSent = "our end sent",
        /// The connection is broken.
        PeerGone = "peer gone",
        /// The drain timeout has passed, or the session has panicked.
        Cut = "cut",
    }
}

transitions! {
    Stage, Event {
        Connecting --[ Connected      ]--> Receiving:  "the session is called, and may send first";
        Connecting --[ DeadlinePassed ]--> Closed:     "the connect timeout: the next address, if there is one";
        Connecting --[ Stopped        ]--> Closed:     "close";
        Connecting --[ PeerGone       ]--> Closed:     "refused: the next address, if there is one";
        Connecting --[ Cut            ]--> Closed:     "close";

        Receiving  --[ RequestRead    ]--> Responding: "the session makes its reply, and it is sent at once";
        Receiving  --[ LastReply      ]--> Draining:   "no more requests are wanted";
        Receiving  --[ Violation      ]--> Draining:   "the error reply is the last";
        Receiving  --[ InputEnded     ]--> Draining:   "the peer is done, or was cut off";
        Receiving  --[ DeadlinePassed ]--> Draining:   "the idle timeout, or one of the session's";
        Receiving  --[ Stopped        ]--> Draining:   "the server stops";
        Receiving  --[ Done           ]--> Closed:     "a client has its replies";
        Receiving  --[ OutputStalled  ]--> Closed:     "the write timeout";
        Receiving  --[ PeerGone       ]--> Closed:     "reset";
        Receiving  --[ Cut            ]--> Closed:     "what has begun is given up";

        Responding --[ OutputSent     ]--> Receiving:  "the next request can be read; the idle timeout begins";
        Responding --[ OutputFull     ]--> Responding: "back-pressure: nothing is read until there is room";
        Responding --[ LastReply      ]--> Draining:   "this reply was the last";
        Responding --[ Violation      ]--> Draining:   "the error reply is the last";
        Responding --[ InputEnded     ]--> Draining:   "nobody waits for the reply any more";
        Responding --[ DeadlinePassed ]--> Draining:   "the reply took too long to make";
        Responding --[ Stopped        ]--> Draining:   "the server stops";
        Responding --[ Done           ]--> Closed:     "a client has its replies";
        Responding --[ OutputStalled  ]--> Closed:     "the write timeout";
        Responding --[ PeerGone       ]--> Closed:     "reset";
        Responding --[ Cut            ]--> Closed:     "what has begun is given up";

        Draining   --[ OutputSent     ]--> Closed:     "nothing more is on its way: close";
        Draining   --[ OurEndSent     ]--> Lingering:  "closing now could reset the connection, and destroy the last reply";
        Draining   --[ OutputStalled  ]--> Closed:     "the write timeout";
        Draining   --[ PeerGone       ]--> Closed:     "reset";
        Draining   --[ Cut            ]--> Closed:     "what is left of the output is given up";

        Lingering  --[ InputEnded     ]--> Closed:     "the peer has read the end, and has ended its side";
        Lingering  --[ Violation      ]--> Closed:     "more input than is dropped";
        Lingering  --[ DeadlinePassed ]--> Closed:     "the linger timeout";
        Lingering  --[ PeerGone       ]--> Closed:     "reset";
        Lingering  --[ Cut            ]--> Closed:     "close";
    }
}

/// The table as a Mermaid state diagram.
pub fn mermaid() -> String {
    machine::mermaid(&Stage::ALL, &[Connecting, Receiving], Some(Closed), TRANSITIONS)
}

/// The table as plain text: a line for the interest of each stage, and one for each row.
pub fn plain_text() -> String {
    let interest = Stage::ALL.map(|stage| format!("{:<10}   {}\n", stage.to_string(), stage.interest()));
    format!("{}\n{}", interest.concat(), machine::plain_text(&Stage::ALL, TRANSITIONS))
}

#[cfg(test)]
mod tests {
    use super::Event::Cut;
    use super::*;

    #[test]
    fn every_stage_but_the_first_is_reached_and_every_one_but_the_last_is_left() {
        for stage in Stage::ALL {
            assert_eq!(TRANSITIONS.iter().any(|row| row.to == stage), stage != Connecting, "{stage:?}");
            assert_eq!(TRANSITIONS.iter().any(|row| row.from == stage), stage != Closed, "{stage:?}");
        }
    }

    #[test]
    fn every_stage_can_be_cut_and_an_event_without_a_row_changes_nothing() {
        for stage in Stage::ALL {
            assert_eq!(stage.on(Cut), Closed);
            for event in Event::ALL {
                assert_eq!(stage.on(event), next(stage, event).unwrap_or(stage));
            }
        }
    }
}
