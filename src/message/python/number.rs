//! JSON numbers as Python's `str()` shows them.

use std::io::Write;

use crate::buffer::Tail;

/// Maximum number of significant digits with which different decimal numbers are always different `f64`s.
const DIGITS_EXACT: usize = 15;

/// Enough significant digits for any `f64`.
const DIGITS_MAX: usize = 17;

/// Appends the JSON number `text` as Python shows it: whole numbers with all their digits, others as a float.
pub fn write_number(out: &mut Tail<'_>, text: &str) {
    match text {
        "-0" => out.push(b'0'),
        whole if !is_float(whole) => out.extend_from_slice(whole.as_bytes()),
        float => write_float(out, float),
    }
}

/// Whether Python reads the JSON number `text` as a float.
fn is_float(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// Whether the JSON number `text` is a float beyond the range of `f64`, which is infinite to Python.
pub fn is_infinite(text: &str) -> bool {
    is_float(text) && value(text).is_infinite()
}

fn value(text: &str) -> f64 {
    text.parse().expect("every JSON number parses as a float")
}

fn write_float(out: &mut Tail<'_>, text: &str) {
    // A number of few digits needs no conversion: its own digits are the shortest that mean the same float.
    if let Some(decimal) = Decimal::read(text)
        && decimal.len <= DIGITS_EXACT
        && decimal.is_normal()
    {
        return decimal.write(out);
    }
    let float = value(text);
    if float.is_infinite() {
        return out.extend_from_slice(if float > 0.0 { b"inf" } else { b"-inf" });
    }
    // Like Python, serde_json writes the shortest digits that mean the same float: the closest of these, or on a tie the
    // even ones.
    let mut buffer = [0; 32];
    let mut rest = &mut buffer[..];
    serde_json::to_writer(&mut rest, &float).expect("no float is written with more than 25 bytes");
    let unused = rest.len();
    let shortest = str::from_utf8(&buffer[..buffer.len() - unused]).expect("digits are ASCII");
    Decimal::read(shortest).expect("at most 17 digits").write(out)
}

/// A decimal number: `0.DIGITS × 10^point`.
struct Decimal {
    is_negative: bool,
    /// Significant digits in ASCII, without zeros at either end.
    digits: [u8; DIGITS_MAX],
    len: usize,
    point: i64,
}

impl Decimal {
    /// Reads a JSON number of at most [`DIGITS_MAX`] significant digits.
    fn read(text: &str) -> Option<Decimal> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut decimal = Decimal { is_negative, digits: [b'0'; DIGITS_MAX], len: 0, point: 0 };
        let (mut place, mut after_point) = (0_i64, false);
        let mut significant = 0_usize; // digits from the first that isn't zero
        let mut exponent = 0_i64;
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'.' => after_point = true,
                b'e' | b'E' => {
                    let sign_and_digits = &text[text.len() - bytes.len()..];
                    exponent = sign_and_digits.parse().ok()?;
                    break;
                }
                digit => {
                    if significant > 0 || digit != b'0' {
                        significant += 1;
                        place += i64::from(!after_point);
                        if digit != b'0' {
                            *decimal.digits.get_mut(significant - 1)? = digit;
                            decimal.len = significant;
                        }
                    } else {
                        place -= i64::from(after_point);
                    }
                }
            }
        }
        decimal.point = place.checked_add(exponent)?;
        Some(decimal)
    }

    /// Whether it is well within the range in which an `f64` has its full precision.
    fn is_normal(&self) -> bool {
        self.len == 0 || (-300..300).contains(&self.point)
    }

    /// Appends it as Python's `repr()` of a float.
    fn write(&self, out: &mut Tail<'_>) {
        let digits = &self.digits[..self.len];
        if self.is_negative {
            out.push(b'-');
        }
        if digits.is_empty() {
            return out.extend_from_slice(b"0.0");
        }
        match self.point {
            ..=-4 | 17.. => {
                out.push(digits[0]);
                if digits.len() > 1 {
                    out.push(b'.');
                    out.extend_from_slice(&digits[1..]);
                }
                write!(out, "e{:+03}", self.point - 1).expect("writing to memory cannot fail");
            }
            -3..=0 => {
                out.extend_from_slice(&b"0.000"[..2 + self.point.unsigned_abs() as usize]);
                out.extend_from_slice(digits);
            }
            point => {
                let point = point as usize;
                let (whole, fraction) = digits.split_at(point.min(digits.len()));
                out.extend_from_slice(whole);
                out.extend_from_slice(&b"0000000000000000"[..point - whole.len()]);
                out.extend_from_slice(if fraction.is_empty() { b".0" } else { b"." });
                out.extend_from_slice(fraction);
            }
        }
    }
}
