//! The ledger of a run: what each peer has done, and what has become of its connection. The actors write their side, the
//! story writes the server's, and the oracles compare the two.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::stages::Stages;
use crate::selector::sim::SimPeer;
use crate::session::{End, ErrorKind};

/// All conversations of a run, in the order in which the peers connected.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The conversations.
    pub conversations: Vec<Conversation>,
    /// The conversation of each address. Its order is never used.
    by_addr: HashMap<SocketAddr, usize>,
    /// The conversation of each of the server's connections, by the connection's number.
    by_id: Vec<usize>,
    /// The number of connections that are being served.
    pub open: usize,
    /// The most of them at once.
    pub open_most: usize,
    /// The time of the latest action of any peer.
    pub last_action: Duration,
    /// The time when the server began to stop.
    pub stopping: Option<Duration>,
    /// The first panic of a session or of the service.
    pub panicked: Option<String>,
}

/// One connection, from both sides.
#[derive(Debug)]
pub struct Conversation {
    /// The index of its peer's plan in the world.
    pub plan: usize,
    /// The peer on the network.
    pub peer: SimPeer,
    /// The number of bytes that the peer has sent.
    pub sent: usize,
    /// The time of its latest action.
    pub last_action: Duration,
    /// The time at which it last sent something while the server still served it.
    pub last_heard: Duration,
    /// The time at which it last sent something at all.
    pub last_sent: Duration,
    /// The longest time in which it sent nothing while the server still served it.
    pub longest_silence: Duration,
    /// The time when it ended its sending side.
    pub ended: Option<Duration>,
    /// The time when it closed or reset.
    pub gone: Option<Duration>,
    /// The server's part, since it has accepted the connection.
    pub served: Option<Service>,
}

/// The server's part of a conversation.
#[derive(Debug)]
pub struct Service {
    /// The connection was accepted only to be refused.
    pub is_refused: bool,
    /// The time when it was accepted.
    pub accepted: Duration,
    /// The number of times that it has received bytes.
    pub reads: u32,
    /// The number of bytes that were left after the last write.
    pub unsent: usize,
    /// The most bytes that were left when it received some.
    pub unsent_at_reads: usize,
    /// What its trace tells of its stage.
    pub stages: Stages,
    /// The time when the session's part was over.
    pub done: Option<Duration>,
    /// The time of the close, and the server's reason.
    pub closed: Option<(Duration, Ending)>,
}

/// How a connection ended: an [`End`] without its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// [`End::Finished`]
    Finished,
    /// [`End::Failed`] with [`ErrorKind::Violation`]
    Violation,
    /// [`End::Failed`] with [`ErrorKind::InputEnded`]
    InputEnded,
    /// [`End::Failed`] with [`ErrorKind::TimedOut`]
    TimedOut,
    /// [`End::Failed`] with [`ErrorKind::Other`]
    OtherError,
    /// [`End::Idle`]
    Idle,
    /// [`End::InputOverLimit`]
    InputOverLimit,
    /// [`End::MemoryOverLimit`]
    MemoryOverLimit,
    /// [`End::Broken`]
    Broken,
    /// [`End::WriteTimedOut`]
    WriteTimedOut,
    /// [`End::Refused`]
    Refused,
    /// [`End::Stopped`]
    Stopped,
    /// [`End::Cut`]
    Cut,
    /// [`End::Panicked`]
    Panicked,
    /// [`End::ConnectFailed`] or [`End::ConnectTimedOut`]
    NotConnected,
}

impl From<&End> for Ending {
    fn from(end: &End) -> Self {
        match end {
            End::Finished => Ending::Finished,
            End::Failed(error) => match error.kind() {
                ErrorKind::Violation => Ending::Violation,
                ErrorKind::InputEnded => Ending::InputEnded,
                ErrorKind::TimedOut => Ending::TimedOut,
                ErrorKind::Other => Ending::OtherError,
            },
            End::Idle(_) => Ending::Idle,
            End::InputOverLimit(_) => Ending::InputOverLimit,
            End::MemoryOverLimit(_) => Ending::MemoryOverLimit,
            End::Broken(_) => Ending::Broken,
            End::WriteTimedOut(_) => Ending::WriteTimedOut,
            End::Refused => Ending::Refused,
            End::Stopped => Ending::Stopped,
            End::Cut => Ending::Cut,
            End::Panicked => Ending::Panicked,
            End::ConnectFailed(_) | End::ConnectTimedOut(_) => Ending::NotConnected,
        }
    }
}

impl Ledger {
    /// Opens a conversation, and returns its index.
    pub fn open(&mut self, plan: usize, peer: SimPeer, now: Duration) -> usize {
        let index = self.conversations.len();
        self.by_addr.insert(peer.addr(), index);
        self.conversations.push(Conversation {
            plan,
            peer,
            sent: 0,
            last_action: now,
            last_heard: now,
            last_sent: now,
            longest_silence: Duration::ZERO,
            ended: None,
            gone: None,
            served: None,
        });
        self.acts(index, now);
        index
    }

    /// Records that a peer does something.
    pub fn acts(&mut self, index: usize, now: Duration) {
        self.conversations[index].last_action = now;
        self.last_action = self.last_action.max(now);
    }

    /// Records that a peer sends `len` bytes.
    pub fn sends(&mut self, index: usize, len: usize, now: Duration) {
        self.acts(index, now);
        let conversation = &mut self.conversations[index];
        conversation.sent += len;
        conversation.last_sent = now;
        conversation.is_heard(now);
    }

    /// Records that the server has accepted the connection of number `id` from `addr`.
    pub fn accepted(&mut self, id: u64, addr: SocketAddr, now: Duration, is_refused: bool) {
        let id = usize::try_from(id).expect("few connections");
        let Some(&index) = self.by_addr.get(&addr) else { return };
        if self.by_id.len() <= id {
            self.by_id.resize(id + 1, usize::MAX);
        }
        self.by_id[id] = index;
        self.open += usize::from(!is_refused);
        self.open_most = self.open_most.max(self.open);
        self.conversations[index].served = Some(Service {
            is_refused,
            accepted: now,
            reads: 0,
            unsent: 0,
            unsent_at_reads: 0,
            stages: Stages::default(),
            done: None,
            closed: None,
        });
    }

    /// Records that the server has closed the connection of number `id`.
    pub fn closed(&mut self, id: u64, now: Duration, ending: Ending) {
        let Some(conversation) = self.of(id) else { return };
        conversation.is_done(now);
        let Some(served) = &mut conversation.served else { return };
        served.closed = Some((now, ending));
        let was_served = !served.is_refused;
        self.open -= usize::from(was_served);
    }

    /// The conversation on the connection of number `id`.
    pub fn of(&mut self, id: u64) -> Option<&mut Conversation> {
        let index = *self.by_id.get(usize::try_from(id).ok()?)?;
        self.conversations.get_mut(index)
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
    pub fn closed(&self) -> Option<(Duration, Ending)> {
        self.served.as_ref().and_then(|served| served.closed)
    }
}
