//! The API server goes away: forwarding does not.
