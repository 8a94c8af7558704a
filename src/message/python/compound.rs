//! Lists and objects of JSON as Python's `str()` shows them.
//!
//! A peer determines how much is shown, so there is no tree of values: the text is translated once, and where keys are
//! repeated, the pieces of the translation are then written in another order.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use super::number::write_number;
use super::string::{push_repr, string_end};

/// A JSON list or object, displayed as Python's `str()` shows it. Of equal keys, the first determines the place and the
/// last the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compound<'t> {
    text: &'t str,
}

impl<'t> Compound<'t> {
    /// The list or object `text`, which must be valid JSON.
    pub fn new(text: &'t str) -> Self {
        Compound { text }
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        self.text.starts_with('[')
    }
}

impl fmt::Display for Compound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer::default();
        // Python has more spaces.
        printer.shown.reserve(self.text.len() + self.text.len() / 4);
        printer.translate(self.text);
        printer.write(f, 0..printer.shown.len())
    }
}

#[derive(Default)]
struct Printer {
    /// The translation, with all members of all objects.
    shown: String,
    /// The members of all open objects.
    members: Vec<Member>,
    /// The objects with repeated keys; in the end, in the order in which they start.
    repetitive: Vec<Repetitive>,
    /// The members that remain of these, in [`Printer::shown`].
    kept: Vec<Range<usize>>,
    hasher: RandomState,
}

/// A member of an object.
struct Member {
    /// The hash of its key.
    hash: u64,
    /// Its beginning in [`Printer::shown`].
    start: usize,
}

/// An object with repeated keys.
struct Repetitive {
    /// Its members in [`Printer::shown`].
    all: Range<usize>,
    /// Those that remain, in [`Printer::kept`].
    kept: Range<usize>,
}

impl Printer {
    fn translate(&mut self, text: &str) {
        let bytes = text.as_bytes();
        // For each open object the index of its first member; for each open list `None`.
        let mut open: Vec<Option<usize>> = Vec::new();
        let mut is_key = false;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let start = at;
            at += 1;
            match byte {
                b'"' => {
                    at = string_end(bytes, start);
                    let key_start = self.shown.len();
                    push_repr(&mut self.shown, &text[start + 1..at - 1]);
                    if is_key {
                        is_key = false;
                        let hash = self.hasher.hash_one(&self.shown[key_start..]);
                        self.members.push(Member { hash, start: key_start });
                    }
                }
                b'-' | b'0'..=b'9' => {
                    at += bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let is_whole = !matches!(bytes.get(at), Some(b'.' | b'e' | b'E'));
                    if is_whole && byte != b'-' {
                        // Most are short: this takes less time than `push_str`.
                        self.shown.extend(bytes[start..at].iter().map(|&digit| char::from(digit)));
                    } else {
                        at += bytes[at..]
                            .iter()
                            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'E' | b'e'))
                            .count();
                        write_number(&mut self.shown, &text[start..at]).expect("writing to memory cannot fail");
                    }
                }
                b':' => self.shown.push_str(": "),
                b',' => {
                    is_key = matches!(open.last(), Some(Some(_)));
                    self.shown.push_str(", ");
                }
                b'[' => {
                    open.push(None);
                    self.shown.push('[');
                }
                b'{' => {
                    open.push(Some(self.members.len()));
                    is_key = true;
                    self.shown.push('{');
                }
                b']' => {
                    open.pop();
                    self.shown.push(']');
                }
                b'}' => {
                    if let Some(Some(first)) = open.pop() {
                        self.close_object(first);
                    }
                    is_key = false;
                    self.shown.push('}');
                }
                b'n' => at = self.word("None", start + "null".len()),
                b't' => at = self.word("True", start + "true".len()),
                b'f' => at = self.word("False", start + "false".len()),
                _ => {} // white space
            }
        }
        self.repetitive.sort_unstable_by_key(|object| object.all.start);
    }

    /// Appends `word`, and returns the `end` of the one that it stands for.
    fn word(&mut self, word: &str, end: usize) -> usize {
        self.shown.push_str(word);
        end
    }

    /// Looks for repeated keys in an object that ends here, whose first member has the index `first`.
    fn close_object(&mut self, first: usize) {
        let shown = &self.shown;
        let key = |member: &Member| &shown[member.start..string_end(shown.as_bytes(), member.start)];
        let members = &mut self.members[first..];
        let Some(start) = members.first().map(|member| member.start) else { return };
        members.sort_unstable_by_key(|member| (member.hash, member.start));
        if members.windows(2).any(|pair| pair[0].hash == pair[1].hash) {
            // Keys are equal if they are shown alike.
            members
                .chunk_by_mut(|one, other| one.hash == other.hash)
                .for_each(|alike| alike.sort_by(|one, other| key(one).cmp(key(other))));
            let equal = members.chunk_by(|one, other| one.hash == other.hash && key(one) == key(other));
            let from = self.kept.len();
            self.kept.extend(equal.map(|members| members[0].start..members[members.len() - 1].start));
            let kept = &mut self.kept[from..];
            if kept.len() < members.len() {
                members.sort_unstable_by_key(|member| member.start);
                kept.sort_unstable_by_key(|first_and_last| first_and_last.start);
                for member in kept {
                    let next = members.get(members.partition_point(|other| other.start <= member.end));
                    *member = member.end..next.map_or(shown.len(), |next| next.start - ", ".len());
                }
                self.repetitive.push(Repetitive { all: start..shown.len(), kept: from..self.kept.len() });
            } else {
                self.kept.truncate(from);
            }
        }
        self.members.truncate(first);
    }

    /// Writes `range` of the translation, with the last of equal keys' members in the place of the first.
    fn write(&self, f: &mut fmt::Formatter<'_>, range: Range<usize>) -> fmt::Result {
        let mut at = range.start;
        // The objects within this one come later.
        while let Some(object) = self.repetitive.get(self.repetitive.partition_point(|object| object.all.start <= at))
            && object.all.start < range.end
        {
            f.write_str(&self.shown[at..object.all.start])?;
            for (index, member) in self.kept[object.kept.clone()].iter().enumerate() {
                f.write_str(if index == 0 { "" } else { ", " })?;
                self.write(f, member.clone())?;
            }
            at = object.all.end;
        }
        f.write_str(&self.shown[at..range.end])
    }
}
