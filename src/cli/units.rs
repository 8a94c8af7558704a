//! Sizes and times as people write them: `64k`, `1m`, `500ms`, `30s`.

use std::time::Duration;

/// The longest timeout: longer than anybody needs, and no sum with it overflows the clock.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A size in bytes; `k`, `m` and `g` count in steps of 1024.
pub fn size(text: &str) -> Result<usize, String> {
    let size = parse_size::Config::new()
        .with_binary()
        .parse_size(text)
        .map_err(|error| format!("{error}; a size is a number of bytes, such as 500, 64k or 1m"))?;
    if !is_whole(text) {
        return Err("it must be a whole number of bytes".into());
    }
    match usize::try_from(size) {
        Ok(0) => Err("it must be more than zero".into()),
        Ok(size) => Ok(size),
        Err(_) => Err("it is more than this machine can count".into()),
    }
}

/// Whether the size `text`, which has been parsed and perhaps rounded, is a whole number of bytes: `1.5k` is, `1.5` isn't.
fn is_whole(text: &str) -> bool {
    let text: String = text.chars().filter(|char| !matches!(char, ' ' | '_')).collect();
    let (number, unit) = text.split_at(text.rfind(|char: char| char.is_ascii_digit()).map_or(0, |last| last + 1));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    // The size is `integer` and `fraction` as one number, divided by 10^`places`, and multiplied by the unit.
    let Ok(places) = exponent.parse::<i32>().map(|exponent| fraction.len() as i64 - i64::from(exponent)) else {
        return false;
    };
    let Ok(places) = u32::try_from(places) else { return true };
    let digits = [integer, fraction].concat().parse::<u128>().ok();
    let unit = parse_size::Config::new().with_binary().parse_size(format!("1{unit}")).ok();
    let bytes = digits.zip(unit).and_then(|(digits, unit)| digits.checked_mul(unit.into()));
    bytes.zip(10_u128.checked_pow(places)).is_some_and(|(bytes, divisor)| bytes % divisor == 0)
}

/// Parses the size of a JSON header, whose length is sent in two bytes.
pub fn header_size(text: &str) -> Result<usize, String> {
    match size(text)? {
        size if size > usize::from(u16::MAX) => Err("a header has at most 65535 bytes".into()),
        size => Ok(size),
    }
}

/// Parses the mode of a file in octal, such as 660.
pub fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && !text.starts_with('+') => Ok(mode),
        _ => Err("a mode is an octal number up to 777, such as 660".into()),
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
        for (text, bytes) in [
            ("1.5K", 1536),
            ("0.25 MiB", 262_144),
            ("1.50 k", 1536),
            ("7.0", 7),
            ("1e3", 1000),
            ("1.5e1", 15),
            ("20e-1", 2),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in
            ["1.5", "0.5", "1.1k", "0.0001k", "1.5B", "1.00000000000000000000001", "15e-1", "1e-30", "1.0000000001g"]
        {
            assert_eq!(size(text), Err("it must be a whole number of bytes".into()), "{text}");
        }
        assert_eq!(header_size("1.5"), Err("it must be a whole number of bytes".into()));
        assert_eq!(header_size("65535"), Ok(65535));
        assert!(header_size("64k").is_err());
    }

    #[test]
    fn modes() {
        for (text, bits) in [("660", 0o660), ("0660", 0o660), ("0", 0)] {
            assert_eq!(mode(text), Ok(bits), "{text}");
        }
        for text in ["", "8", "+660", "1777", "rw"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn timeouts() {
        assert_eq!(timeout("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(timeout("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["", "0s", "5", "-5s", "5 parsecs", "2y", "0.5ns"] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }
}
