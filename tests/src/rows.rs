//! Cases for a node as rows of a table: a frame in, and exactly what comes of it. IO but for [`Row`].
//!
//! A [`Row`] says what is sent, which defect it catches, and everything that follows: the frame that goes on, byte
//! for byte, every copy, byte for byte, and every counter that grows. What a row does not name must not happen.
//! A [`Theme`] is a lab, one configuration, and the rows that are played on it one after the other.
//!
//! Rows wait for nothing: behind each row's frames come markers that the node's own stack routes to every place
//! where frames are captured. What is not there when a place's marker is, does not come.

mod family;
mod row;
mod stage;
mod theme;

pub use family::{Family, both, upstreams};
pub use row::Row;
pub use theme::{RED, Theme};
