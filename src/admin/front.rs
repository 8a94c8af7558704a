//! The document at `/`.

/// A document that names the other paths.
pub fn document() -> &'static str {
    "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>multiconn</title>\n<h1>multiconn</h1>\n<ul>\
     <li><a href=\"events\">events</a>: the trace, as server-sent events\
     <li><a href=\"state.json\">state.json</a>: the loop and its connections\
     <li><a href=\"metrics\">metrics</a>: numbers for Prometheus\
     <li><a href=\"healthz\">healthz</a>, <a href=\"readyz\">readyz</a></ul>\n</html>\n"
}

/// Its Content-Security-Policy: nothing runs, and nothing is loaded.
pub const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
