//! The options of all servers.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::access::{AccessLog, AccessLogOption};
use super::address::Address;
use super::admin::{self, Admin, AdminOptions};
use super::descriptors::{self, Needs};
use super::failure::Failure;
use super::model::ModelOptions;
use super::takeover::{self, Takeover, TakeoverOption};
use super::{systemd, trace, units};
use crate::address::Network;
use crate::connection;
use crate::models::{Bound, Config, Model, Work, limits};
use crate::session::admission::{Admission, Rate};
use crate::session::proxied::{Entry, Proxies};

const LISTENING: &str = "Listening";
const LIMITS: &str = "Limits and timeouts of connections";

/// Where to listen, and the limits for peers.
#[derive(Debug, Args)]
pub struct ServerOptions {
    /// Where to listen: HOST:PORT, [V6]:PORT, :PORT (every interface), HOST (the protocol's port), PORT (loopback) or
    /// unix:PATH, and on Linux unix:@NAME; port 0 picks a free one; systemd:NAME is a socket that systemd has passed, and
    /// systemd is all of them [default: systemd if there are any, or 127.0.0.1]
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<Address>,
    /// Listen on N consecutive ports, starting at ADDRESS's
    #[arg(long, help_heading = LISTENING, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    ports: u16,
    /// Maximum connections waiting to be accepted, for each address and worker
    #[arg(long, help_heading = LISTENING, value_name = "N", default_value_t = 1024,
          value_parser = clap::value_parser!(i32).range(1..))]
    backlog: i32,
    /// Congestion control algorithm, such as reno or cubic (Linux, FreeBSD) [default: the system's]
    #[arg(long, help_heading = LISTENING, value_name = "NAME")]
    congestion: Option<String>,
    /// The mode of the files of Unix sockets, in octal: 660 lets their owner and group connect [default: what the umask
    /// allows]
    #[arg(long, help_heading = LISTENING, value_name = "MODE", value_parser = units::mode)]
    socket_mode: Option<u32>,
    /// Expect a PROXY protocol header, version 1 or 2, at the beginning of each connection, with the address of a proxy's
    /// client
    #[arg(long, help_heading = LISTENING)]
    proxy_protocol: bool,
    /// Networks of trusted proxies; connections from other addresses are closed. Peers on Unix sockets are always trusted
    /// [default: 127.0.0.0/8,::1]
    #[arg(long, help_heading = LISTENING, value_name = "CIDR", value_delimiter = ',', requires = "proxy_protocol")]
    proxy_from: Vec<Network>,
    /// How long a whole PROXY header may take to arrive [default: 5s]
    #[arg(long, help_heading = LISTENING, value_name = "TIME", value_parser = units::timeout, requires = "proxy_protocol")]
    proxy_timeout: Option<Duration>,
    /// Maximum connections; excess ones get an error and are closed (reactor, poll, select) [default: as many as the
    /// limit of open files allows; with select, at most 1000]
    #[arg(long, help_heading = LIMITS, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,
    /// Maximum connections of a client's IP address; excess ones get an error and are closed (not fork) [default: no
    /// limit]
    #[arg(long, help_heading = LIMITS, value_name = "N")]
    max_connections_per_peer: Option<NonZero<usize>>,
    /// Maximum rate of new connections, such as 100/s or 30/m, all of which may come at once; excess ones get an error and
    /// are closed (not fork) [default: no limit]
    #[arg(long, help_heading = LIMITS, value_name = "RATE")]
    accept_rate: Option<Rate>,
    /// How long a peer may stay connected without starting a request
    #[arg(long, help_heading = LIMITS, value_name = "TIME", default_value = "60s", value_parser = units::timeout)]
    pub idle_timeout: Duration,
    /// How long a peer may accept none of the data that waits for it
    #[arg(long, help_heading = LIMITS, value_name = "TIME", default_value = "30s", value_parser = units::timeout)]
    write_timeout: Duration,
    /// How long to go on accepting connections after SIGINT or SIGTERM, while /readyz of --admin says 503, so that load
    /// balancers send no more (not sequential, fork)
    #[arg(long, help_heading = LIMITS, value_name = "TIME", default_value = "0s", value_parser = units::time)]
    stop_delay: Duration,
    /// How long work in progress may take to finish after SIGINT or SIGTERM
    #[arg(long, help_heading = LIMITS, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    drain_timeout: Duration,
    /// How long to read and discard what a peer still sends after our side has ended
    #[arg(long, help_heading = LIMITS, value_name = "TIME", default_value = "2s", value_parser = units::timeout)]
    linger_timeout: Duration,
    /// Maximum bytes to discard within the linger timeout
    #[arg(long, help_heading = LIMITS, value_name = "SIZE", default_value = "16m", value_parser = units::size)]
    max_linger: usize,
    /// Stop reading from a peer when this much output to it is unsent
    #[arg(long, help_heading = LIMITS, value_name = "SIZE", default_value = "64k", value_parser = units::size)]
    output_high_water: usize,
    /// Maximum memory for unfinished input and unsent output of all connections together; above it, the connection
    /// that uses the most is closed
    #[arg(long, help_heading = LIMITS, value_name = "SIZE", default_value = "512m", value_parser = units::size)]
    max_memory: usize,
    /// The protocol's longest message.
    #[arg(skip)]
    pub message_len_max: usize,
    #[command(flatten)]
    takeover: TakeoverOption,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    admin: AdminOptions,
    #[command(flatten)]
    access_log: AccessLogOption,
}

impl ServerOptions {
    pub fn model(&self) -> Model {
        self.model.model
    }

    /// Takes over from the server before this one, if that is asked for. Call it first.
    pub fn take_over(&self, protocol: &str) -> Result<Option<Takeover>, Failure> {
        self.takeover.begin(protocol)
    }

    /// Listens for administrators, if that is asked for, on one of the `inherited` sockets if it fits. Call it before
    /// [`config`](Self::config), which takes all sockets of systemd that are left.
    pub fn admin(&self, inherited: &mut Vec<Bound>) -> Result<Option<Admin>, Failure> {
        self.admin.open(self.model(), self.socket_mode, inherited)
    }

    /// Opens the access log of a server of `protocol`, if that is asked for.
    pub fn access_log(&self, protocol: &str, has_messages: bool) -> Result<Option<Arc<AccessLog>>, Failure> {
        self.access_log.open(protocol, has_messages)
    }

    /// What each connection has to pass: the header of a proxy, and limits on clients.
    pub fn entry(&self) -> Entry {
        let default = Proxies::default();
        let proxies = self.proxy_protocol.then(|| Proxies {
            from: if self.proxy_from.is_empty() { default.from } else { self.proxy_from.clone() },
            timeout: self.proxy_timeout.unwrap_or(default.timeout),
        });
        let (per_peer, rate) = (self.max_connections_per_peer, self.accept_rate);
        let is_limited = per_peer.is_some() || rate.is_some();
        Entry { proxies, admission: is_limited.then(|| Arc::new(Admission::new(per_peer, rate))) }
    }

    pub fn work(&self) -> Option<Work> {
        self.model.work()
    }

    /// How many programs a protocol that runs them may run at once; see [`ModelOptions::take_max_children`].
    pub fn take_max_children(&mut self, default: u32) -> Result<usize, Failure> {
        self.model.take_max_children(default)
    }

    /// Makes the configuration, apart from the protocol's own limits, and raises the limit of open files as far as possible.
    ///
    /// An address without a port gets `default_port`. `needs` are the descriptors of each connection.
    pub fn config(&self, default_port: u16, needs: Needs) -> Result<Config, Failure> {
        let mut config =
            Config { names: Vec::new(), backlog: self.backlog, connection: self.limits(), ..Config::default() };
        config.congestion_control = self.congestion.clone();
        config.socket_mode = self.socket_mode;
        config.stop_delay = self.stop_delay;
        config.subscriber = trace::subscriber();
        self.model.configure(&mut config)?;
        if self.max_connections.is_some() && !self.model().is_reactor() {
            return Err(self.model.refuse("--max-connections"));
        }
        if !self.stop_delay.is_zero() && matches!(self.model(), Model::Sequential | Model::Fork) {
            return Err(self.model.refuse("--stop-delay"));
        }
        let shared = [
            ("--max-connections-per-peer", self.max_connections_per_peer.is_some()),
            ("--accept-rate", self.accept_rate.is_some()),
        ];
        if let Some((option, _)) = shared.into_iter().find(|(_, is_given)| *is_given && self.model() == Model::Fork) {
            return Err(self.model.refuse(option));
        }
        let default = [Address::default_to_listen_on()];
        let addresses = if self.addresses.is_empty() { &default[..] } else { &self.addresses };
        let mut wants_the_rest = false;
        for address in addresses {
            match address.of_systemd() {
                None => config.names.extend(address.or_port(default_port).to_listen_on(self.ports)?),
                Some(Some(name)) => config.bound.extend(systemd::take(Some(name))?),
                Some(None) => wants_the_rest = true,
            }
        }
        if wants_the_rest {
            config.bound.extend(systemd::take(None)?);
        }
        for name in systemd::unused() {
            log::warn!("systemd has passed a socket '{name}' that no address takes; its clients will wait in vain");
        }
        let descriptors = descriptors::raise_limit();
        let listeners = config.names.iter().map(Vec::len).sum::<usize>() + config.bound.len();
        let mut taken = if self.admin.is_given() { admin::DESCRIPTORS } else { 0 };
        if self.takeover.is_given() {
            // Each listener has a copy.
            taken += takeover::DESCRIPTORS + (listeners * config.workers.max(1)) as u64;
        }
        let left = descriptors.saturating_sub(taken);
        let room = descriptors::room_for(needs, self.model(), left, listeners, config.workers);
        config.refusals_max = room.refusals;
        config.connections_max = self.connections_max(room.connections, descriptors);
        // More than the system allows is refused, whatever the descriptors.
        if limits::check(self.model(), &config).is_ok() {
            self.model.fit(&mut config, room.connections, descriptors);
        }
        Ok(config)
    }

    fn limits(&self) -> connection::Config {
        let default = connection::Config::default();
        connection::Config {
            idle_timeout: self.idle_timeout,
            write_timeout: self.write_timeout,
            drain_timeout: self.drain_timeout,
            linger_timeout: self.linger_timeout,
            linger_len_max: self.max_linger,
            output_high_water: self.output_high_water,
            // A whole message may have to be buffered.
            memory: connection::Memory::new(self.max_memory),
            input_len_max: default.input_len_max.max(self.message_len_max.saturating_add(64 << 10)),
            ..default
        }
    }

    fn connections_max(&self, room: usize, descriptors: u64) -> usize {
        let Some(max) = self.max_connections.map(|max| max as usize) else { return room };
        match self.model() {
            _ if max <= room => {}
            Model::Select => log::warn!(
                "--max-connections {max} is more than the {room} that select(2) has room for; further connections may be \
                 refused"
            ),
            _ => log::warn!(
                "--max-connections {max} is more than the {room} that the limit of {descriptors} open files leaves; \
                 further connections will wait"
            ),
        }
        max
    }
}
