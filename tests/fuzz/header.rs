//! What holds for any bytes in front of a connection that has a PROXY header. The fuzz target runs it, and so do tests
//! over bytes that proptest makes up.

use multiconn::codec::proxy::{Version, parse, write};

/// `bytes` come one by one. A header, or an error, is found once and for all, and what a header says can be said again.
pub fn any_header(bytes: &[u8]) {
    let mut found = Ok(None);
    for len in 0..=bytes.len() {
        let now = parse(&bytes[..len]);
        match found {
            Ok(None) => found = now,
            decided => assert_eq!(now, decided, "after {len} bytes"),
        }
        if let (Ok(Some(header)), Ok(Some(_))) = (found, now) {
            assert!(header.len <= len, "{header:?} within {len} bytes");
        }
    }
    let Ok(Some(header)) = found else { return };
    assert_eq!(parse(&bytes[..header.len]), found, "it needs nothing that follows");
    assert_eq!(parse(&bytes[..header.len - 1]), Ok(None), "and all that it has");
    for version in [Version::V1, Version::V2] {
        let again = parse(&write(version, header.client, header.client)).expect("it is one").expect("it is whole");
        assert_eq!(again.client, header.client);
    }
}
