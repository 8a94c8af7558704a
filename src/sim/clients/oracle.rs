//! The judge of each call: its addresses are tried in order, its report is true, and it ends in time.

use std::time::Duration;

use super::call::{Call, Reaction};
use super::deeds::{Deed, Deeds, Outcome};
use super::subject::{ClientSubject, Expected, Then, Verdict};
use super::world::ClientWorld;
use crate::address::Addr;
use crate::selector::sim::FaultKind;
use crate::sim::faults::PlannedFault;
use crate::sim::ledger::{Conversation, Ledger};
use crate::sim::oracles::liveness::SLACK;
use crate::sim::oracles::{Oracle, Violation};
use crate::sim::peer::{Leaving, Manner, Reading};
use crate::text::count;

/// The time that the network takes to open a connection.
const HANDSHAKE: Duration = Duration::from_millis(1);

/// A call with everything that judges it.
struct Case<'a, C: ClientSubject> {
    world: &'a ClientWorld<C>,
    ledger: &'a Ledger,
    call: &'a Call<C::Request>,
    deed: &'a Deed<C::Replies>,
    stopping: Option<Duration>,
}

/// Judges a run that has ended.
pub fn judge<C: ClientSubject>(
    world: &ClientWorld<C>,
    ledger: &Ledger,
    deeds: &Deeds<C::Replies>,
) -> Result<(), Violation> {
    if let Some(message) = &ledger.panicked {
        return Err(Violation::new(Oracle::Panics, format!("a session or the service panicked: {message}")));
    }
    for (call, deed) in world.calls.iter().zip(&deeds.calls) {
        let case = Case { world, ledger, call, deed, stopping: deeds.stopping };
        case.judge().map_err(|(oracle, what)| Violation::new(oracle, format!("client {}: {what}", call.number())))?;
    }
    Ok(())
}

type Judged = Result<(), (Oracle, String)>;

fn reports(what: impl Into<String>) -> Judged {
    Err((Oracle::Reports, what.into()))
}

fn unless(excuse: bool, what: &str) -> Judged {
    if excuse { Ok(()) } else { reports(what) }
}

fn in_time(what: &str, at: Duration, by: Duration) -> Judged {
    match at <= by {
        true => Ok(()),
        false => Err((Oracle::Liveness, format!("{what} at {at:?}, and should by {by:?}"))),
    }
}

impl<C: ClientSubject> Case<'_, C> {
    fn judge(&self) -> Judged {
        let Some((at, outcome, replies)) = &self.deed.ended else {
            let due = self.call.opens() + self.slack();
            let is_stopped = self.deed.attempts.is_empty() && self.stopping.is_some_and(|stopping| stopping <= due);
            return if is_stopped { Ok(()) } else { Err((Oracle::Liveness, "it never ends".to_owned())) };
        };
        if let Some(stopping) = self.stopping {
            in_time("it ends after a stop", *at, stopping + self.world.limits.drain_timeout + self.slack())?;
        }
        self.attempts(*at, *outcome)?;
        match self.deed.connected {
            None => self.failure(*at, *outcome),
            Some(connected) => {
                let reached = self.deed.attempts.last().and_then(|(addr, _)| self.accepted(*addr));
                match reached {
                    Some(conversation) => self.conversation(conversation, connected, (*at, *outcome), replies),
                    None => reports("it reports a connection that nobody accepted"),
                }
            }
        }
    }

    /// The conversation of the server on this address.
    fn accepted(&self, addr: Addr) -> Option<&Conversation> {
        let accepted = self.deed.accepted.iter().find(|(accepted, _)| *accepted == addr);
        accepted.map(|(_, index)| &self.ledger.conversations[*index])
    }

    /// The reaction to an attempt that was given up at a certain time. A server that resets at once looks like none.
    fn reaction(&self, number: usize, until: Duration) -> Option<Reaction> {
        let ((addr, began), usual) = self.deed.attempts.get(number).zip(self.call.addresses.get(number))?;
        let resets = matches!(self.call.server.leaving, Leaving::Leaves(Manner::Resets, _));
        match self.world.reaction(*usual, *began) {
            Reaction::Serves
                if resets && self.accepted(*addr).and_then(|it| it.gone).is_some_and(|gone| gone <= until) =>
            {
                Some(Reaction::Refuses)
            }
            reaction => Some(reaction),
        }
    }

    /// The time that may pass in addition to timeouts: faults delay each run.
    fn slack(&self) -> Duration {
        self.world.delay() * (self.deed.runs + 1) + SLACK
    }

    /// Whether connecting to a server may take longer than the client waits.
    fn may_time_out(&self) -> bool {
        self.world.delay() + HANDSHAKE >= self.world.connect_timeout
    }

    /// Whether the system may refuse to watch the connection.
    fn may_break(&self) -> bool {
        self.world.faults.iter().any(PlannedFault::breaks_connections)
    }

    /// The addresses are tried in order, each in its time, until one serves.
    fn attempts(&self, end: Duration, outcome: Outcome) -> Judged {
        let (addrs, attempts, timeout) = (self.call.addrs(), &self.deed.attempts, self.world.connect_timeout);
        let tried = attempts.iter().map(|(addr, _)| *addr);
        if !tried.eq(addrs.iter().copied().take(attempts.len())) {
            return reports("it doesn't try its addresses in order");
        }
        let is_over =
            self.deed.connected.is_none() && matches!(outcome, Outcome::ConnectFailed | Outcome::ConnectTimedOut);
        if is_over && attempts.len() < addrs.len() {
            let (tried, all) = (attempts.len(), addrs.len());
            return reports(format!("it gives up after {tried} of {all} addresses"));
        }
        for (number, (_, began)) in attempts.iter().enumerate() {
            let next = attempts.get(number + 1).map(|(_, next)| *next);
            let left = next.or(self.deed.connected).unwrap_or(end);
            // An attempt that is broken off says nothing about its address.
            let reaction = match next.is_some() || is_over {
                true => self.reaction(number, left),
                false => None,
            };
            let until = match reaction {
                Some(Reaction::Fails) => *began,
                Some(Reaction::Refuses) => *began + HANDSHAKE,
                None if self.deed.connected.is_some() => *began + HANDSHAKE,
                Some(Reaction::Serves | Reaction::Ignores) | None => *began + timeout,
            };
            in_time(&format!("it is done with address {}", number + 1), left, until + self.slack())?;
            match reaction {
                Some(Reaction::Serves) => unless(self.may_time_out(), "it leaves an address that serves")?,
                Some(Reaction::Ignores) => {
                    let is_due = left + self.world.delay() >= *began + timeout;
                    unless(is_due, "it leaves an address before the connect timeout")?;
                }
                Some(Reaction::Refuses | Reaction::Fails) | None => {}
            }
        }
        Ok(())
    }

    /// The report of a call that found no server.
    fn failure(&self, at: Duration, outcome: Outcome) -> Judged {
        let last = self.deed.attempts.len().checked_sub(1).and_then(|last| self.reaction(last, at));
        match outcome {
            Outcome::ConnectFailed => {
                unless(matches!(last, None | Some(Reaction::Refuses | Reaction::Fails)), "no address failed at last")
            }
            Outcome::ConnectTimedOut => {
                unless(self.may_time_out() || last == Some(Reaction::Ignores), "the last address has answered")
            }
            Outcome::Broken => unless(self.may_break(), "nothing broke"),
            Outcome::Stopped | Outcome::Cut => unless(self.stopping.is_some(), "nobody stopped it"),
            Outcome::Verdict(_) | Outcome::WriteTimedOut | Outcome::MemoryOverLimit | Outcome::Strange => {
                reports(format!("it was not connected, and reports {outcome:?}"))
            }
        }
    }

    /// The conversation with a server that was found.
    fn conversation(
        &self,
        conversation: &Conversation,
        connected: Duration,
        (at, outcome): (Duration, Outcome),
        replies: &C::Replies,
    ) -> Judged {
        let (subject, requests, server) = (&self.world.subject, &self.call.requests, &self.call.server);
        let output = &server.answer.output;
        let look = |received: &[u8]| (output.starts_with(received), received.len());
        let (is_asked_for, received) = conversation.peer.with_received(look);
        if !is_asked_for {
            return Err((Oracle::Bytes, "its server receives something else than its requests".to_owned()));
        }
        let taken = conversation.peer.taken();
        // Whatever is cut off ends with a reset: an end looks as if all were there.
        let has_seen_end = conversation.peer.end_seen().is_some() && conversation.peer.reset_seen().is_none();
        if has_seen_end && conversation.gone.is_none() && received < output.len() {
            return Err((Oracle::Bytes, "its server lacks the rest of a request, before an end in order".to_owned()));
        }
        let expected = subject.expected(requests, &server.stream[..taken]);
        let sent = Sent { case: self, conversation, connected };
        in_time("it ends", at, sent.deadline(expected.then == Then::Unknown, at))?;
        if expected.then == Then::Unknown {
            return Ok(());
        }
        let finds = |what: &str| {
            let (taken, sent) = (count(taken, "byte"), conversation.sent);
            reports(format!("it reports {outcome:?} with {taken} of {sent} read: {what}"))
        };
        if outcome != Outcome::Verdict(Verdict::Early) && *replies != expected.replies {
            return finds("its replies are wrong");
        }
        let is_true = self.is_true(&sent, &expected, (at, outcome));
        is_true.or_else(finds)?;
        // The right answers may still be over the client's limits.
        let is_served = matches!(outcome, Outcome::Verdict(Verdict::Complete | Verdict::Wrong));
        match server.is_probe && !is_served {
            true => reports(format!("it reports {outcome:?} after all faults have passed")),
            false => Ok(()),
        }
    }

    /// Whether a report is true.
    fn is_true(
        &self,
        sent: &Sent<'_, C>,
        expected: &Expected<C::Replies>,
        (at, outcome): (Duration, Outcome),
    ) -> Result<(), &'static str> {
        let unless = |excuse: bool, what: &'static str| if excuse { Ok(()) } else { Err(what) };
        let (server, limits, conversation) = (&self.call.server, &self.world.limits, sent.conversation);
        match outcome {
            Outcome::Verdict(Verdict::Complete) => {
                return unless(expected.then == Then::Completes, "not all replies have come");
            }
            Outcome::Verdict(Verdict::Wrong) => {
                return unless(expected.then == Then::Fails, "nothing is wrong with them");
            }
            Outcome::Verdict(Verdict::Early) => return unless(sent.is_early(), "no reply is early"),
            _ => {}
        }
        unless(expected.then == Then::Waits, "they suffice for a verdict")?;
        let taken = conversation.peer.taken();
        match outcome {
            Outcome::Verdict(Verdict::Cut) => {
                unless(conversation.ended.is_some(), "the server hasn't ended its side")?;
                unless(taken == conversation.sent, "the rest is lost")
            }
            Outcome::Verdict(Verdict::Slow) => {
                let since = match self.world.subject.counts_output() {
                    true => sent.time_of(expected.since).max(self.deed.last_sent),
                    false => sent.time_of(expected.since),
                };
                let timeout = self.world.subject.timeout();
                unless(since + timeout <= at + self.world.delay(), "the timeout hasn't passed")?;
                unless(sent.by(at.saturating_sub(self.slack())) <= taken, "the rest is lost")
            }
            Outcome::Broken => unless(conversation.gone.is_some() || self.may_break(), "nothing broke"),
            Outcome::WriteTimedOut => {
                let reads = server.reading == Reading::Eager && self.world.delay() < limits.write_timeout;
                unless(!reads, "the server reads everything")
            }
            Outcome::MemoryOverLimit => unless(limits.memory_is_short(), "the memory is not used up"),
            Outcome::Cut => unless(self.stopping.is_some(), "nobody stopped it"),
            _ => Err("no client that works ends so"),
        }
    }
}

/// What a server has sent, and when.
struct Sent<'a, C: ClientSubject> {
    case: &'a Case<'a, C>,
    conversation: &'a Conversation,
    connected: Duration,
}

impl<C: ClientSubject> Sent<'_, C> {
    /// The pieces that were sent: the time of each, and the number of bytes sent by then.
    fn pieces(&self) -> impl Iterator<Item = (Duration, usize)> {
        let ends = self.case.call.server.pieces.iter().scan(0, |end, piece| {
            *end += piece.len;
            Some(*end)
        });
        self.conversation.sent_at.iter().copied().zip(ends)
    }

    /// The number of bytes that were sent by this time.
    fn by(&self, time: Duration) -> usize {
        self.pieces().take_while(|(at, _)| *at <= time).last().map_or(0, |(_, end)| end)
    }

    /// The time by which this number of bytes was sent and could arrive.
    fn time_of(&self, len: usize) -> Duration {
        let sent = self.pieces().find(|(_, end)| *end >= len).filter(|_| len > 0);
        sent.map_or(self.connected, |(at, _)| at.max(self.connected))
    }

    /// Whether the server sends a reply before it has received all that it replies to.
    fn is_early(&self) -> bool {
        let mut awaited = 0;
        let ends = self.pieces().map(|(_, end)| end);
        self.case.call.server.pieces.iter().zip(ends).any(|(piece, end)| {
            awaited = piece.awaits.max(awaited);
            end > awaited
        })
    }

    /// Whether this number of bytes tells the client how its conversation ends.
    fn suffices(&self, len: usize) -> bool {
        let Case { world, call, .. } = self.case;
        world.subject.expected(&call.requests, &call.server.stream[..len]).then != Then::Waits
    }

    /// Whether the client knows how its conversation ends before a certain time.
    fn is_known_before(&self, time: Duration) -> bool {
        let has_gone = || [self.conversation.ended, self.conversation.gone].into_iter().flatten().any(|at| at < time);
        let sent = || self.pieces().take_while(|(at, _)| *at < time).last();
        self.connected < time && (has_gone() || sent().is_some_and(|(_, len)| self.suffices(len)))
    }

    /// The time when the client knows how its conversation ends: its server has gone, or has sent enough.
    fn known(&self) -> Option<Duration> {
        let pieces: Vec<_> = self.pieces().collect();
        let first = pieces.partition_point(|(_, len)| !self.suffices(*len));
        let enough = pieces.get(first).map(|(at, _)| *at);
        let events = [enough, self.conversation.ended, self.conversation.gone];
        events.into_iter().flatten().min().map(|at| at.max(self.connected))
    }

    /// The time by which the call, which has ended at `at`, must have ended.
    fn deadline(&self, is_open: bool, at: Duration) -> Duration {
        let Case { world, call, deed, .. } = self.case;
        if call.server.is_probe {
            let ahead = world.faults.iter().map(|fault| match fault.kind {
                FaultKind::ClockJumps(by) => by,
                _ => Duration::ZERO,
            });
            return call.opens() + ahead.sum::<Duration>() + SLACK;
        }
        let last = self.connected.max(self.conversation.last_action).max(deed.last_sent);
        let patience = last + world.subject.timeout() + world.limits.write_timeout;
        let slack = self.case.slack();
        // The exact time takes long to find, and matters only if the client is late.
        let is_late = !is_open && self.is_known_before(at.saturating_sub(slack));
        let known = if is_late { self.known() } else { None };
        patience.min(known.unwrap_or(Duration::MAX)) + slack
    }
}
