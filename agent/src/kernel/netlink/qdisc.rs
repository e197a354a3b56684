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

/// A filter at the ingress of clsact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// `bpf`, `u32`, `flower` and so on.
    pub kind: String,
    /// What `tc` calls pref; filters of smaller ones come first.
    pub priority: u16,
    /// What tells filters of one priority apart.
    pub handle: u32,
    /// The program of a `bpf` filter.
    pub program: Option<u32>,
    /// The name of a `bpf` filter.
    pub name: Option<String>,
}

/// The program that a filter at the ingress of clsact runs, by the filter's priority and handle.
pub async fn ingress_program(
    interface: InterfaceIndex,
    priority: u16,
    handle: u32,
) -> Result<Option<u32>, Error> {
    let filters = ingress_filters(interface).await?;
    let mut asked_for = filters
        .into_iter()
        .filter(|filter| filter.handle == handle && filter.priority == priority);
    Ok(asked_for.find_map(|filter| filter.program))
}

/// Every filter at the ingress of clsact, in the order in which they see a packet.
pub async fn ingress_filters(interface: InterfaceIndex) -> Result<Vec<Filter>, Error> {
    let filters = filters(&mut Conversation::open()?, interface, INGRESS).await?;
    let mut filters: Vec<_> = filters.iter().map(decode).collect();
    filters.sort_by_key(|filter| filter.priority);
    Ok(filters)
}

fn decode(message: &TcMessage) -> Filter {
    let mut filter = Filter {
        kind: String::new(),
        priority: u16::try_from(message.header.info >> 16).unwrap_or_default(),
        handle: message.header.handle.into(),
        program: None,
        name: None,
    };
    for attribute in &message.attributes {
        match attribute {
            TcAttribute::Kind(kind) => filter.kind.clone_from(kind),
            TcAttribute::Options(options) => {
                for option in options {
                    match option {
                        TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => filter.program = Some(*id),
                        TcOption::Bpf(TcFilterBpfOption::ProgName(name)) => {
                            filter.name = Some(name.clone());
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    filter
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
