//! `--help` of a script prints its text before anything is built, and names every option of the program behind it.

use std::path::Path;
use std::process::Command;

use test_process::Run;

#[test]
fn help_of_the_demo_comes_from_the_script_and_names_each_option() {
    let program = Run::of(Command::new(env!("CARGO_BIN_EXE_demo")).arg("--help"));
    let options = options_of(&program);
    assert!(options.contains(&"--keep".to_owned()), "{options:?}");
    for arguments in [&["--help"][..], &["-h"], &["--keep", "--help"]] {
        expect_help("demo", arguments, &options);
    }
}

#[test]
fn help_of_faults_comes_from_the_script_and_names_each_scenario_and_option() {
    let faults = || Command::new(env!("CARGO_BIN_EXE_faults"));
    let program = Run::of(faults().arg("--help"));
    let scenarios: Vec<String> = program
        .out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .filter(|scenario| scenario != "help")
        .collect();
    assert!(
        scenarios.contains(&"crash-table".to_owned()),
        "{scenarios:?}"
    );
    let mut words = scenarios.clone();
    for scenario in &scenarios {
        words.extend(options_of(&Run::of(faults().args([&**scenario, "--help"]))));
    }
    // The script itself starts a server.
    words.retain(|word| word != "--postgres");
    for arguments in [&["--help"][..], &["crash-table", "--help"]] {
        expect_help("faults", arguments, &words);
    }
}

/// The options that the help of a program names.
fn options_of(help: &Run) -> Vec<String> {
    let words = help.out.split_whitespace();
    let options = words.filter(|word| word.starts_with("--"));
    options
        .map(|word| word.trim_end_matches(',').to_owned())
        .collect()
}

fn expect_help(script: &str, arguments: &[&str], words: &[String]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(script);
    // With this PATH the script finds no cargo and can build nothing.
    let mut command = Command::new("/bin/bash");
    command
        .arg(&script)
        .args(arguments)
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/nonexistent");
    let help = Run::of(&mut command);
    let text = help.expect_code(0);
    for word in words {
        assert!(text.contains(&**word), "{word} is missing:\n{text}");
    }
    assert!(!text.contains("set -euo"), "{text}");
    assert_eq!(help.err, "", "nothing but the help is printed");
}
