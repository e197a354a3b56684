//! The custom resources on a real API server: what it refuses and in which words, what it takes, and that the
//! offline check of `udplb-agent check` does the same; and what `kubectl` shows.

#[path = "api_server/accepted.rs"]
mod accepted;
#[path = "api_server/kubectl.rs"]
mod kubectl;
#[path = "api_server/mutate.rs"]
mod mutate;
#[path = "api_server/objects.rs"]
mod objects;
#[path = "api_server/rejected.rs"]
mod rejected;
