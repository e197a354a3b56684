//! The agent of a node of a cluster, on a real API server and with real packets. The operator is played: what it
//! would write, the test writes.

#[path = "node/away.rs"]
mod away;
#[path = "node/packets.rs"]
mod packets;
#[path = "node/played.rs"]
mod played;
#[path = "node/refused.rs"]
mod refused;
#[path = "node/set_back.rs"]
mod set_back;
#[path = "node/status.rs"]
mod status;
