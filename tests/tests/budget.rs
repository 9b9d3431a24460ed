//! What a change costs in the pure core, in instructions, held against `tracer/benches/budget.json`.
//!
//! Instructions of a fixed sample are the same on every machine, whatever else it does; times are not.
//! `TRACER_BLESS=1 cargo test -p tests --test budget` writes the file anew.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::require;

/// Each layer, and the function of the bench that is it alone; the tracker's has the decoder in it.
const LAYERS: &[(&str, &str)] = &[
    ("decode", "decode_all"),
    ("tracker", "track_all"),
    ("text", "to_text"),
    ("json", "to_json"),
    ("csv", "to_csv"),
    ("evidence", "to_evidence"),
];
/// By how much a layer may exceed its budget.
const MAY_EXCEED: f64 = 1.03;
/// Below this share of its budget, the budget is to be lowered.
const LOWER_BELOW: f64 = 0.90;

const REMEDY: &str = "if that is meant, `TRACER_BLESS=1 cargo test -p tests --test budget` writes \
                      tracer/benches/budget.json anew";

#[test]
fn no_layer_takes_more_instructions_for_a_change_than_its_budget() {
    if !has_valgrind() {
        return require::skip_without("valgrind");
    }
    let bench = build();
    let measured: BTreeMap<&str, u64> = LAYERS
        .iter()
        .map(|&(layer, function)| (layer, instructions(&bench, layer, function)))
        .collect();
    if env::var_os("TRACER_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&measured).expect("numbers can be written");
        std::fs::write(budget_file(), text + "\n").expect("the budget can be written");
        return;
    }
    let text = std::fs::read_to_string(budget_file()).expect("the budget can be read");
    let budget: BTreeMap<String, u64> = serde_json::from_str(&text).expect("it has numbers");
    let exceeded: Vec<String> = measured
        .iter()
        .filter_map(|(&layer, &found)| judge(layer, found, *budget.get(layer)?))
        .collect();
    assert_eq!(budget.len(), measured.len(), "each layer has a budget");
    assert!(exceeded.is_empty(), "{}; {REMEDY}", exceeded.join("; "));
}

/// Returns what is wrong with what a layer takes, if anything is; says where it takes much less.
fn judge(layer: &str, found: u64, budget: u64) -> Option<String> {
    let share = found as f64 / budget as f64;
    println!("{layer}: {found} instructions a change, of {budget} ({share:.3})");
    if share < LOWER_BELOW {
        println!("{layer} takes much less than its budget: {REMEDY}");
    }
    (share > MAY_EXCEED)
        .then(|| format!("{layer} takes {found} instructions a change, and may take {budget}"))
}

fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("it lies in the workspace").to_owned()
}

fn budget_file() -> PathBuf {
    workspace().join("tracer/benches/budget.json")
}

fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// Builds the bench as a release, and returns where it is.
fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--package",
            "tracer",
            "--bench",
            "pure",
        ])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(built.status.success(), "the bench can be built");
    let messages = String::from_utf8_lossy(&built.stdout);
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_bench = message["target"]["name"] == "pure";
        Some(message["executable"].as_str().filter(|_| is_bench)?.into())
    });
    executable.expect("cargo says where the bench is")
}

/// How many instructions one function takes for a change, while the sample goes through the layers.
fn instructions(bench: &Path, layer: &str, function: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect=*layers::{function}*"))
        .arg(bench)
        .args(["sample", "--to", layer])
        .output()
        .expect("valgrind can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "valgrind ran the bench: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let collected = collected.and_then(|(_, number)| number.trim().parse::<u64>().ok());
    let collected = collected.unwrap_or_else(|| panic!("valgrind tells what it collected: {said}"));
    let figures: Value = serde_json::from_slice(&output.stdout).expect("the bench tells figures");
    let changes = figures["changes"].as_u64().expect("it tells changes");
    assert!(changes > 0, "the sample has changes");
    collected / changes
}

#[test]
fn a_layer_may_grow_a_little_and_not_more() {
    assert_eq!(judge("text", 1_000, 1_000), None);
    assert_eq!(judge("text", 1_029, 1_000), None);
    assert_eq!(judge("text", 500, 1_000), None);
    let wrong = judge("text", 1_031, 1_000).expect("it takes too much");
    assert!(wrong.contains("1031") && wrong.contains("1000"), "{wrong}");
}
