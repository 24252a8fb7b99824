//! Reads a map of ARCHITECTURE.md: a block fenced as `modules of NAME`, with lines such as `a, b → c, d`
//! for "a and b depend on c and d".

use std::collections::{BTreeMap, BTreeSet};

/// The drawn dependencies of each module of a program.
pub(crate) type Map = BTreeMap<String, BTreeSet<String>>;

/// Stands on the right side of a line whose modules depend on no other.
const NOTHING: &str = "nothing";

/// Reads the map of a program from ARCHITECTURE.md.
pub(crate) fn read(document: &str, program: &str) -> Map {
    let fence = format!("```modules of {program}");
    let mut lines = document.lines().skip_while(|line| *line != fence);
    assert!(
        lines.next().is_some(),
        "ARCHITECTURE.md has no block `{fence}`"
    );
    let mut map = Map::new();
    let mut users = Vec::new();
    for line in lines.take_while(|line| *line != "```") {
        let (left, right) = match line.split_once('→') {
            Some((left, right)) => (Some(left), right),
            // The line continues the one before.
            None => (None, line),
        };
        if let Some(left) = left {
            users = names(left);
            for module in &users {
                let before = map.insert(module.clone(), BTreeSet::new());
                assert!(before.is_none(), "{module} stands in the map twice");
            }
        }
        for module in &users {
            let used = names(right).into_iter().filter(|name| name != NOTHING);
            map.entry(module.clone()).or_default().extend(used);
        }
    }
    map
}

fn names(list: &str) -> Vec<String> {
    let names = list.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}
