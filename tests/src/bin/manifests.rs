//! `make manifests`: writes what is generated from the chart and from the definitions.

use std::fs;

use udplb_tests::chart;

fn main() {
    for (path, text) in chart::generated() {
        fs::write(chart::root().join(&path), text).unwrap();
        println!("{path}");
    }
}
