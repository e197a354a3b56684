//! Traffic: single frames, and numbered flows whose receivers know what is missing. IO but for [`record`].

mod flood;
mod frames;
mod numbers;
mod one;
mod receiver;
pub mod record;
mod stream;

pub use flood::{Flooded, WINDOW, flood};
pub use frames::{send, send_pending, send_segmented, take_merged};
pub use numbers::Numbers;
pub use one::use_it;
pub use receiver::{Progress, Receiver, Sink};
pub use record::Report;
pub use stream::{Course, Flow, Pace, Sent, Stream};
