//! Dependencies between modules: they form no cycle, and those of backend and relay are the ones drawn
//! in ARCHITECTURE.md.
//!
//! A module depends on another if a `use` item or a written-out path names it; tests do not count. No
//! module may depend on a sibling that depends on it in turn, directly or through others.

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

use cycles::{describe, shortest_cycle};
use tree::{Edges, Tree};

/// Crates whose modules are drawn in a map of ARCHITECTURE.md.
const MAPPED: [&str; 2] = ["backend", "relay"];

#[test]
fn the_dependencies_of_siblings_form_no_cycle() {
    let mut found = String::new();
    for (name, tree) in crates() {
        for (folder, edges) in tree.edges() {
            let place = format!("{name}/src/{folder}");
            let place = place.trim_end_matches('/');
            let mut ignored = BTreeSet::new();
            while let Some(cycle) = shortest_cycle(&edges, &ignored) {
                let lines = describe(&edges, &cycle);
                writeln!(found, "  {place}: {}\n{lines}", cycle.join(" → ")).unwrap();
                ignored.insert((cycle[0].clone(), cycle[1].clone()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "modules that depend on each other:\n{found}"
    );
}

#[test]
fn the_maps_in_architecture_equal_the_dependencies() {
    let document = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    for name in MAPPED {
        let (_, tree) = crates()
            .into_iter()
            .find(|(found, _)| found == name)
            .unwrap();
        let drawn = map::read(&document, name);
        let edges = tree.edges().remove("").unwrap_or_default();
        let differences = differences(&drawn, &tree.topmost_modules(), &edges);
        assert!(differences.is_empty(), "the map of {name}:\n{differences}");
    }
}

/// A glob import hides which names are used and where they come from.
#[test]
fn no_module_has_a_glob_import_of_its_own_crate() {
    for (name, tree) in crates() {
        assert_eq!(tree.glob_imports(), Vec::<String>::new(), "{name}");
    }
}

/// One line for each difference between a map and the modules and dependencies of a program; empty if there is none.
fn differences(drawn: &map::Map, modules: &BTreeSet<String>, edges: &Edges) -> String {
    let mut found = String::new();
    for name in modules.iter().filter(|name| !drawn.contains_key(*name)) {
        writeln!(found, "  {name} is missing").unwrap();
    }
    for name in drawn.keys().filter(|name| !modules.contains(*name)) {
        writeln!(found, "  {name} is no module").unwrap();
    }
    for ((from, to), place) in edges {
        if !drawn.get(from).is_some_and(|used| used.contains(to)) {
            writeln!(found, "  {from} → {to} is not drawn: {place}").unwrap();
        }
    }
    for (from, used) in drawn {
        for to in used {
            if !edges.contains_key(&(from.clone(), to.clone())) {
                writeln!(found, "  {from} → {to} is drawn, and no line says so").unwrap();
            }
        }
    }
    found
}

/// Each crate of the workspace with its folder. A folder with a library and programs has one entry each.
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

/// The root files below `src`: the library first, then the programs.
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

/// The dependencies in each folder of a crate whose files are given as pairs of path and text.
fn edges_of(files: &[(&str, &str)]) -> BTreeMap<String, Edges> {
    let read = |file: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == file);
        found.map(|(_, text)| (*text).to_owned())
    };
    Tree::read(Path::new("lib.rs"), &read).edges()
}
