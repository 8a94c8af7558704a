//! The machine on which measurements are made.

use std::fs;

use super::pinning::Pinning;
use super::results::Machine;
use crate::models::cores;

/// Describes this machine, as far as the system reports it.
pub fn machine(pinning: &Pinning, descriptors_max: u64) -> Machine {
    let name = rustix::system::uname();
    Machine {
        system: field("/etc/os-release", "PRETTY_NAME=", "")
            .map_or_else(|| name.sysname().to_string_lossy().into_owned(), |name| name.trim_matches('"').to_owned()),
        kernel: format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy()),
        processor: field("/proc/cpuinfo", "model name", ":")
            .unwrap_or_else(|| name.machine().to_string_lossy().into_owned()),
        cores: cores().try_into().unwrap_or(u32::MAX),
        memory_bytes: field("/proc/meminfo", "MemTotal", ":")
            .and_then(|size| size.strip_suffix(" kB")?.parse::<u64>().ok())
            .map(|size| size * 1024),
        congestion_control: fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control")
            .ok()
            .map(|name| name.trim().to_owned()),
        server_cpus: pinning.servers.0.clone(),
        client_cpus: pinning.client.0.clone(),
        descriptors_max,
    }
}

/// The text after `key` and `separator` in the first line of `path` that begins with the key.
fn field(path: &str, key: &str, separator: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim_start().strip_prefix(separator)?.trim().to_owned())
}
