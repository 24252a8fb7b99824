//! Default paths on macOS and Linux, free disk space, and the id of the machine. Only this module depends on the
//! operating system.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// Identifies this machine: its hardware on macOS, its installed system on Linux; `None` if the id cannot be read.
pub fn machine_id() -> Option<String> {
    match Platform::HERE {
        Platform::MacOs => {
            let output = Command::new("/usr/sbin/ioreg")
                .args(["-rd1", "-c", "IOPlatformExpertDevice"])
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .output()
                .ok()?;
            hardware_uuid(&String::from_utf8_lossy(&output.stdout)).map(str::to_owned)
        }
        Platform::Xdg => {
            let id = std::fs::read_to_string("/etc/machine-id").ok()?;
            Some(id.trim().to_owned()).filter(|id| !id.is_empty())
        }
    }
}

/// The UUID of the hardware in the output of `ioreg`.
fn hardware_uuid(output: &str) -> Option<&str> {
    let line = output
        .lines()
        .find(|line| line.contains("\"IOPlatformUUID\""))?;
    line.split('"').nth(3).filter(|uuid| !uuid.is_empty())
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

    #[test]
    fn the_hardware_uuid_is_read_from_the_output_of_ioreg() {
        let output = "+-o J274AP  <class IOPlatformExpertDevice, id 0x100000110, registered>\n    {\n      \
            \"manufacturer\" = <\"Apple Inc.\">\n      \
            \"IOPlatformUUID\" = \"01234567-89AB-CDEF-0123-456789ABCDEF\"\n    }\n";
        assert_eq!(
            hardware_uuid(output),
            Some("01234567-89AB-CDEF-0123-456789ABCDEF")
        );
        assert_eq!(hardware_uuid("\"IOPlatformUUID\" = \"\""), None);
        assert_eq!(hardware_uuid(""), None);
    }
}
