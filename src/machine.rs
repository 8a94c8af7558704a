//! State machines as tables: a row for each transition, written once.
//!
//! The macro `named!` defines states and events with their names in logs and tables. `transitions!` turns the rows into
//! the function that the code calls and the table that tests read; the documentation's diagrams and texts are generated
//! from that table. A pair of state and event without a row has no transition; the compiler warns of a pair with two.

use std::fmt::{self, Debug, Display};

/// One row: in state `from`, `event` leads to state `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition<S, E> {
    /// The state before.
    pub from: S,
    /// What happens.
    pub event: E,
    /// The state after.
    pub to: S,
    /// What follows from it.
    pub meaning: &'static str,
}

/// A transition that a machine has made, by name, and how much of what it waits for next has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state before.
    pub from: &'static str,
    /// What has happened.
    pub event: &'static str,
    /// The state after.
    pub to: &'static str,
    /// The number of bytes that have arrived of those that it waits for.
    pub got: usize,
    /// The number of bytes that it waits for, if it is known.
    pub want: Option<usize>,
}

/// The row of the table, and what has arrived.
impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { from, event, to, got, want } = self;
        write!(f, "{from} --[ {event} ]--> {to}")?;
        match want {
            Some(want) => write!(f, ", {got} of {want} bytes"),
            None => Ok(()),
        }
    }
}

/// The receiver of the steps of a machine, if there is one.
#[derive(Clone, Copy, Default)]
pub struct Steps<'a>(Option<&'a dyn Fn(Step)>);

impl<'a> Steps<'a> {
    /// Passes each step to `receive`.
    pub fn to(receive: &'a dyn Fn(Step)) -> Self {
        Steps(Some(receive))
    }

    /// Passes on a step. It is created only if there is a receiver.
    #[inline]
    pub fn note(self, step: impl FnOnce() -> Step) {
        if let Some(receive) = self.0 {
            receive(step());
        }
    }
}

impl Debug for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Steps").field(&self.0.is_some()).finish()
    }
}

/// Defines the states or the events of a machine: an enum with the names that it displays, and `ALL` of them.
macro_rules! named {
    ($(#[$doc:meta])* pub enum $Enum:ident { $($(#[$variant_doc:meta])* $Variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $Enum {
            $($(#[$variant_doc])* $Variant,)+
        }

        impl $Enum {
            /// All of them, in order.
            pub const ALL: [$Enum; [$($name),+].len()] = [$($Enum::$Variant),+];

            /// The name in logs and tables.
            pub const fn name(self) -> &'static str {
                match self {
                    $($Enum::$Variant => $name,)+
                }
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

/// Defines `TRANSITIONS`, the rows as data, and `next`, the rows as code.
macro_rules! transitions {
    ($State:ident, $Event:ident { $($from:ident --[ $event:ident ]--> $to:ident: $meaning:literal;)+ }) => {
        /// All transitions.
        pub const TRANSITIONS: &[$crate::machine::Transition<$State, $Event>] = &[$(
            $crate::machine::Transition {
                from: $State::$from,
                event: $Event::$event,
                to: $State::$to,
                meaning: $meaning,
            },
        )+];

        /// The state that `event` leads to from `from`, if it can happen there.
        #[inline]
        pub const fn next(from: $State, event: $Event) -> Option<$State> {
            match (from, event) {
                $(($State::$from, $Event::$event) => Some($State::$to),)+
                #[allow(unreachable_patterns, reason = "a table may have a row for every pair")]
                _ => None,
            }
        }
    };
}

pub(crate) use {named, transitions};

/// The table as a Mermaid state diagram that begins at each of `firsts` and ends at `last`. Events that lead from the
/// same state to the same other one share an arrow.
pub fn mermaid<S, E>(states: &[S], firsts: &[S], last: Option<S>, rows: &[Transition<S, E>]) -> String
where
    S: Copy + Debug + PartialEq,
    E: Display,
{
    let mut diagram = "stateDiagram-v2\n".to_owned();
    for first in firsts {
        diagram += &format!("    [*] --> {first:?}\n");
    }
    for from in states {
        for to in states {
            let between = rows.iter().filter(|row| row.from == *from && row.to == *to);
            let events: Vec<String> = between.map(|row| row.event.to_string()).collect();
            if !events.is_empty() {
                diagram += &format!("    {from:?} --> {to:?}: {}\n", events.join(", "));
            }
        }
    }
    if let Some(last) = last {
        diagram += &format!("    {last:?} --> [*]\n");
    }
    diagram
}

/// The table as plain text, a line for each row, the rows of a state together.
pub fn plain_text<S, E>(states: &[S], rows: &[Transition<S, E>]) -> String
where
    S: Display + PartialEq,
    E: Display,
{
    let width = |texts: &mut dyn Iterator<Item = String>| texts.map(|text| text.len()).max().unwrap_or(0);
    let state_width = width(&mut states.iter().map(S::to_string));
    let event_width = width(&mut rows.iter().map(|row| row.event.to_string()));
    let groups = states.iter().map(|state| {
        let rows = rows.iter().filter(|row| row.from == *state);
        let lines = rows.map(|Transition { from, event, to, meaning }| {
            let (from, event, to) = (from.to_string(), event.to_string(), to.to_string());
            format!("{from:<state_width$} --[ {event:<event_width$} ]--> {to:<state_width$}   {meaning}\n")
        });
        lines.collect::<String>()
    });
    groups.filter(|group| !group.is_empty()).collect::<Vec<_>>().join("\n")
}
