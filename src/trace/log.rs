//! The log: the trace in words.

use log::LevelFilter;

use super::{Event, PanicIn, Record, RunEnd, Subscriber};
use crate::session::{Peer, Role};
use crate::text::{count, reason};

/// Logs the events, with the crate `log`: the trace in words.
///
/// The smallest steps are left out: the beginnings of turns and runs, timers, and what other lines say already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

/// The targets of the lines, for filters: what the loop does, what happens to a connection, and the session's steps.
const REACTOR: &str = "multiconn::reactor";
const CONNECTION: &str = "multiconn::connection";
const SESSION: &str = "multiconn::message";

impl Subscriber for Log {
    fn level(&self) -> LevelFilter {
        log::max_level()
    }

    fn record(&self, record: &Record<'_>) {
        match record.connection {
            Some(connection) => log_of_connection(connection.peer, &record.event),
            None => log_of_loop(&record.event),
        }
    }

    fn flush(&self) {
        log::logger().flush();
    }
}

fn log_of_connection(peer: &Peer, event: &Event<'_>) {
    match event {
        Event::Accepted => log::info!(target: REACTOR, "Accepted connection from {peer}"),
        Event::Refused { why } => log::warn!(target: REACTOR, "Refused connection from {peer}: {why}"),
        Event::Introduced { by } => log::info!(target: REACTOR, "The connection from {by} is for {peer}"),
        Event::Opening => log::info!(target: REACTOR, "Starting {peer} to {}", peer.addr),
        Event::CannotConnect { addr, why } => log::info!(target: REACTOR, "Cannot connect to {addr}: {why}"),
        Event::Received { bytes } => log::trace!(target: CONNECTION, "Read {bytes:?} from {peer}"),
        Event::InputEnded => log::trace!(target: CONNECTION, "{peer} has ended its sending side"),
        Event::Stepped(step) => log::trace!(target: SESSION, "Message of {peer}: {step}"),
        Event::Moved { from, event, to } => log::trace!(target: CONNECTION, "{peer}: {from} --[ {event} ]--> {to}"),
        Event::Sent { bytes, left: 0 } => log::trace!(target: CONNECTION, "Sent {bytes:?} to {peer}"),
        Event::Sent { bytes, left: usize::MAX } => {
            log::trace!(target: CONNECTION, "Sent {bytes:?} to {peer}, with more to come");
        }
        Event::Sent { bytes, left } => log::trace!(target: CONNECTION, "Sent {bytes:?} to {peer}, {left} left"),
        Event::Dropped { len } => {
            log::trace!(target: CONNECTION, "Dropped {} to {peer}: our sending side has ended", count(*len, "byte"));
        }
        Event::OutputEnded => log::trace!(target: CONNECTION, "Ended our sending side to {peer}"),
        Event::RunEnded { how: how @ RunEnd::Waits(_), state, .. } => {
            log::trace!(target: CONNECTION, "{peer} {how}: {state}");
        }
        Event::InterestChanged { from, to } => log::trace!(target: CONNECTION, "Interest in {peer}: {from} -> {to}"),
        Event::Panicked { place, message } => {
            let what = match place {
                PanicIn::Session => format!("The session of {} panicked", name(peer)),
                PanicIn::Accept => format!("The service panicked when it accepted {peer}"),
                PanicIn::Ended => "The service panicked when a connection had ended".to_owned(),
            };
            log::error!(target: REACTOR, "{what}: {message}");
        }
        Event::Closed { end, .. } => log::info!(target: REACTOR, "Closing {}: {end}", name(peer)),
        _ => {}
    }
}

fn log_of_loop(event: &Event<'_>) {
    match event {
        Event::Missed { why } => {
            let why = reason(why);
            log::debug!(target: REACTOR, "A connection was gone before it was accepted: {why}");
        }
        Event::AcceptingPaused { why, is_news: true } => {
            log::warn!(target: REACTOR, "Cannot accept: {why}; new connections wait until one closes");
        }
        Event::StopDelayed { delay } => {
            log::info!(target: REACTOR, "Stopping in {delay:?}; until then, new connections are still accepted");
        }
        Event::Stopping { open: 0, .. } => log::info!(target: REACTOR, "Stopping"),
        Event::Stopping { open, timeout } => {
            let (open, have) = (count(*open, "open connection"), if *open == 1 { "has" } else { "have" });
            log::info!(target: REACTOR, "Stopping; {open} {have} up to {timeout:?} to finish");
        }
        _ => {}
    }
}

/// The name of a connection that ends.
fn name(peer: &Peer) -> String {
    match peer.role {
        Role::Opened(_) => peer.to_string(),
        Role::Accepted => format!("connection to {peer}"),
    }
}
