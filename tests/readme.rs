//! What the README shows of Python works as it stands there.

use std::process::Command;
use std::thread;

use multiconn::protocols::app::AppService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;

#[test]
fn the_python_client_gets_its_reply() {
    let readme = include_str!("../README.md");
    let (_, after) = readme.split_once("```python\n").expect("there is a Python client");
    let (client, _) = after.split_once("```").expect("it ends");

    let mut reactor = Reactor::new(MioSelector::new().unwrap(), AppService::default(), Config::default());
    let addr = reactor.listen("127.0.0.1:0").unwrap()[0];
    let handle = reactor.handle();
    let server = thread::spawn(move || reactor.run());
    let client = client.replace("65432", &addr.port().to_string());
    let output = Command::new("python3").args(["-c", &client]).env("PYTHONUTF8", "1").output().expect("python3 runs");
    handle.stop();
    server.join().unwrap().unwrap();

    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Follow the white rabbit. 🐰\n");
}
