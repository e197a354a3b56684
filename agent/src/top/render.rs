//! An interval as rows, sorted, in the columns of a terminal or as wide as they are. **pure**

use std::cmp::Ordering;

use super::{
    Interval, Order, Rate,
    format::{fit, number},
};

/// Columns of numbers, each with the blanks in front of it.
const NUMBER: usize = 11;
const TITLES: [&str; 3] = ["PACKETS/S", "BITS/S", "DROPS/S"];
const TITLE: &str = "FORWARD / DESTINATION / UPSTREAM";

/// Sorts every level.
pub fn sort(interval: &mut Interval, order: Order) {
    let by = |a: (Rate, f64, &str), b: (Rate, f64, &str)| {
        let number = |(rate, drops, _): (Rate, f64, &str)| match order {
            Order::Packets => rate.packets_per_second,
            Order::Bits => rate.bits_per_second,
            Order::Drops => drops,
            Order::Name => 0.0,
        };
        let falling = number(b).partial_cmp(&number(a)).unwrap_or(Ordering::Equal);
        falling.then_with(|| a.2.cmp(b.2))
    };
    interval.forwards.sort_by(|a, b| {
        let names = a.namespace.cmp(&b.namespace);
        let rates = by(
            (a.matched, a.dropped_per_second, &a.name),
            (b.matched, b.dropped_per_second, &b.name),
        );
        if order == Order::Name {
            names.then(rates)
        } else {
            rates.then(names)
        }
    });
    for forward in &mut interval.forwards {
        forward.destinations.sort_by(|a, b| {
            by(
                (a.sent, a.dropped_per_second, &a.name),
                (b.sent, b.dropped_per_second, &b.name),
            )
        });
        for destination in &mut forward.destinations {
            destination
                .upstreams
                .sort_by(|a, b| by((a.sent, 0.0, &a.upstream), (b.sent, 0.0, &b.upstream)));
        }
    }
}

/// A line of titles and one for each row. `width`: columns that there are; None: as many as it takes.
#[must_use]
pub fn lines(interval: &Interval, width: Option<usize>) -> Vec<String> {
    let mut rows = Vec::new();
    for forward in &interval.forwards {
        let name = format!("{}/{}", forward.namespace, forward.name);
        rows.push((name, forward.matched, Some(forward.dropped_per_second)));
        for destination in &forward.destinations {
            let drops = destination.dropped_per_second;
            rows.push((
                format!("  {}", destination.name),
                destination.sent,
                Some(drops),
            ));
            for upstream in &destination.upstreams {
                rows.push((format!("    {}", upstream.upstream), upstream.sent, None));
            }
        }
    }
    let numbers = NUMBER * TITLES.len();
    let names = rows.iter().map(|(name, ..)| name.chars().count());
    let longest = names.max().unwrap_or(0).max(TITLE.len());
    let column = width.map_or(longest, |width| longest.min(width.saturating_sub(numbers)));
    let line = |name: &str, numbers: [String; 3]| {
        let numbers = numbers.map(|number| format!("{number:>NUMBER$}")).concat();
        format!("{:column$}{numbers}", fit(name, column))
            .trim_end()
            .to_owned()
    };
    let mut lines = vec![line(TITLE, TITLES.map(str::to_owned))];
    lines.extend(rows.into_iter().map(|(name, rate, drops)| {
        let numbers = [
            number(rate.packets_per_second),
            number(rate.bits_per_second),
            drops.map_or(String::new(), number),
        ];
        line(&name, numbers)
    }));
    if interval.forwards.is_empty() {
        lines.push("no forward is loaded".to_owned());
    }
    lines
}
