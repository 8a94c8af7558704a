//! What a subscriber gets only if it asks: times, and snapshots.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use multiconn::connection;
use multiconn::protocols::app::AppService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::SimNet;
use multiconn::trace::{Event, LevelFilter, Portion, Record, Subscriber, Wants, json};

use crate::support::{millis, run, search, seconds, server_addr};

/// Asks for times and snapshots, and keeps what comes, as JSON.
#[derive(Clone, Default)]
struct Asker {
    lines: Rc<RefCell<Vec<serde_json::Value>>>,
    next: Rc<Cell<usize>>,
    count: usize,
}

impl Subscriber for Asker {
    fn wants(&self) -> Wants {
        let snapshot = (self.count > 0).then_some(Portion { from: self.next.get(), count: self.count });
        Wants { level: LevelFilter::Trace, times: true, snapshot }
    }

    fn record(&self, record: &Record<'_>) {
        if let Event::LoopIs(is) = &record.event {
            self.next.set(is.next.unwrap_or(0));
        }
        let mut line = Vec::new();
        json::write(&mut line, record, Duration::ZERO, None).unwrap();
        self.lines.borrow_mut().push(serde_json::from_slice(&line).unwrap());
    }
}

impl Asker {
    fn of(&self, event: &str) -> Vec<serde_json::Value> {
        self.lines.borrow().iter().filter(|line| line["event"] == event).cloned().collect()
    }
}

fn serve(asker: &Asker, is_watched: bool, clients: u64) -> (u64, Duration) {
    let net = SimNet::new(1);
    let config = Config::from(connection::Config::default());
    let mut reactor = Reactor::with_subscriber(net.selector(), AppService::default(), config, asker.clone());
    reactor.add_listener(net.listener(server_addr())).unwrap();
    if is_watched {
        reactor.add_listener_apart(net.listener(([10, 255, 0, 1], 9000)), 1).unwrap();
    }
    for n in 0..clients {
        let request = search("morpheus", true);
        let client = net.client_at(seconds(1), server_addr());
        client.send_at(seconds(2), &request).send_at(seconds(3 + n), &request[..10]).end_at(seconds(40));
    }
    // This one keeps the loop turning.
    let talker = net.client_at(seconds(1), server_addr());
    for n in 0..50 {
        talker.send_at(seconds(2) + millis(500) * n, search("ring", true));
    }
    let handle = reactor.handle();
    net.at(seconds(30), move || handle.stop());
    run(&mut reactor).unwrap();
    (reactor.totals().turns, net.now())
}

#[test]
fn each_turn_and_each_run_is_measured_and_nothing_else_changes() {
    let asker = Asker::default();
    let (turns, end) = serve(&asker, false, 3);
    let ended = asker.of("turn_ended");
    assert_eq!(ended.len() as u64, turns);
    assert!(ended[0]["select"].is_null() && ended[1..].iter().all(|turn| turn["select"].is_number()));
    for part in ["dispatch", "run", "accept", "timers"] {
        assert!(ended.iter().all(|turn| turn[part].is_number()), "{part}");
    }
    let runs = asker.of("run_ended");
    assert!(!runs.is_empty() && runs.iter().all(|run| run["took"].is_number()));
    assert!(asker.of("loop_is").is_empty());
    // Snapshots take no simulated time, either.
    assert_eq!(serve(&Asker { count: 1, ..Asker::default() }, true, 3), (turns, end));
}

#[test]
fn a_snapshot_shows_each_connection_over_several_turns_and_the_loop() {
    let asker = Asker { count: 2, ..Asker::default() };
    serve(&asker, true, 5);
    let rows = asker.of("connection_is");
    for number in 1..=5 {
        let all: Vec<_> = rows.iter().filter(|row| row["connection"] == number).collect();
        let mut rows = all.iter();
        let row =
            rows.rfind(|row| row["input"] == 8).unwrap_or_else(|| panic!("{number} has received a part: {all:#?}"));
        assert_eq!((&row["stage"], &row["interest"]), (&"receiving".into(), &"r".into()), "{row}");
        assert_eq!((&row["messages"], &row["begun"]), (&1.into(), &true.into()), "{row}");
        assert_eq!(row["deadline_for"], "session", "{row}");
        assert!(row["bytes_in"].as_u64() > Some(10) && row["bytes_out"].as_u64() > Some(10), "{row}");
        assert!(row["age"].as_f64() >= Some(1.0) && row["deadline"].is_number(), "{row}");
        assert!(row["last_error"].is_null() && row["recv_q"].is_null(), "{row}");
    }
    let loops = asker.of("loop_is");
    assert!(loops.iter().any(|is| is["next"] == 2) && loops.iter().any(|is| is["next"].is_null()));
    assert!(loops.iter().any(|is| is["open"] == 6 && is["accepting"] == "yes"));
    let last = loops.last().unwrap();
    assert_eq!((&last["accepted"], &last["messages"], &last["accepting"]), (&6.into(), &55.into(), &"stopping".into()));
    // Without a listener apart, nobody counts for each connection.
    let asker = Asker { count: 2, ..Asker::default() };
    serve(&asker, false, 1);
    assert!(asker.of("connection_is").iter().all(|row| row["messages"].is_null() && row["age"].is_null()));
}
