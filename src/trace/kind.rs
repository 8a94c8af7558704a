//! The kinds of events, without their figures.

use super::Event;
use crate::machine::named;

named! {
    /// A kind of [`Event`], by its name in JSON.
    pub enum Kind {
        /// [`Event::TurnBegun`].
        TurnBegun = "turn_begun",
        /// [`Event::Selected`].
        Selected = "selected",
        /// [`Event::Woken`].
        Woken = "woken",
        /// [`Event::Accepted`].
        Accepted = "accepted",
        /// [`Event::Refused`].
        Refused = "refused",
        /// [`Event::Introduced`].
        Introduced = "introduced",
        /// [`Event::Missed`].
        Missed = "missed",
        /// [`Event::AcceptingPaused`].
        AcceptingPaused = "accepting_paused",
        /// [`Event::AcceptingResumed`].
        AcceptingResumed = "accepting_resumed",
        /// [`Event::Opening`].
        Opening = "opening",
        /// [`Event::CannotConnect`].
        CannotConnect = "cannot_connect",
        /// [`Event::RunBegun`].
        RunBegun = "run_begun",
        /// [`Event::Received`].
        Received = "received",
        /// [`Event::InputEnded`].
        InputEnded = "input_ended",
        /// [`Event::Stepped`].
        Stepped = "stepped",
        /// [`Event::Moved`].
        Moved = "moved",
        /// [`Event::Replied`].
        Replied = "replied",
        /// [`Event::Sent`].
        Sent = "sent",
        /// [`Event::Dropped`].
        Dropped = "dropped",
        /// [`Event::OutputEnded`].
        OutputEnded = "output_ended",
        /// [`Event::RunEnded`].
        RunEnded = "run_ended",
        /// [`Event::InterestChanged`].
        InterestChanged = "interest_changed",
        /// [`Event::TimerSet`].
        TimerSet = "timer_set",
        /// [`Event::TimerFired`].
        TimerFired = "timer_fired",
        /// [`Event::StopDelayed`].
        StopDelayed = "stop_delayed",
        /// [`Event::Stopping`].
        Stopping = "stopping",
        /// [`Event::Reloaded`].
        Reloaded = "reloaded",
        /// [`Event::Panicked`].
        Panicked = "panicked",
        /// [`Event::Closed`].
        Closed = "closed",
        /// [`Event::TurnEnded`].
        TurnEnded = "turn_ended",
        /// [`Event::ConnectionIs`].
        ConnectionIs = "connection_is",
        /// [`Event::LoopIs`].
        LoopIs = "loop_is",
    }
}

impl Event<'_> {
    /// Its kind.
    #[inline]
    pub fn kind(&self) -> Kind {
        match self {
            Event::TurnBegun { .. } => Kind::TurnBegun,
            Event::Selected { .. } => Kind::Selected,
            Event::Woken => Kind::Woken,
            Event::Accepted => Kind::Accepted,
            Event::Refused { .. } => Kind::Refused,
            Event::Introduced { .. } => Kind::Introduced,
            Event::Missed { .. } => Kind::Missed,
            Event::AcceptingPaused { .. } => Kind::AcceptingPaused,
            Event::AcceptingResumed => Kind::AcceptingResumed,
            Event::Opening => Kind::Opening,
            Event::CannotConnect { .. } => Kind::CannotConnect,
            Event::RunBegun => Kind::RunBegun,
            Event::Received { .. } => Kind::Received,
            Event::InputEnded => Kind::InputEnded,
            Event::Stepped(_) => Kind::Stepped,
            Event::Moved { .. } => Kind::Moved,
            Event::Replied { .. } => Kind::Replied,
            Event::Sent { .. } => Kind::Sent,
            Event::Dropped { .. } => Kind::Dropped,
            Event::OutputEnded => Kind::OutputEnded,
            Event::RunEnded { .. } => Kind::RunEnded,
            Event::InterestChanged { .. } => Kind::InterestChanged,
            Event::TimerSet { .. } => Kind::TimerSet,
            Event::TimerFired { .. } => Kind::TimerFired,
            Event::StopDelayed { .. } => Kind::StopDelayed,
            Event::Stopping { .. } => Kind::Stopping,
            Event::Reloaded => Kind::Reloaded,
            Event::Panicked { .. } => Kind::Panicked,
            Event::Closed { .. } => Kind::Closed,
            Event::TurnEnded { .. } => Kind::TurnEnded,
            Event::ConnectionIs(_) => Kind::ConnectionIs,
            Event::LoopIs(_) => Kind::LoopIs,
        }
    }
}
