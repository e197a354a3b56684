//! Against the real kernel, in network namespaces of their own. They need root, and fail without.

mod facts;
mod lab;
mod neighbours;
mod routes;
mod storms;
