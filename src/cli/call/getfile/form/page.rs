//! The page of the form, [made](crate::http::document) of the files in `form/page/`. Those for elements and figures are
//! the ones of the page in `src/admin/page/`.

use crate::http::document::{Module, Page, push_escaped};

/// The names and sources of the modules.
const MODULES: &[Module] = &[
    ("elements", include_str!("../../../../admin/page/elements.js")),
    ("format", include_str!("../../../../admin/page/format.js")),
    ("entry", include_str!("page/entry.js")),
    ("fields", include_str!("page/fields.js")),
    ("list", include_str!("page/list.js")),
    ("main", include_str!("page/main.js")),
    ("server", include_str!("page/server.js")),
];

static PAGE: Page = Page::new(include_str!("page/index.html"), include_str!("page/style.css"), MODULES);

/// The document, for a form whose files go `into` a folder. `nonce` is letters and digits that an attacker can't guess.
pub fn document(nonce: &str, into: &str) -> String {
    PAGE.document(nonce, |place, page| match place {
        "into" => push_escaped(page, into),
        other => unreachable!("{other} is no place of the skeleton"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_module_is_in_the_document() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/call/getfile/form/page");
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(name) = name.strip_suffix(".js") {
                assert!(MODULES.iter().any(|(module, _)| *module == name), "{name}");
            }
        }
    }

    #[test]
    fn the_folder_is_text_whatever_its_name() {
        let page = document("n0", "/a/</bdi><script>alert(1)</script>");
        assert!(page.contains("/a/&lt;/bdi&gt;&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("{{"));
    }
}
