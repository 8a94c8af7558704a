//! Simpler parts for a world: the usual limits, briefer faults, and peers that do less.

use std::time::Duration;

use super::faults::PlannedFault;
use super::limits::Limits;
use super::peer::{Leaving, Piece, Plan, Reading, WINDOW_USUAL};

/// Limits that become the usual ones, some at a time.
pub const LIMITS: [fn(&mut Limits); 4] = [
    |limits| {
        let usual = Limits::usual(limits.input_len_max);
        (limits.connections_max, limits.refusals_max) = (usual.connections_max, usual.refusals_max);
    },
    |limits| {
        let usual = Limits::usual(limits.input_len_max);
        (limits.output_high_water, limits.memory_max) = (usual.output_high_water, usual.memory_max);
        limits.linger_len_max = usual.linger_len_max;
    },
    |limits| {
        let usual = Limits::usual(limits.input_len_max);
        (limits.idle_timeout, limits.write_timeout) = (usual.idle_timeout, usual.write_timeout);
    },
    |limits| {
        let usual = Limits::usual(limits.input_len_max);
        (limits.drain_timeout, limits.linger_timeout) = (usual.drain_timeout, usual.linger_timeout);
    },
];

/// A peer that does less.
pub const PLANS: [fn(&mut Plan); 9] = [
    |plan| plan.arrives = Duration::ZERO,
    |plan| plan.returns = None,
    |plan| plan.reading = Reading::Eager,
    |plan| plan.window = WINDOW_USUAL,
    |plan| plan.leaving = Leaving::Follows,
    |plan| {
        let pause = plan.pieces.first().map_or(Duration::ZERO, |piece| piece.pause);
        plan.pieces = vec![Piece { len: plan.stream.len(), pause, awaits: 0 }];
        plan.pieces.retain(|piece| piece.len > 0);
    },
    |plan| plan.pieces.iter_mut().for_each(|piece| piece.pause = Duration::ZERO),
    |plan| {
        let half = plan.pieces.len() / 2;
        keep(plan, half);
    },
    |plan| {
        let all_but_one = plan.pieces.len().saturating_sub(1);
        keep(plan, all_but_one);
    },
];

/// Keeps the first pieces of a plan.
fn keep(plan: &mut Plan, pieces: usize) {
    plan.pieces.truncate(pieces);
    plan.stream.truncate(plan.pieces.iter().map(|piece| piece.len).sum());
}

/// A fault that lasts half as long.
pub fn briefer(fault: &mut PlannedFault) {
    fault.until = fault.from + (fault.until - fault.from) / 2;
}
