//! Lists and objects of JSON as Python's `str()` shows them.
//!
//! A peer determines how much is shown, so there is no tree of values: the text is translated straight into the output.
//! When an object with repeated keys ends, its members are moved into place there.

use std::hash::{BuildHasher, RandomState};
use std::iter;

use super::number::write_number;
use super::string::{push_repr, string_end};
use crate::buffer::Tail;

/// A JSON list or object, written as Python's `str()` shows it. Of equal keys, the first determines the place and the
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

    /// The maximum number of bytes that it takes, unless there are escapes, exponents or unprintable characters.
    pub fn len_expected(&self) -> usize {
        // Python has a space after each comma and colon.
        let bytes = self.text.as_bytes();
        let lacks_space = |pair: (&u8, &u8)| matches!(pair.0, b',' | b':') && *pair.1 != b' ';
        bytes.len() + iter::zip(bytes, &bytes[1..]).filter(|&pair| lacks_space(pair)).count()
    }

    /// Appends it to `out`.
    pub fn write(&self, out: &mut Tail<'_>) {
        let mut printer = Printer {
            out: out.into(),
            members: Vec::new(),
            members_many: self.text.len() / 2 / size_of::<Member>(),
            repeated: Vec::new(),
            moved: Vec::new(),
            hasher: RandomState::new(),
        };
        printer.print(self.text);
    }
}

struct Printer<'o> {
    out: Tail<'o>,
    /// The members of all open objects.
    members: Vec<Member>,
    /// The number of members that take half as much memory as the text.
    members_many: usize,
    /// The repeated keys of the object being settled: the places of the first member and of the last.
    repeated: Vec<(usize, usize)>,
    /// The kept members in their new order, before they replace the old ones.
    moved: Vec<u8>,
    hasher: RandomState,
}

/// A member of an object: its beginning in the output, below a mark of a few bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Member(u64);

impl Member {
    const START_BITS: u32 = 40;

    /// The mark of the first member with a repeated key.
    const FIRST: u64 = 1;

    /// The mark of those between the first and the last.
    const BETWEEN: u64 = 2;

    /// The mark of the last.
    const LAST: u64 = 3;

    fn new(start: usize) -> Member {
        debug_assert!(start < 1 << Self::START_BITS);
        Member(start as u64)
    }

    fn start(self) -> usize {
        (self.0 & ((1 << Self::START_BITS) - 1)) as usize
    }

    fn mark(self) -> u64 {
        self.0 >> Self::START_BITS
    }

    /// Replaces the mark by the lowest bits of `mark`.
    fn set_mark(&mut self, mark: u64) {
        self.0 = mark << Self::START_BITS | self.start() as u64;
    }
}

/// The separator between members.
const SEPARATOR: &[u8] = b", ";

impl Printer<'_> {
    fn print(&mut self, text: &str) {
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
                    if is_key {
                        is_key = false;
                        self.members.push(Member::new(self.out.len()));
                    }
                    push_repr(&mut self.out, &text[start..at]);
                }
                b'-' | b'0'..=b'9' => {
                    at += bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let is_whole = !matches!(bytes.get(at), Some(b'.' | b'e' | b'E'));
                    if is_whole && byte != b'-' {
                        // Most are short: this takes less time than `extend_from_slice`.
                        bytes[start..at].iter().for_each(|&digit| self.out.push(digit));
                    } else {
                        at += bytes[at..]
                            .iter()
                            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'E' | b'e'))
                            .count();
                        write_number(&mut self.out, &text[start..at]);
                    }
                }
                b':' => self.out.extend_from_slice(b": "),
                b',' => {
                    if let Some(&Some(first)) = open.last() {
                        is_key = true;
                        self.make_room(first);
                    }
                    self.out.extend_from_slice(SEPARATOR);
                }
                b'[' => {
                    open.push(None);
                    self.out.push(b'[');
                }
                b'{' => {
                    open.push(Some(self.members.len()));
                    is_key = true;
                    self.out.push(b'{');
                }
                b']' => {
                    open.pop();
                    self.out.push(b']');
                }
                b'}' => {
                    if let Some(Some(first)) = open.pop() {
                        self.close_object(first);
                    }
                    is_key = false;
                    self.out.push(b'}');
                }
                b'n' => at = self.word(b"None", start + "null".len()),
                b't' => at = self.word(b"True", start + "true".len()),
                b'f' => at = self.word(b"False", start + "false".len()),
                _ => {} // white space
            }
        }
    }

    /// Appends `word`, and returns the `end` of the one that it stands for.
    fn word(&mut self, word: &[u8], end: usize) -> usize {
        self.out.extend_from_slice(word);
        end
    }

    /// Makes room for another member of the object whose first member has the index `first`.
    ///
    /// Removes repeated members before it allocates, so memory grows with what is shown, not with every repetition.
    fn make_room(&mut self, first: usize) {
        if self.members.len() < self.members.capacity().max(self.members_many) {
            return;
        }
        if self.find_repeated(first) {
            self.remove_repeated(first);
        }
        // If that freed less than half, allocate now, so that the next search is far off.
        if self.members.len() > self.members.capacity() / 2 {
            self.members.reserve(self.members.len());
        }
    }

    /// Ends the object whose first member has the index `first`.
    fn close_object(&mut self, first: usize) {
        if self.find_repeated(first) {
            self.remove_repeated(first);
        }
        self.members.truncate(first);
    }

    /// Finds repeated keys among the members from the index `first` on, records them, and marks their members. If there
    /// are none, hashes may remain as marks. In either case, the order of the members may change.
    fn find_repeated(&mut self, first: usize) -> bool {
        /// Up to this many members are compared pairwise, which takes less time than hashing their keys.
        const FEW: usize = 8;
        let bytes = self.out.as_slice();
        // A key includes its closing quotation mark, so no key is a prefix of another.
        let key = |member: &Member| &bytes[member.start()..string_end(bytes, member.start())];
        let members = &mut self.members[first..];
        if members.len() <= FEW {
            let comes_again = |index: usize, member| {
                let key = key(member);
                members[index + 1..].iter().any(|other| bytes[other.start()..].starts_with(key))
            };
            let mut all_but_last = members.iter().enumerate().take(members.len().saturating_sub(1));
            if !all_but_last.any(|(index, member)| comes_again(index, member)) {
                return false;
            }
        } else {
            for member in members.iter_mut().filter(|member| member.mark() == 0) {
                member.set_mark(self.hasher.hash_one(key(member)));
            }
            members.sort_unstable();
            // Two different keys seldom have the same mark, and three hardly ever.
            let are_distinct = |alike: &[Member]| match alike {
                [_] => true,
                [one, other] => key(one) != key(other),
                _ => false,
            };
            if members.chunk_by(|one, other| one.mark() == other.mark()).all(are_distinct) {
                return false;
            }
        }
        for alike in members.chunk_by_mut(|one, other| one.mark() == other.mark()) {
            alike.sort_unstable_by(|one, other| key(one).cmp(key(other)).then(one.start().cmp(&other.start())));
            for equal in alike.chunk_by_mut(|one, other| key(one) == key(other)) {
                equal.iter_mut().for_each(|member| member.set_mark(Member::BETWEEN));
                match equal {
                    [first, .., last] => {
                        first.set_mark(Member::FIRST);
                        last.set_mark(Member::LAST);
                    }
                    rest => rest.iter_mut().for_each(|only| only.set_mark(0)),
                }
            }
        }
        self.repeated.clear();
        self.repeated.reserve_exact(members.iter().filter(|member| member.mark() == Member::FIRST).count());
        for equal in members.chunk_by(|one, _| matches!(one.mark(), Member::FIRST | Member::BETWEEN)) {
            if let [first, .., last] = equal {
                self.repeated.push((first.start(), last.start()));
            }
        }
        !self.repeated.is_empty()
    }

    /// Removes the marked members among those from the index `first` on, but for the last with each key, which replaces
    /// the first.
    fn remove_repeated(&mut self, first: usize) {
        self.repeated.sort_unstable();
        let Some(&(start, _)) = self.repeated.first() else { return };
        let members = &mut self.members[first..];
        members.sort_unstable_by_key(|member| member.start());
        let bytes = self.out.as_slice();
        let end = |members: &[Member], index: usize| {
            members.get(index + 1).map_or(bytes.len(), |next| next.start() - SEPARATOR.len())
        };
        let from = members.partition_point(|member| member.start() < start);

        self.moved.clear();
        let stay = (from..members.len()).filter(|&index| matches!(members[index].mark(), 0 | Member::LAST));
        let len: usize = stay.map(|index| end(members, index) - members[index].start() + SEPARATOR.len()).sum();
        if self.moved.capacity() < len {
            // Allocated anew, since a growing buffer would copy old contents. The spare eighth is for enclosing objects,
            // which are a little longer.
            self.moved = Vec::new();
            self.moved.reserve_exact(len + len / 8);
        }
        let mut repeated = self.repeated.iter();
        let mut kept = from;
        for index in from..members.len() {
            let source = match members[index].mark() {
                Member::BETWEEN | Member::LAST => continue,
                Member::FIRST => {
                    let &(_, last) = repeated.next().expect("one for each first member");
                    index + members[index..].partition_point(|member| member.start() < last)
                }
                _ => index,
            };
            let member = members[source].start()..end(members, source);
            members[kept] = Member::new(start + self.moved.len());
            kept += 1;
            self.moved.extend_from_slice(&bytes[member]);
            self.moved.extend_from_slice(SEPARATOR);
        }
        self.members.truncate(first + kept);
        self.out.truncate(start);
        self.out.extend_from_slice(&self.moved[..self.moved.len() - SEPARATOR.len()]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Value {
        Number(u8),
        List(Vec<Value>),
        /// The keys are letters.
        Object(Vec<(u8, Value)>),
    }

    impl Value {
        fn any() -> impl Strategy<Value = Value> {
            any::<u8>().prop_map(Value::Number).prop_recursive(5, 200, 40, |value| {
                let few = vec((b'a'..=b'd', value.clone()), 0..12).prop_map(Value::Object);
                let many = vec((b'a'..=b'z', value.clone()), 0..60).prop_map(Value::Object);
                prop_oneof![vec(value, 0..4).prop_map(Value::List), few, many]
            })
        }

        fn json(&self) -> String {
            match self {
                Self::Number(number) => number.to_string(),
                Self::List(values) => format!("[{}]", values.iter().map(Self::json).collect::<Vec<_>>().join(",")),
                Self::Object(members) => {
                    let member = |(index, (key, value)): (usize, &(u8, Value))| {
                        let escaped = format!("\\u{:04x}", key);
                        let key = if index % 3 == 0 { escaped } else { char::from(*key).to_string() };
                        format!("\"{key}\" : {}", value.json())
                    };
                    format!("{{{}}}", members.iter().enumerate().map(member).collect::<Vec<_>>().join(","))
                }
            }
        }

        fn shown(&self) -> String {
            match self {
                Self::Number(number) => number.to_string(),
                Self::List(values) => format!("[{}]", values.iter().map(Self::shown).collect::<Vec<_>>().join(", ")),
                Self::Object(members) => {
                    let mut kept: Vec<(u8, &Value)> = Vec::new();
                    for (key, value) in members {
                        match kept.iter_mut().find(|(other, _)| other == key) {
                            Some((_, old)) => *old = value,
                            None => kept.push((*key, value)),
                        }
                    }
                    let shown = kept.iter().map(|(key, value)| format!("'{}': {}", char::from(*key), value.shown()));
                    format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
                }
            }
        }
    }

    fn shown(text: &str) -> String {
        let mut shown = b"before".to_vec();
        Compound::new(text).write(&mut Tail::from(&mut shown));
        String::from_utf8(shown).unwrap()
    }

    proptest! {
        #[test]
        fn of_equal_keys_the_first_has_the_place_and_the_last_the_value(value in Value::any()) {
            prop_assert_eq!(shown(&value.json()), format!("before{}", value.shown()));
        }
    }

    #[test]
    fn many_keys_repeated_in_any_order() {
        let member = |number: usize| format!("\"key {}\":{number}", number * 7919 % 10_007);
        for (count, repeated) in [(9, 0), (20_000, 0), (20_000, 3), (20_000, 9000), (200, 100)] {
            let numbers: Vec<usize> = (0..count).chain((count - repeated..count).rev()).collect();
            let members: Vec<String> = numbers.iter().map(|&number| member(number)).collect();
            let text = format!("{{{}}}", members.join(","));
            let value = serde_json::from_str::<serde_json::Value>(&text).unwrap();
            let mut names = HashSet::new();
            let expected: Vec<String> = members
                .iter()
                .filter_map(|member| member.split('"').nth(1).filter(|&name| names.insert(name)))
                .map(|name| format!("'{name}': {}", value[name]))
                .collect();
            assert_eq!(shown(&text), format!("before{{{}}}", expected.join(", ")), "{count} and {repeated}");
        }
    }
}
