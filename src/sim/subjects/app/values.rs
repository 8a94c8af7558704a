//! Any JSON values, in any spelling, in the place of a request's action.

use crate::selector::sim::Random;

/// Draws a request with any value in the place of its action, and perhaps another one.
pub fn request(random: &mut Random) -> String {
    let mut text = String::from("{");
    match random.below(5) {
        0 => {
            text += r#""value": "#;
            nested(&mut text, random, 3);
            text += r#", "action": "#;
            nested(&mut text, random, 3);
        }
        1 => {
            text += r#""action": "#;
            number(&mut text, random);
        }
        4 => {
            // Many brackets, next to each other or in strings, and few levels.
            let item = *random.pick(&["[]", "{}", r#""[[""#, r#""\"[{""#]);
            text += r#""action": ["#;
            text += &vec![item; *random.pick(&[2, 3, 70, 130])].join(", ");
            text.push(']');
        }
        2 => {
            // Many short members, of which most come again.
            text += r#""action": {"#;
            for index in 0..random.below(80) {
                text += if index == 0 { "" } else { "," };
                key(&mut text, random.below(12), random);
                text += ":1";
            }
            text.push('}');
        }
        _ => {
            text += r#""action": "#;
            nested(&mut text, random, 3);
        }
    }
    text.push('}');
    text
}

/// Adds a value that may have others inside.
fn nested(text: &mut String, random: &mut Random, levels: usize) {
    let comma = *random.pick(&[",", ", ", " ,\t"]);
    match random.below(8) {
        0 | 1 if levels > 0 => {
            text.push('[');
            for index in 0..random.below(4) {
                *text += if index == 0 { "" } else { comma };
                nested(text, random, levels - 1);
            }
            text.push(']');
        }
        2 | 3 if levels > 0 => {
            // Few keys and many, of which some come again.
            let (count, keys) = *random.pick(&[(0, 1), (1, 1), (3, 2), (5, 26), (9, 26), (20, 5), (20, 400)]);
            text.push('{');
            for index in 0..count {
                *text += if index == 0 { "" } else { comma };
                key(text, random.below(keys), random);
                *text += ": ";
                nested(text, random, levels - 1);
            }
            text.push('}');
        }
        4 | 5 => *text += string(random),
        6 => *text += random.pick::<&str>(&["null", "true", "false"]),
        _ => number(text, random),
    }
}

/// Adds one of the keys, in one of its spellings.
fn key(text: &mut String, number: usize, random: &mut Random) {
    let letter = b'a' + (number % 26) as u8;
    text.push('"');
    match random.once_in(3) {
        true => *text += &format!("\\u{letter:04x}"),
        false => text.push(char::from(letter)),
    }
    if number >= 26 {
        *text += &number.to_string();
    }
    text.push('"');
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

/// Adds a number at an edge of what floats show, or one of some digits.
fn number(text: &mut String, random: &mut Random) {
    const EDGES: &[&str] = &[
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
        true => *text += random.pick::<&str>(EDGES),
        false => {
            let digits_max = 1 + random.below(18) as u32;
            let digits = random.within(0..=10_u64.pow(digits_max));
            let (sign, exponent) = (*random.pick(&["", "-"]), random.within(0..=40) as i64 - 20);
            let point = *random.pick(&["", ".0", ".25", ".000"]);
            for part in [sign, &digits.to_string(), point] {
                *text += part;
            }
            if !random.once_in(2) {
                *text += &format!("e{exponent}");
            }
        }
    }
}
