//! Many measurements of one thing. Pure.

/// Measurements in ascending order.
#[derive(Clone, Debug)]
pub(super) struct Sample(Vec<f64>);

impl Sample {
    /// At least one.
    pub(super) fn new(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub(super) fn minimum(&self) -> f64 {
        self.0[0]
    }

    pub(super) fn maximum(&self) -> f64 {
        self.percentile(100)
    }

    pub(super) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The value that this many of a hundred do not exceed.
    pub(super) fn percentile(&self, hundredths: usize) -> f64 {
        self.0[(self.0.len() - 1) * hundredths / 100]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_eleven() {
        let sample = Sample::new((0..11).rev().map(f64::from).collect());
        let values = [0, 10, 50, 90, 100].map(|hundredths| sample.percentile(hundredths));
        assert!(
            values
                .iter()
                .zip([0.0, 1.0, 5.0, 9.0, 10.0])
                .all(|(a, b)| (a - b).abs() < 1e-9)
        );
        assert!((sample.minimum() - 0.0).abs() < 1e-9 && (sample.median() - 5.0).abs() < 1e-9);
    }
}
