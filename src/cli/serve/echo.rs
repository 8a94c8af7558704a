//! `multiconn serve echo`: the multi-connection echo server.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::run::run;
use crate::cli::failure::Failure;
use crate::cli::options::ServerOptions;
use crate::cli::units;
use crate::protocols::echo::{Echo, EchoService, PORT};

/// The multi-connection echo server: sends back what it receives (port 65432)
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  multiconn serve echo 127.0.0.1:65432\n  multiconn call echo 127.0.0.1:65432 --connections 3\n\n  \
                  multiconn serve echo 127.0.0.1:50007 --ports 2 --prefix 'Echo=>' --delay 5s\n  \
                  multiconn call echo 127.0.0.1:50008 'Hello network world' --connections 8"
)]
pub struct ServeEcho {
    #[command(flatten)]
    server: ServerOptions,
    /// Send TEXT before each chunk, such as 'Echo=>'
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    prefix: String,
    /// Send ' at ' and the local time after each chunk
    #[arg(long)]
    stamp: bool,
    /// Send each chunk back this long after reading it, and only then read the next; other connections go on [default:
    /// none]
    #[arg(long, value_name = "TIME", value_parser = units::timeout)]
    delay: Option<Duration>,
}

impl ServeEcho {
    pub fn run(self) -> Result<(), Failure> {
        if self.stamp {
            LazyLock::force(&ZONE);
        }
        let echo = Echo {
            prefix: self.prefix.into_bytes().into(),
            stamp: self.stamp.then_some(local_time),
            delay: self.delay.unwrap_or_default(),
        };
        run(&self.server, "echo", PORT, EchoService::new(echo))
    }
}

/// The local time of an instant that has just passed, as Python's `time.ctime` writes it.
fn local_time(at: Instant) -> String {
    in_words(&(Timestamp::now() - at.elapsed()).to_zoned(ZONE.clone()))
}

/// The local time zone. The lookup happens once, before other threads start: their stacks are too small for it.
static ZONE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

fn in_words(time: &Zoned) -> String {
    time.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_time_as_python_writes_it() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        for (date, words) in
            [(date(2010, 4, 25), "Sun Apr 25 07:46:01 2010"), (date(2026, 2, 3), "Tue Feb  3 07:46:01 2026")]
        {
            assert_eq!(in_words(&date.at(7, 46, 1, 999_999_999).to_zoned(zone.clone()).unwrap()), words);
        }
    }

    #[test]
    fn a_stamp_takes_little_of_the_stack() {
        LazyLock::force(&ZONE);
        let stamp = thread::Builder::new().stack_size(64 << 10).spawn(|| local_time(Instant::now()));
        let stamp = stamp.unwrap().join().unwrap();
        assert_eq!(stamp.len(), "Sun Apr 25 07:46:01 2010".len());
    }
}
