//! The name of a point, put together without taking memory: a signal handler does it, too. Pure.

use crate::plan::NAME;

/// A name; what does not fit is cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    bytes: [u8; NAME],
    length: usize,
}

impl Name {
    /// A name that starts like this.
    pub(crate) fn new(start: &str) -> Self {
        let empty = Self {
            bytes: [0; NAME],
            length: 0,
        };
        empty.and(start.as_bytes())
    }

    /// With this at the end, up to the first zero.
    pub(crate) fn and(mut self, more: &[u8]) -> Self {
        // The last byte is left for the end of the line.
        let room = self.bytes[..NAME - 1].iter_mut().skip(self.length);
        for (place, byte) in room.zip(more.iter().take_while(|byte| **byte != 0)) {
            *place = *byte;
            self.length += 1;
        }
        self
    }

    /// With a number at the end.
    pub(crate) fn and_number(self, number: u64) -> Self {
        const RADIX: u64 = 10;
        let rest = if number < RADIX {
            self
        } else {
            self.and_number(number / RADIX)
        };
        let digit = u8::try_from(number % RADIX).unwrap_or_default();
        rest.and(&[b'0' + digit])
    }

    /// As a plan has it.
    pub(crate) const fn bytes(&self) -> &[u8; NAME] {
        &self.bytes
    }

    /// As a line.
    pub(crate) fn line(&self) -> ([u8; NAME], usize) {
        let mut line = self.bytes;
        line[self.length] = b'\n';
        (line, self.length + 1)
    }
}
