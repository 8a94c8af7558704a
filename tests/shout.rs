//! The example of a protocol of one's own, served for real.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;
use multiconn::session::Peer;

#[allow(dead_code)]
#[path = "../docs/examples/shout.rs"]
mod shout;

#[test]
fn the_example_shouts() {
    let mut reactor = Reactor::new(MioSelector::new().unwrap(), |_: &Peer| shout::Shout, Config::default());
    let addr = reactor.listen("127.0.0.1:0").unwrap()[0];
    let handle = reactor.handle();
    let server = thread::spawn(move || reactor.run());
    let say = |pieces: &[&[u8]]| {
        let mut stream = TcpStream::connect(addr).unwrap();
        for piece in pieces {
            stream.write_all(piece).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        heard
    };
    assert_eq!(say(&[b"hel", b"lo\nwor", b"ld\n"]), "HELLO\nWORLD\n");
    assert_eq!(say(&[b"one\nbye\ntwo\n"]), "ONE\nBYE\n");
    assert_eq!(say(&[&[b'x'; 2000]]), "");
    handle.stop();
    server.join().unwrap().unwrap();
}
