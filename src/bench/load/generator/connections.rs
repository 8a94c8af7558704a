//! Events on the generator's connections: opening, replies and errors.

use std::io::ErrorKind;
use std::mem;
use std::sync::atomic::Ordering;

use mio::event::Event;

use super::{Generator, Stage};
use crate::bench::load::Once;
use crate::bench::load::dialog::Received;
use crate::bench::load::link::{Role, Stamp, Trouble};

impl Generator<'_> {
    /// Handles an event on a connection, and returns the time.
    pub(super) fn event(&mut self, event: &Event) -> u64 {
        let key = event.token().0;
        let has_ended = event.is_read_closed();
        let link = &mut self.links[key];
        if !link.is_there() {
            return self.now();
        }
        let was_connected = link.is_connected();
        match link.establish(self.load) {
            Ok(true) => {}
            Ok(false) => return self.now(),
            Err(error) => return self.trouble(key, &Trouble::Io(error)),
        }
        if !was_connected {
            let opened = link.opened;
            let took = self.now() - opened;
            self.tally.connect.record(took);
        }
        let link = &mut self.links[key];
        let received = match (!was_connected || link.has_more_to_send()).then(|| link.send(self.load.talk)) {
            Some(Err(error)) => Err(Trouble::Io(error)),
            None | Some(Ok(())) if event.is_readable() || has_ended || event.is_error() => {
                link.receive(self.load.talk, &mut self.scratch, has_ended)
            }
            None | Some(Ok(())) => Ok(Received::default()),
        };
        let received = match received {
            Ok(received) => received,
            Err(trouble) => return self.trouble(key, &trouble),
        };
        let now = self.now();
        if self.load.talk.once().is_some() {
            if received.replies > 0 {
                match self.load.talk.once() {
                    Some(Once::ServerCloses) => self.links[key].reset(),
                    Some(Once::ClientCloses) | None => self.links[key].close(),
                }
                self.answered(key, received, now);
            }
            return now;
        }
        if received.replies > 0 {
            self.answered(key, received, now);
        }
        if received.ended {
            return self.trouble(key, &Trouble::ClosedEarly);
        }
        self.push(key);
        now
    }

    /// Sends pending bytes on a connection.
    pub(super) fn push(&mut self, key: usize) {
        let link = &mut self.links[key];
        if link.has_more_to_send()
            && let Err(error) = link.send(self.load.talk)
        {
            self.trouble(key, &Trouble::Io(error));
        }
    }

    /// Handles complete, correct replies; echoes on a dripping connection are checked, but don't count as replies.
    /// Begins the requests that may follow, without sending them yet if the connection is kept.
    fn answered(&mut self, key: usize, received: Received, now: u64) {
        if self.stage != Stage::Opening && self.links[key].role == Role::Busy {
            self.tally.reply_bytes(received.bytes, now);
        }
        let mut left = received.replies;
        while let Some(stamp) = self.links[key].stamps.pop_front() {
            // Requests that went out together have taken the same time.
            let mut alike = 1;
            while alike < left && self.links[key].stamps.front() == Some(&stamp) {
                self.links[key].stamps.pop_front();
                alike += 1;
            }
            left -= alike;
            self.in_flight -= alike as usize;
            self.errors_in_row = 0;
            match self.stage {
                Stage::Opening => self.confirmed += 1,
                Stage::Running | Stage::Stopping if self.links[key].role == Role::Busy => {
                    self.tally.replies(stamp, alike, now);
                    if now < self.tally.window().start {
                        self.load.warmup_replies.fetch_add(alike, Ordering::Relaxed);
                    }
                    for _ in 0..alike {
                        self.go_on_with(key, now);
                    }
                }
                Stage::Running | Stage::Stopping => {}
            }
            if left == 0 {
                return;
            }
        }
    }

    /// Opens a connection with a first request.
    pub(super) fn connect(&mut self, key: usize, stamp: Stamp) {
        let now = self.now();
        let link = &mut self.links[key];
        let mut opened = link.open(self.load.target, self.addresses.next(), now);
        if let Err(error) = &opened
            && error.kind() == ErrorKind::AddrNotAvailable
            && self.addresses.spread()
        {
            opened = link.open(self.load.target, self.addresses.next(), now);
        }
        self.in_flight += 1;
        let number = self.take_number();
        let link = &mut self.links[key];
        link.begin(stamp, self.load.talk, number);
        let opened = opened.and_then(|()| link.establish(self.load));
        // On loopback it's open by now.
        if matches!(opened, Ok(true)) {
            let took = self.now() - now;
            self.tally.connect.record(took);
        }
        let link = &mut self.links[key];
        let begun = opened.and_then(|_| {
            link.send(self.load.talk)?;
            link.watch(self.poll.registry(), self.load.talk)
        });
        if let Err(error) = begun {
            self.trouble(key, &Trouble::Io(error));
        }
    }

    /// Handles a connection that has failed. Returns the time.
    fn trouble(&mut self, key: usize, trouble: &Trouble) -> u64 {
        let link = &mut self.links[key];
        link.reset();
        let stamps = mem::take(&mut link.stamps);
        self.in_flight -= stamps.len();
        self.errors_in_row += 1;
        if let Trouble::Wrong(wrong) = trouble {
            self.tally.first_wrong.get_or_insert_with(|| wrong.to_string());
        }
        self.tally.trouble(trouble.kind(), stamps.into_iter());
        if self.load.talk.once().is_some() {
            self.retries.push(key);
        } else {
            self.lost += 1;
            self.busy_lost += usize::from(self.links[key].role == Role::Busy);
        }
        self.now()
    }

    /// Reopens failed connections, if each request has its own.
    pub(super) fn retry(&mut self) -> bool {
        if self.retries.is_empty() {
            return false;
        }
        let now = self.now();
        for key in mem::take(&mut self.retries) {
            self.go_on_with(key, now);
        }
        true
    }
}
