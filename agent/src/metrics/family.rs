//! Builds metric families from values that are at hand. **pure**

use prometheus::{
    core::Desc,
    proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType},
};

/// What a family is called and what its labels are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Its name; counters end in `_total`.
    pub(super) name: &'static str,
    /// What it counts.
    pub(super) help: &'static str,
    /// Names of its labels.
    pub(super) labels: &'static [&'static str],
}

impl Shape {
    /// The description that the registry checks for clashes.
    pub(super) fn desc(&self) -> Result<Desc, prometheus::Error> {
        Desc::new(
            self.name.to_owned(),
            self.help.to_owned(),
            self.labels.iter().map(ToString::to_string).collect(),
            std::collections::HashMap::new(),
        )
    }
}

/// A family that is being filled.
#[derive(Debug)]
pub(super) struct Family {
    shape: &'static Shape,
    metrics: Vec<Metric>,
}

impl Family {
    pub(super) const fn new(shape: &'static Shape) -> Self {
        Self {
            shape,
            metrics: Vec::new(),
        }
    }

    /// Adds a series. `values` are in the order of the shape's labels.
    pub(super) fn push(&mut self, values: &[&str], value: u64) {
        let mut labels: Vec<LabelPair> = self
            .shape
            .labels
            .iter()
            .zip(values)
            .map(|(name, value)| {
                let mut label = LabelPair::default();
                label.set_name((*name).to_owned());
                label.set_value((*value).to_owned());
                label
            })
            .collect();
        labels.sort_by(|a, b| a.name().cmp(b.name()));
        let mut metric = Metric::from_label(labels);
        #[expect(
            clippy::cast_precision_loss,
            reason = "the format has floating point numbers only; exact up to 2^53"
        )]
        let value = value as f64;
        if self.is_counter() {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    pub(super) fn finish(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.shape.name.to_owned());
        family.set_help(self.shape.help.to_owned());
        family.set_field_type(if self.is_counter() {
            MetricType::COUNTER
        } else {
            MetricType::GAUGE
        });
        family.set_metric(self.metrics);
        family
    }

    fn is_counter(&self) -> bool {
        self.shape.name.ends_with("_total")
    }
}
