//! The little of HTTP/1.1 that a page needs: one GET or HEAD request a connection.

use std::net::IpAddr;

use crate::address::Addr;

/// The most bytes of a request.
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
const OTHER_METHOD: Refusal = Refusal { status: "405 Method Not Allowed", why: "only GET and HEAD" };
/// A page on another site, whose name has come to mean our address, would otherwise read what we say: DNS rebinding.
const FOREIGN: Refusal = Refusal { status: "403 Forbidden", why: "the Host is not this server's address" };
/// The response to a client that doesn't finish its request.
pub const TOO_SLOW: Refusal = Refusal { status: "408 Request Timeout", why: "no request within 10 seconds" };

/// Parses a request that came to the address `local`. Returns `None` while it isn't complete.
///
/// # Errors
/// Why it is refused.
pub fn parse(bytes: &[u8], local: Option<Addr>) -> Result<Option<Request>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len <= REQUEST_LEN_MAX => {}
        Ok(httparse::Status::Partial) if bytes.len() <= REQUEST_LEN_MAX => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(_) => return Err(MALFORMED),
    }
    let is_head = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(OTHER_METHOD),
    };
    let values = |name: &str| {
        let name = name.to_owned();
        request.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(&name)).map(|field| field.value)
    };
    let mut hosts = values("host");
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if std::str::from_utf8(host).is_ok_and(|host| is_ours(host, local)) => {}
        _ => return Err(FOREIGN),
    }
    let target = request.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let openmetrics = b"application/openmetrics-text";
    let reads_openmetrics = values("accept").any(|value| value.windows(openmetrics.len()).any(|at| at == openmetrics));
    Ok(Some(Request { is_head, path: path.to_owned(), query: query.to_owned(), reads_openmetrics }))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Option<Addr> {
        Some(Addr::from(([127, 0, 0, 1], 9000)))
    }

    fn request(head: &str) -> Result<Option<Request>, Refusal> {
        parse(head.replace('\n', "\r\n").as_bytes(), local())
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
}
