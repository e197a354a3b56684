//! Questions and orders to the kernel, on a socket that lives as long as they take. **IO**

use std::io;

use netlink_packet_core::{
    DoneBuffer, ErrorBuffer, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use nix::errno::Errno;

use super::{Error, messages};

/// Set on the messages of a list that changed while the kernel wrote it.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// How often a list is read again before we give up on it for now.
const DUMP_ATTEMPTS: u32 = 10;
/// The kernel cuts lists into pieces of at most 32 KiB; answers are far smaller.
const DATAGRAM: usize = 64 << 10;
/// Questions in one datagram: their answers fit a receive buffer of the usual size many times.
const BATCH: usize = 16;

/// The kernel's answer to one question: what it said, or why not. An order's success says nothing.
pub(super) type Answer = Result<Option<RouteNetlinkMessage>, Errno>;

/// A socket for requests.
pub(super) struct Conversation {
    socket: TokioSocket,
    sequence: u32,
    /// The last datagram received.
    datagram: Vec<u8>,
}

impl Conversation {
    pub(super) fn open() -> Result<Self, Error> {
        let open = || -> io::Result<_> {
            let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
            let _address = socket.socket_mut().bind_auto()?;
            socket.socket_ref().connect(&SocketAddr::new(0, 0))?;
            // Filters of lists are obeyed, or refused, but never ignored.
            socket.socket_mut().set_netlink_get_strict_chk(true)?;
            Ok(socket)
        };
        Ok(Self {
            socket: open().map_err(Error::Open)?,
            sequence: 0,
            datagram: Vec::with_capacity(DATAGRAM),
        })
    }

    /// Reads a list.
    pub(super) async fn list(
        &mut self,
        what: &'static str,
        request: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, Error> {
        for _attempt in 0..DUMP_ATTEMPTS {
            match self.list_once(request).await? {
                Ok(Some(list)) => return Ok(list),
                Ok(None) => {}
                Err(source) => return Err(Error::List { what, source }),
            }
        }
        Err(Error::Interrupted { what })
    }

    /// `None`: the list changed while it was read.
    async fn list_once(
        &mut self,
        request: &RouteNetlinkMessage,
    ) -> Result<Result<Option<Vec<RouteNetlinkMessage>>, Errno>, Error> {
        let (first, _end) = self.send(std::slice::from_ref(request), NLM_F_DUMP).await?;
        let mut list = Vec::new();
        let mut interrupted = false;
        loop {
            self.receive().await?;
            for message in messages::split(&self.datagram) {
                if message.sequence != first {
                    continue;
                }
                interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
                if let Some(code) = status(message) {
                    let done = code.map(|()| (!interrupted).then_some(list));
                    return Ok(done);
                }
                list.extend(message.decode());
            }
        }
    }

    /// Asks many questions, or gives many orders, and returns the answers in the same order.
    /// `flags` are beside `NLM_F_REQUEST`; orders need `NLM_F_ACK` to be answered.
    pub(super) async fn ask(
        &mut self,
        requests: &[RouteNetlinkMessage],
        flags: u16,
    ) -> Result<Vec<Answer>, Error> {
        let mut answers = Vec::with_capacity(requests.len());
        for batch in requests.chunks(BATCH) {
            let (first, end) = self.send(batch, flags).await?;
            let mut pending: Vec<Option<Answer>> = vec![None; batch.len()];
            while pending.iter().any(Option::is_none) {
                self.receive().await?;
                for message in messages::split(&self.datagram) {
                    if !(first..end).contains(&message.sequence) {
                        continue;
                    }
                    pending[(message.sequence - first) as usize] = Some(match status(message) {
                        Some(code) => code.map(|()| None),
                        None => message.decode().map(Some).ok_or(Errno::EBADMSG),
                    });
                }
            }
            answers.extend(pending.into_iter().flatten());
        }
        Ok(answers)
    }

    /// Gives one order.
    pub(super) async fn order(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Answer, Error> {
        let mut answers = self.ask(&[request], flags | NLM_F_ACK).await?;
        answers
            .pop()
            .ok_or_else(|| Error::Socket(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Returns the sequence numbers that the requests got: the first, and the one after the last.
    async fn send(
        &mut self,
        requests: &[RouteNetlinkMessage],
        flags: u16,
    ) -> Result<(u32, u32), Error> {
        let first = self.sequence;
        let mut datagram = Vec::new();
        for request in requests {
            messages::append(
                &mut datagram,
                request.clone(),
                NLM_F_REQUEST | flags,
                self.sequence,
            );
            self.sequence += 1;
        }
        let sent = self.socket.send(&datagram).await.map_err(Error::Socket)?;
        if sent != datagram.len() {
            return Err(Error::Socket(io::ErrorKind::WriteZero.into()));
        }
        Ok((first, self.sequence))
    }

    async fn receive(&mut self) -> Result<(), Error> {
        self.datagram.clear();
        self.socket
            .recv(&mut self.datagram)
            .await
            .map_err(Error::Socket)
    }
}

/// How a request ended, where the message says so.
fn status(message: messages::Raw<'_>) -> Option<Result<(), Errno>> {
    let code = match message.kind {
        NLMSG_ERROR => ErrorBuffer::new_checked(message.payload).map_or(-libc::EBADMSG, |error| {
            error.code().map_or(0, std::num::NonZero::get)
        }),
        NLMSG_DONE => {
            DoneBuffer::new_checked(message.payload).map_or(-libc::EBADMSG, |done| done.code())
        }
        _ => return None,
    };
    Some(if code < 0 {
        Err(Errno::from_raw(-code))
    } else {
        Ok(())
    })
}
