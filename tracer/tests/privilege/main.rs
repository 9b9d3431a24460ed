//! Giving up privileges, and then trying what is forbidden: each scene in a process of its own.
//!
//! Without Rust's test harness, which runs a test on a second thread: privileges belong to threads, and are given up
//! where there is one alone. It is told what that harness is told, and says what that says.

mod acts;
mod scenes;

use std::env;
use std::process::{Command, ExitCode, Stdio};

use scenes::SCENES;

/// How a process is told which scene it plays.
const SCENE: &str = "TRACER_PRIVILEGE_SCENE";

fn main() -> ExitCode {
    if let Ok(name) = env::var(SCENE) {
        let scene = SCENES.iter().find(|(known, _)| *known == name);
        let (_, play) = scene.expect("a scene's name");
        play();
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = env::args().skip(1).collect();
    let is_exact = args.iter().any(|arg| arg == "--exact");
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let is_meant = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|filter| match is_exact {
                true => name == filter.as_str(),
                false => name.contains(filter.as_str()),
            })
    };
    let meant: Vec<&str> = SCENES
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| is_meant(name))
        .collect();
    if args.iter().any(|arg| arg == "--list") {
        for name in meant {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", meant.len());
    let failed = meant.iter().filter(|name| !play(name)).count();
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out; finished in 0.00s\n",
        meant.len() - failed,
        SCENES.len() - meant.len(),
    );
    ExitCode::from(u8::from(failed > 0) * 101)
}

/// Plays a scene in a process of its own; returns whether it came out as it should.
fn play(name: &str) -> bool {
    let this = env::current_exe().expect("the test's own file");
    let played = Command::new(this)
        .env(SCENE, name)
        .stdin(Stdio::null())
        .output()
        .expect("start the test again");
    let passed = played.status.success();
    println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
    let said = String::from_utf8_lossy(&played.stderr);
    if passed {
        for line in said.lines().filter(|line| line.starts_with("skipped: ")) {
            println!("{line}");
        }
    } else {
        println!("---- {name} stderr ({}) ----\n{said}", played.status);
    }
    passed
}
