//! Ends the process at a named instruction, so that a test can kill it exactly there.
//!
//! `ARCHETY_CRASH_AT=name:n` aborts the process when it reaches the point `name` for the `n`th time.
//! As with `kill -9`, no buffer is flushed and no destructor runs. With `name:n:panic` the process panics
//! at that point instead. In release builds a crash point does nothing.

/// Aborts or panics if `ARCHETY_CRASH_AT` names this point and the process reaches it for the `n`th time.
#[cfg(debug_assertions)]
pub fn crash_point(name: &str) {
    if let Some(point) = &*armed::POINT {
        point.reach(name);
    }
}

/// Does nothing, since this is a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn crash_point(_name: &str) {}

/// The crash point that `ARCHETY_CRASH_AT` names.
#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    pub(crate) static POINT: LazyLock<Option<Point>> = LazyLock::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "only tests set this variable, so it is no setting of the programs"
        )]
        let value = std::env::var("ARCHETY_CRASH_AT").ok()?;
        let (at, crash) = match value.strip_suffix(":panic") {
            Some(at) => (at, Crash::Panic),
            None => (value.as_str(), Crash::Abort),
        };
        let (name, visit) = at.rsplit_once(':')?;
        Some(Point {
            name: name.to_owned(),
            visits_left: AtomicU64::new(visit.parse().ok()?),
            crash,
        })
    });

    pub(crate) struct Point {
        name: String,
        /// How often the process still has to reach the point before it ends.
        visits_left: AtomicU64,
        crash: Crash,
    }

    enum Crash {
        Abort,
        Panic,
    }

    impl Point {
        pub(crate) fn reach(&self, name: &str) {
            if self.name == name && self.visits_left.fetch_sub(1, Ordering::SeqCst) == 1 {
                eprintln!("crash point {name} reached");
                match self.crash {
                    Crash::Abort => std::process::abort(),
                    Crash::Panic => panic!("crash point {name}"),
                }
            }
        }
    }
}
