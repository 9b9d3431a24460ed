//! What is written is what `serde_json` would write, but for characters that are unsafe.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Number, Value};

use super::*;

const NAME: &str = "a\u{1b}[2J\"\\\n\u{7f}\u{9b}\u{202e}é→\u{feff}";

fn encoded(value: &impl Serialize) -> String {
    let mut line = String::new();
    push_json_line(&mut line, value);
    assert_eq!(line.pop(), Some('\n'));
    line
}

#[test]
fn json_reads_back_what_it_escapes() {
    let shown = encoded(&NAME);
    assert!(shown.chars().all(is_printable), "{shown}");
    assert_eq!(shown, r#""a\u001b[2J\"\\\n\u007f\u009b\u202eé→\ufeff""#);
    let read: String = serde_json::from_str(&shown).expect("it is JSON");
    assert_eq!(read, NAME);
    assert_eq!(
        encoded(&Shown(format_args!("{NAME}{}", 1))),
        shown[..shown.len() - 1].to_owned() + "1\""
    );
}

#[test]
fn lines_follow_one_another() {
    let mut lines = String::new();
    push_json_line(&mut lines, &1);
    push_json_line(&mut lines, &[2; 0]);
    assert_eq!(lines, "1\n[]\n");
}

/// Whatever a schema may have.
#[derive(Serialize)]
struct Everything<'a> {
    r#type: &'static str,
    is: bool,
    small: i8,
    large: i64,
    unsigned: u64,
    none: Option<u32>,
    some: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<u8>,
    rate: f64,
    character: char,
    list: Vec<Option<&'a str>>,
    empty: [u8; 0],
    nothing: (),
    by_name: BTreeMap<&'static str, u64>,
    inner: Wrapped<'a>,
    #[serde(flatten)]
    flat: Option<Flat>,
    #[serde(flatten)]
    left_out: Option<Flat>,
    last: u8,
}

#[derive(Serialize)]
struct Wrapped<'a>(&'a str);

#[derive(Serialize)]
struct Flat {
    x: u8,
    y: BTreeMap<&'static str, u64>,
}

#[test]
fn whatever_a_schema_may_have_is_written_as_serde_json_writes_it() {
    let everything = Everything {
        r#type: "everything",
        is: true,
        small: -128,
        large: i64::MIN,
        unsigned: u64::MAX,
        none: None,
        some: Some(0),
        absent: None,
        rate: 0.1 + 0.2,
        character: '"',
        list: vec![Some("a\\b"), None, Some("")],
        empty: [],
        nothing: (),
        by_name: BTreeMap::from([("a", 1), ("b c", 2)]),
        inner: Wrapped("within"),
        flat: Some(Flat {
            x: 1,
            y: BTreeMap::new(),
        }),
        left_out: None,
        last: 255,
    };
    let theirs = serde_json::to_string(&everything).expect("it can be encoded");
    assert_eq!(encoded(&everything), theirs);
}

fn values() -> impl Strategy<Value = Value> {
    let leaves = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(|number| Value::Number(number.into())),
        any::<i64>().prop_map(|number| Value::Number(number.into())),
        any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number)),
        any::<String>().prop_map(Value::String),
    ];
    leaves.prop_recursive(3, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in values()) {
        let shown = encoded(&value);
        prop_assert!(shown.chars().all(is_printable));
        let theirs = serde_json::to_string(&value).expect("it can be encoded");
        if theirs.chars().all(is_printable) {
            prop_assert_eq!(&shown, &theirs);
        }
        let read: Value = serde_json::from_str(&shown).expect("it is JSON");
        let expected: Value = serde_json::from_str(&theirs).expect("it is JSON");
        prop_assert_eq!(read, expected);
    }
}
