//! The modules of a crate and the dependencies between siblings.
//!
//! A path is followed through re-exports to the module that defines the named item: `super::Item` leads
//! to the sibling from which the parent imports `Item`. The modules that the path passes through count
//! as dependencies, too. Dependencies between a parent and its child are not counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::paths::Contents;
use crate::tokens::{Token, tokens};

/// Dependencies between the modules of one folder: the user and the used module, with the place of the
/// first source line that makes the dependency.
pub(crate) type Edges = BTreeMap<(String, String), String>;

/// The modules of one crate.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    modules: Vec<Module>,
}

#[derive(Debug)]
struct Module {
    path: Vec<String>,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    contents: Contents,
    file: PathBuf,
}

impl Tree {
    /// Reads a crate from its root file. `read` returns the text of a file, or `None` if there is no such file.
    pub(crate) fn read(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut tree = Self::default();
        let source = read(root).expect("the root file of a crate");
        let folder = root.parent().expect("a root file lies in a folder");
        tree.add(None, &[], &tokens(&source), root, folder, read);
        tree
    }

    /// Names of the crate's topmost modules.
    pub(crate) fn topmost_modules(&self) -> BTreeSet<String> {
        self.modules[0].children.keys().cloned().collect()
    }

    /// Adds a module, whose tokens are `tokens_here`, with all modules in it. Returns the module's index.
    fn add(
        &mut self,
        parent: Option<usize>,
        path: &[String],
        tokens_here: &[Token],
        file: &Path,
        folder: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> usize {
        let mut contents = Contents::read(tokens_here);
        let files = std::mem::take(&mut contents.files);
        let inline = std::mem::take(&mut contents.inline);
        let index = self.modules.len();
        self.modules.push(Module {
            path: path.to_vec(),
            parent,
            children: BTreeMap::new(),
            contents,
            file: file.to_path_buf(),
        });
        let mut children = BTreeMap::new();
        for name in files {
            let choices = [
                folder.join(format!("{name}.rs")),
                folder.join(&name).join("mod.rs"),
            ];
            let found = choices
                .iter()
                .find_map(|at| read(at).map(|text| (at, text)));
            let (at, source) =
                found.unwrap_or_else(|| panic!("no file of {name} in {}", folder.display()));
            let path = [path, std::slice::from_ref(&name)].concat();
            let folder = folder.join(&name);
            let child = self.add(Some(index), &path, &tokens(&source), at, &folder, read);
            children.insert(name, child);
        }
        for (name, body) in inline {
            let path = [path, std::slice::from_ref(&name)].concat();
            let folder = folder.join(&name);
            let child = self.add(Some(index), &path, &body, file, &folder, read);
            children.insert(name, child);
        }
        self.modules[index].children = children;
        index
    }

    /// The edges of each folder by the folder's path, which is empty for the crate's root.
    pub(crate) fn edges(&self) -> BTreeMap<String, Edges> {
        let mut folders: BTreeMap<String, Edges> = BTreeMap::new();
        for (index, module) in self.modules.iter().enumerate() {
            for (path, line) in module.contents.paths.iter().chain(&module.contents.globs) {
                for used in self
                    .resolve(index, path, &mut BTreeSet::new())
                    .unwrap_or_default()
                {
                    let Some((folder, from, to)) = siblings(&module.path, &self.modules[used].path)
                    else {
                        continue;
                    };
                    let place = format!("{}:{line}", module.file.display());
                    let edges = folders.entry(folder).or_default();
                    edges.entry((from, to)).or_insert(place);
                }
            }
        }
        folders
    }

    /// Places of the glob imports from modules of this crate.
    pub(crate) fn glob_imports(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (index, module) in self.modules.iter().enumerate() {
            for (path, line) in &module.contents.globs {
                if self.resolve(index, path, &mut BTreeSet::new()).is_some() {
                    found.push(format!("{}:{line}", module.file.display()));
                }
            }
        }
        found
    }

    /// The modules that a path written in module `from` leads through, in order. `None` if the path leads
    /// out of the crate or names an item of the module itself.
    fn resolve(
        &self,
        from: usize,
        path: &[String],
        seen: &mut BTreeSet<(usize, String)>,
    ) -> Option<Vec<usize>> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => 0,
            "self" => from,
            "super" => self.modules[from].parent?,
            name => match self.modules[from].children.get(name) {
                Some(child) => *child,
                None => return self.resolve_import(from, name, rest, seen),
            },
        };
        while let Some((next, after)) = rest.split_first() {
            let module = &self.modules[at];
            match next.as_str() {
                "super" => at = module.parent?,
                "self" => {}
                name => {
                    let Some(child) = module.children.get(name) else {
                        let further = self
                            .resolve_import(at, name, after, seen)
                            .unwrap_or_default();
                        return Some([vec![at], further].concat());
                    };
                    at = *child;
                }
            }
            rest = after;
        }
        Some(vec![at])
    }

    /// The modules that a name imported by module `at` leads through.
    fn resolve_import(
        &self,
        at: usize,
        name: &str,
        rest: &[String],
        seen: &mut BTreeSet<(usize, String)>,
    ) -> Option<Vec<usize>> {
        let path = self.modules[at].contents.names.get(name)?;
        if !seen.insert((at, name.to_owned())) {
            return None;
        }
        self.resolve(at, &[path, rest].concat(), seen)
    }
}

/// The deepest folder that contains both modules, and the child of that folder on the path to each.
fn siblings(from: &[String], to: &[String]) -> Option<(String, String, String)> {
    let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let (from_here, to_here) = (from.get(common)?, to.get(common)?);
    Some((from[..common].join("/"), from_here.clone(), to_here.clone()))
}
