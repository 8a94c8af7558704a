//! Echo servers with a scripted fault.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The length of a message.
pub const SIZE: u64 = 64;

/// A fault of an echo server, after it has received a number of bytes on all connections together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// Answers no client for this long.
    Stall(Duration),
    /// Never answers any client again.
    Silence,
    /// Sends one wrong byte.
    Lie,
    /// Closes all connections.
    Leave,
}

pub struct Script {
    bytes_before: u64,
    act: Act,
    bytes: u64,
    /// The duration of the stall: a sleep may be longer than requested.
    pub stalled: Option<Duration>,
    /// The time at which each answer was sent.
    pub answers: Vec<Instant>,
}

/// An echo server with a thread for each connection and a fault after `messages_before` messages.
pub fn scripted(messages_before: u64, act: Act) -> (SocketAddr, Arc<Mutex<Script>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = Script { bytes_before: messages_before * SIZE, act, bytes: 0, stalled: None, answers: Vec::new() };
    let script = Arc::new(Mutex::new(script));
    let shared = Arc::clone(&script);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let script = Arc::clone(&shared);
            // A failed connection ends only its own thread.
            thread::spawn(move || serve(stream.unwrap(), &script).unwrap_or_default());
        }
    });
    (address, script)
}

fn serve(mut stream: TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        // The lock is held during a stall, so that it stalls all connections.
        let mut script = script.lock().unwrap();
        script.bytes += len as u64;
        if script.bytes >= script.bytes_before {
            match script.act {
                Act::Stall(time) if script.stalled.is_none() => {
                    let begun = Instant::now();
                    thread::sleep(time);
                    script.stalled = Some(begun.elapsed());
                }
                Act::Stall(_) => {}
                Act::Silence => continue,
                Act::Lie => buffer[len - 1] ^= 1,
                Act::Leave => return Ok(()),
            }
        }
        stream.write_all(&buffer[..len])?;
        script.answers.push(Instant::now());
    }
}
