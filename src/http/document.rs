//! A page as one self-contained document: a skeleton, a style sheet and JavaScript modules.
//!
//! The modules import each other by names such as `#model`, which an import map in the document resolves to `data:` URLs.
//! So there is no bundler, and the document needs no network.

use std::fmt::Write as _;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{OK, response};

/// A module: its name, and its source.
pub type Module = (&'static str, &'static str);

/// The beginning of each page's style sheet.
const BASE_STYLE: &str = include_str!("base.css");

/// The files that a document is made of.
#[derive(Debug)]
pub struct Page {
    skeleton: &'static str,
    style: &'static str,
    modules: &'static [Module],
    /// Made once: that takes a loop longer than a request should.
    import_map: OnceLock<String>,
}

impl Page {
    /// A page of these files.
    pub const fn new(skeleton: &'static str, style: &'static str, modules: &'static [Module]) -> Self {
        Page { skeleton, style, modules, import_map: OnceLock::new() }
    }

    /// The document. `nonce` is letters and digits that an attacker can't guess; scripts and styles without it don't run
    /// under its Content-Security-Policy. `fill_own` fills the page's own places.
    pub fn document(&self, nonce: &str, mut fill_own: impl FnMut(&str, &mut String)) -> String {
        fill(self.skeleton, |place, page| match place {
            "policy" => page.push_str(&policy(nonce)),
            "nonce" => page.push_str(nonce),
            "style" => page.extend([BASE_STYLE, self.style]),
            "modules" => page.push_str(self.import_map.get_or_init(|| import_map(self.modules))),
            own => fill_own(own, page),
        })
    }
}

/// Fills the places of a skeleton, such as `{{title}}`: `fill` appends what belongs there.
fn fill(skeleton: &str, mut fill: impl FnMut(&str, &mut String)) -> String {
    let mut page = String::with_capacity(skeleton.len());
    let mut rest = skeleton;
    while let Some((before, (place, after))) = rest.split_once("{{").and_then(|(a, b)| Some((a, b.split_once("}}")?))) {
        page.push_str(before);
        fill(place, &mut page);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// The response with a document for whose scripts and styles the `nonce` is.
pub fn response_with(nonce: &str, document: &str, is_head: bool) -> Vec<u8> {
    let policy = format!("Content-Security-Policy: {}; frame-ancestors 'none'\r\n", policy(nonce));
    response(OK, "text/html; charset=utf-8", &policy, document.as_bytes(), is_head)
}

/// The Content-Security-Policy of the document, which also contains it. Scripts and styles need the nonce, the modules
/// inherit it from the script that imports them, no text can become markup, and the only connections are to the server
/// that the page is from. A server sends the same as a header, with `frame-ancestors 'none'`.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// The import map for `modules`, which has each of them as a `data:` URL.
fn import_map(modules: &[Module]) -> String {
    let imports: serde_json::Map<String, Value> =
        modules.iter().map(|&(name, source)| (format!("#{name}"), json!(data_url(name, source)))).collect();
    in_script(&json!({ "imports": imports }).to_string())
}

/// A module as a `data:` URL, with the name that browsers show in errors.
fn data_url(name: &str, source: &str) -> String {
    let mut url = String::from("data:text/javascript;charset=utf-8,");
    for byte in source.bytes() {
        // In a URL, these have a meaning or are removed, and those beyond ASCII would be escaped anyway.
        if byte.is_ascii_graphic() && !b"\"#%?&<>".contains(&byte) || byte == b' ' {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    let _ = write!(url, "%0A//%23 sourceURL=page/{name}.js");
    url
}

/// JSON as the text of a script element, which no value can end: `<` occurs only in strings, and is escaped there.
pub fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Appends text to HTML.
pub fn push_escaped(page: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_its_source_back() {
        let source = "const a = `50 % ?#&\n\t< é 🐰`;";
        let url = data_url("x", source);
        let (_, encoded) = url.split_once(',').unwrap();
        let mut bytes = Vec::new();
        let mut rest = encoded.bytes();
        while let Some(byte) = rest.next() {
            let mut digit = || char::from(rest.next().unwrap()).to_digit(16).unwrap() as u8;
            bytes.push(if byte == b'%' { digit() * 16 + digit() } else { byte });
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), format!("{source}\n//# sourceURL=page/x.js"));
    }
}
