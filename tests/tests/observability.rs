//! Alerts and dashboard: Prometheus' own tools judge the rules, and a real Prometheus that scrapes a real agent and a
//! real operator answers every query.

#[path = "observability/queries.rs"]
mod queries;
#[path = "observability/rules.rs"]
mod rules;
#[path = "observability/scene.rs"]
mod scene;
