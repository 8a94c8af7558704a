//! A world of clients as a scene: running it, and making it smaller.

use super::call::Call;
use super::run;
use super::subject::ClientSubject;
use super::world::ClientWorld;
use crate::connection;
use crate::selector::sim::Trigger;
use crate::sim::run::Run;
use crate::sim::scene::{Change, Scene};
use crate::sim::simpler;
use crate::trace::Subscriber;

impl<C: ClientSubject> Scene for ClientWorld<C> {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn run_with(&self, subscriber: impl Subscriber) -> Run {
        run::run_with(self, subscriber)
    }

    fn peers(&self) -> Vec<u64> {
        self.calls.iter().map(Call::number).collect()
    }

    fn faults(&self) -> Vec<u64> {
        self.faults.iter().map(|fault| fault.number).collect()
    }

    fn keep(&mut self, peers: Option<&[u64]>, faults: Option<&[u64]>) {
        if let Some(peers) = peers {
            self.calls.retain(|call| peers.contains(&call.number()));
        }
        if let Some(faults) = faults {
            self.faults.retain(|fault| faults.contains(&fault.number));
        }
    }

    fn has_parts_of(&self, other: &Self) -> bool {
        let of = |world: &Self| (world.stops, world.trigger, world.connect_timeout);
        of(self) == of(other) && self.limits == other.limits && self.calls == other.calls && self.faults == other.faults
    }

    fn simpler(&self) -> Vec<Change<Self>> {
        let mut changes: Vec<Change<Self>> = vec![
            Box::new(|world| world.stops = None),
            Box::new(|world| world.trigger = Trigger::Edge),
            Box::new(|world| world.connect_timeout = connection::Config::default().connect_timeout),
        ];
        for change in simpler::LIMITS {
            changes.push(Box::new(move |world| change(&mut world.limits)));
        }
        for index in 0..self.faults.len() {
            changes.push(Box::new(move |world| simpler::briefer(&mut world.faults[index])));
        }
        for index in 0..self.calls.len() {
            for len in 1..self.calls[index].addresses.len() {
                changes.push(Box::new(move |world| world.calls[index].addresses.truncate(len)));
            }
            for change in simpler::PLANS {
                changes.push(Box::new(move |world| change(&mut world.calls[index].server)));
            }
        }
        changes
    }
}
