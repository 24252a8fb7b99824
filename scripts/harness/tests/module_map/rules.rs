//! Tests of what counts as a dependency, on crates of a few lines.

use std::collections::BTreeSet;

use crate::cycles::shortest_cycle;
use crate::{differences, edges_of, map};

/// The edges of one folder as `a → b at file:line`.
fn edges(files: &[(&str, &str)], folder: &str) -> Vec<String> {
    let edges = edges_of(files).remove(folder).unwrap_or_default();
    edges
        .iter()
        .map(|((from, to), place)| format!("{from} → {to} at {place}"))
        .collect()
}

#[test]
fn an_import_is_an_edge_with_its_line() {
    let files = [
        ("lib.rs", "mod a;\nmod b;"),
        (
            "a.rs",
            "//! Words.\nuse std::fmt;\nuse crate::b::{self,\n    Thing as Other,\n};",
        ),
        ("b.rs", "pub struct Thing;"),
    ];
    assert_eq!(edges(&files, ""), ["a → b at a.rs:3"]);
}

#[test]
fn a_path_that_is_written_out_is_an_edge() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "fn f() {\n    crate::b::g();\n}"),
        ("b.rs", "pub fn g() {}"),
    ];
    assert_eq!(edges(&files, ""), ["a → b at a.rs:2"]);
}

#[test]
fn a_re_export_of_the_parent_leads_to_the_sibling() {
    let files = [
        ("lib.rs", "mod folder;"),
        (
            "folder/mod.rs",
            "mod a; mod b; mod c; pub use a::Thing; use c::own;",
        ),
        ("folder/a.rs", "use super::b::Other; pub struct Thing;"),
        ("folder/b.rs", "use super::Thing; pub struct Other;"),
        (
            "folder/c.rs",
            "pub fn own() { crate::folder::Thing::new(); super::own() }",
        ),
    ];
    let expected = [
        "a → b at folder/a.rs:1",
        "b → a at folder/b.rs:1",
        "c → a at folder/c.rs:1",
    ];
    assert_eq!(edges(&files, "folder"), expected);
}

#[test]
fn a_path_through_an_imported_module_is_an_edge_to_the_module_it_names() {
    let files = [
        ("lib.rs", "mod outer;"),
        ("outer/mod.rs", "mod a; mod b;"),
        ("outer/a.rs", "use crate::outer;\nfn f() { outer::b::g() }"),
        ("outer/b.rs", "pub fn g() {}"),
    ];
    assert_eq!(edges(&files, "outer"), ["a → b at outer/a.rs:2"]);
}

#[test]
fn parents_and_children_are_no_siblings() {
    let files = [
        ("lib.rs", "mod folder; use folder::Item; mod b;"),
        (
            "folder/mod.rs",
            "mod a; use a::f; pub struct Item; fn g() { a::f(super::b::h()) }",
        ),
        ("folder/a.rs", "use super::Item; pub fn f(_: usize) {}"),
        ("b.rs", "pub fn h() -> usize { 1 }"),
    ];
    assert_eq!(edges(&files, ""), ["folder → b at folder/mod.rs:1"]);
    assert_eq!(edges(&files, "folder"), [""; 0]);
}

#[test]
fn a_path_between_nested_modules_is_an_edge_between_their_topmost_folders() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod deep { use crate::b::deep::f; }"),
        ("b/mod.rs", "pub mod deep;"),
        ("b/deep.rs", "use crate::a; pub fn f() {}"),
    ];
    assert_eq!(
        edges(&files, ""),
        ["a → b at a.rs:1", "b → a at b/deep.rs:1"]
    );
}

#[test]
fn tests_comments_and_string_literals_make_no_edges() {
    let files = [
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod tests;"),
        (
            "a.rs",
            "//! [`crate::b::X`]\n/* /* */ use crate::b; */\nconst S: &str = \"\\\" crate::b::f\";\n\
             const R: &str = r#\"\" crate::b::f\"#;\nconst C: [char; 2] = ['\"', '\\''];\n\
             #[cfg(test)]\nuse crate::b;\n#[cfg(test)]\n#[derive(Debug)]\nstruct T { f: crate::b::X }\n\
             #[cfg(test)]\nmod tests { use crate::b; }\nfn own<'a>(_: &'a str) { crate::b::last() }",
        ),
        ("b.rs", "pub(in crate::a) struct X;"),
    ];
    assert_eq!(edges(&files, ""), ["a → b at a.rs:13"]);
}

#[test]
fn another_crate_of_the_same_name_is_no_module() {
    let files = [
        ("lib.rs", "mod a; mod time;"),
        (
            "a.rs",
            "use time::Duration; use ::time::Date; fn f() { time::now() }",
        ),
        ("time.rs", ""),
    ];
    assert_eq!(edges(&files, ""), [""; 0]);
}

#[test]
fn the_shortest_cycle_is_found_unless_one_of_its_edges_is_ignored() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b;"),
        ("b.rs", "use crate::c;"),
        ("c.rs", "use crate::a;"),
    ];
    let edges = edges_of(&files).remove("").unwrap();
    assert_eq!(
        shortest_cycle(&edges, &BTreeSet::new()).unwrap(),
        ["a", "b", "c", "a"]
    );
    let ignored = BTreeSet::from([("c".to_owned(), "a".to_owned())]);
    assert_eq!(shortest_cycle(&edges, &ignored), None);
}

#[test]
fn a_map_with_missing_or_superfluous_edges_is_reported() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b;"),
        ("b.rs", ""),
        ("c.rs", ""),
    ];
    let edges = edges_of(&files).remove("").unwrap();
    let modules = ["a", "b", "c"].map(str::to_owned).into();
    let document = |lines: &str| format!("Text\n```modules of it\n{lines}\n```\nx → y\n");
    let report = |lines: &str| differences(&map::read(&document(lines), "it"), &modules, &edges);
    assert_eq!(report("a → b\nb, c → nothing"), "");
    assert_eq!(report("a →\n    b\nb, c → nothing"), "");
    assert_eq!(report("a → b\nb → nothing"), "  c is missing\n");
    assert_eq!(report("a → b\nb, c, d → nothing"), "  d is no module\n");
    assert_eq!(
        report("a, b, c → nothing"),
        "  a → b is not drawn: a.rs:1\n"
    );
    assert_eq!(
        report("a → b, c\nb, c → nothing"),
        "  a → c is drawn, and no line says so\n"
    );
}
