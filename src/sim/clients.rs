//! Worlds of clients: our sessions open connections, and scripted servers answer them.
//!
//! The loop under test is the same, and so are the network, its faults, and the plans of the other side. A server's peer
//! asks, and its plan says what it sends; a client's peer is a server, and its plan says what it answers, or what it does
//! instead. [`Clients`] makes worlds of a client protocol:
//!
//! ```
//! use multiconn::sim::clients::Clients;
//! use multiconn::sim::subjects::EchoClientSubject;
//! use multiconn::sim::check;
//!
//! check(&Clients(EchoClientSubject::default()), 0..50)?;
//! # Ok::<(), multiconn::sim::Failure<Clients<EchoClientSubject>>>(())
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`subject`] | the protocol under test: its session, its requests, a server's answers, and a reference |
//! | [`world`] | what a seed makes, as data: a [call] for each connection |
//! | [`deeds`] | what the clients have done, and what they report |
//! | [`service`] | the service under test, which opens the connections |
//! | [`mod@run`] | one run of a world |
//! | [`oracle`] | the judge of each call |

pub mod call;
pub mod deeds;
pub mod oracle;
pub mod run;
mod scene;
pub mod service;
pub mod subject;
pub mod world;

use super::scene::Simulated;
pub use call::Call;
pub use subject::{ClientSubject, Expected, Then, Verdict};
pub use world::ClientWorld;

/// Clients of this protocol, to be simulated.
#[derive(Clone, Debug)]
pub struct Clients<C>(pub C);

impl<C: ClientSubject> Simulated for Clients<C> {
    type World = ClientWorld<C>;

    fn world(&self, seed: u64) -> ClientWorld<C> {
        ClientWorld::new(seed, &self.0)
    }
}
