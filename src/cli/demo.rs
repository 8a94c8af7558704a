//! `multiconn demo`: both servers and the tutorial's conversations with them, in one process.

mod transcript;

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::call::app::{CallApp, shown};
use super::call::echo::CallEcho;
use super::failure::Failure;
use super::trace;
use crate::protocols::app::AppService;
use crate::protocols::echo::EchoService;
use crate::reactor::{Config, Reactor};
use crate::selector::MioSelector;
use crate::session::{End, Peer, Reload, Service};
use crate::trace::Log;
use transcript::Screens;
pub use transcript::Transcript;

/// The requests that the tutorial's client makes.
const REQUESTS: [(&str, &str); 5] =
    [("search", "morpheus"), ("search", "ring"), ("search", "🐶"), ("search", "needle"), ("binary", "😃")];
const CONNECTIONS: u32 = 2;
/// Far longer than anything takes within one machine. A fault is reported instead of hanging the demo.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the demonstration: each server on its own thread, the clients on this one. Each side's lines appear in the
/// order in which things happened.
pub fn run(transcript: &'static Transcript) -> Result<(), Failure> {
    let screens = &mut Screens::new(transcript);
    let shown = show(screens);
    // The lines before a failure are shown too.
    shown.and(screens.show())
}

fn show(screens: &mut Screens) -> Result<(), Failure> {
    with_server("echo server", EchoService::default(), screens, |screens, port, ended| {
        conversation(screens, &format!("call echo {port} --connections {CONNECTIONS}"), |screens| {
            let (report, result) = CallEcho::tutorial(port, CONNECTIONS, TIMEOUT).ask()?;
            screens.transcript.print(&report);
            result?;
            wait_for(ended, CONNECTIONS)
        })
    })?;
    with_server("app server", AppService::default(), screens, |screens, port, ended| {
        for (action, value) in REQUESTS {
            conversation(screens, &format!("call app {port} {action} {value}"), |screens| {
                let reply = CallApp::new(port, action, value, TIMEOUT).ask()?;
                screens.transcript.print(&String::from_utf8_lossy(&shown(reply, true)));
                wait_for(ended, 1)
            })?;
        }
        Ok(())
    })
}

/// Runs a conversation, which begins a screen of its own.
fn conversation(
    screens: &mut Screens,
    command: &str,
    run: impl FnOnce(&Screens) -> Result<(), Failure>,
) -> Result<(), Failure> {
    screens.transcript.command(&format!("multiconn {command}"));
    run(screens)?;
    screens.show()
}

/// Starts a server on its own thread and runs `visit` with its port and a channel that reports when a connection to it
/// has ended.
fn with_server<V: Service<Session: Send> + Send>(
    name: &str,
    service: V,
    screens: &mut Screens,
    visit: impl FnOnce(&mut Screens, u16, &Receiver<()>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error| Failure::of_loop(&error);
    let (tell, ended) = mpsc::channel();
    let selector = MioSelector::new().map_err(failed)?;
    let announcing = Announcing { service, tell };
    let mut reactor = Reactor::with_subscriber(selector, announcing, Config::default(), (Log, trace::subscriber()));
    let addr = reactor.listen("127.0.0.1:0").map_err(failed)?[0];
    let handle = reactor.handle();
    screens.transcript.server(name, &format!("Listening on {addr}"));
    thread::scope(|scope| {
        let server =
            thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, move || reactor.run()).map_err(failed)?;
        // Stop the server whatever has failed, or the join would wait for it forever.
        let visited = visit(screens, addr.port(), &ended);
        screens.transcript.print("\n");
        handle.stop();
        let served = server.join().map_err(|_| Failure::new(format!("the {name} panicked")))?;
        visited.and(served.map_err(failed))
    })
}

fn wait_for(ended: &Receiver<()>, connections: u32) -> Result<(), Failure> {
    for _ in 0..connections {
        ended.recv_timeout(TIMEOUT).map_err(|_| Failure::new("the server did not close its side of a connection"))?;
    }
    Ok(())
}

/// A service that reports when a connection has ended.
struct Announcing<V> {
    service: V,
    tell: Sender<()>,
}

impl<V: Service> Service for Announcing<V> {
    type Session = V::Session;

    fn accept(&mut self, peer: &Peer) -> V::Session {
        self.service.accept(peer)
    }

    fn ended(&mut self, session: V::Session, peer: &Peer, end: End) {
        self.service.ended(session, peer, end);
        // After the conversations, no receiver is left.
        let _ = self.tell.send(());
    }

    fn reload(&mut self) -> Option<Reload> {
        self.service.reload()
    }
}
