//! The ledger of a run: what each peer has done, and what has become of its connection. The actors write their side, the
//! story writes the server's, and the oracles compare the two.

use std::time::Duration;

use super::balance::Balance;
use super::heard::Heard;
use super::limits::Limits;
use super::stages::Stages;
use crate::address::Addr;
use crate::selector::sim::SimPeer;
use crate::session::EndKind;
use crate::trace::PanicIn;

/// All conversations of a run, in the order in which the peers connected.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The conversations. The address of each peer of a server is greater than those before it.
    pub conversations: Vec<Conversation>,
    /// The conversation of each of the server's connections, by the connection's number.
    by_id: Vec<usize>,
    /// What the server has heard, with the number of the bytes.
    heard: Vec<Heard<usize>>,
    /// The number of connections that are being served.
    pub open: usize,
    /// The most of them at once.
    pub open_most: usize,
    /// The number of connections that are being refused.
    refused: usize,
    /// The places for connections that are served, and for those that are refused.
    places: [usize; 2],
    /// The last time at which all of them were taken.
    full_until: Duration,
    /// The time of the latest action of any peer.
    pub last_action: Duration,
    /// The time when the server last read something for a session.
    pub last_read: Duration,
    /// Keep the times of all actions, which only comparisons of runs need.
    pub keeps_actions: bool,
    /// Keep the times at which pieces are sent.
    pub keeps_sends: bool,
    /// What one peer sends may be sent on to another.
    pub shares_state: bool,
    /// The time when the server began to stop.
    pub stopping: Option<Duration>,
    /// How often the service has reloaded.
    pub reloads: usize,
    /// The first panic of a session or of the service.
    pub panicked: Option<String>,
}

/// One connection, from both sides.
#[derive(Debug)]
pub struct Conversation {
    /// The index of its peer's plan in the world.
    pub plan: usize,
    /// The time when the peer connected.
    pub opened: Duration,
    /// The peer on the network.
    pub peer: SimPeer,
    /// The number of bytes that the peer has sent.
    pub sent: usize,
    /// The time of its latest action.
    pub last_action: Duration,
    /// The times of all of its actions, if the ledger [keeps them](Ledger::keeps_actions).
    pub acted: Vec<Duration>,
    /// The time at which it last sent something while the server still served it.
    pub last_heard: Duration,
    /// The time at which it last sent something at all.
    pub last_sent: Duration,
    /// The longest time in which it sent nothing while the server still served it.
    pub longest_silence: Duration,
    /// The time at which it has sent each piece of its plan so far, if the ledger [keeps them](Ledger::keeps_sends).
    pub sent_at: Vec<Duration>,
    /// The time when it ended its sending side.
    pub ended: Option<Duration>,
    /// The time when it closed or reset.
    pub gone: Option<Duration>,
    /// How far it was when the server began to stop.
    pub at_stop: Option<AtStop>,
    /// The server's part, since it has accepted the connection.
    pub served: Option<Service>,
}

/// How far a conversation was when the server began to stop.
#[derive(Clone, Copy, Debug)]
pub struct AtStop {
    /// The number of bytes that the peer had sent.
    pub sent: usize,
    /// The number of bytes that the server had sent.
    pub answered: usize,
}

/// The server's part of a conversation.
#[derive(Debug)]
pub struct Service {
    /// The connection was accepted only to be refused.
    pub is_refused: bool,
    /// The time when it was accepted.
    pub accepted: Duration,
    /// The time that it had to wait for that while there was a place.
    pub waited: Duration,
    /// The bytes in and out.
    pub balance: Balance,
    /// The number of runs of the connection.
    pub runs: u32,
    /// The turn since which the connection is runnable.
    pub runnable_since: Option<u64>,
    /// The most turns that it has been runnable before it ran.
    pub turns_waited: u64,
    /// The number of times that it has received bytes.
    pub reads: u32,
    /// The number of bytes that it has read for the session.
    pub heard: usize,
    /// The number of bytes that were left after the last write.
    pub unsent: usize,
    /// The most bytes that were left when it received some.
    pub unsent_at_reads: usize,
    /// What its trace tells of its stage.
    pub stages: Stages,
    /// The time when it began to wait only for its peer's close.
    pub lingering: Option<Duration>,
    /// The time when the session's part was over.
    pub done: Option<Duration>,
    /// The trace tells of a panic of its session, or of the service when it was asked for one.
    pub panicked: Option<PanicIn>,
    /// The time of the close, and the server's reason.
    pub closed: Option<(Duration, EndKind)>,
}

impl Ledger {
    /// The ledger of a server with these `limits`.
    pub fn new(limits: &Limits) -> Self {
        Ledger { places: [limits.connections_max, limits.refusals_max], ..Ledger::default() }
    }

    /// Opens a conversation, and returns its index.
    pub fn open(&mut self, plan: usize, peer: SimPeer, now: Duration) -> usize {
        let index = self.conversations.len();
        self.conversations.push(Conversation {
            plan,
            opened: now,
            peer,
            sent: 0,
            last_action: now,
            acted: Vec::new(),
            last_heard: now,
            last_sent: now,
            longest_silence: Duration::ZERO,
            sent_at: Vec::new(),
            ended: None,
            gone: None,
            at_stop: None,
            served: None,
        });
        self.acts(index, now);
        index
    }

    /// Records that a peer does something.
    pub fn acts(&mut self, index: usize, now: Duration) {
        let conversation = &mut self.conversations[index];
        conversation.last_action = now;
        if self.keeps_actions {
            conversation.acted.push(now);
        }
        self.last_action = self.last_action.max(now);
    }

    /// Records that a peer sends `len` bytes.
    pub fn sends(&mut self, index: usize, len: usize, now: Duration) {
        self.acts(index, now);
        let conversation = &mut self.conversations[index];
        conversation.sent += len;
        if self.keeps_sends {
            conversation.sent_at.push(now);
        }
        conversation.last_sent = now;
        conversation.is_heard(now);
    }

    /// Records that the server has accepted the connection of number `id` from `addr`.
    pub fn accepted(&mut self, id: u64, addr: Addr, now: Duration, is_refused: bool) {
        let id = usize::try_from(id).expect("few connections");
        let by_addr = self.conversations.binary_search_by_key(&addr, |conversation| conversation.peer.addr());
        let Ok(index) = by_addr else { return };
        if self.by_id.len() <= id {
            self.by_id.resize(id + 1, usize::MAX);
        }
        self.by_id[id] = index;
        let waited = self.waited(&self.conversations[index], now);
        self.open += usize::from(!is_refused);
        self.refused += usize::from(is_refused);
        self.open_most = self.open_most.max(self.open);
        self.conversations[index].served = Some(Service {
            is_refused,
            accepted: now,
            waited,
            balance: Balance::new(is_refused),
            runs: 0,
            runnable_since: None,
            turns_waited: 0,
            reads: 0,
            heard: 0,
            unsent: 0,
            unsent_at_reads: 0,
            stages: Stages::default(),
            lingering: None,
            done: None,
            panicked: None,
            closed: None,
        });
    }

    /// Records that the server has received `len` bytes on the connection of number `id`.
    pub fn received(&mut self, id: u64, len: usize, now: Duration) {
        let Some(from) = self.index_of(id) else { return };
        let Some(served) = &mut self.conversations[from].served else { return };
        served.reads += 1;
        served.unsent_at_reads = served.unsent_at_reads.max(served.unsent);
        if served.done.is_none() && !served.is_refused {
            served.heard += len;
            self.last_read = now;
            self.heard.push(Heard::Read { from, at: now, bytes: len });
        }
    }

    /// Records that the session's part is over on the connection of number `id`.
    pub fn done(&mut self, id: u64, now: Duration) {
        let Some(from) = self.index_of(id) else { return };
        if self.conversations[from].done().is_none() {
            self.heard.push(Heard::Done { from });
        }
        self.conversations[from].is_done(now);
    }

    /// What the server has heard, given the streams of the peers in the order in which they connected.
    pub fn heard<'a>(&self, streams: &[&'a [u8]]) -> Vec<Heard<&'a [u8]>> {
        let mut unread = streams.to_vec();
        let heard = |heard: &Heard<usize>| match *heard {
            Heard::Read { from, at, bytes: len } => {
                let (bytes, rest) = unread[from].split_at(len.min(unread[from].len()));
                unread[from] = rest;
                Heard::Read { from, at, bytes }
            }
            Heard::Done { from } => Heard::Done { from },
            Heard::Closed { from } => Heard::Closed { from },
            Heard::Stopping => Heard::Stopping,
        };
        self.heard.iter().map(heard).collect()
    }

    /// Records that the server has closed the connection of number `id`.
    pub fn closed(&mut self, id: u64, now: Duration, ending: EndKind) {
        self.looks_full(now);
        self.done(id, now);
        let Some(from) = self.index_of(id) else { return };
        self.heard.push(Heard::Closed { from });
        let Some(served) = &mut self.conversations[from].served else { return };
        served.closed = Some((now, ending));
        let was_served = !served.is_refused;
        self.open -= usize::from(was_served);
        self.refused -= usize::from(!was_served);
    }

    /// Records that a session has panicked, or the service.
    pub fn panics(&mut self, id: u64, now: Duration, place: PanicIn, message: &str) {
        self.panicked.get_or_insert_with(|| message.to_owned());
        if place == PanicIn::Ended {
            return;
        }
        if let Some(served) = self.of(id).and_then(|conversation| conversation.served.as_mut()) {
            served.panicked = Some(place);
        }
        // Without a session, there is no other end.
        if place == PanicIn::Accept {
            self.closed(id, now, EndKind::Panicked);
        }
    }

    /// Records that the server begins to stop.
    pub fn stops(&mut self, now: Duration) {
        self.stopping.get_or_insert(now);
        self.heard.push(Heard::Stopping);
        self.looks_full(now);
        for conversation in &mut self.conversations {
            let answered = conversation.served.as_ref().map_or(0, |served| served.balance.sent);
            conversation.at_stop.get_or_insert(AtStop { sent: conversation.sent, answered });
        }
    }

    /// Records whether all places are taken.
    fn looks_full(&mut self, now: Duration) {
        if self.open >= self.places[0] && self.refused >= self.places[1] {
            self.full_until = now;
        }
    }

    /// The time for which `conversation` has waited to be accepted by `now` while there was a place.
    pub fn waited(&self, conversation: &Conversation, now: Duration) -> Duration {
        now.saturating_sub(conversation.opened.max(self.full_until))
    }

    /// The conversation on the connection of number `id`.
    #[inline]
    pub fn of(&mut self, id: u64) -> Option<&mut Conversation> {
        let index = self.index_of(id)?;
        self.conversations.get_mut(index)
    }

    #[inline]
    fn index_of(&self, id: u64) -> Option<usize> {
        self.by_id.get(usize::try_from(id).ok()?).copied().filter(|&index| index < self.conversations.len())
    }
}

impl Conversation {
    /// Records that the server can hear it now, if it still listens.
    fn is_heard(&mut self, now: Duration) {
        if self.done().is_none() {
            self.longest_silence = self.longest_silence.max(now.saturating_sub(self.last_heard));
            self.last_heard = now;
        }
    }

    /// Records that the session's part is over.
    pub fn is_done(&mut self, now: Duration) {
        self.is_heard(now);
        if let Some(served) = &mut self.served {
            served.done.get_or_insert(now);
        }
    }

    /// The time when the session's part was over.
    pub fn done(&self) -> Option<Duration> {
        self.served.as_ref().and_then(|served| served.done)
    }

    /// The time of the server's close, and its reason.
    pub fn closed(&self) -> Option<(Duration, EndKind)> {
        self.served.as_ref().and_then(|served| served.closed)
    }
}
