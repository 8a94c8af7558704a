//! The resolver and the search for circles, tested on small example crates.

use std::collections::BTreeSet;

use crate::circles::circles;
use crate::modules::{Crate, Sources};

fn read(sources: &[(&str, &str)]) -> Crate {
    Crate::read(&Sources::from_iter(sources.iter().map(|(file, text)| (file.to_string(), text.to_string()))), "lib.rs")
}

/// The modules used by `code` as the module `crate::a::b`, in a crate with a few others.
fn used(code: &str) -> Vec<String> {
    let library = read(&[
        ("lib.rs", "mod a; mod facade; mod x;"),
        ("a.rs", "pub mod b; mod sibling { pub struct S; } use crate::x::y as renamed; pub struct A;"),
        ("a/b.rs", code),
        ("facade.rs", "pub use crate::x::X; pub use crate::x::y::*; pub use log::Level;"),
        ("x.rs", "pub mod y; pub use y::{Y, f as g}; pub enum X { V } pub fn x() {}"),
        ("x/y.rs", "pub struct Y; pub fn f() {}"),
    ]);
    let uses = library.uses().into_iter().filter(|used| used.from == "crate::a::b");
    uses.map(|used| used.to).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn a_path_from_the_root_leads_to_the_module_that_defines_the_item() {
    assert_eq!(used("use crate::x::X;"), ["crate::x"]);
    assert_eq!(used("fn f(_: crate::x::y::Y) {}"), ["crate::x::y"]);
    assert_eq!(used("fn f() { crate::x::X::V; }"), ["crate::x"]);
    assert_eq!(used("fn f() { match 1 { crate::x::y::Y => () } }"), ["crate::x::y"]);
    assert_eq!(used("impl Iterator for Vec<crate::x::X> {}"), ["crate::x"]);
}

#[test]
fn super_leads_to_the_parent_as_often_as_it_is_written() {
    assert_eq!(used("use super::A;"), ["crate::a"]);
    assert_eq!(used("use super::super::x::X;"), ["crate::x"]);
    assert_eq!(used("use super::sibling::S;"), ["crate::a"], "a module in braces is part of its file");
    assert_eq!(used("mod inner { use super::super::super::x::X; }"), ["crate::x"]);
    assert_eq!(used("mod inner { use super::Own; } struct Own;"), [""; 0]);
}

#[test]
fn groups_globs_and_renames_are_imports_like_others() {
    assert_eq!(used("use crate::{a::A, x::{self, y::Y}};"), ["crate::a", "crate::x", "crate::x::y"]);
    assert_eq!(used("use crate::x::*; fn f(_: Y) {}"), ["crate::x", "crate::x::y"]);
    assert_eq!(used("use crate::x as z; fn f() { z::y::f() }"), ["crate::x", "crate::x::y"]);
    assert_eq!(used("use crate::x::X as Z; use Z::V;"), ["crate::x"]);
    assert_eq!(used("fn f() { use crate::x::y; y::f() }"), ["crate::x::y"]);
}

#[test]
fn a_path_may_start_with_an_imported_name() {
    assert_eq!(used("use super::super::x; fn f() { x::y::f() }"), ["crate::x", "crate::x::y"]);
    assert_eq!(used("use super::*; fn f() { renamed::f() }"), ["crate::a", "crate::x::y"]);
    assert_eq!(used("fn f() { self::super::A; }"), ["crate::a"]);
    assert_eq!(used("use std::fs; use x::X; use ::a::A; use log::log; fn f() { fs::read(log::log) }"), [""; 0]);
}

#[test]
fn a_re_export_leads_to_the_definition() {
    assert_eq!(used("use crate::x::Y;"), ["crate::x::y"], "from a parent");
    assert_eq!(used("fn f() { crate::x::g() }"), ["crate::x::y"], "with another name");
    assert_eq!(used("use crate::facade::X;"), ["crate::facade", "crate::x"], "from elsewhere");
    assert_eq!(used("use crate::facade::Y;"), ["crate::facade", "crate::x::y"], "by a glob");
    assert_eq!(used("use crate::facade::Level;"), ["crate::facade"], "from another crate");
}

#[test]
fn macros_and_attributes_have_paths_in_their_tokens() {
    assert_eq!(used(r#"fn f() { format!("{}", [crate::x::g(), super::A]) }"#), ["crate::a", "crate::x::y"]);
    assert_eq!(used("use crate::x as z; fn f() { assert!(z::y::f::<A>()) }"), ["crate::x", "crate::x::y"]);
    assert_eq!(used("macro_rules! m { () => { $crate::x::X } }"), ["crate::x"]);
    assert_eq!(used("#[arg(value_parser = super::super::x::x)] struct S;"), ["crate::x"]);
    assert_eq!(used("fn f() { m!(::x::X, Vec::<u8>::x, a: b) }"), [""; 0]);
}

#[test]
fn code_for_tests_is_left_out() {
    assert_eq!(used("#[cfg(test)] mod tests { use crate::x::X; }"), [""; 0]);
    assert_eq!(used("#[cfg(test)] mod in_a_file;"), [""; 0]);
    assert_eq!(used("#[cfg(all(test, unix))] use crate::x::X;"), [""; 0]);
    assert_eq!(used("struct S { #[cfg(test)] x: crate::x::X }"), [""; 0]);
    assert_eq!(used("impl S { #[cfg(test)] fn f(_: crate::x::X) {} }"), [""; 0]);
    assert_eq!(used("#[cfg(any(test, unix))] use crate::x::X;"), ["crate::x"]);
    assert_eq!(used("#[cfg(not(test))] use crate::x::X;"), ["crate::x"]);
}

#[test]
fn a_use_has_a_file_and_a_line() {
    let library =
        read(&[("lib.rs", "mod a;\nmod b;"), ("a/mod.rs", "\nuse crate::{\n    b::B,\n};"), ("b.rs", "pub struct B;")]);
    let uses: Vec<String> = library.uses().iter().map(ToString::to_string).collect();
    assert_eq!(uses, ["src/a/mod.rs:3: crate::b::B"]);
}

#[test]
fn siblings_form_circles_and_parents_with_their_children_do_not() {
    let library = read(&[
        ("lib.rs", "mod a; mod b; mod c; mod d; mod parent;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "mod below { use crate::c::C; } pub struct B;"),
        ("c.rs", "mod below; pub struct C;"),
        ("c/below.rs", "use crate::a::A;"),
        ("d.rs", "use crate::a::A;"),
        ("parent.rs", "mod one; mod two; pub use one::One; pub struct Parent(One);"),
        ("parent/one.rs", "use super::Parent; use super::two::Two; pub struct One;"),
        ("parent/two.rs", "use super::{One, Parent}; pub struct Two;"),
    ]);
    let uses = library.uses();
    let found: Vec<Vec<&str>> = circles(&uses).into_iter().map(|circle| circle.modules.into_iter().collect()).collect();
    assert_eq!(found, [vec!["crate::a", "crate::b", "crate::c"], vec!["crate::parent::one", "crate::parent::two"]]);
}
