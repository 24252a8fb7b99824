//! Ends the process at a named instruction, so that a test can kill it exactly there.
//!
//! `ARCHETY_CRASH_AT=name:n` aborts the process when it reaches the point `name` for the `n`th time.
//! As with `kill -9`, no buffer is flushed and no destructor runs. `name:n:panic` panics there instead. In
//! release builds a crash point does nothing.

/// Aborts or panics if `ARCHETY_CRASH_AT` names this point and this pass.
#[cfg(debug_assertions)]
pub fn crash_point(name: &str) {
    if let Some(point) = &*armed::POINT {
        point.reach(name);
    }
}

/// Does nothing in release builds.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn crash_point(_name: &str) {}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    pub(crate) static POINT: LazyLock<Option<Point>> = LazyLock::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "no setting of the product: a test's own switch"
        )]
        let value = std::env::var("ARCHETY_CRASH_AT").ok()?;
        let (at, end) = match value.strip_suffix(":panic") {
            Some(at) => (at, End::Panic),
            None => (value.as_str(), End::Abort),
        };
        let (name, pass) = at.rsplit_once(':')?;
        Some(Point {
            name: name.to_owned(),
            left: AtomicU64::new(pass.parse().ok()?),
            end,
        })
    });

    pub(crate) struct Point {
        name: String,
        left: AtomicU64,
        end: End,
    }

    enum End {
        Abort,
        Panic,
    }

    impl Point {
        pub(crate) fn reach(&self, name: &str) {
            if self.name == name && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                eprintln!("crash point {name} reached");
                match self.end {
                    End::Abort => std::process::abort(),
                    End::Panic => panic!("crash point {name}"),
                }
            }
        }
    }
}
