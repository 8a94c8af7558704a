//! The request and the reply of `bench raw`.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::size;
use crate::bench::raw::{Check, End, Exchange, Framing, Regex, Template};
use crate::cli::failure::Failure;
use crate::codec::Prefix;
use crate::text::reason;

/// What to send, and what must come back.
#[derive(Debug, Args)]
pub struct ExchangeOptions {
    /// Text to send, with escapes such as \r\n or \x00; {i} is the request's number, and {i:6} its last six digits
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "request_file")]
    request: Option<Template>,
    /// Send the bytes of FILE unchanged
    #[arg(long, value_name = "FILE")]
    request_file: Option<PathBuf>,
    /// A reply has N bytes
    #[arg(long, value_name = "N", group = "end", value_parser = size)]
    reply_length: Option<usize>,
    /// A reply ends with TEXT, which may have escapes
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, group = "end")]
    reply_until: Option<Delimiter>,
    /// A reply ends where REGEX first matches
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true, group = "end")]
    reply_regex: Option<Regex>,
    /// A reply begins with the length of the rest, as a big-endian number
    #[arg(long, value_name = "TYPE", group = "end",
          value_parser = PossibleValuesParser::new(["u8", "u16", "u32", "u64"]).map(prefix))]
    reply_prefix: Option<Prefix>,
    /// A reply ends when the server closes the connection: each request has one of its own
    #[arg(long, group = "end", conflicts_with = "depths")]
    reply_until_close: bool,
    /// Maximum length of a reply
    #[arg(long, value_name = "SIZE", default_value = "1m", value_parser = size)]
    reply_max: usize,
    /// The reply must be TEXT, with escapes, {i} and {i:6} as in --request [default: the first reply]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, group = "check")]
    expect: Option<Template>,
    /// The reply must match REGEX somewhere
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true, group = "check")]
    expect_regex: Option<Regex>,
    /// Accept any complete reply
    #[arg(long, group = "check")]
    unchecked: bool,
}

/// The bytes at the end of a reply.
#[derive(Clone, Debug)]
struct Delimiter(Vec<u8>);

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Delimiter, String> {
        let template: Template = text.parse()?;
        let bytes = template.as_fixed().ok_or("a reply can't end with the number of its request")?;
        Ok(Delimiter(bytes.to_vec()))
    }
}

fn prefix(name: String) -> Prefix {
    match name.as_str() {
        "u8" => Prefix::U8,
        "u16" => Prefix::U16,
        "u32" => Prefix::U32,
        _ => Prefix::U64,
    }
}

impl ExchangeOptions {
    /// The request and the reply; `None` if `raw` is not measured and none of its options is given.
    pub fn exchange(&self, is_raw: bool) -> Result<Option<Exchange>, Failure> {
        if !is_raw {
            return match self.first_option() {
                Some(option) => Err(Failure::of_usage(format!("{option} is for `bench raw`"))),
                None => Ok(None),
            };
        }
        let request = self.request()?;
        let Some((option, end)) = self.end() else {
            return Err(Failure::of_usage(
                "`bench raw` requires the end of a reply: --reply-until, --reply-length, --reply-regex, --reply-prefix or \
                 --reply-until-close",
            ));
        };
        let framing = Framing::new(end, self.reply_max).map_err(|why| Failure::of_usage(format!("{option}: {why}")))?;
        let check = match (&self.expect, &self.expect_regex) {
            (Some(text), _) => Check::Bytes(text.clone()),
            (None, Some(regex)) => Check::Regex(regex.clone()),
            (None, None) if self.unchecked => Check::Unchecked,
            (None, None) => Check::First,
        };
        let exchange = Exchange { request, framing, check };
        match exchange.request(0).is_empty() {
            true => Err(Failure::of_usage("the request of `bench raw` is empty")),
            false => Ok(Some(exchange)),
        }
    }

    fn request(&self) -> Result<Template, Failure> {
        match (&self.request, &self.request_file) {
            (Some(text), _) => Ok(text.clone()),
            (None, Some(path)) => {
                let read = fs::read(path).map(Template::fixed);
                read.map_err(|error| Failure::new(format!("cannot read {}: {}", path.display(), reason(&error))))
            }
            (None, None) => Err(Failure::of_usage("`bench raw` requires a request: --request or --request-file")),
        }
    }

    /// The end of a reply, with the option that names it.
    fn end(&self) -> Option<(&'static str, End)> {
        let length = self.reply_length.map(|len| ("--reply-length", End::Length(len)));
        let until = || self.reply_until.clone().map(|Delimiter(bytes)| ("--reply-until", End::Delimiter(bytes)));
        let regex = || self.reply_regex.clone().map(|regex| ("--reply-regex", End::Regex(regex)));
        let prefix = || self.reply_prefix.map(|prefix| ("--reply-prefix", End::Prefix(prefix)));
        let close = || self.reply_until_close.then_some(("--reply-until-close", End::Close));
        length.or_else(until).or_else(regex).or_else(prefix).or_else(close)
    }

    /// The first option given, if any is.
    fn first_option(&self) -> Option<&'static str> {
        let given = [
            ("--request", self.request.is_some()),
            ("--request-file", self.request_file.is_some()),
            ("--expect", self.expect.is_some()),
            ("--expect-regex", self.expect_regex.is_some()),
            ("--unchecked", self.unchecked),
        ];
        let given = given.into_iter().find_map(|(option, is_given)| is_given.then_some(option));
        given.or(self.end().map(|(option, _)| option))
    }
}
