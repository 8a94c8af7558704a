//! The trace tells everything that the loop does, in order, and whose it is.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use multiconn::connection;
use multiconn::protocols::app::AppService;
use multiconn::protocols::echo::EchoService;
use multiconn::protocols::multiply::MultiplyService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::{SimNet, SimPeer};
use multiconn::session::Service;
use multiconn::trace::{Event, LevelFilter, Record, Subscriber};

use crate::support::{run, search, seconds, server_addr};

/// The story so far: a line for each event.
#[derive(Clone, Default)]
struct Story(Rc<RefCell<Vec<String>>>);

impl Story {
    fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// What happens to one connection.
    fn of(&self, connection: u64) -> Vec<String> {
        let prefix = format!("{connection}: ");
        self.lines().iter().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }
}

impl Subscriber for Story {
    fn record(&self, record: &Record<'_>) {
        let what = match &record.event {
            Event::TurnBegun { waited, events } => format!("turn {}, {events} events after {waited:?}", record.turn),
            Event::Selected { readiness } => {
                let flag = |is_set, letter| if is_set { letter } else { "" };
                let (r, w) = (flag(readiness.readable, "r"), flag(readiness.writable, "w"));
                format!("selected {r}{w}{}", flag(readiness.read_closed, "h"))
            }
            Event::Stepped(step) => format!("stepped: {step}"),
            Event::Moved { from, event, to } => format!("moved: {from} --[ {event} ]--> {to}"),
            Event::RunEnded { how, state, input, output, .. } => {
                format!("run {how}: {state}; {input} in, {output} out")
            }
            Event::InterestChanged { from, to } => format!("interest: {from} -> {to}"),
            Event::Closed { end, .. } => format!("closed: {end}"),
            other => format!("{other:?}"),
        };
        let id = record.connection.map_or("loop".to_owned(), |connection| connection.id.to_string());
        self.0.borrow_mut().push(format!("{id}: {what}"));
    }
}

/// The story of a server that is stopped after ten seconds.
fn story<V: Service>(service: V, config: impl Into<Config>, script: impl FnOnce(&SimNet)) -> Story {
    let (net, story) = (SimNet::new(1), Story::default());
    let mut reactor = Reactor::with_subscriber(net.selector(), service, config, story.clone());
    reactor.add_listener(net.listener(server_addr())).unwrap();
    script(&net);
    let handle = reactor.handle();
    net.at(seconds(10), move || handle.stop());
    run(&mut reactor).unwrap();
    story
}

fn client(net: &SimNet, time: Duration) -> SimPeer {
    net.client_at(time, server_addr())
}

#[test]
fn a_request_in_two_parts_is_told_step_by_step() {
    let request = search("ring", false);
    let (first, rest) = request.split_at(2 + 48);
    let story = story(AppService::default(), Config::default(), |net| {
        client(net, seconds(1)).send_at(seconds(2), first).send_at(seconds(3), rest);
    });
    let header = request.iter().position(|&byte| byte == b'}').unwrap() - 1;
    let content = request.len() - 2 - header;
    let told = story.of(1);
    let replied = told.iter().find_map(|line| line.strip_prefix("Replied { len: ")).expect("a reply");
    let reply: usize = replied.trim_end_matches(" }").parse().unwrap();
    let expected = [
        "Accepted".to_owned(),
        "RunBegun".into(),
        "run waits for input: idle; 0 in, 0 out".into(),
        "TimerSet { after: 60s }".into(),
        "interest: none -> r".into(),
        "selected r".into(),
        "RunBegun".into(),
        "Received { bytes: 50 bytes }".into(),
        "stepped: idle --[ first byte ]--> protoheader, 2 of 2 bytes".into(),
        format!("stepped: protoheader --[ protoheader read ]--> JSON header, 48 of {header} bytes"),
        format!("run waits for input: 48 of {header} bytes of the JSON header; 48 in, 0 out"),
        "TimerSet { after: 10s }".into(),
        "selected r".into(),
        "RunBegun".into(),
        format!("Received {{ bytes: {} bytes }}", rest.len()),
        format!("stepped: JSON header --[ JSON header read ]--> content, {content} of {content} bytes"),
        "stepped: content --[ content read ]--> idle".into(),
        format!("Replied {{ len: {reply} }}"),
        format!("Sent {{ bytes: {reply} bytes, left: 0 }}"),
        "moved: receiving --[ request read ]--> responding".into(),
        "moved: responding --[ last reply ]--> draining".into(),
        "moved: draining --[ our end sent ]--> lingering".into(),
        "run waits for input: idle; 0 in, 0 out".into(),
        "TimerSet { after: 1ms }".into(),
        "selected rh".into(),
        "RunBegun".into(),
        "InputEnded".into(),
        "moved: lingering --[ input ended ]--> closed".into(),
        "run ends: idle; 0 in, 0 out".into(),
        "closed: finished".into(),
    ];
    assert_eq!(told, expected, "\n{}", told.join("\n"));
    let own: Vec<_> = story.lines().into_iter().filter(|line| line.starts_with("loop: ")).collect();
    assert_eq!(own[1..3], ["loop: turn 2, 1 events after 999.999ms", "loop: selected r"]);
    assert!(own.contains(&"loop: Stopping { open: 0, timeout: 10s }".to_owned()), "{own:#?}");
}

#[test]
fn back_pressure_timers_and_an_end_in_error_are_told() {
    let config = connection::Config { output_high_water: 100, ..connection::Config::default() };
    let story = story(EchoService::default(), config, |net| {
        let peer = client(net, seconds(1));
        peer.window(100).reads_nothing().send_at(seconds(2), [b'x'; 300]).reset_at(seconds(3));
    });
    let told = story.of(1);
    for line in [
        "Received { bytes: 300 bytes }",
        "Replied { len: 300 }",
        "Sent { bytes: 100 bytes, left: 200 }",
        "moved: responding --[ output full ]--> responding",
        "interest: r -> w",
        "run waits for room: idle; 0 in, 200 out",
        "TimerFired { is_due: true }",
        "selected rwh",
        "moved: responding --[ peer gone ]--> closed",
        "closed: peer has closed the connection",
    ] {
        assert!(told.iter().any(|told| told == line), "{line} in\n{}", told.join("\n"));
    }
}

#[test]
fn connections_are_numbered_in_order_whether_they_are_served_or_refused() {
    let config = Config { connections_max: 1, ..Config::default() };
    let story = story(EchoService::default(), config, |net| {
        client(net, seconds(1)).end_at(seconds(3));
        client(net, seconds(2)).end_at(seconds(3));
        client(net, seconds(4)).end_at(seconds(5));
    });
    let first = |connection| story.of(connection).first().cloned().unwrap_or_default();
    assert_eq!([first(1), first(2), first(3)], ["Accepted", "Refused { why: \"the only one is in use\" }", "Accepted"]);
    for connection in 1..=3 {
        assert!(story.of(connection).last().unwrap().starts_with("closed: "), "{:#?}", story.of(connection));
    }
}

/// The bytes that are received and sent.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<[Vec<u8>; 2]>>);

impl Subscriber for Wire {
    fn record(&self, record: &Record<'_>) {
        let (nth, bytes) = match record.event {
            Event::Received { bytes } => (0, bytes),
            Event::Sent { bytes, .. } => (1, bytes),
            _ => return,
        };
        let lent: Vec<u8> = bytes.slices().flatten().copied().collect();
        assert_eq!(lent.len(), bytes.len());
        self.0.borrow_mut()[nth].extend(lent);
    }
}

#[test]
fn the_bytes_are_lent_as_they_are_on_the_wire() {
    let run = |request: &[u8], times: u64, window: usize| {
        let (net, wire) = (SimNet::new(1), Wire::default());
        let service = MultiplyService { times, ..MultiplyService::default() };
        let mut reactor = Reactor::with_subscriber(net.selector(), service, Config::default(), wire.clone());
        reactor.add_listener(net.listener(server_addr())).unwrap();
        let peer = client(&net, seconds(1));
        peer.window(window).send_at(seconds(2), request);
        let handle = reactor.handle();
        net.at(seconds(10), move || handle.stop());
        run(&mut reactor).unwrap();
        let told = wire.0.borrow().clone();
        (peer.received(), told)
    };
    for window in [7, 100, 1 << 20] {
        let (reply, [received, sent]) = run(b"ab\n", 500, window);
        assert_eq!((received.as_slice(), sent.len()), (&b"ab\n"[..], 1000), "{window}");
        assert!(sent == reply && sent == b"ab".repeat(500), "{window}");
    }
}

/// Receives only what its level says.
struct Leveled(LevelFilter, Story);

impl Subscriber for Leveled {
    fn level(&self) -> LevelFilter {
        self.0
    }

    fn record(&self, record: &Record<'_>) {
        self.1.record(record);
    }
}

#[test]
fn a_subscriber_receives_the_events_of_its_level() {
    let run = |subscriber: (Leveled, Leveled)| {
        let net = SimNet::new(1);
        let mut reactor =
            Reactor::with_subscriber(net.selector(), EchoService::default(), Config::default(), subscriber);
        reactor.add_listener(net.listener(server_addr())).unwrap();
        client(&net, seconds(1)).send_at(seconds(2), "hello").end_at(seconds(3));
        let handle = reactor.handle();
        net.at(seconds(10), move || handle.stop());
        run(&mut reactor).unwrap();
    };
    let (brief, full, nothing) = (Story::default(), Story::default(), Story::default());
    run((Leveled(LevelFilter::Info, brief.clone()), Leveled(LevelFilter::Trace, full.clone())));
    assert_eq!(brief.lines(), ["1: Accepted", "1: closed: finished", "loop: Stopping { open: 0, timeout: 10s }"]);
    assert!(full.lines().len() > 15);
    let brief_too = Story::default();
    run((Leveled(LevelFilter::Off, nothing.clone()), Leveled(LevelFilter::Info, brief_too.clone())));
    assert_eq!((nothing.lines().len(), brief_too.lines()), (0, brief.lines()));
}
