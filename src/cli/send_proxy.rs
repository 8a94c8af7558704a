//! `--send-proxy`: a header of the PROXY protocol before everything else on each connection, as a proxy sends it.

use std::io::{self, Write as _};
use std::sync::OnceLock;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use socket2::Socket;

use crate::address::Addr;
use crate::codec::proxy::{self, Version};

/// The version for all connections of this process.
static VERSION: OnceLock<Version> = OnceLock::new();

/// Whether to send a header.
#[derive(Clone, Copy, Debug, Args)]
pub struct SendProxyOption {
    /// Begin each connection with a PROXY protocol header that says it's ours, for a server with --proxy-protocol
    #[arg(long, global = true, display_order = 98, value_name = "VERSION")]
    send_proxy: Option<Version>,
}

impl ValueEnum for Version {
    fn value_variants<'a>() -> &'a [Self] {
        &[Version::V1, Version::V2]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Version::V1 => PossibleValue::new("v1").help("A line of text"),
            Version::V2 => PossibleValue::new("v2").help("Binary"),
        })
    }
}

impl SendProxyOption {
    /// Applies to all connections from now on.
    pub fn apply(self) {
        if let Some(version) = self.send_proxy {
            let _ = VERSION.set(version);
        }
    }
}

/// The version of the headers to send, if there are any.
pub fn version() -> Option<Version> {
    VERSION.get().copied()
}

/// Sends the header on a new connection to `server`, if one is to be sent.
pub fn introduce(mut socket: &Socket, server: Addr) -> io::Result<()> {
    let Some(version) = version() else { return Ok(()) };
    let own = socket.local_addr()?.as_socket();
    socket.write_all(&proxy::write(version, own, server.inet()))
}
