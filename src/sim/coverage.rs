//! Coverage: which rows of the two tables of transitions have been taken.

use std::ops::BitOrAssign;

use crate::exchange::{Event, Stage};
use crate::machine::Step;
use crate::{exchange, message};

/// Rows of the tables that have been taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// A bit for each pair of stage and event of a connection.
    stages: u128,
    /// A bit for each row of the reader of messages.
    phases: u32,
}

impl Coverage {
    /// Records a transition of a connection.
    pub fn moved(&mut self, from: Stage, event: Event) {
        self.stages |= stage_bit(from, event);
    }

    /// Records a step of a reader of messages. Steps of other machines are not counted.
    pub fn stepped(&mut self, step: &Step) {
        let mut rows = message::table::TRANSITIONS.iter();
        if let Some(row) = rows.position(|row| row.from.name() == step.from && row.event.name() == step.event) {
            self.phases |= 1 << row;
        }
    }

    /// The rows of a connection's table that have not been taken, and that a server can take.
    pub fn missing(&self) -> impl Iterator<Item = (Stage, Event)> {
        let rows = exchange::TRANSITIONS.iter().map(|row| (row.from, row.event));
        rows.filter(|&(from, event)| is_of_a_server(from, event) && self.stages & stage_bit(from, event) == 0)
    }

    /// The number of rows taken, and the number that a server can take.
    pub fn rows(&self) -> (usize, usize) {
        let all = exchange::TRANSITIONS.iter().filter(|row| is_of_a_server(row.from, row.event)).count();
        (all - self.missing().count(), all)
    }
}

impl BitOrAssign for Coverage {
    fn bitor_assign(&mut self, other: Self) {
        self.stages |= other.stages;
        self.phases |= other.phases;
    }
}

fn stage_bit(stage: Stage, event: Event) -> u128 {
    1 << (stage as usize * Event::ALL.len() + event as usize)
}

/// Whether a connection that a server has accepted can take this row; the others are those of connections it opens.
fn is_of_a_server(from: Stage, event: Event) -> bool {
    from != Stage::Connecting && event != Event::Done
}
