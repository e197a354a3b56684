//! A short soak; `make soak` is a long one.

use std::time::Duration;

use udplb_tests::soak::{Options, soak};

#[test]
fn nothing_is_lost_doubled_or_mixed_while_everything_changes() {
    let report = soak(&Options::from_environment(Duration::from_mins(1), 0));
    assert!(report.is_clean(), "{report}");
}
