//! The page: a self-contained document that shows the events of a trace.
//!
//! It is made of the files in `src/admin/page/`: a skeleton, a style sheet and JavaScript modules. The modules import
//! each other by names such as `#model`, which an import map in the document resolves to `data:` URLs. So there is no
//! bundler, and the document needs no network. `package.json` resolves the same names for Node.js, which runs the tests
//! of the modules that need no browser.
//!
//! The page shows the events that are embedded in it. Without any, it reads `events`, relative to its own address.

use std::fmt::Write as _;
use std::sync::OnceLock;

use serde_json::{Value, json};

macro_rules! modules {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("page/", $name, ".js")))),+]
    };
}

/// The names and sources of the modules.
const MODULES: &[(&str, &str)] = &modules![
    "connection",
    "connections",
    "diagram",
    "elements",
    "events",
    "figures",
    "findings",
    "findings_list",
    "format",
    "history",
    "keys",
    "main",
    "model",
    "parts",
    "player",
    "rate",
    "ring",
    "rows",
    "stations",
    "story",
    "strip",
    "tape",
    "turns",
    "words",
    "words_shown",
];

const SKELETON: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");

/// Events that are embedded in the document.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// The title of the document.
    pub title: &'a str,
    /// The lines of the [trace](crate::trace::json).
    pub lines: &'a str,
}

/// The document, with the events of `story` if there is one. `nonce` is letters and digits that an attacker can't guess;
/// scripts and styles without it don't run under the [`policy`].
pub fn document(nonce: &str, story: Option<Story<'_>>) -> String {
    let mut page = String::with_capacity(SKELETON.len() + STYLE.len() + 400_000);
    let mut rest = SKELETON;
    // The skeleton's places, in their order.
    while let Some((before, (place, after))) = rest.split_once("{{").and_then(|(a, b)| Some((a, b.split_once("}}")?))) {
        page.push_str(before);
        match place {
            "title" => push_escaped(&mut page, story.map_or("multiconn", |story| story.title)),
            "policy" => page.push_str(&policy(nonce)),
            "nonce" => page.push_str(nonce),
            "style" => page.push_str(STYLE),
            "modules" => page.push_str(import_map()),
            "story" => {
                if let Some(story) = story {
                    let lines = in_script(story.lines);
                    let _ = write!(page, "<script type=\"application/jsonl\" id=\"story\">\n{lines}</script>");
                }
            }
            other => unreachable!("{other} is no place of the skeleton"),
        }
        rest = after;
    }
    page.push_str(rest);
    page
}

/// The Content-Security-Policy of the document, which also contains it. Scripts and styles need the nonce, the modules
/// inherit it from the script that imports them, no text can become markup, and the only connections are to the server
/// that the page is from. A server sends the same as a header, with `frame-ancestors 'none'`.
pub fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// The import map, which has each module as a `data:` URL. It is made once: that takes a loop longer than a request should.
fn import_map() -> &'static str {
    static MAP: OnceLock<String> = OnceLock::new();
    MAP.get_or_init(|| {
        let imports: serde_json::Map<String, Value> =
            MODULES.iter().map(|&(name, source)| (format!("#{name}"), json!(data_url(name, source)))).collect();
        in_script(&json!({ "imports": imports }).to_string())
    })
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
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Appends text to HTML.
fn push_escaped(page: &mut String, text: &str) {
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
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::exchange::Stage;
    use crate::message::Phase;
    use crate::trace::Kind;

    #[test]
    fn the_page_has_the_names_of_events_stages_and_parts_of_a_message() {
        let phases = [Phase::Protoheader, Phase::Jsonheader, Phase::Content].map(Phase::name);
        let names = Kind::ALL.map(Kind::name).into_iter().chain(Stage::ALL.map(Stage::name)).chain(phases);
        for name in names {
            let is_used = MODULES.iter().any(|(_, source)| {
                // As a string, or as a key.
                source.contains(&format!("\"{name}\"")) || source.contains(&format!(" {name}: "))
            });
            assert!(is_used, "{name}");
        }
    }

    #[test]
    fn every_file_with_a_module_is_in_the_document() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter_map(|name| Some(name.strip_suffix(".js")?.to_owned())).collect();
        names.sort();
        assert_eq!(names, MODULES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn a_story_cannot_end_its_element() {
        let lines = "{\"why\":\"</script><script>alert(1)</script><!--\"}\n";
        let page = document("n0", Some(Story { title: "<b> & \"c\"", lines }));
        assert!(page.contains("<title>&lt;b&gt; &amp; &quot;c&quot;</title>"));
        let (_, story) = page.split_once("id=\"story\">\n").unwrap();
        let (story, _) = story.split_once("</script>").unwrap();
        assert_eq!(serde_json::from_str::<Value>(story).unwrap()["why"], "</script><script>alert(1)</script><!--");
    }

    #[test]
    fn scripts_and_styles_have_the_nonce_of_the_policy() {
        let page = document("n0", None);
        assert!(!page.contains("{{") && !page.contains("id=\"story\""));
        assert!(page.contains("script-src 'nonce-n0'"));
        let starts = page.match_indices("<s").map(|(at, _)| page[at..].split_once('>').unwrap().0);
        let tags: Vec<&str> = starts.filter(|tag| tag.starts_with("<script") || tag.starts_with("<style")).collect();
        assert_eq!(tags.len(), 3);
        assert!(tags.iter().all(|tag| tag.contains("nonce=\"n0\"")), "{tags:?}");
    }

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
