//! The page: a self-contained document that shows the events of a trace.
//!
//! It is [made](document()) of the files in `src/admin/page/`. `package.json` resolves the names of the modules for Node.js,
//! which runs the tests of those that need no browser.
//!
//! The page shows the events that are embedded in it. Without any, it reads `events`, relative to its own address.

use std::fmt::Write as _;

use crate::http::document::{Module, Page, in_script, push_escaped};

macro_rules! modules {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("page/", $name, ".js")))),+]
    };
}

/// The names and sources of the modules.
const MODULES: &[Module] = &modules![
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

static PAGE: Page = Page::new(include_str!("page/index.html"), include_str!("page/style.css"), MODULES);

/// Events that are embedded in the document.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// The title of the document.
    pub title: &'a str,
    /// The lines of the [trace](crate::trace::json).
    pub lines: &'a str,
}

/// The document, with the events of `story` if there is one. `nonce` is letters and digits that an attacker can't guess.
pub fn document(nonce: &str, story: Option<Story<'_>>) -> String {
    PAGE.document(nonce, |place, page| match place {
        "title" => push_escaped(page, story.map_or("multiconn", |story| story.title)),
        "story" => {
            if let Some(story) = story {
                let lines = in_script(story.lines);
                let _ = write!(page, "<script type=\"application/jsonl\" id=\"story\">\n{lines}</script>");
            }
        }
        other => unreachable!("{other} is no place of the skeleton"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

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
}
