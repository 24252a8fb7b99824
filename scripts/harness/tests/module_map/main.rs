//! Who knows whom among the modules: no circle, and for backend and relay just what ARCHITECTURE.md says.
//!
//! The `use` items and written-out paths of every crate are read; tests are left out. In no folder may
//! a module know a sibling that knows it in turn, directly or by way of others.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod cycles;
mod map;
mod paths;
mod rules;
mod tokens;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cycles::{cycle, told};
use tree::{Edges, Tree};

/// Programs whose modules stand in a map of ARCHITECTURE.md.
const MAPPED: [&str; 2] = ["backend", "relay"];

#[test]
fn no_two_siblings_know_each_other() {
    let mut found = String::new();
    for (name, tree) in crates() {
        for (folder, edges) in tree.edges() {
            let place = format!("{name}/src/{folder}");
            let place = place.trim_end_matches('/');
            let mut left_out = BTreeSet::new();
            while let Some(way) = cycle(&edges, &left_out) {
                let lines = told(&edges, &way);
                writeln!(found, "  {place}: {}\n{lines}", way.join(" → ")).unwrap();
                left_out.insert((way[0].clone(), way[1].clone()));
            }
        }
    }
    assert!(found.is_empty(), "modules that know each other:\n{found}");
}

#[test]
fn the_map_in_architecture_is_what_the_modules_know() {
    let document = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    for name in MAPPED {
        let (_, tree) = crates()
            .into_iter()
            .find(|(found, _)| found == name)
            .unwrap();
        let drawn = map::map(&document, name);
        let edges = tree.edges().remove("").unwrap_or_default();
        let differences = differences(&drawn, &tree.top(), &edges);
        assert!(differences.is_empty(), "the map of {name}:\n{differences}");
    }
}

/// An import of all names hides which of them are used, and where they come from.
#[test]
fn no_module_takes_all_that_another_has() {
    for (name, tree) in crates() {
        assert_eq!(tree.globs(), Vec::<String>::new(), "{name}");
    }
}

fn differences(drawn: &map::Map, modules: &BTreeSet<String>, edges: &Edges) -> String {
    let mut found = String::new();
    for name in modules.iter().filter(|name| !drawn.contains_key(*name)) {
        writeln!(found, "  {name} is missing").unwrap();
    }
    for name in drawn.keys().filter(|name| !modules.contains(*name)) {
        writeln!(found, "  {name} is no module").unwrap();
    }
    for ((from, to), place) in edges {
        if !drawn.get(from).is_some_and(|known| known.contains(to)) {
            writeln!(found, "  {from} → {to} is not drawn: {place}").unwrap();
        }
    }
    for (from, known) in drawn {
        for to in known {
            if !edges.contains_key(&(from.clone(), to.clone())) {
                writeln!(found, "  {from} → {to} is drawn, and no line says so").unwrap();
            }
        }
    }
    found
}

/// Each crate of the workspace by its folder; a program's own root file is one, too.
fn crates() -> Vec<(String, Tree)> {
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let members = manifest
        .lines()
        .skip_while(|line| !line.starts_with("members = ["))
        .skip(1)
        .take_while(|line| !line.starts_with(']'))
        .map(|line| line.trim().trim_matches(['"', ',']).to_owned());
    let mut found = Vec::new();
    for member in members {
        let roots = roots(&workspace().join(&member).join("src"));
        assert!(!roots.is_empty(), "{member} has no root file");
        for root in roots {
            let root = root.strip_prefix(workspace()).unwrap().to_path_buf();
            let read = |file: &Path| std::fs::read_to_string(workspace().join(file)).ok();
            found.push((member.clone(), Tree::read(&root, &read)));
        }
    }
    found
}

/// The library first, then its programs.
fn roots(src: &Path) -> Vec<PathBuf> {
    let mut roots = vec![src.join("lib.rs"), src.join("main.rs")];
    if let Ok(programs) = std::fs::read_dir(src.join("bin")) {
        for program in programs {
            let program = program.unwrap().path();
            roots.push(program.join("main.rs"));
            roots.push(program);
        }
    }
    roots.retain(|root| root.is_file());
    roots
}

fn workspace() -> PathBuf {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness.join("../..").canonicalize().unwrap()
}

/// The edges of each folder of a crate whose files are given.
fn edges_of(files: &[(&str, &str)]) -> BTreeMap<String, Edges> {
    let read = |file: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == file);
        found.map(|(_, text)| (*text).to_owned())
    };
    Tree::read(Path::new("lib.rs"), &read).edges()
}
