//! Where things lie on this system: the one module that knows which system it is.
//!
//! Linux runs the same code against stand-ins; only paths differ. They are made of values, so that
//! both systems' paths are tested on either.

use std::path::{Path, PathBuf};

/// A system that the relay runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Where Messages is.
    MacOs,
    /// Where the stand-ins are.
    Xdg,
}

impl Platform {
    /// The system that this relay was built for.
    pub const HERE: Self = if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Xdg
    };
}

/// The places that hold when the owner names no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultPaths {
    /// The configuration file.
    pub config_file: PathBuf,
    /// The folder of the relay's state.
    pub state_dir: PathBuf,
    /// Messages' database.
    pub chat_db: PathBuf,
}

impl DefaultPaths {
    /// The places below `home`; `variable` reads the environment.
    pub fn new(platform: Platform, home: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        let chat_db = home.join("Library/Messages/chat.db");
        match platform {
            Platform::MacOs => {
                let folder = home.join("Library/Application Support/archety-relay");
                Self {
                    config_file: folder.join("config.toml"),
                    state_dir: folder,
                    chat_db,
                }
            }
            Platform::Xdg => {
                // A relative path in these variables is to be ignored, says the XDG specification.
                let base = |name: &str, fallback: &str| {
                    variable(name)
                        .map(PathBuf::from)
                        .filter(|path| path.is_absolute())
                        .unwrap_or_else(|| home.join(fallback))
                        .join("archety-relay")
                };
                Self {
                    config_file: base("XDG_CONFIG_HOME", ".config").join("config.toml"),
                    state_dir: base("XDG_STATE_HOME", ".local/state"),
                    chat_db,
                }
            }
        }
    }
}

/// Free space on the disk that holds `path`, in bytes.
pub fn free_disk_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macos_keeps_both_in_application_support() {
        let paths = DefaultPaths::new(Platform::MacOs, Path::new("/Users/sam"), |_| None);
        assert_eq!(
            paths.config_file,
            Path::new("/Users/sam/Library/Application Support/archety-relay/config.toml")
        );
        assert_eq!(
            paths.state_dir,
            Path::new("/Users/sam/Library/Application Support/archety-relay")
        );
        assert_eq!(
            paths.chat_db,
            Path::new("/Users/sam/Library/Messages/chat.db")
        );
    }

    #[test]
    fn linux_follows_xdg_and_ignores_relative_paths() {
        let paths = DefaultPaths::new(Platform::Xdg, Path::new("/home/sam"), |name| match name {
            "XDG_CONFIG_HOME" => Some("/etc/sam".into()),
            "XDG_STATE_HOME" => Some("relative".into()),
            _ => None,
        });
        assert_eq!(
            paths.config_file,
            Path::new("/etc/sam/archety-relay/config.toml")
        );
        assert_eq!(
            paths.state_dir,
            Path::new("/home/sam/.local/state/archety-relay")
        );
    }

    #[test]
    fn a_disk_has_space() {
        assert!(free_disk_bytes(Path::new("/")).is_some());
        assert_eq!(free_disk_bytes(Path::new("/no/such/place")), None);
    }
}
