//! The laws of the operator, on a server that is played: it takes a write only with the right uid and version, as the
//! real one does (`tests/tests/operator` has the real one).

mod laws;
mod server;
mod work;
