//! Sizes and times as people write them: `64k`, `1m`, `500ms`, `30s`.

use std::time::Duration;

/// The longest timeout: longer than anybody needs, and no sum with it leaves the clock's range.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A size in bytes; `k`, `m` and `g` count in steps of 1024.
pub fn size(text: &str) -> Result<usize, String> {
    let size = parse_size::Config::new()
        .with_binary()
        .parse_size(text)
        .map_err(|error| format!("{error}; a size is a number of bytes, such as 500, 64k or 1m"))?;
    match usize::try_from(size) {
        Ok(0) => Err("it must be more than zero".into()),
        Ok(size) => Ok(size),
        Err(_) => Err("it is more than this machine can count".into()),
    }
}

/// Parses the size of a JSON header, whose length is sent in two bytes.
pub fn header_size(text: &str) -> Result<usize, String> {
    match size(text)? {
        size if size > usize::from(u16::MAX) => Err("a header has at most 65535 bytes".into()),
        size => Ok(size),
    }
}

/// Parses a time span, which may be zero.
pub fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; a time has a unit, such as 500ms, 30s or 2m"))?;
    match time {
        time if time > TIMEOUT_MAX => Err("it must be at most a year".into()),
        time => Ok(time),
    }
}

/// Parses a timeout, which must not be zero.
pub fn timeout(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("it must be more than zero".into()),
        timeout => Ok(timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("1", 1), ("500", 500), ("8k", 8192), ("64K", 65536), ("1m", 1 << 20), ("2 MiB", 2 << 20)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "-1", "k", "1x", "1e99"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(header_size("65535"), Ok(65535));
        assert!(header_size("64k").is_err());
    }

    #[test]
    fn timeouts() {
        assert_eq!(timeout("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(timeout("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["", "0s", "5", "-5s", "5 parsecs", "2y"] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }
}
