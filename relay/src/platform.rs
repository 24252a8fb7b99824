//! Default paths on macOS and Linux, and free disk space. Only this module depends on the operating system.

use std::path::{Path, PathBuf};

/// An operating system, as far as default paths depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    MacOs,
    /// Linux and other systems without Messages, for development and tests.
    Xdg,
}

impl Platform {
    /// The system that this program was built for.
    pub const HERE: Self = if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Xdg
    };
}

/// The paths that are used if the configuration has no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultPaths {
    pub config_file: PathBuf,
    pub state_dir: PathBuf,
    pub chat_db: PathBuf,
}

impl DefaultPaths {
    /// The paths in the home folder `home`. `variable` reads an environment variable.
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
                // The XDG specification says that a relative path in these variables is ignored.
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

/// Free space on the disk that holds `path`, in bytes; `None` if it cannot be read.
pub fn free_disk_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_macos_configuration_and_state_are_in_application_support() {
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
    fn only_existing_paths_have_free_disk_space() {
        assert!(free_disk_bytes(Path::new("/")).is_some());
        assert_eq!(free_disk_bytes(Path::new("/no/such/place")), None);
    }
}
