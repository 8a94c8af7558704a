//! A scene: a world of any kind, as the simulator sees it. It can be run, and it can be made smaller.

use std::fmt;
use std::rc::Rc;

use super::run::{self, Run};
use super::simpler;
use super::subject::Subject;
use super::world::World;
use crate::selector::sim::Trigger;
use crate::trace::Subscriber;

/// A world of any kind: plain data that can be run, and made smaller by taking parts away. Its display tells it in words.
pub trait Scene: Clone + fmt::Display {
    /// The seed that it was made from.
    fn seed(&self) -> u64;

    /// Runs it, with a subscriber to its trace.
    fn run_with(&self, subscriber: impl Subscriber) -> Run;

    /// The numbers of its peers: of those whose connections are simulated.
    fn peers(&self) -> Vec<u64>;

    /// The numbers of its faults.
    fn faults(&self) -> Vec<u64>;

    /// Keeps only the peers and faults of these numbers, if any are given.
    fn keep(&mut self, peers: Option<&[u64]>, faults: Option<&[u64]>);

    /// Sets whether it is run in other ways, too, to compare the runs, if worlds of its kind can be.
    fn compare(&mut self, _is_compared: bool) {}

    /// Whether it has the same parts as another world of the same seed.
    fn has_parts_of(&self, other: &Self) -> bool;

    /// Changes that make it simpler, in the order in which to try them. Each can be applied to a world of the same parts
    /// or simpler ones.
    fn simpler(&self) -> Vec<Change<Self>>;
}

/// A change that makes a world simpler.
pub type Change<W> = Box<dyn Fn(&mut W)>;

/// What can be simulated: it has a world for each seed.
pub trait Simulated {
    /// The kind of world.
    type World: Scene;

    /// The world of `seed`.
    fn world(&self, seed: u64) -> Self::World;
}

/// Runs `world`.
pub fn run<W: Scene>(world: &W) -> Run {
    world.run_with(())
}

/// A server is simulated in a world of peers.
impl<S: Subject> Simulated for S {
    type World = World<S>;

    fn world(&self, seed: u64) -> World<S> {
        World::new(seed, self)
    }
}

impl<S: Subject> Scene for World<S> {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn run_with(&self, subscriber: impl Subscriber) -> Run {
        run::run_with(self, subscriber)
    }

    fn peers(&self) -> Vec<u64> {
        self.peers.iter().map(|plan| plan.number).collect()
    }

    fn faults(&self) -> Vec<u64> {
        self.faults.iter().map(|fault| fault.number).collect()
    }

    fn keep(&mut self, peers: Option<&[u64]>, faults: Option<&[u64]>) {
        if let Some(peers) = peers {
            self.peers.retain(|plan| peers.contains(&plan.number));
        }
        if let Some(faults) = faults {
            self.faults.retain(|fault| faults.contains(&fault.number));
        }
    }

    fn compare(&mut self, is_compared: bool) {
        self.is_compared = is_compared;
    }

    fn has_parts_of(&self, other: &Self) -> bool {
        World::has_parts_of(self, other)
    }

    fn simpler(&self) -> Vec<Change<Self>> {
        let mut changes: Vec<Change<Self>> = vec![
            Box::new(|world| (world.stops, world.stops_again) = (None, None)),
            Box::new(|world| world.stops_again = None),
            Box::new(|world| world.reloads = None),
            Box::new(|world| world.trigger = Trigger::Edge),
        ];
        for change in simpler::LIMITS {
            changes.push(Box::new(move |world| change(&mut world.limits)));
        }
        for index in 0..self.faults.len() {
            changes.push(Box::new(move |world| simpler::briefer(&mut world.faults[index])));
        }
        for index in 0..self.peers.len() {
            for change in simpler::PLANS {
                changes.push(Box::new(move |world| {
                    let plan = Rc::make_mut(&mut world.peers[index]);
                    let len = plan.stream.len();
                    change(plan);
                    if plan.stream.len() < len {
                        plan.answer = world.subject.answer(&plan.stream).into();
                    }
                }));
            }
        }
        changes
    }
}
