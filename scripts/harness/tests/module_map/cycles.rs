//! Modules of one folder that know each other, directly or by a longer way.

use std::collections::BTreeSet;

use crate::tree::Edges;

/// A way from a module back to itself over edges that are not `left_out`.
pub(crate) fn cycle(edges: &Edges, left_out: &BTreeSet<(String, String)>) -> Option<Vec<String>> {
    let kept = edges.keys().filter(|edge| !left_out.contains(*edge));
    let kept: BTreeSet<&(String, String)> = kept.collect();
    let ways = kept.iter().filter_map(|(from, to)| {
        let mut way = way(&kept, to, from)?;
        way.insert(0, from.clone());
        Some(way)
    });
    ways.min_by_key(Vec::len)
}

/// Each edge of a way, with the line that it stands in.
pub(crate) fn told(edges: &Edges, way: &[String]) -> String {
    let steps = way.windows(2).map(|step| {
        let place = &edges[&(step[0].clone(), step[1].clone())];
        format!("    {} knows {}: {place}\n", step[0], step[1])
    });
    steps.collect()
}

/// The shortest way from one module to another.
fn way(edges: &BTreeSet<&(String, String)>, from: &str, to: &str) -> Option<Vec<String>> {
    let mut reached = BTreeSet::from([from.to_owned()]);
    let mut ways = vec![vec![from.to_owned()]];
    while !ways.is_empty() {
        let mut next = Vec::new();
        for way in ways {
            let here = way.last().expect("a way has a start");
            if here == to {
                return Some(way);
            }
            for (_, after) in edges.iter().filter(|edge| edge.0 == *here) {
                if reached.insert(after.clone()) {
                    next.push([way.clone(), vec![after.clone()]].concat());
                }
            }
        }
        ways = next;
    }
    None
}
