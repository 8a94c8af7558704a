//! JSON is read, and everything else is refused: our own sample texts, in every place where a peer can put them.
//!
//! Each value stands once under a key of the header that is ignored, once under such a key of a content, once as
//! the `action` of a content, which is read and shown, and once as the whole header and content. Whole objects stand in
//! for the content, and, with the header's keys in front, for the header.
//!
//! RFC 8259 leaves some things open. These tests pin our choices:
//!
//! - A lone surrogate (`"\ud800"`) is no text in Rust. Under an ignored key it is accepted; in a key, or as
//!   a value that is used, it is refused. Python lets it pass everywhere.
//! - A float beyond the range of 64 bits (`1e999`) is passed over in the same way, and refused where it is used. To Python
//!   it is `inf`.
//! - Within a list or an object, both are shown as Python shows them.
//! - An integer may have any number of digits, and is shown with all of them, even where Python has a limit.
//! - `NaN`, `Infinity` and `-Infinity`, which Python reads, are refused: they are not JSON.
//! - A byte order mark before the text is refused, as it is in Python; `utf-8-sig` and `utf-16` take theirs away first.
//! - Of equal keys the last counts, as in Python.
//! - Lists and objects deeper than the limit are refused, with words of their own.

mod memory;

use memory::{PEER, error_message, json_message, message, plain_message, serve};
use multiconn::message::Limits;
use multiconn::protocols::app::{AppServer, AppService, Timeouts};
use multiconn::session::Service;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// JSON: accepted everywhere.
    Yes,
    /// Not JSON: refused everywhere.
    No,
    /// Accepted under an ignored key, refused where it is used.
    Unused,
}
use Verdict::{No, Unused, Yes};

/// Values.
const VALUES: &[(Verdict, &str, &[u8])] = &[
    // Words
    (Yes, "null", b"null"),
    (Yes, "true", b"true"),
    (Yes, "false", b"false"),
    (No, "word with a capital", b"True"),
    (No, "word in capitals", b"NULL"),
    (No, "Python's word", b"None"),
    (No, "word cut off", b"nul"),
    (No, "word with more to it", b"nullify"),
    (No, "words run together", b"truefalse"),
    (No, "undefined", b"undefined"),
    (No, "a word of no meaning", b"morpheus"),
    (No, "NaN", b"NaN"),
    (No, "nan", b"nan"),
    (No, "minus NaN", b"-NaN"),
    (No, "Infinity", b"Infinity"),
    (No, "minus Infinity", b"-Infinity"),
    (No, "inf", b"inf"),
    // Numbers
    (Yes, "zero", b"0"),
    (Yes, "minus zero", b"-0"),
    (Yes, "zero with a fraction", b"0.0"),
    (Yes, "minus zero with a fraction", b"-0.0"),
    (Yes, "zero with an exponent", b"0e0"),
    (Yes, "zero with an enormous exponent", b"0e999999999999"),
    (Yes, "integer", b"1234567890"),
    (Yes, "negative integer", b"-42"),
    (Yes, "fraction", b"3.14159"),
    (Yes, "fraction with zeros at the end", b"1.500"),
    (Yes, "exponent", b"1e5"),
    (Yes, "exponent with plus", b"1e+5"),
    (Yes, "exponent with minus", b"1e-5"),
    (Yes, "exponent with capital", b"12E3"),
    (Yes, "exponent with zeros in front", b"1e0005"),
    (Yes, "fraction and exponent", b"-1.25E-2"),
    (Yes, "exponent too small for any float", b"1e-999999"),
    (Yes, "2^53 + 1", b"9007199254740993"),
    (Yes, "2^63", b"9223372036854775808"),
    (Yes, "-2^63", b"-9223372036854775808"),
    (Yes, "-2^63 - 1", b"-9223372036854775809"),
    (Yes, "2^64 - 1", b"18446744073709551615"),
    (Yes, "2^64", b"18446744073709551616"),
    (Yes, "fifty digits", b"12345678901234567890123456789012345678901234567890"),
    (Yes, "fifty digits after the point", b"0.12345678901234567890123456789012345678901234567890"),
    (Unused, "float beyond its range", b"1e999"),
    (Unused, "negative float beyond its range", b"-1.5E+400"),
    (Unused, "exponent beyond any range", b"1e99999999999999999999"),
    (No, "plus", b"+1"),
    (No, "minus alone", b"-"),
    (No, "minus twice", b"--1"),
    (No, "minus and space", b"- 1"),
    (No, "minus at the end", b"1-"),
    (No, "zero in front", b"01"),
    (No, "minus and zero in front", b"-01"),
    (No, "zeros", b"00"),
    (No, "zero in front of a fraction", b"00.5"),
    (No, "point in front", b".5"),
    (No, "minus and point in front", b"-.5"),
    (No, "point at the end", b"5."),
    (No, "point and exponent", b"5.e1"),
    (No, "two points", b"1.2.3"),
    (No, "exponent without digits", b"1e"),
    (No, "exponent with sign and no digits", b"1e+"),
    (No, "exponent with a fraction", b"1e1.5"),
    (No, "two exponents", b"1e1e1"),
    (No, "exponent alone", b"e1"),
    (No, "hexadecimal", b"0x1F"),
    (No, "octal", b"0o17"),
    (No, "underscore", b"1_000"),
    (No, "comma in a number", b"1,000"),
    (No, "space in a number", b"1 000"),
    (No, "unit", b"1kB"),
    (No, "long", b"1L"),
    (No, "fullwidth digit", "１".as_bytes()),
    (No, "Arabic digit", "٣".as_bytes()),
    // Strings
    (Yes, "empty string", br#""""#),
    (Yes, "string", br#""white rabbit""#),
    (Yes, "string of a space", br#"" ""#),
    (Yes, "characters of two, three and four bytes", "\"é€🐶\"".as_bytes()),
    (Yes, "delete", b"\"\x7f\""),
    (Yes, "control characters beyond ASCII", "\"\u{80}\u{9f}\"".as_bytes()),
    (Yes, "line separators", "\"\u{2028}\u{2029}\"".as_bytes()),
    (Yes, "byte order mark within", "\"\u{feff}\"".as_bytes()),
    (Yes, "non-characters", "\"\u{fffe}\u{ffff}\u{fdd0}\u{10ffff}\"".as_bytes()),
    (Yes, "brackets within", br#""[{]},:""#),
    (Yes, "comment within", br#""/* not one */ // nor this""#),
    (Yes, "apostrophe within", br#""it's""#),
    (No, "apostrophes around", b"'rabbit'"),
    (No, "nothing around", b"rabbit"),
    (No, "typographic marks around", "“rabbit”".as_bytes()),
    (No, "no end", br#""rabbit"#),
    (No, "no beginning", br#"rabbit""#),
    (No, "a quotation mark alone", br#"""#),
    (No, "end escaped", br#""rabbit\""#),
    (No, "two strings", br#""a" "b""#),
    (No, "two strings without a space", br#""a""b""#),
    (No, "Python's prefix", br#"b"a""#),
    (No, "newline within", b"\"a\nb\""),
    (No, "carriage return within", b"\"a\rb\""),
    (No, "tab within", b"\"a\tb\""),
    (No, "zero byte within", b"\"a\0b\""),
    (No, "escape character within", b"\"\x1b[1m\""),
    (No, "the last control character within", b"\"\x1f\""),
    // Escapes
    (Yes, "all short escapes", br#""\"\\\/\b\f\n\r\t""#),
    (Yes, "escaped letter", br#""\u0061""#),
    (Yes, "hexadecimal in both cases", br#""\u00e9\u00E9\uAbCd""#),
    (Yes, "escaped zero", br#""\u0000""#),
    (Yes, "escaped quotation mark and backslash", br#""\u0022\u005C""#),
    (Yes, "escaped control characters", br#""\u0001\u001F\u007f""#),
    (Yes, "pair of surrogates", br#""\ud83d\udc36""#),
    (Yes, "pair of surrogates in capitals", br#""\uD83D\uDC36""#),
    (Yes, "the last pair", br#""\udbff\udfff""#),
    (Yes, "two pairs", br#""\ud83d\udc30\ud83d\udc36""#),
    (Yes, "escaped non-character", br#""\uffff\ufffe""#),
    (Yes, "backslash and an escape that is none", br#""\\u12""#),
    (Unused, "first surrogate alone", br#""\ud83d""#),
    (Unused, "second surrogate alone", br#""\udc36""#),
    (Unused, "surrogates the wrong way round", br#""\udc36\ud83d""#),
    (Unused, "first surrogate and a letter", br#""\ud83da""#),
    (Unused, "first surrogate and an escaped letter", br#""\ud83d\u0061""#),
    (Unused, "first surrogate and a short escape", br#""\ud83d\n""#),
    (Unused, "first surrogate twice", br#""\ud83d\ud83d""#),
    (No, "backslash alone", br#""\""#),
    (No, "unknown escape", br#""\x41""#),
    (No, "octal escape", br#""\0""#),
    (No, "bell", br#""\a""#),
    (No, "vertical tab", br#""\v""#),
    (No, "escaped apostrophe", br#""\'""#),
    (No, "escaped space", br#""\ ""#),
    (No, "escaped newline", b"\"\\\n\""),
    (No, "escape in capital", br#""\U0061""#),
    (No, "escape in capital letters", br#""\N""#),
    (No, "three digits", br#""\u006""#),
    (No, "no digits", br#""\u""#),
    (No, "not hexadecimal", br#""\u00g1""#),
    (No, "braces", br#""\u{61}""#),
    (No, "signs for digits", br#""\u+061""#),
    (No, "pair cut off", br#""\ud83d\u""#),
    (No, "pair cut in its digits", br#""\ud83d\udc""#),
    (No, "escape outside a string", br"\u0061"),
    (No, "escaped quotation marks", br#"\"a\""#),
    // Not UTF-8
    (No, "a byte that never occurs", b"\"\xff\""),
    (No, "continuation alone", b"\"\x80\""),
    (No, "Latin-1", b"\"caf\xe9\""),
    (No, "character cut off", b"\"\xf0\x9f\x90\""),
    (No, "overlong slash", b"\"\xc0\xaf\""),
    (No, "overlong zero", b"\"\xc0\x80\""),
    (No, "surrogate in UTF-8", b"\"\xed\xa0\xbd\""),
    (No, "pair of surrogates in UTF-8", b"\"\xed\xa0\xbd\xed\xb0\xb6\""),
    (No, "beyond Unicode", b"\"\xf4\x90\x80\x80\""),
    (No, "five bytes", b"\"\xf8\x88\x80\x80\x80\""),
    (No, "bad byte outside a string", b"1\xff"),
    // Lists
    (Yes, "empty list", b"[]"),
    (Yes, "list with a space", b"[ ]"),
    (Yes, "list of one", b"[null]"),
    (Yes, "list of many kinds", br#"[null, true, 1, -1.5, "a", [], {}]"#),
    (Yes, "lists in lists", b"[[[], [[]]], []]"),
    (No, "comma at the end", b"[1,]"),
    (No, "comma at the beginning", b"[,1]"),
    (No, "comma alone", b"[,]"),
    (No, "two commas", b"[1,,2]"),
    (No, "no comma", b"[1 2]"),
    (No, "semicolon", b"[1; 2]"),
    (No, "colon in a list", b"[1: 2]"),
    (No, "no end of the list", b"[1, 2"),
    (No, "no element and no end", b"[1,"),
    (No, "beginning alone", b"["),
    (No, "end alone", b"]"),
    (No, "one end too many", b"[]]"),
    (No, "the wrong end", b"[1}"),
    (No, "tuple", b"(1, 2)"),
    (No, "a bad element, deep within", b"[[[1, [2, 0x3]]]]"),
    (No, "a float that never ends, in a list", b"[1.]"),
    // Objects
    (Yes, "empty object", b"{}"),
    (Yes, "object with a space", b"{ }"),
    (Yes, "member", br#"{"a": 1}"#),
    (Yes, "members", br#"{"a":1,"b":[{"c":{}}]}"#),
    (Yes, "empty key", br#"{"": 0}"#),
    (Yes, "escaped key", br#"{"\u0061\n\"": 0}"#),
    (Yes, "equal keys", br#"{"a": 1, "a": 2, "\u0061": 3}"#),
    (Yes, "a key like the ones that count", br#"{"content-length": -1, "action": "search"}"#),
    (No, "comma at the end of an object", br#"{"a": 1,}"#),
    (No, "comma alone in an object", b"{,}"),
    (No, "two commas in an object", br#"{"a": 1,, "b": 2}"#),
    (No, "no comma in an object", br#"{"a": 1 "b": 2}"#),
    (No, "no colon", br#"{"a" 1}"#),
    (No, "two colons", br#"{"a":: 1}"#),
    (No, "equals sign", br#"{"a" = 1}"#),
    (No, "no value", br#"{"a":}"#),
    (No, "key alone", br#"{"a"}"#),
    (No, "value alone", b"{1}"),
    (No, "key without quotation marks", b"{a: 1}"),
    (No, "key in apostrophes", b"{'a': 1}"),
    (No, "number for a key", b"{1: 1}"),
    (No, "null for a key", b"{null: 1}"),
    (No, "list for a key", b"{[]: 1}"),
    (No, "no end of the object", br#"{"a": 1"#),
    (No, "no value and no end", br#"{"a":"#),
    (No, "no colon and no end", br#"{"a""#),
    (No, "beginning of an object alone", b"{"),
    (No, "one end of an object too many", b"{}}"),
    (No, "the wrong end of an object", br#"{"a": 1]"#),
    (No, "list and object crossed", br#"[{"a": 1]}"#),
    // White space
    (Yes, "spaces around", b"  1  "),
    (Yes, "tabs, newlines, carriage returns around", b"\t\r\n1\n\r\t"),
    (Yes, "white space everywhere", b"\n{\t\"a\"\r:\n[ 1 ,\t2 ] }\n"),
    (No, "form feed", b"\x0c1"),
    (No, "vertical tab before", b"\x0b1"),
    (No, "no-break space", "\u{a0}1".as_bytes()),
    (No, "no-break space after", "1\u{a0}".as_bytes()),
    (No, "ideographic space", "[\u{3000}]".as_bytes()),
    (No, "line separator before", "\u{2028}1".as_bytes()),
    (No, "zero-width space", "[\u{200b}]".as_bytes()),
    (No, "byte order mark before", "\u{feff}1".as_bytes()),
    (No, "byte order mark after", "1\u{feff}".as_bytes()),
    (No, "zero byte after", b"1\0"),
    (No, "zero byte before", b"\x001"),
    (No, "zero byte alone", b"\0"),
    (No, "end of file character", b"1\x1a"),
    // Comments, and what stands for nothing
    (No, "comment", b"/* one */ 1"),
    (No, "comment after", b"1 /* one */"),
    (No, "comment in a list", b"[1, /* two */ 2]"),
    (No, "line comment", b"// one\n1"),
    (No, "line comment in an object", b"{\n// one\n}"),
    (No, "hash comment", b"# one\n1"),
    (No, "XML comment", b"<!-- one --> 1"),
    (No, "nothing", b""),
    (No, "white space alone", b" \n\t"),
    (No, "comma", b","),
    (No, "colon", b":"),
    (No, "star", b"*"),
    (No, "XML", b"<a/>"),
    (No, "Python's set", b"{1, 2}"),
    (No, "expression", b"1 + 1"),
    (No, "template", b"${1}"),
    (No, "two values", b"1 2"),
    (No, "two lists", b"[][]"),
    (No, "value and comma", b"1,"),
    (No, "value and letter", b"[]a"),
];

/// The members of a good header, but for the length.
const MEMBERS: &str = r#""byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8""#;

fn server() -> AppServer {
    AppService::new(Limits::default(), Timeouts::default()).accept(&PEER)
}

/// What the server replies to `request`, and to `request` cut into bytes.
fn reply_to(request: &[u8]) -> Vec<u8> {
    let (whole, _) = serve(server(), [request], false);
    let (cut, _) = serve(server(), request.chunks(1), false);
    assert_eq!(whole, cut, "{}", request.escape_ascii());
    assert!(whole.end.is_some(), "no reply to {}", request.escape_ascii());
    whole.sent
}

/// A request with `header`, which has the length 2 in it, and the content `{}`.
fn with_header(header: &[u8]) -> Vec<u8> {
    let mut request = u16::try_from(header.len()).unwrap().to_be_bytes().to_vec();
    request.extend_from_slice(header);
    request.extend_from_slice(b"{}");
    request
}

fn with_content(content: &[u8]) -> Vec<u8> {
    plain_message("text/json", "utf-8", content, false)
}

/// The reply to a request that has no action.
fn none() -> Vec<u8> {
    json_message(r#"{"result": "Error: invalid action 'None'."}"#, false)
}

/// Asserts that `text` within `request` is accepted, which is when the reply is `expected`, or refused.
fn judge(name: &str, place: &str, is_accepted: bool, request: &[u8], expected: Option<&[u8]>, refusal: &[&str]) {
    let reply = reply_to(request);
    let shown = String::from_utf8_lossy(&reply);
    let was_refused =
        refusal.iter().any(|words| shown.contains(&format!("\"result\": \"Error: the {place} is {words}")));
    let context = format!("{name}, in a {place}:\n{}\nwas answered\n{shown}", request.escape_ascii());
    assert_ne!(was_refused, is_accepted, "{context}");
    if let (true, Some(expected)) = (is_accepted, expected) {
        assert!(reply == expected, "{context}");
    }
}

#[test]
fn there_are_many_cases_and_no_two_are_the_same() {
    for verdict in [Yes, No, Unused] {
        assert!(VALUES.iter().filter(|case| case.0 == verdict).count() >= 10);
    }
    for (index, (_, name, text)) in VALUES.iter().enumerate() {
        let twin = VALUES[..index].iter().find(|other| other.1 == *name || other.2 == *text);
        assert!(twin.is_none(), "{name} is there twice: {twin:?}");
    }
}

#[test]
fn a_value_that_nobody_looks_at() {
    for (verdict, name, text) in VALUES {
        let is_accepted = *verdict != No;
        let refusal = &["not JSON: ", "not UTF-8"];
        let header = [format!("{{{MEMBERS}, \"content-length\": 2, \"more\": ").as_bytes(), text, b"}"].concat();
        judge(name, "header", is_accepted, &with_header(&header), Some(&none()), refusal);
        let header = [b"{\"more\": ", *text, format!(", {MEMBERS}, \"content-length\": 2}}").as_bytes()].concat();
        judge(name, "header", is_accepted, &with_header(&header), Some(&none()), refusal);
        let content = [b"{\"more\": ", *text, b"}"].concat();
        judge(name, "content", is_accepted, &with_content(&content), Some(&none()), refusal);
    }
}

#[test]
fn a_value_that_is_used() {
    for (verdict, name, text) in VALUES {
        let refusal = &["not JSON: ", "not UTF-8"];
        let content = [b"{\"action\": ", *text, b"}"].concat();
        judge(name, "content", *verdict == Yes, &with_content(&content), None, refusal);
        if *verdict == Yes {
            let reply = reply_to(&with_content(&content));
            let shown = String::from_utf8_lossy(&reply);
            assert!(shown.contains("\"result\": \"Error: invalid action '"), "{name}: {shown}");
        }
    }
}

#[test]
fn a_value_as_the_whole() {
    for (verdict, name, text) in VALUES {
        let is_object = text.trim_ascii_start().starts_with(b"{");
        let content = with_content(text);
        match (verdict, is_object) {
            (Yes, true) => judge(name, "content", true, &content, None, &["not "]),
            (Yes | Unused, false) => {
                assert_eq!(reply_to(&content), error_message("the content is JSON but not an object"), "{name}");
                if !text.is_empty() {
                    let why = "the header is JSON but not an object";
                    assert_eq!(reply_to(&with_header(text)), error_message(why), "{name}");
                }
            }
            (Unused, true) => unreachable!("{name}: there is no such case"),
            (No, _) => {
                judge(name, "content", false, &content, None, &["not JSON: ", "not UTF-8"]);
                if !text.is_empty() {
                    judge(name, "header", false, &with_header(text), None, &["not JSON: ", "not UTF-8"]);
                }
            }
        }
    }
}

#[test]
fn a_value_as_a_key() {
    for (verdict, name, text) in VALUES.iter().filter(|(_, _, text)| text.starts_with(b"\"")) {
        // Keys are compared, so they are used, all of them.
        let is_accepted = *verdict == Yes;
        let refusal = &["not JSON: ", "not UTF-8"];
        let header = [format!("{{{MEMBERS}, \"content-length\": 2, ").as_bytes(), text, b": 0}"].concat();
        judge(name, "header", is_accepted, &with_header(&header), Some(&none()), refusal);
        let content = [b"{", *text, b": 0}"].concat();
        judge(name, "content", is_accepted, &with_content(&content), Some(&none()), refusal);
    }
}

#[test]
fn what_is_around_an_object() {
    for (is_accepted, name, before, after) in [
        (true, "nothing", &b""[..], &b""[..]),
        (true, "white space", b" \t\r\n", b"\n\r\t "),
        (false, "form feed before", b"\x0c", b""),
        (false, "form feed after", b"", b"\x0c"),
        (false, "no-break space before", "\u{a0}".as_bytes(), b""),
        (false, "no-break space after", b"", "\u{a0}".as_bytes()),
        (false, "byte order mark before", b"\xef\xbb\xbf", b""),
        (false, "byte order mark after", b"", b"\xef\xbb\xbf"),
        (false, "zero byte before", b"\0", b""),
        (false, "zero byte after", b"", b"\0"),
        (false, "comma", b"", b","),
        (false, "brace", b"", b"}"),
        (false, "bracket", b"", b"]"),
        (false, "second object", b"", b"{}"),
        (false, "second object on another line", b"", b"\n{}"),
        (false, "value before", b"null ", b""),
        (false, "comment before", b"/**/", b""),
        (false, "comment after", b"", b"// that was it"),
        (false, "what keeps a browser from running it", b")]}',\n", b""),
        (false, "parentheses", b"(", b")"),
        (false, "bytes that are no text", b"", b"\xc3"),
    ] {
        let refusal = &["not JSON: ", "not UTF-8"];
        let header = [before, format!("{{{MEMBERS}, \"content-length\": 2}}").as_bytes(), after].concat();
        judge(name, "header", is_accepted, &with_header(&header), Some(&none()), refusal);
        let content = [before, b"{}", after].concat();
        judge(name, "content", is_accepted, &with_content(&content), Some(&none()), refusal);
    }
}

#[test]
fn depth() {
    let max = Limits::default().depth_max;
    for (open, close, levels_each) in [("[", "]", 1), ("{\"a\":", "}", 1), ("[{\"[\\\"[\":", "}]", 2)] {
        // The object around it is a level itself.
        let most = (max - 1) / levels_each;
        for (count, is_allowed) in [(1, true), (most, true), (most + 1, false), (500, false)] {
            let deep = format!("{}\"]}}\"{}", open.repeat(count), close.repeat(count));
            let name = format!("{count} times {open}");
            let refusal = &["nested more than 64 levels deep"];
            let header = format!("{{{MEMBERS}, \"content-length\": 2, \"deep\": {deep}}}");
            judge(&name, "header", is_allowed, &with_header(header.as_bytes()), Some(&none()), refusal);
            for key in ["deep", "action"] {
                let content = format!("{{\"{key}\": {deep}}}");
                judge(&name, "content", is_allowed, &with_content(content.as_bytes()), None, refusal);
            }
        }
    }
    // Wide is not deep, and brackets in a string are none.
    for wide in
        ["[],".repeat(1000) + "[]", "[[]],{\"a\":{}},".repeat(300) + "0", format!("\"{}\"", "[{\\\"".repeat(1000))]
    {
        let content = format!("{{\"wide\": [{wide}]}}");
        judge("wide", "content", true, &with_content(content.as_bytes()), Some(&none()), &["n"]);
    }
    // What is too deep and not JSON either is refused, in whichever words.
    for open in ["[", "{\"a\":", "[[\"", "{[", "[}"] {
        let content = open.repeat(10_000);
        judge("no end", "content", false, &with_content(content.as_bytes()), None, &["n"]);
    }
}

#[test]
fn what_is_read_is_what_was_written() {
    let nines = "9".repeat(5000);
    for (text, shown) in [
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u0061\u00e9\u20AC\ud83d\udc36""#, "aé€🐶"),
        (r#""\u0000""#, "\0"),
        ("\"\u{7f}\u{2028}\u{feff}\u{ffff}\"", "\u{7f}\u{2028}\u{feff}\u{ffff}"),
        (r#""\\u0061""#, "\\u0061"),
        ("1.0", "1.0"),
        ("100e-2", "1.0"),
        ("123456789.125", "123456789.125"),
        ("0.1", "0.1"),
        ("9007199254740993", "9007199254740993"),
        ("9007199254740993.0", "9007199254740992.0"),
        ("2.2250738585072011e-308", "2.225073858507201e-308"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("5e-324", "5e-324"),
        ("1e-400", "0.0"),
        ("-1e-400", "-0.0"),
        // Whole numbers of any size.
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        (nines.as_str(), nines.as_str()),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("0e5", "0.0"),
        // The shortest digits that mean the same float; of two equally close ones, the even.
        ("-957020589468182.2", "-957020589468182.2"),
        ("957020589468182.3", "957020589468182.2"),
        ("5.684341886080802e-14", "5.684341886080802e-14"),
        ("5.684341886080801e-14", "5.684341886080801e-14"),
        ("9.5367431640625e-07", "9.5367431640625e-07"),
        ("9007199254740993.5", "9007199254740994.0"),
        ("2.2250738585072014e-308", "2.2250738585072014e-308"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("8.5e22", "8.5e+22"),
        ("1e23", "1e+23"),
        ("1.5e300", "1.5e+300"),
        ("1e16", "1e+16"),
        ("9999999999999998", "9999999999999998"),
        ("9999999999999998.0", "9999999999999998.0"),
        ("1000000000000000e1", "1e+16"),
        ("0.1e16", "1000000000000000.0"),
        ("0.0001", "0.0001"),
        ("0.00012345", "0.00012345"),
        ("0.00001", "1e-05"),
        ("-12.5e-7", "-1.25e-06"),
        ("1.5E+2", "150.0"),
        // Lists and objects.
        ("[]", "[]"),
        ("[ {} ,\t[ ] ]", "[{}, []]"),
        (r#"{"a":null,"b":[true,false,1.50,-0,1e999,-1e999]}"#, "{'a': None, 'b': [True, False, 1.5, 0, inf, -inf]}"),
        (
            r#"["it's", "\"a\"", "it's \"a\"", "\\\/", "\u0000\b\t\n\f\r\u007f"]"#,
            r#"["it's", '"a"', 'it\'s "a"', '\\/', '\x00\x08\t\n\x0c\r\x7f']"#,
        ),
        (
            "[\"é🐶\u{301}\u{85}\u{ad}\u{378}\u{2028}\u{e000}\u{1d173}\u{10ffff}\"]",
            "['é🐶\u{301}\\x85\\xad\\u0378\\u2028\\ue000\\U0001d173\\U0010ffff']",
        ),
        (r#"["\ud83d", "\ud83d\udc36", "\udc36\ud83d", "\ud83da"]"#, r"['\ud83d', '🐶', '\udc36\ud83d', '\ud83da']"),
        // Of equal keys, the last has its value in the place of the first.
        (r#"{"a": 1, "b": 2, "\u0061": 3}"#, "{'a': 3, 'b': 2}"),
        (r#"{"a": 1, "a": 2, "a": []}"#, "{'a': []}"),
        (
            r#"[{"b": {"x": 1, "y": 2, "x": 3}, "a": 0, "b": {"x": {"z": 1, "z": {"": 5, "": 6}}, "y": 0, "x": 9, "y": {"c": 1, "c": [{"d": 1, "d": 2}]}}}]"#,
            "[{'b': {'x': 9, 'y': {'c': [{'d': 2}]}}, 'a': 0}]",
        ),
    ] {
        let reply = reply_to(&with_content(format!("{{\"action\": {text}}}").as_bytes()));
        let head_len = 2 + usize::from(u16::from_be_bytes([reply[0], reply[1]]));
        let result: serde_json::Value = serde_json::from_slice(&reply[head_len..]).unwrap();
        assert_eq!(result["result"], format!("Error: invalid action '{shown}'."), "{text}");
    }
}

#[test]
fn of_equal_keys_the_last_counts() {
    let ring = json_message(r#"{"result": "In the caves beneath the Misty Mountains. 💍"}"#, false);
    for content in [
        r#"{"action": "search", "value": "x", "value": "ring"}"#,
        r#"{"value": [1], "action": null, "value": "ring", "action": "search"}"#,
        r#"{"value": "x", "action": "search", "v\u0061lue": "ring"}"#,
    ] {
        assert_eq!(reply_to(&json_message(content, false)), ring, "{content}");
    }
    let header = format!("{{\"content-length\": \"many\", {MEMBERS}, \"content-length\": 9, \"content-length\": 2}}");
    assert_eq!(reply_to(&message(&header, b"{}")), none());
}
