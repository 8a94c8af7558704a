//! Processor assignment on Linux: servers on some processors, the generator on another.

use std::fmt;
use std::fs;
use std::io;
use std::str::FromStr;

/// Processor numbers, as in `0,2-5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(pub Vec<u32>);

/// The highest number accepted for a processor.
const CPU_MAX: u32 = 1023;

impl FromStr for Cpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| match text.parse() {
            Ok(number) if number <= CPU_MAX => Ok(number),
            Ok(_) | Err(_) => Err(format!("'{text}' is not a processor's number, from 0 to {CPU_MAX}")),
        };
        let mut cpus = Vec::new();
        for part in text.split(',') {
            match part.split_once('-') {
                None => cpus.push(number(part)?),
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(format!("'{part}' ends before it begins"));
                    }
                    cpus.extend(first..=last);
                }
            }
        }
        cpus.sort_unstable();
        cpus.dedup();
        Ok(Cpus(cpus))
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join(","))
    }
}

/// The processors of servers and generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinning {
    /// The processors for servers; any, if empty.
    pub servers: Cpus,
    /// The processors for the generator; any, if empty.
    pub client: Cpus,
}

impl Pinning {
    /// The requested processors; by default, the last of those available for the generator, and the others for servers.
    pub fn new(servers: Option<Cpus>, client: Option<Cpus>) -> Pinning {
        let all = allowed();
        let others = |taken: &Cpus| Cpus(all.iter().copied().filter(|cpu| !taken.0.contains(cpu)).collect());
        match (servers, client) {
            (Some(servers), Some(client)) => Pinning { servers, client },
            (Some(servers), None) => {
                let client = others(&servers).0.last().map_or_else(Vec::new, |&last| vec![last]);
                Pinning { servers, client: Cpus(client) }
            }
            (None, Some(client)) => Pinning { servers: others(&client), client },
            (None, None) => match all.split_last() {
                Some((&last, servers)) if !servers.is_empty() => {
                    Pinning { servers: Cpus(servers.to_vec()), client: Cpus(vec![last]) }
                }
                Some(_) | None => Pinning { servers: Cpus(Vec::new()), client: Cpus(Vec::new()) },
            },
        }
    }

    /// Whether the generator has a processor to itself, so that it can poll without sleeping, at no cost to the servers.
    pub fn is_apart(&self) -> bool {
        !self.client.0.is_empty()
            && !self.servers.0.is_empty()
            && !self.client.0.iter().any(|cpu| self.servers.0.contains(cpu))
    }
}

/// Binds this thread, and everything it starts from now on, to `cpus`. An empty set changes nothing.
///
/// # Errors
/// If the system refuses, such as when there is no such processor.
#[cfg(target_os = "linux")]
pub fn bind(cpus: &Cpus) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    if cpus.0.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for &cpu in &cpus.0 {
        set.set(cpu as usize);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Binding is not supported here.
///
/// # Errors
/// If any processors are requested.
#[cfg(not(target_os = "linux"))]
pub fn bind(cpus: &Cpus) -> io::Result<()> {
    if cpus.0.is_empty() { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

/// The existing processors; empty if unknown.
pub fn online() -> Cpus {
    let told = fs::read_to_string("/sys/devices/system/cpu/online").ok();
    told.and_then(|text| text.trim_end().parse().ok()).unwrap_or_else(|| Cpus(allowed()))
}

/// The processors that we may use; empty if unknown.
#[cfg(target_os = "linux")]
pub fn allowed() -> Vec<u32> {
    use rustix::thread::sched_getaffinity;

    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..=CPU_MAX).filter(|&cpu| set.is_set(cpu as usize)).collect()
}

/// The processors that we may use; empty if unknown.
#[cfg(not(target_os = "linux"))]
pub fn allowed() -> Vec<u32> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_listed_as_taskset_has_them() {
        for (text, cpus) in [("0", vec![0]), ("2,0", vec![0, 2]), ("1-3,2,7", vec![1, 2, 3, 7])] {
            assert_eq!(text.parse(), Ok(Cpus(cpus)), "{text}");
        }
        for text in ["", "a", "1,", "3-1", "-1", "1024"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_generator_that_shares_a_processor_is_not_apart() {
        let pinning = |servers: &str, client: &str| {
            Pinning::new(Some(servers.parse().unwrap()), Some(client.parse().unwrap())).is_apart()
        };
        assert!(pinning("0", "1") && pinning("0-2", "3"));
        assert!(!pinning("0", "0") && !pinning("0-3", "2"));
    }
}
