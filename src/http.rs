//! The little of HTTP/1.1 that a page on this machine needs, with the feature `cli`: one request on each connection.
//!
//! Only a page of ours can use it. A request must name our own address as its `Host`, and a POST must also come from a
//! page at that address, as its `Origin`. Load balancers check servers with HTTP/1.0 and without a `Host`, as no browser
//! does, so they are answered, too.

pub mod document;
mod reader;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;

use crate::address::Addr;
pub use reader::{REQUEST_TIMEOUT, RequestReader};

/// The most bytes of a request's header.
pub const REQUEST_LEN_MAX: usize = 8 << 10;
/// The most header fields.
const FIELDS_MAX: usize = 64;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Whether only the header of the response is wanted.
    pub is_head: bool,
    /// The path, without the query.
    pub path: String,
    /// What follows the `?`.
    pub query: String,
    /// Whether the client can read OpenMetrics.
    pub reads_openmetrics: bool,
    /// The JSON that is posted, if the request is a POST.
    pub body: Option<Vec<u8>>,
}

/// The methods that a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    /// GET and HEAD: nothing can be changed.
    Read,
    /// These, and POST with at most `body_len_max` bytes of JSON.
    Post {
        /// The limit.
        body_len_max: usize,
    },
}

/// Why a request is refused, as a response: the status and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status line's code and phrase.
    pub status: &'static str,
    /// A line for the reader.
    pub why: &'static str,
}

const MALFORMED: Refusal = Refusal { status: "400 Bad Request", why: "the request is malformed" };
/// The response to a request that is too long.
const TOO_LARGE: Refusal = Refusal { status: "431 Request Header Fields Too Large", why: "at most 8 KiB of header" };
const BODY_TOO_LONG: Refusal = Refusal { status: "413 Content Too Large", why: "the body is too long" };
const NO_LENGTH: Refusal = Refusal { status: "411 Length Required", why: "a POST needs one Content-Length" };
const NOT_JSON: Refusal = Refusal { status: "415 Unsupported Media Type", why: "only application/json" };
const OTHER_METHOD: Refusal = Refusal { status: "405 Method Not Allowed", why: "this method is not supported" };
/// A page on another site, whose name has come to mean our address, would otherwise read what we say: DNS rebinding.
const FOREIGN: Refusal = Refusal { status: "403 Forbidden", why: "the Host is not this server's address" };
/// Any page can post to us, though it can't read our reply.
const FOREIGN_PAGE: Refusal = Refusal { status: "403 Forbidden", why: "the Origin is not this server's page" };
/// The response to a client that doesn't finish its request.
const TOO_SLOW: Refusal = Refusal { status: "408 Request Timeout", why: "no request within 10 seconds" };

/// Parses a request that came to the address `local`. Returns `None` while it isn't complete.
///
/// # Errors
/// Why it is refused.
pub fn parse(bytes: &[u8], local: Option<Addr>, methods: Methods) -> Result<Option<Request>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let header_len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len <= REQUEST_LEN_MAX => len,
        Ok(httparse::Status::Partial) if bytes.len() <= REQUEST_LEN_MAX => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(_) => return Err(MALFORMED),
    };
    let body_len_max = match (request.method, methods) {
        (Some("GET" | "HEAD"), _) => None,
        (Some("POST"), Methods::Post { body_len_max }) => Some(body_len_max),
        _ => return Err(OTHER_METHOD),
    };
    let fields = Fields(request.headers);
    let host = fields.one("host").filter(|host| is_ours(host, local));
    let is_old = request.version == Some(0) && fields.all("host").next().is_none();
    let body = match body_len_max {
        None if host.is_some() || is_old => None,
        None => return Err(FOREIGN),
        Some(len_max) => {
            let host = host.ok_or(FOREIGN)?;
            let len = fields.body_len(host, len_max)?;
            let Some(body) = bytes[header_len..].get(..len) else { return Ok(None) };
            Some(body.to_vec())
        }
    };
    let target = request.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let openmetrics = b"application/openmetrics-text";
    let reads_openmetrics =
        fields.all("accept").any(|value| value.windows(openmetrics.len()).any(|at| at == openmetrics));
    let is_head = request.method == Some("HEAD");
    Ok(Some(Request { is_head, path: path.to_owned(), query: query.to_owned(), reads_openmetrics, body }))
}

/// The fields of a request's header.
struct Fields<'a>(&'a [httparse::Header<'a>]);

impl<'a> Fields<'a> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The value of a field that stands there once.
    fn one(&self, name: &'static str) -> Option<&'a str> {
        let mut values = self.all(name);
        let value = std::str::from_utf8(values.next()?).ok()?;
        values.next().is_none().then_some(value)
    }

    /// The length of the body of a POST that our own page at `host` has sent.
    fn body_len(&self, host: &str, len_max: usize) -> Result<usize, Refusal> {
        if self.one("origin").and_then(|origin| origin.strip_prefix("http://")) != Some(host) {
            return Err(FOREIGN_PAGE);
        }
        // A page elsewhere can't send this type without asking first.
        let is_json = |value: &str| value.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
        if self.one("content-type").is_none_or(|value| !is_json(value)) {
            return Err(NOT_JSON);
        }
        let is_number = |len: &&str| len.bytes().all(|byte| byte.is_ascii_digit());
        match self.one("content-length").filter(is_number).map(str::parse) {
            _ if self.all("transfer-encoding").next().is_some() => Err(NO_LENGTH),
            Some(Ok(len)) if len <= len_max => Ok(len),
            Some(_) => Err(BODY_TOO_LONG),
            None => Err(NO_LENGTH),
        }
    }
}

/// Whether a `Host` names the address on which its request came, by number or as `localhost`. Pages of other sites can't
/// get at a Unix socket, so any will do there.
fn is_ours(host: &str, local: Option<Addr>) -> bool {
    let local = match local {
        None => return false,
        Some(Addr::Unix(_)) => return true,
        Some(Addr::Inet(local)) => local,
    };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, Some(80)),
    };
    let is_name_ours = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name).parse() {
        Ok(ip) => IpAddr::to_canonical(&ip) == local.ip().to_canonical(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    };
    is_name_ours && port == Some(local.port())
}

/// A response: its header, with a `body` of this type, which is left out for HEAD.
pub fn response(status: &str, content_type: &str, fields: &str, body: &[u8], is_head: bool) -> Vec<u8> {
    let mut response = header(status, content_type, &format!("Content-Length: {}\r\n{fields}", body.len()));
    if !is_head {
        response.extend_from_slice(body);
    }
    response
}

/// The header of a response, with further `fields`.
pub fn header(status: &str, content_type: &str, fields: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n{fields}\r\n"
    )
    .into_bytes()
}

/// Letters and digits that nobody can guess: the standard library keys each hasher at random.
pub fn nonce() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

/// The status of a request that is answered.
pub const OK: &str = "200 OK";
/// The type of a line of text.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// The type of JSON.
pub const JSON: &str = "application/json";
/// The type of server-sent events.
pub const EVENTS: &str = "text/event-stream";

/// A response that is a line of text.
pub fn text(status: &str, line: &str) -> Vec<u8> {
    response(status, TEXT, "", format!("{line}\n").as_bytes(), false)
}

impl Refusal {
    /// The response.
    pub fn response(self) -> Vec<u8> {
        text(self.status, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Option<Addr> {
        Some(Addr::from(([127, 0, 0, 1], 9000)))
    }

    fn request(head: &str) -> Result<Option<Request>, Refusal> {
        parse(head.replace('\n', "\r\n").as_bytes(), local(), Methods::Read)
    }

    #[test]
    fn a_request_has_a_path_and_a_query() {
        let get = request("GET /events?connection=7 HTTP/1.1\nHost: 127.0.0.1:9000\n\n").unwrap().unwrap();
        assert_eq!((get.is_head, get.path.as_str(), get.query.as_str()), (false, "/events", "connection=7"));
        let head = "HEAD / HTTP/1.1\nhost: localhost:9000\nAccept: text/plain, application/openmetrics-text\n\n";
        let head = request(head).unwrap().unwrap();
        assert!(head.is_head && head.reads_openmetrics && !get.reads_openmetrics);
        assert_eq!(request("GET / HTTP/1.1\nHost: loc"), Ok(None));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let long = format!("GET / HTTP/1.1\nHost: localhost:9000\nCookie: {}", "x".repeat(9000));
        let many = format!("GET / HTTP/1.1\nHost: localhost:9000\n{}\n", "A: b\n".repeat(100));
        for (head, refusal) in [
            ("\u{1}\u{2}\u{3} nonsense\n\n", MALFORMED),
            ("POST / HTTP/1.1\nHost: localhost:9000\n\n", OTHER_METHOD),
            (&long, TOO_LARGE),
            (&format!("{long}\n\n"), TOO_LARGE),
            (&many, TOO_LARGE),
            ("GET / HTTP/1.1\n\n", FOREIGN),
            ("GET / HTTP/1.1\nHost: localhost:9000\nHost: evil.example\n\n", FOREIGN),
        ] {
            assert_eq!(request(head), Err(refusal), "{head:.40}");
        }
    }

    #[test]
    fn only_http_1_0_needs_no_host() {
        assert_eq!(request("GET /readyz HTTP/1.0\n\n").unwrap().unwrap().path, "/readyz");
        for head in ["GET / HTTP/1.1\n\n", "GET / HTTP/1.0\nHost: evil.example\n\n", "GET / HTTP/1.0\nHost:\n\n"] {
            assert_eq!(request(head), Err(FOREIGN), "{head}");
        }
        let post = b"POST / HTTP/1.0\r\nOrigin: http://localhost:9000\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(parse(post, local(), Methods::Post { body_len_max: 9 }), Err(FOREIGN));
    }

    #[test]
    fn only_our_own_address_is_a_host() {
        for host in ["127.0.0.1:9000", "localhost:9000", "LOCALHOST:9000", "[::ffff:127.0.0.1]:9000"] {
            assert!(is_ours(host, local()), "{host}");
        }
        for host in ["evil.example:9000", "127.0.0.1", "127.0.0.1:80", "127.0.0.2:9000", "localhost:", "", "[::1]:9000"]
        {
            assert!(!is_ours(host, local()), "{host}");
        }
        let v6 = Addr::from("[::1]:80".parse::<std::net::SocketAddr>().unwrap());
        assert!(is_ours("[::1]", Some(v6)) && is_ours("[::1]:80", Some(v6)) && !is_ours("localhost:80", None));
    }

    #[test]
    fn a_post_comes_from_our_own_page() {
        let post = |host: &str, fields: &str, body: &str| {
            let head = format!("POST /a HTTP/1.1\nHost: {host}\n{fields}\n").replace('\n', "\r\n");
            parse(format!("{head}{body}").as_bytes(), local(), Methods::Post { body_len_max: 10 })
        };
        let good = "Origin: http://localhost:9000\nContent-Type: application/json; charset=utf-8\nContent-Length: 2\n";
        let whole = post("localhost:9000", good, "{}").unwrap().unwrap();
        assert_eq!((whole.path.as_str(), whole.body.as_deref()), ("/a", Some(&b"{}"[..])));
        assert_eq!(post("localhost:9000", good, "{"), Ok(None));
        assert_eq!(post("127.0.0.1:9000", good, "{}"), Err(FOREIGN_PAGE), "the page has another name");
        for (from, to, refusal) in [
            ("Origin: http://localhost:9000\n", "", FOREIGN_PAGE),
            ("http://localhost:9000", "null", FOREIGN_PAGE),
            ("http://localhost:9000", "http://localhost:9001", FOREIGN_PAGE),
            ("http://localhost:9000", "https://localhost:9000", FOREIGN_PAGE),
            ("http://localhost:9000", "http://evil.example", FOREIGN_PAGE),
            ("application/json", "text/plain", NOT_JSON),
            ("Content-Type: application/json; charset=utf-8\n", "", NOT_JSON),
            ("Content-Length: 2\n", "", NO_LENGTH),
            ("Content-Length: 2\n", "Content-Length: 2\nContent-Length: 2\n", NO_LENGTH),
            ("Content-Length: 2\n", "Content-Length: 2\nTransfer-Encoding: chunked\n", NO_LENGTH),
            ("Content-Length: 2\n", "Content-Length: +2\n", NO_LENGTH),
            ("Content-Length: 2\n", "Content-Length: 11\n", BODY_TOO_LONG),
            ("Content-Length: 2\n", "Content-Length: 99999999999999999999\n", BODY_TOO_LONG),
        ] {
            assert_eq!(post("localhost:9000", &good.replace(from, to), "{}"), Err(refusal), "{to:?} for {from:?}");
        }
        let put = "PUT / HTTP/1.1\r\nHost: localhost:9000\r\n\r\n";
        assert_eq!(parse(put.as_bytes(), local(), Methods::Post { body_len_max: 10 }), Err(OTHER_METHOD));
    }
}
