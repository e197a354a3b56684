//! The clsact qdisc of an interface: whether it is there, what hangs on it, and its removal. **IO**

use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};
use nix::errno::Errno;

use super::{Error, conversation::Conversation};
use crate::facts::InterfaceIndex;

const CLSACT: &str = "clsact";
const INGRESS: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0xfff2,
};
const EGRESS: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0xfff3,
};

/// Whether the interface has a clsact qdisc.
pub async fn has_clsact(interface: InterfaceIndex) -> Result<bool, Error> {
    let mut conversation = Conversation::open()?;
    let request = RouteNetlinkMessage::GetQueueDiscipline(message(interface, TcHandle::default()));
    let qdiscs = conversation.list("qdiscs", &request).await?;
    Ok(qdiscs.iter().any(|qdisc| {
        let RouteNetlinkMessage::NewQueueDiscipline(qdisc) = qdisc else {
            return false;
        };
        let is_clsact =
            |attribute: &TcAttribute| *attribute == TcAttribute::Kind(CLSACT.to_owned());
        qdisc.header.index == index(interface) && qdisc.attributes.iter().any(is_clsact)
    }))
}

/// The program that a filter at the ingress of clsact runs, by the filter's priority and handle.
pub async fn ingress_program(
    interface: InterfaceIndex,
    priority: u16,
    handle: u32,
) -> Result<Option<u32>, Error> {
    let filters = filters(&mut Conversation::open()?, interface, INGRESS).await?;
    let is_asked_for = |filter: &&TcMessage| {
        u32::from(filter.header.handle) == handle && filter.header.info >> 16 == u32::from(priority)
    };
    let options = filters.iter().filter(is_asked_for).flat_map(|filter| {
        filter
            .attributes
            .iter()
            .filter_map(|attribute| match attribute {
                TcAttribute::Options(options) => Some(options),
                _ => None,
            })
    });
    Ok(options.flatten().find_map(|option| match option {
        TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
        _ => None,
    }))
}

/// Removes the clsact qdisc unless somebody's filter hangs on it.
pub async fn remove_empty_clsact(interface: InterfaceIndex) -> Result<(), Error> {
    if !has_clsact(interface).await? {
        return Ok(());
    }
    let mut conversation = Conversation::open()?;
    for parent in [INGRESS, EGRESS] {
        if !filters(&mut conversation, interface, parent)
            .await?
            .is_empty()
        {
            return Ok(());
        }
    }
    let mut qdisc = message(interface, TcHandle::CLSACT);
    qdisc.header.handle = TcHandle {
        major: 0xffff,
        minor: 0,
    };
    qdisc.attributes.push(TcAttribute::Kind(CLSACT.to_owned()));
    let request = RouteNetlinkMessage::DelQueueDiscipline(qdisc);
    match conversation.order(request, 0).await? {
        // With the interface it went, too.
        Ok(_) | Err(Errno::ENOENT | Errno::ENODEV | Errno::EINVAL) => Ok(()),
        Err(source) => Err(Error::Qdisc { interface, source }),
    }
}

async fn filters(
    conversation: &mut Conversation,
    interface: InterfaceIndex,
    parent: TcHandle,
) -> Result<Vec<TcMessage>, Error> {
    let request = RouteNetlinkMessage::GetTrafficFilter(message(interface, parent));
    let list = conversation.list("filters", &request).await?;
    let filters = list.into_iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewTrafficFilter(filter) => Some(filter),
        _ => None,
    });
    Ok(filters.collect())
}

fn message(interface: InterfaceIndex, parent: TcHandle) -> TcMessage {
    let mut message = TcMessage::with_index(index(interface));
    message.header.parent = parent;
    message
}

fn index(interface: InterfaceIndex) -> i32 {
    i32::try_from(interface).unwrap_or_default()
}
