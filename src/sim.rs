//! The simulator: a whole server, its network and its clock, from one number.
//!
//! A seed makes a [`World`]: a protocol, its limits, and the peers that talk to it. The unchanged production code, from
//! the [reactor](crate::reactor) down to the sessions, runs in it in virtual time, on the
//! [simulated network](crate::selector::sim). [Oracles](oracles) judge everything that comes out. The same seed makes the
//! same world and the same story, so a failure is replayed by its number.
//!
//! | module | what it is |
//! |---|---|
//! | [`subject`] | the protocol under test: its service, its clients' requests, and a reference server; [`subjects`] has ours |
//! | [`heard`] | what a server has heard from all its peers, for references that depend on it |
//! | [`world`] | what a seed makes, as data: [`limits`], [`faults`], and a [plan](peer) for each peer |
//! | [`actors`] | the peers at work on the network |
//! | [`ledger`] | what each peer has done, and what became of its connection; [`balance`] has the bytes in and out, [`stages`] the stage as the trace tells it |
//! | [`story`] | the trace of a run: its hash and its [coverage] |
//! | [`turns`] | the turns as the trace tells them: which connections run, in which order, and with which [share](mod@share) |
//! | [`oracles`] | the judges |
//! | [`mod@run`] | one run of a world, and further ones to compare it with |
//! | [`scene`] | what all kinds of worlds have in common |
//! | [`mod@shrink`] | from a world that fails to the smallest that fails in the same way, with [`simpler`] parts |
//! | [`clients`] | worlds of clients, which open connections to scripted servers |
//! | [`check`](mod@check) | all of this in a test of your own protocol |

pub mod actors;
pub mod balance;
pub mod check;
pub mod clients;
pub mod coverage;
pub mod crowd;
pub mod faults;
pub mod heard;
pub mod ledger;
pub mod limits;
pub mod oracles;
pub mod peer;
pub mod run;
pub mod scene;
pub mod share;
pub mod shrink;
pub mod simpler;
pub mod stages;
pub mod story;
pub mod subject;
pub mod subjects;
pub mod turns;
mod wakeable;
pub mod world;

pub use check::{Failure, check};
pub use coverage::Coverage;
pub use heard::Heard;
pub use oracles::{Oracle, Violation};
pub use run::Run;
pub use scene::{Scene, Simulated, run};
pub use shrink::{Shrunk, shrink};
pub use subject::{Answer, Subject};
pub use world::World;
