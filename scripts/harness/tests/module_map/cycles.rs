//! Cycles of dependencies between the modules of one folder.

use std::collections::BTreeSet;

use crate::tree::Edges;

/// The shortest path from a module back to itself over edges that are not in `ignored`.
pub(crate) fn shortest_cycle(
    edges: &Edges,
    ignored: &BTreeSet<(String, String)>,
) -> Option<Vec<String>> {
    let kept = edges.keys().filter(|edge| !ignored.contains(*edge));
    let kept: BTreeSet<&(String, String)> = kept.collect();
    let cycles = kept.iter().filter_map(|(from, to)| {
        let mut path = shortest_path(&kept, to, from)?;
        path.insert(0, from.clone());
        Some(path)
    });
    cycles.min_by_key(Vec::len)
}

/// One line for each edge of a path, with the source line that makes the edge.
pub(crate) fn describe(edges: &Edges, path: &[String]) -> String {
    let steps = path.windows(2).map(|step| {
        let place = &edges[&(step[0].clone(), step[1].clone())];
        format!("    {} uses {}: {place}\n", step[0], step[1])
    });
    steps.collect()
}

/// The shortest path from one module to another, by breadth-first search.
fn shortest_path(edges: &BTreeSet<&(String, String)>, from: &str, to: &str) -> Option<Vec<String>> {
    let mut reached = BTreeSet::from([from.to_owned()]);
    let mut paths = vec![vec![from.to_owned()]];
    while !paths.is_empty() {
        let mut next = Vec::new();
        for path in paths {
            let here = path.last().expect("a path has a start");
            if here == to {
                return Some(path);
            }
            for (_, after) in edges.iter().filter(|edge| edge.0 == *here) {
                if reached.insert(after.clone()) {
                    next.push([path.clone(), vec![after.clone()]].concat());
                }
            }
        }
        paths = next;
    }
    None
}
