//! Requests with simulated work, whose replies are the same in every model.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use crate::common::*;
use crate::talk::Way;

fn server(options: &[&str]) -> Server {
    Server::start(&[&["app", "0", "-q"], options].concat())
}

#[test]
fn the_replies_are_the_same() {
    for model in ["reactor", "poll", "select", "sequential", "threads", "pool", "fork"] {
        for work in ["--blocking-work", "--cpu-work"] {
            let server = server(&["--model", model, work, "2ms"]);
            let mut stream = server.connect();
            let requests = [kept_search("morpheus"), kept_search("ring"), search("ring")].concat();
            stream.write_all(&requests).unwrap();
            expect_last(&mut stream, &[kept_result(RABBIT), kept_result(RING), result(RING)].concat());
            server.stop();
        }
    }
}

#[test]
fn what_is_offloaded_comes_back_to_whom_it_belongs() {
    for model in ["reactor", "poll", "select"] {
        for workers in ["1", "2"] {
            let server = server(&["--model", model, "--workers", workers, "--cpu-work", "2ms", "--offload"]);
            let mut streams: Vec<_> = (0..20).map(|_| server.connect()).collect();
            for (number, stream) in streams.iter_mut().enumerate() {
                stream.write_all(&[kept_search(&number.to_string()), search("ring")].concat()).unwrap();
            }
            for (number, stream) in streams.iter_mut().enumerate() {
                let miss = kept_result(&format!("No match for '{number}'."));
                expect_last(stream, &[miss, result(RING)].concat());
            }
            server.stop();
        }
    }
}

/// Every model but select(2)'s notices at once when a connection that waits for work is reset.
#[test]
fn a_reset_is_noticed_while_there_is_work() {
    for model in ["reactor", "poll", "sequential", "threads", "pool", "fork"] {
        let args = ["app", "0", "-v", "--model", model, "--blocking-work", "1h", "--drain-timeout", "100ms"];
        let server = Server::start(&args);
        // Also where not all that it has sent was read.
        for more in ["", "more"] {
            let mut peer = Way(&server).connect();
            peer.send([&search("ring"), more.as_bytes()].concat());
            // The reply is made, and waits for the work.
            server.wait_for_log("Sending ");
            let address = peer.address();
            peer.reset();
            Way(&server).log_of_close(&address, "connection reset by peer");
        }
        server.stop();
    }
}

#[test]
fn half_a_connection_is_worked_for() {
    for model in ["reactor", "poll", "select", "sequential", "threads", "pool", "fork"] {
        let server = server(&["--model", model, "--blocking-work", "50ms"]);
        let mut stream = server.connect();
        stream.write_all(&[kept_search("morpheus"), search("ring")].concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        expect_last(&mut stream, &[kept_result(RABBIT), result(RING)].concat());
        server.stop();
    }
}

/// A computation that would take an hour keeps nobody else waiting, and ends with its connection.
#[test]
fn a_loop_that_offloads_goes_on() {
    let server = server(&["--cpu-work", "1h", "--offload", "--drain-timeout", "100ms"]);
    let mut working = server.connect();
    working.write_all(&search("ring")).unwrap();
    // What has no work to do is answered meanwhile: an error.
    for _ in 0..3 {
        let mut other = server.connect();
        other.write_all(b"\0\x02{}").unwrap();
        assert!(!to_end(&mut other).is_empty());
    }
    server.stop();
    // Its reply was cut off before it began: that is no orderly end.
    let end = working.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
}
