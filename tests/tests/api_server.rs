//! The custom resources on a real API server: what it refuses and in which words, and that the offline check of
//! `udplb-agent check` refuses the same.

#[path = "api_server/mutate.rs"]
mod mutate;
#[path = "api_server/objects.rs"]
mod objects;
#[path = "api_server/rejected.rs"]
mod rejected;
