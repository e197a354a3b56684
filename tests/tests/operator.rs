//! The operator on a real API server. Nodes and agents are played: what they do on real nodes is for the cluster's
//! tests, what the operator writes for them is for these.

#[path = "operator/by_hand.rs"]
mod by_hand;
#[path = "operator/definitions.rs"]
mod definitions;
#[path = "operator/hostile.rs"]
mod hostile;
#[path = "operator/leaders.rs"]
mod leaders;
#[path = "operator/names.rs"]
mod names;
#[path = "operator/played.rs"]
mod played;
#[path = "operator/refused.rs"]
mod refused;
#[path = "operator/services.rs"]
mod services;
#[path = "operator/set_back.rs"]
mod set_back;
#[path = "operator/truth.rs"]
mod truth;
#[path = "operator/writes.rs"]
mod writes;
