//! Every packet right: cases as rows of tables, a theme a file. A new case is a new row.
//!
//! Each row names the defect that turns it red; `make mutants` seeds such defects and shows which rows do.
#![cfg(test)]

#[path = "packets/addresses.rs"]
mod addresses;
#[path = "packets/availability.rs"]
mod availability;
#[path = "packets/bridges.rs"]
mod bridges;
#[path = "packets/checksums.rs"]
mod checksums;
#[path = "packets/fanout.rs"]
mod fanout;
#[path = "packets/groups.rs"]
mod groups;
#[path = "packets/headers.rs"]
mod headers;
#[path = "packets/hops.rs"]
mod hops;
#[path = "packets/malformed.rs"]
mod malformed;
#[path = "packets/matching.rs"]
mod matching;
#[path = "packets/offload.rs"]
mod offload;
#[path = "packets/plain.rs"]
mod plain;
#[path = "packets/selection.rs"]
mod selection;
#[path = "packets/sizes.rs"]
mod sizes;
#[path = "packets/tags.rs"]
mod tags;

use offload::{at_node, at_sender};
use udplb_tests::rows::Theme;

/// The themes, and a test for each, so that they run side by side.
macro_rules! themes {
    ($($theme:ident)+) => {
        fn themes() -> Vec<Theme> {
            vec![$($theme::theme()),+]
        }

        $(#[test]
        fn $theme() {
            $theme::theme().play();
        })+
    };
}

themes! { addresses at_node at_sender availability bridges checksums fanout groups headers hops malformed matching selection sizes tags }

#[test]
fn there_are_many_rows() {
    let count: usize = themes().iter().map(|theme| theme.rows.len()).sum();
    println!("{count} rows");
    assert!(count >= 600, "{count}");
}
