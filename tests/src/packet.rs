//! Frames: built, taken apart, checked and compared. Pure.
//!
//! What is built and what is parsed goes through `etherparse`, and checksums are verified by code of this
//! folder alone, so that the product's own code never judges itself.

pub mod build;
pub mod checksum;
mod compare;
mod damage;
mod fields;
mod fragments;
mod kinds;
mod parse;

pub use build::{Checksum, Ethernet, Tag, Udp};
pub use compare::{assert_same, difference};
pub use damage::{damage, nonsense};
pub use fields::fields;
pub use fragments::{identification, reidentified};
pub use kinds::kinds;
pub use parse::{Ip, Packet, Transport};
