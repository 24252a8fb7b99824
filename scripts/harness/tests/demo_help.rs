//! `scripts/demo --help` prints its text before anything is built, and names every option of the demo.

use std::path::Path;
use std::process::Command;

use test_process::Run;

#[test]
fn help_comes_from_the_script_and_names_each_option() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo");
    let demo = Run::of(Command::new(env!("CARGO_BIN_EXE_demo")).arg("--help"));
    let words = demo.out.split_whitespace();
    let options: Vec<&str> = words
        .filter(|word| word.starts_with("--"))
        .map(|word| word.trim_end_matches(','))
        .collect();
    assert!(options.contains(&"--keep"), "{options:?}");
    for arguments in [&["--help"][..], &["-h"], &["--keep", "--help"]] {
        // With this PATH the script finds no cargo and can build nothing.
        let mut command = Command::new("/bin/bash");
        command
            .arg(&script)
            .args(arguments)
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/nonexistent");
        let help = Run::of(&mut command);
        let text = help.expect_code(0);
        for option in &options {
            assert!(text.contains(option), "{option} is missing:\n{text}");
        }
        assert!(!text.contains("set -euo"), "{text}");
        assert_eq!(help.err, "", "nothing but the help is printed");
    }
}
