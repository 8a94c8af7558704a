//! Any JSON values, in any spelling, in the place of a request's action.

use crate::selector::sim::Random;

/// Draws a request with any value in the place of its action, and perhaps another one.
pub fn request(random: &mut Random) -> String {
    match random.below(5) {
        4 => {
            // Many brackets, next to each other or in strings, and few levels.
            let item = *random.pick(&["[]", "{}", r#""[[""#, r#""\"[{""#]);
            format!(r#"{{"action": [{}]}}"#, vec![item; *random.pick(&[2, 3, 70, 130])].join(", "))
        }
        0 => format!(r#"{{"value": {}, "action": {}}}"#, nested(random, 3), nested(random, 3)),
        1 => format!(r#"{{"action": {}}}"#, number(random)),
        2 => {
            // Many short members, of which most come again.
            let count = random.below(80);
            let members: Vec<String> = (0..count).map(|_| format!("{}:1", key(random.below(12), random))).collect();
            format!(r#"{{"action": {{{}}}}}"#, members.join(","))
        }
        _ => format!(r#"{{"action": {}}}"#, nested(random, 3)),
    }
}

fn nested(random: &mut Random, levels: usize) -> String {
    let comma = *random.pick(&[",", ", ", " ,\t"]);
    let inside = |count: usize, random: &mut Random, item: &dyn Fn(&mut Random) -> String| {
        (0..count).map(|_| item(random)).collect::<Vec<_>>().join(comma)
    };
    match random.below(8) {
        0 | 1 if levels > 0 => {
            let count = random.below(4);
            format!("[{}]", inside(count, random, &|random| nested(random, levels - 1)))
        }
        2 | 3 if levels > 0 => {
            // Few keys and many, of which some come again.
            let (count, keys) = *random.pick(&[(0, 1), (1, 1), (3, 2), (5, 26), (9, 26), (20, 5), (20, 400)]);
            let member =
                |random: &mut Random| format!("{}: {}", key(random.below(keys), random), nested(random, levels - 1));
            format!("{{{}}}", inside(count, random, &member))
        }
        4 | 5 => string(random).to_owned(),
        6 => random.pick(&["null", "true", "false"]).to_string(),
        _ => number(random),
    }
}

/// One of the keys, in one of its spellings.
fn key(number: usize, random: &mut Random) -> String {
    let letter = char::from(b'a' + (number % 26) as u8);
    let rest = if number < 26 { String::new() } else { number.to_string() };
    match random.once_in(3) {
        true => format!("\"\\u{:04x}{rest}\"", u32::from(letter)),
        false => format!("\"{letter}{rest}\""),
    }
}

fn string(random: &mut Random) -> &'static str {
    random.pick::<&str>(&[
        r#""""#,
        r#""search""#,
        r#""it's""#,
        r#""\"it's\"""#,
        r#""say \"no\"""#,
        r#""\u0027 and \u0022""#,
        r#""\u0027""#,
        r#""[{[{[""#,
        r#""\"]}]}""#,
        r#""a\\b\/c\n\r\t\b\f""#,
        r#""\u001f\u007f\u0085\u00a0""#,
        "\"caf\u{e9} \u{3a9}\u{200b}\u{e000}\"",
        r#""\ud83d\udc36 \udbff\udfff \u00e9""#,
        "\"\u{7f}\u{10ffff}🐶\"",
        "\"\u{85}\u{185}\u{285}\"",
    ])
}

/// A number at an edge of what floats show, or one of some digits.
fn number(random: &mut Random) -> String {
    let edges = [
        "0",
        "-0",
        "7",
        "-1",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "0.0",
        "-0.0",
        "0e5",
        "0.1",
        "100.50",
        "1E16",
        "1e15",
        "1.5E-5",
        "0.0001",
        "0.00001",
        "0.00012345",
        "123456789012345678.5",
        "1e-7",
        "2.5e+3",
        "123e5",
        "0.1e1",
        "9007199254740993.0",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "2.2250738585072014e-308",
        "123456789.123456789",
        "99999999999999990.0",
        "1e400",
        "-1e400",
        "1e-400",
    ];
    match random.once_in(2) {
        true => random.pick(&edges).to_string(),
        false => {
            let digits_max = 1 + random.below(18) as u32;
            let digits = random.within(0..=10_u64.pow(digits_max));
            let (sign, exponent) = (*random.pick(&["", "-"]), random.within(0..=40) as i64 - 20);
            let point = *random.pick(&["", ".0", ".25", ".000"]);
            match random.once_in(2) {
                true => format!("{sign}{digits}{point}"),
                false => format!("{sign}{digits}{point}e{exponent}"),
            }
        }
    }
}
