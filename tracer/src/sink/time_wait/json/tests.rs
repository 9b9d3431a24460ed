//! The line as a whole.

use super::line;
use crate::sink::golden::compare;
use crate::sink::time_wait::samples::{busy, cgroups, quiet, view, wall};

#[test]
fn a_line_is_one_object_and_as_documented() {
    let written = line(&view(&busy(), &cgroups()), &wall());
    let written = String::from_utf8(written).expect("JSON is UTF-8");
    let golden = include_str!("../../golden/time_wait.json");
    compare("golden/time_wait.json", &written, golden);
    assert_eq!(written.lines().count(), 1);
}

#[test]
fn what_is_not_known_is_null_and_not_zero() {
    let written = line(&view(&quiet(), &cgroups()), &wall());
    let value: serde_json::Value = serde_json::from_slice(&written).expect("it is JSON");
    let time_wait = &value["time_wait"];
    for field in ["entered_per_s", "entered_per_s_10s", "left_per_s_10s"] {
        assert!(time_wait[field].is_null(), "{field}: {value}");
    }
    for field in ["p50_ns", "p90_ns", "p99_ns", "max_ns", "error_ns"] {
        assert!(time_wait["durations"][field].is_null(), "{field}: {value}");
    }
    assert!(value["hz"].is_null());
    assert_eq!(time_wait["now"], 0);
}
