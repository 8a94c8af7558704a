//! Circles: sibling modules that use each other, directly or through further siblings.
//!
//! Uses by and of a module's descendants count as its own. Uses between a module and its descendants don't count: together
//! they are one concept, and a child may contain methods of its parent's types.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::iter;

use crate::modules::{Use, parent};

pub struct Circle<'a> {
    pub modules: BTreeSet<&'a str>,
    /// One use for each pair of modules.
    uses: Vec<&'a Use>,
}

impl fmt::Display for Circle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uses.iter().try_for_each(|used| writeln!(f, "{used}: {} uses {}", used.from, used.to))
    }
}

/// Finds all circles. Circles that share a module are one.
pub fn circles(uses: &[Use]) -> Vec<Circle<'_>> {
    let mut edges = Edges::new();
    for used in uses {
        if let Some((from, to)) = siblings(&used.from, &used.to) {
            edges.entry(from).or_default().entry(to).or_insert(used);
        }
    }
    let reachable: BTreeMap<&str, BTreeSet<&str>> = edges.keys().map(|from| (*from, reachable(&edges, from))).collect();
    let reaches = |from: &str, to: &str| reachable.get(from).is_some_and(|modules| modules.contains(to));
    let mut found = Vec::new();
    for (first, others) in &reachable {
        let modules: BTreeSet<&str> = others.iter().copied().filter(|other| reaches(other, first)).collect();
        // All modules of a circle lead to it.
        if modules.first() == Some(first) {
            let uses = modules.iter().flat_map(|from| &edges[from]).filter(|(to, _)| modules.contains(*to));
            let uses = uses.map(|(_, used)| *used).collect();
            found.push(Circle { modules, uses });
        }
    }
    found
}

/// The siblings that each module uses, with the first use of each.
type Edges<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a Use>>;

/// The sibling modules that contain `from` and `to`. None if one of the two contains the other.
fn siblings<'a>(from: &'a str, to: &'a str) -> Option<(&'a str, &'a str)> {
    let upwards = |module: &'a str| iter::successors(Some(module), |module| parent(module));
    let mut pairs = upwards(from).flat_map(|from| upwards(to).map(move |to| (from, to)));
    pairs.find(|(from, to)| from != to && parent(from) == parent(to))
}

fn reachable<'a>(edges: &Edges<'a>, from: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        let next = edges.get(module).into_iter().flat_map(BTreeMap::keys);
        open.extend(next.filter(|module| found.insert(**module)));
    }
    found
}
