//! Sets of ports as sorted ranges. **pure**

use std::ops::RangeInclusive;

/// A set of UDP ports. Equal sets are equal values: ranges are sorted, disjoint and not adjacent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSet(Vec<(u16, u16)>);

impl PortSet {
    /// Whether no port is in the set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `port` is in the set.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        let next = self.0.partition_point(|&(_, end)| end < port);
        self.0.get(next).is_some_and(|&(start, _)| start <= port)
    }

    /// Whether the sets share a port.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            if a.1 < b.0 {
                let _ = left.next();
            } else if b.1 < a.0 {
                let _ = right.next();
            } else {
                return true;
            }
        }
        false
    }

    /// The ports in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().flat_map(|&(start, end)| start..=end)
    }

    /// The ranges in order.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u16>> {
        self.0.iter().map(|&(start, end)| start..=end)
    }

    /// Adds ports that are not below the highest one; cheap where they come in order.
    pub fn push(&mut self, range: RangeInclusive<u16>) {
        let (start, end) = range.into_inner();
        match self.0.last_mut() {
            Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            _ => self.0.push((start, end)),
        }
    }
}

impl FromIterator<RangeInclusive<u16>> for PortSet {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u16>>>(ranges: I) -> Self {
        let mut sorted: Vec<_> = ranges
            .into_iter()
            .filter(|range| !range.is_empty())
            .collect();
        sorted.sort_by_key(|range| *range.start());
        let mut set = Self::default();
        for range in sorted {
            set.push(range);
        }
        set
    }
}

impl std::fmt::Display for PortSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, &(start, end)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if start == end {
                write!(formatter, "{comma}{start}")?;
            } else {
                write!(formatter, "{comma}{start}-{end}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    #[test]
    fn equal_sets_are_equal_values() {
        let set: PortSet = [5..=9, 1..=2, 3..=4, 8..=12, 65_535..=65_535]
            .into_iter()
            .collect();
        assert_eq!(set.to_string(), "1-12,65535");
        assert_eq!(set.iter().count(), 13);
        assert!(set.contains(12) && set.contains(65_535) && !set.contains(13) && !set.contains(0));
        let others: PortSet = iter::once(13..=20).collect();
        assert!(!set.intersects(&others));
        assert!(set.intersects(&iter::once(20..=65_535).collect()));
    }
}
