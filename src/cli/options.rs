//! The options of every server.

use std::time::Duration;

use clap::Args;

use super::address::Address;
use super::failure::Failure;
use super::model::ModelOptions;
use super::{descriptors, units};
use crate::connection;
use crate::models::{Config, Model, Work};

/// Where to listen, and how much to let peers ask for.
#[derive(Debug, Args)]
pub struct ServerOptions {
    /// Where to listen: HOST:PORT, [V6]:PORT, :PORT (every interface), HOST (the protocol's port) or PORT (loopback);
    /// port 0 picks a free one
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1")]
    addresses: Vec<Address>,
    /// Listen on so many ports that follow each other, from that of ADDRESS on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    ports: u16,
    /// Most connections at once; one above it is told so and closed [default: what the limit of open files leaves]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,
    /// How long a peer may be connected with nothing begun
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::timeout)]
    pub idle_timeout: Duration,
    /// How long a peer may take none of what is sent to it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::timeout)]
    write_timeout: Duration,
    /// How long what has begun may take to finish after SIGINT or SIGTERM
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    drain_timeout: Duration,
    /// How long to read and drop what a peer still sends after our side has ended
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = units::timeout)]
    linger_timeout: Duration,
    /// Most bytes to drop in that time
    #[arg(long, value_name = "SIZE", default_value = "16m", value_parser = units::size)]
    max_linger: usize,
    /// Bytes of unsent output from which on nothing more is read from that peer
    #[arg(long, value_name = "SIZE", default_value = "64k", value_parser = units::size)]
    output_high_water: usize,
    /// Connections that may wait to be accepted
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(i32).range(1..))]
    backlog: i32,
    /// The congestion control of its connections, such as reno or cubic [default: the system's]
    #[arg(long, value_name = "NAME")]
    congestion: Option<String>,
    /// The protocol's longest message.
    #[arg(skip)]
    pub message_len_max: usize,
    #[command(flatten)]
    model: ModelOptions,
}

impl ServerOptions {
    pub fn model(&self) -> Model {
        self.model.model
    }

    pub fn work(&self) -> Option<Work> {
        self.model.work()
    }

    /// How many programs a protocol that runs them may run at once; see [`ModelOptions::take_max_children`].
    pub fn take_max_children(&mut self, default: u32) -> usize {
        self.model.take_max_children(default)
    }

    /// All that is not the protocol's, with the limit of open files raised as far as it goes. An address without a port
    /// has the protocol's, `default_port`. Each connection needs so many descriptors.
    pub fn config(&self, default_port: u16, descriptors_each: u64) -> Result<Config, Failure> {
        let mut config =
            Config { names: Vec::new(), backlog: self.backlog, connection: self.limits(), ..Config::default() };
        config.congestion_control = self.congestion.clone();
        self.model.configure(&mut config)?;
        config.connections_max = self.connections_max(descriptors_each)?;
        for address in &self.addresses {
            config.names.extend(address.or_port(default_port).to_listen_on(self.ports)?);
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
            // A whole message may have to be kept.
            input_len_max: default.input_len_max.max(self.message_len_max.saturating_add(64 << 10)),
            ..default
        }
    }

    fn connections_max(&self, descriptors_each: u64) -> Result<usize, Failure> {
        let descriptors = descriptors::raise_limit();
        let room = descriptors::connections_for(descriptors, descriptors_each, self.model());
        let Some(max) = self.max_connections.map(|max| max as usize) else { return Ok(room) };
        if !self.model().is_reactor() {
            return Err(self.model.refuse("--max-connections"));
        }
        match self.model() {
            _ if max <= room => {}
            Model::Select => log::warn!(
                "--max-connections {max} is more than the {room} that select(2) has room for; connections above those may \
                 be refused"
            ),
            _ => log::warn!(
                "--max-connections {max} is more than the {room} that the limit of {descriptors} open files leaves; \
                 connections above those will wait"
            ),
        }
        Ok(max)
    }
}
