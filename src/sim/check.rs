//! Checking a protocol in a test: some seeds, and the smallest world of the first that fails.

use std::fmt;

use super::oracles::Violation;
use super::scene::{Scene, Simulated, run};
use super::shrink::shrink;

/// A world that fails.
pub struct Failure<S: Simulated> {
    /// The smallest world that fails in the same way as that of its seed.
    pub world: Box<S::World>,
    /// What is wrong in it.
    pub violation: Violation,
}

/// Runs the worlds of `seeds`.
///
/// ```
/// use std::time::Instant;
///
/// use multiconn::selector::sim::Random;
/// use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};
/// use multiconn::sim::{Answer, Subject, check};
///
/// struct Shout;
///
/// impl Session for Shout {
///     fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
///         if !io.output().has_room() {
///             return Ok(Progress::NeedRoom);
///         }
///         let capitals = io.input().take_all().to_ascii_uppercase();
///         io.output().push(&capitals);
///         Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
///     }
/// }
///
/// #[derive(Clone, Debug)]
/// struct Shouting;
///
/// impl Subject for Shouting {
///     type Service = fn(&Peer) -> Shout;
///
///     fn service(&self) -> Self::Service {
///         |_| Shout
///     }
///
///     fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
///         (0..random.below(4)).map(|_| b"hello ".repeat(random.below(99))).collect()
///     }
///
///     fn answer(&self, input: &[u8]) -> Answer {
///         Answer::stream(input.to_ascii_uppercase())
///     }
/// }
///
/// check(&Shouting, 0..100)?;
/// # Ok::<(), multiconn::sim::Failure<Shouting>>(())
/// ```
///
/// # Errors
/// The first failure, shrunk.
pub fn check<S: Simulated>(subject: &S, seeds: impl IntoIterator<Item = u64>) -> Result<(), Failure<S>> {
    for seed in seeds {
        let world = subject.world(seed);
        if let Some(violation) = run(&world).violation {
            let shrunk = shrink(&world, violation, || false);
            return Err(Failure { world: Box::new(shrunk.simplest), violation: shrunk.violation });
        }
    }
    Ok(())
}

/// The world in words, and what is wrong.
impl<S: Simulated> fmt::Display for Failure<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { world, violation } = self;
        write!(f, "seed {} fails. The smallest world that does:\n\n{world}\n{violation}", world.seed())
    }
}

/// The same, for tests that return it.
impl<S: Simulated> fmt::Debug for Failure<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<S: Simulated> std::error::Error for Failure<S> {}
