//! What the clients of a run have done, and what they report.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::subject::Verdict;
use crate::address::Addr;
use crate::exchange;
use crate::selector::sim::SimNet;
use crate::session::End;
use crate::trace::{Event, Record, Subscriber};

/// The deeds of all clients. Times are those of the network, which no fault of the clock changes.
#[derive(Debug)]
pub struct Deeds<R> {
    /// What was done in each call.
    pub calls: Vec<Deed<R>>,
    /// The call of each connection that was opened, by its number less one.
    pub opened: Vec<usize>,
    /// The number of calls that have ended.
    pub ended: usize,
    /// The time when the loop began to stop.
    pub stopping: Option<Duration>,
}

/// What was done in one call.
#[derive(Debug)]
pub struct Deed<R> {
    /// The attempts to connect: the address and the time of each.
    pub attempts: Vec<(Addr, Duration)>,
    /// The time when the connection was found to be open.
    pub connected: Option<Duration>,
    /// The time when output was last sent.
    pub last_sent: Duration,
    /// The number of its connection's runs.
    pub runs: u32,
    /// The time of the end, its kind, and what the session has received.
    pub ended: Option<(Duration, Outcome, R)>,
    /// The servers that have accepted a connection: the address, and the conversation in the ledger.
    pub accepted: Vec<(Addr, usize)>,
}

/// How a call ended: an [`End`] without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The session has come to this verdict.
    Verdict(Verdict),
    /// [`End::ConnectFailed`]
    ConnectFailed,
    /// [`End::ConnectTimedOut`]
    ConnectTimedOut,
    /// [`End::Broken`]
    Broken,
    /// [`End::WriteTimedOut`]
    WriteTimedOut,
    /// [`End::MemoryOverLimit`]
    MemoryOverLimit,
    /// [`End::Stopped`]
    Stopped,
    /// [`End::Cut`]
    Cut,
    /// An end that no client has.
    Strange,
}

impl Outcome {
    /// The outcome of a call with this `end`.
    pub fn new(end: &End, verdict: impl FnOnce(&crate::session::SessionError) -> Verdict) -> Self {
        match end {
            End::Finished => Outcome::Verdict(Verdict::Complete),
            End::Failed(error) => Outcome::Verdict(verdict(error)),
            End::ConnectFailed(_) => Outcome::ConnectFailed,
            End::ConnectTimedOut(_) => Outcome::ConnectTimedOut,
            End::Broken(_) => Outcome::Broken,
            End::WriteTimedOut(_) => Outcome::WriteTimedOut,
            End::MemoryOverLimit(_) => Outcome::MemoryOverLimit,
            End::Stopped => Outcome::Stopped,
            End::Cut => Outcome::Cut,
            End::Idle(_) | End::InputOverLimit(_) | End::Refused | End::Panicked => Outcome::Strange,
        }
    }
}

impl<R> Deeds<R> {
    /// The deeds of this number of calls, before they begin.
    pub fn of(calls: usize) -> Self {
        let deed = |_| Deed {
            attempts: Vec::new(),
            connected: None,
            last_sent: Duration::ZERO,
            runs: 0,
            ended: None,
            accepted: Vec::new(),
        };
        Deeds { calls: (0..calls).map(deed).collect(), opened: Vec::new(), ended: 0, stopping: None }
    }
}

/// A subscriber that records the deeds.
#[derive(Debug)]
pub struct Watch<R> {
    /// Tells the time.
    pub net: SimNet,
    /// The record.
    pub deeds: Rc<RefCell<Deeds<R>>>,
}

impl<R> Subscriber for Watch<R> {
    fn record(&self, record: &Record<'_>) {
        let (mut deeds, now) = (self.deeds.borrow_mut(), self.net.now());
        if let Event::Stopping { .. } = record.event {
            deeds.stopping = Some(now);
        }
        let Some(peer) = record.connection.map(|connection| connection.peer) else { return };
        let Some(number) = peer.number() else { return };
        let index = deeds.opened[number as usize - 1];
        let deed = &mut deeds.calls[index];
        match record.event {
            Event::Opening => deed.attempts.push((peer.addr, now)),
            Event::Moved { event: exchange::Event::Connected, .. } => deed.connected = Some(now),
            Event::Sent { .. } => deed.last_sent = now,
            Event::RunBegun => deed.runs += 1,
            _ => {}
        }
    }
}
