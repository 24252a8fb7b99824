//! `scripts/demo --help` prints its text before anything is built, and names every option of the demo.

use std::path::Path;
use std::process::Command;

#[test]
fn help_comes_from_the_script_and_names_each_option() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo");
    let demo = Command::new(env!("CARGO_BIN_EXE_demo"))
        .arg("--help")
        .output()
        .unwrap();
    let options = String::from_utf8(demo.stdout).unwrap();
    let options = options.split_whitespace().filter(|w| w.starts_with("--"));
    let options: Vec<&str> = options.map(|w| w.trim_end_matches(',')).collect();
    assert!(options.contains(&"--keep"), "{options:?}");
    for arguments in [&["--help"][..], &["-h"], &["--keep", "--help"]] {
        // With this PATH the script finds no cargo and can build nothing.
        let help = Command::new("/bin/bash")
            .arg(&script)
            .args(arguments)
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/nonexistent")
            .output()
            .unwrap();
        assert!(help.status.success(), "{help:?}");
        let text = String::from_utf8(help.stdout).unwrap();
        for option in &options {
            assert!(text.contains(option), "{option} is missing:\n{text}");
        }
        assert!(!text.contains("set -euo"), "{text}");
        assert!(help.stderr.is_empty(), "it says something else, too");
    }
}
