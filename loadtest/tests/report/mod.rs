//! The report that the program printed as JSON.

use std::process::Output;

use serde_json::Value;

pub(crate) fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {output:?}"))
}
