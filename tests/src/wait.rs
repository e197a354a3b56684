//! Waiting for something to happen, without sleeping through it. IO.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// The end of a wait.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline this far from now.
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// What is left; zero when it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn passed(self) -> bool {
        self.left().is_zero()
    }
}

/// Waits until a descriptor is readable; false when the deadline passes first.
pub fn readable(descriptor: &impl AsFd, deadline: Deadline) -> bool {
    any_readable(&[descriptor.as_fd()], deadline)
}

/// Waits until one of several descriptors is readable; false when the deadline passes first.
pub fn any_readable(descriptors: &[BorrowedFd<'_>], deadline: Deadline) -> bool {
    !which_readable(descriptors, deadline).is_empty()
}

/// Waits until one of several descriptors is readable, and says which are; none when the deadline passes first.
pub fn which_readable(descriptors: &[BorrowedFd<'_>], deadline: Deadline) -> Vec<usize> {
    let mut polled: Vec<PollFd<'_>> = descriptors
        .iter()
        .map(|descriptor| PollFd::new(*descriptor, PollFlags::POLLIN))
        .collect();
    loop {
        // Rounded up, or the last millisecond would be a busy loop.
        let left = deadline.left().as_micros().div_ceil(1000);
        match poll(
            &mut polled,
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
        ) {
            Ok(0) if deadline.passed() => return Vec::new(),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => {
                let readable = |one: &PollFd<'_>| one.any().unwrap_or(true);
                let polled = polled.iter().enumerate();
                return polled
                    .filter(|(_, one)| readable(one))
                    .map(|(index, _)| index)
                    .collect();
            }
            Err(error) => panic!("poll: {error}"),
        }
    }
}

/// Asks again and again until the answer is there, for things that announce nothing: a page of HTTP, a
/// command's output. The pause is short against what is waited for, and the last question is asked after
/// the deadline.
pub fn until<T>(time: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(time);
    loop {
        let last = deadline.passed();
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(!last, "waited {time:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sets a flag when dropped, whichever end it comes to: threads that look at it end even where a test fails.
#[derive(Debug)]
pub struct SetAtEnd<'a>(pub &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
