//! File events of one file, by the `notify` crate: kqueue on macOS, inotify on Linux.
//!
//! Only `chat.db-wal` is watched. `FSEvents`, the usual way on macOS, does not report writes to it. A
//! watch on its directory would open every attachment. And the kqueue backend opens what it watches: if
//! that were chat.db itself, closing the descriptor would drop this process's locks on it.

use std::path::Path;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// Delivers events until dropped.
pub(super) struct FileEvents {
    _watcher: RecommendedWatcher,
}

impl FileEvents {
    /// Calls `on_change` from another thread whenever the file at `path` is written, replaced or
    /// deleted. `None` if the system gives no watch; the watcher then relies on its poll alone.
    pub(super) fn watch(path: &Path, on_change: impl Fn() + Send + 'static) -> Option<Self> {
        let handler = move |event: notify::Result<notify::Event>| match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            Ok(_) => on_change(),
            Err(error) => tracing::debug!(%error, "file event lost; the poll catches up"),
        };
        let mut watcher = notify::recommended_watcher(handler)
            .inspect_err(|error| tracing::debug!(%error, "no file events; the poll serves alone"))
            .ok()?;
        watcher
            .watch(path, RecursiveMode::NonRecursive)
            .inspect_err(|error| tracing::debug!(%error, "no file events; the poll serves alone"))
            .ok()?;
        Some(Self { _watcher: watcher })
    }
}
