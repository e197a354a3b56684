//! The offline check of a raw document: what the API server would reject, with a path and what to
//! write instead. Pure.
