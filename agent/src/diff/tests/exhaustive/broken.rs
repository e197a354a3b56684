//! Orders of ops that break one rule each.

use crate::op::Op;

/// The ops of a pass in another order.
pub(super) type Order = fn(Vec<Op>) -> Vec<Op>;

/// What is broken, and the order in which it is.
pub(super) const BROKEN: [(&str, Order); 7] = [
    ("no grace period", without_grace),
    ("a grace period before anything was published", early_grace),
    ("published before it is filled", published_first),
    ("ports lead to a group before it is filled", ports_first),
    ("the least specific listener first", least_specific_first),
    ("listeners go before others come", removals_first),
    (
        "what nobody reaches any more goes before the grace period",
        pruned_first,
    ),
];

fn without_grace(mut ops: Vec<Op>) -> Vec<Op> {
    ops.retain(|op| *op != Op::Grace);
    ops
}

fn early_grace(ops: Vec<Op>) -> Vec<Op> {
    let mut ops = without_grace(ops);
    ops.insert(0, Op::Grace);
    ops
}

fn published_first(mut ops: Vec<Op>) -> Vec<Op> {
    ops.sort_by_key(|op| !matches!(op, Op::SetForward { slot: 1.., .. }));
    ops
}

fn ports_first(mut ops: Vec<Op>) -> Vec<Op> {
    ops.sort_by_key(|op| !matches!(op, Op::SetPort { .. }));
    ops
}

/// Turns the entries that are set around, each in the place of another.
fn least_specific_first(mut ops: Vec<Op>) -> Vec<Op> {
    let places: Vec<usize> = (0..ops.len())
        .filter(|place| matches!(ops[*place], Op::SetListener { .. }))
        .collect();
    for (one, other) in places
        .iter()
        .zip(places.iter().rev())
        .take(places.len() / 2)
    {
        ops.swap(*one, *other);
    }
    ops
}

fn removals_first(mut ops: Vec<Op>) -> Vec<Op> {
    ops.sort_by_key(|op| !matches!(op, Op::RemoveListener { .. }));
    ops
}

/// The grace period last.
fn pruned_first(ops: Vec<Op>) -> Vec<Op> {
    let mut ops = without_grace(ops);
    ops.push(Op::Grace);
    ops
}
