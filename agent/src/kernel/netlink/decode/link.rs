//! Links and their addresses from the kernel's messages. Part of **IO**, opens nothing itself.

use ipnet::IpNet;
use netlink_packet_route::{
    address::{AddressAttribute, AddressMessage},
    link::{InfoData, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage},
};

use crate::facts::{InterfaceIndex, Link, LinkKind, Vlan};

pub(super) fn link(message: &LinkMessage) -> Option<Link> {
    let mut name = None;
    let mut mac = [0; 6];
    let mut mtu = 0;
    let mut master = None;
    let mut parent = None;
    let mut parent_elsewhere = false;
    let mut vlan_data: &[InfoVlan] = &[];
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(value) => name = Some(value.clone()),
            LinkAttribute::Address(value) => mac = value.as_slice().try_into().unwrap_or_default(),
            LinkAttribute::Mtu(value) => mtu = *value,
            LinkAttribute::Controller(value) => master = Some(*value).filter(|&index| index != 0),
            LinkAttribute::Link(value) => parent = Some(*value),
            LinkAttribute::LinkNetNsId(_) => parent_elsewhere = true,
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Data(InfoData::Vlan(data)) = info {
                        vlan_data = data;
                    }
                }
            }
            _ => {}
        }
    }
    let kind = link_kind(message.header.link_layer_type);
    Some(Link {
        name: name?,
        kind,
        mac: if kind == LinkKind::Ethernet {
            mac
        } else {
            [0; 6]
        },
        mtu,
        up: message.header.flags.contains(LinkFlags::Up),
        master,
        vlan: parent
            .filter(|_| !parent_elsewhere)
            .and_then(|parent| vlan(parent, vlan_data)),
    })
}

/// The kernel sends without a link-layer header through the same types (`dev_is_mac_header_xmit`).
fn link_kind(layer: LinkLayerType) -> LinkKind {
    match layer {
        LinkLayerType::Ether => LinkKind::Ethernet,
        LinkLayerType::Loopback => LinkKind::Loopback,
        LinkLayerType::None
        | LinkLayerType::Rawip
        | LinkLayerType::Ppp
        | LinkLayerType::Tunnel
        | LinkLayerType::Tunnel6
        | LinkLayerType::Sit
        | LinkLayerType::Ipgre
        | LinkLayerType::Ip6gre => LinkKind::Ip,
        _ => LinkKind::Other,
    }
}

fn vlan(parent: InterfaceIndex, data: &[InfoVlan]) -> Option<Vlan> {
    let mut id = None;
    let mut protocol = 0x8100;
    for info in data {
        match info {
            InfoVlan::Id(value) => id = Some(*value),
            InfoVlan::Protocol(value) => protocol = u16::from(*value),
            _ => {}
        }
    }
    Some(Vlan {
        parent,
        protocol,
        id: id?,
    })
}

/// An address with its on-link prefix.
pub(super) fn address(message: &AddressMessage) -> Option<IpNet> {
    let mut own = None;
    for attribute in &message.attributes {
        match attribute {
            // On a point-to-point link the other attribute is the peer's address.
            AddressAttribute::Local(value) => own = Some(*value),
            AddressAttribute::Address(value) => own = own.or(Some(*value)),
            _ => {}
        }
    }
    IpNet::new(own?, message.header.prefix_len).ok()
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::link::VlanProtocol;

    use super::*;

    fn message(attributes: &[LinkAttribute]) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.link_layer_type = LinkLayerType::Ether;
        message
            .attributes
            .push(LinkAttribute::IfName("eth0.7".into()));
        message.attributes.extend_from_slice(attributes);
        message
    }

    fn vlan_7() -> LinkAttribute {
        let data = vec![
            InfoVlan::Id(7),
            InfoVlan::Protocol(VlanProtocol::Ieee8021Ad),
        ];
        LinkAttribute::LinkInfo(vec![LinkInfo::Data(InfoData::Vlan(data))])
    }

    #[test]
    fn a_vlan_device_names_its_parent() {
        let found = link(&message(&[LinkAttribute::Link(3), vlan_7()]))
            .unwrap()
            .vlan;
        assert_eq!(
            found,
            Some(Vlan {
                parent: 3,
                protocol: 0x88a8,
                id: 7
            })
        );
    }

    /// The number means another interface there, so it must not be looked up here.
    #[test]
    fn a_parent_in_another_namespace_is_nobody_here() {
        let attributes = [
            LinkAttribute::Link(3),
            LinkAttribute::LinkNetNsId(0),
            vlan_7(),
        ];
        assert_eq!(link(&message(&attributes)).unwrap().vlan, None);
    }

    /// A veth names its peer in the same attribute.
    #[test]
    fn other_devices_are_in_no_vlan() {
        assert_eq!(
            link(&message(&[LinkAttribute::Link(3)])).unwrap().vlan,
            None
        );
    }

    #[test]
    fn frames_that_we_cannot_build() {
        assert_eq!(link_kind(LinkLayerType::Infiniband), LinkKind::Other);
        assert_eq!(link_kind(LinkLayerType::Ipgre), LinkKind::Ip);
    }
}
