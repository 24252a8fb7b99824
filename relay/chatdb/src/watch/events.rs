//! Events of one file, from kqueue on macOS and inotify on Linux, through the `notify` crate.
//!
//! Only `chat.db-wal` is watched. `FSEvents`, the usual way on macOS, does not report writes to that file.
//! kqueue reports writes only to files that it has opened. So the directory is not watched, since that would open every
//! attachment. chat.db is not watched either, since closing its descriptor would drop this process's locks on it.

use std::path::Path;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// A watch on one file, which ends when this value is dropped.
pub(super) struct FileEvents {
    _watcher: RecommendedWatcher,
}

impl FileEvents {
    /// Calls `on_change` from another thread whenever the file at `path` is written, replaced or
    /// deleted. `None` if the operating system refuses the watch.
    pub(super) fn watch(path: &Path, on_change: impl Fn() + Send + 'static) -> Option<Self> {
        let handler = move |event: notify::Result<notify::Event>| match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            Ok(_) => on_change(),
            Err(error) => {
                tracing::debug!(%error, "file event lost; the next poll finds the change");
            }
        };
        let watcher = notify::recommended_watcher(handler).and_then(|mut watcher| {
            watcher.watch(path, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        let watcher = watcher.inspect_err(
            |error| tracing::debug!(%error, "no file events; changes are found by polling alone"),
        );
        Some(Self {
            _watcher: watcher.ok()?,
        })
    }
}
