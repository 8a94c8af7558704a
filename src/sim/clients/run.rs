//! One run of a world of clients.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use super::call::Reaction;
use super::deeds::{Deeds, Watch};
use super::oracle;
use super::service::Callers;
use super::subject::ClientSubject;
use super::world::ClientWorld;
use crate::reactor::Reactor;
use crate::selector::Selector;
use crate::selector::sim::SimNet;
use crate::session::Connect;
use crate::sim::actors::Actors;
use crate::sim::ledger::Ledger;
use crate::sim::oracles::{Oracle, Violation};
use crate::sim::run::{ARRIVAL, Run, balances, turn_by_turn};
use crate::sim::story::Story;
use crate::trace::Subscriber;

/// An address to which nobody connects: with a listener, a loop goes on while no connection is open.
const OWN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 65432);

/// Runs `world`, with a subscriber to its trace.
pub fn run_with<C: ClientSubject>(world: &ClientWorld<C>, subscriber: impl Subscriber) -> Run {
    let net = SimNet::new(world.seed);
    let selector = net.selector();
    let ledger = Rc::new(RefCell::new(Ledger::default()));
    ledger.borrow_mut().keeps_sends = true;
    let deeds = Rc::new(RefCell::new(Deeds::of(world.calls.len())));
    let story = Story::new(selector.now(), Rc::clone(&ledger));
    let watch = Watch { net: net.clone(), deeds: Rc::clone(&deeds) };
    let service = Callers::new(world, &net, &deeds);
    let (due, handle) = (service.due(), service.handle());
    let mut reactor = Reactor::with_subscriber(selector, service, world.config(), ((&story, watch), subscriber));
    let actors = serve(world, &net, &ledger, &deeds);
    // Calls are made before the first turn, as a program of clients makes them, or later, as a proxy does.
    let (now, later): (Vec<_>, Vec<_>) =
        (0..world.calls.len()).partition(|&index| world.calls[index].opens().is_zero());
    due.borrow_mut().extend(now);
    let listening = match later.is_empty() {
        true => Ok(()),
        false => {
            let _ = handle.set(reactor.handle());
            reactor.add_listener(net.listener(OWN))
        }
    };
    for index in later {
        let (due, waker) = (Rc::clone(&due), reactor.handle().waker().clone());
        net.at(world.calls[index].opens(), move || {
            due.borrow_mut().push_back(index);
            waker.wake();
        });
    }
    if let Some(at) = world.stops {
        let handle = reactor.handle();
        net.at(at, move || handle.stop());
    }
    world.faults.iter().for_each(|fault| net.inject(fault.fault(world.seed)));
    net.set_trigger(world.trigger);
    while let Some(Connect { addresses, session }) = reactor.service().next() {
        reactor.connect(&addresses, session);
    }
    let (turns, ran) = match listening {
        Ok(()) => turn_by_turn(&mut reactor, &story),
        Err(error) => (0, Err(Violation::new(Oracle::Liveness, format!("cannot listen: {error}")))),
    };
    drop(reactor);
    let ran = ran.and_then(|()| balances(&net, &story, &world.faults));
    let time = net.now();
    // What is still on its way to the servers arrives.
    net.play(world.delay() + ARRIVAL);
    drop(actors);
    let (ledger, deeds) = (ledger.borrow(), deeds.borrow());
    let violation = ran.and_then(|()| oracle::judge(world, &ledger, &deeds)).err();
    let connections = deeds.calls.iter().map(|deed| deed.attempts.len()).sum();
    let (hash, mut coverage, faults) = (story.hash(), story.coverage(), net.injected());
    coverage.struck(&faults);
    Run { turns, turns_compared: 0, time, connections, hash, coverage, faults, violation }
}

/// Lets the servers wait for connections at their addresses.
fn serve<C: ClientSubject>(
    world: &ClientWorld<C>,
    net: &SimNet,
    ledger: &Rc<RefCell<Ledger>>,
    deeds: &Rc<RefCell<Deeds<C::Replies>>>,
) -> Rc<Actors> {
    let plans = world.calls.iter().map(|call| Rc::new(call.server.clone())).collect();
    let actors = Actors::waiting(net, plans, ledger);
    for (index, call) in world.calls.iter().enumerate() {
        for (addr, reaction) in call.addrs().into_iter().zip(&call.addresses) {
            match reaction {
                Reaction::Serves => {
                    let (actors, deeds) = (Rc::downgrade(&actors), Rc::downgrade(deeds));
                    net.server(addr, move |peer| {
                        if let (Some(actors), Some(deeds)) = (actors.upgrade(), deeds.upgrade()) {
                            let conversation = actors.converse(index, peer, 0);
                            deeds.borrow_mut().calls[index].accepted.push((addr, conversation));
                        }
                    });
                }
                Reaction::Refuses => net.refuse(addr),
                Reaction::Fails => net.unreachable(addr),
                Reaction::Ignores => net.ignore(addr),
            }
        }
    }
    actors
}
