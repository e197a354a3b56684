//! Attachments, VLAN devices and neighbours: what belongs to the host and not to one forward. **pure**

use udplb_abi::map;

use super::MapFull;
use crate::{
    desired::Desired,
    op::Op,
    tables::{AttachmentState, NeighbourState, Tables, capacity::Capacity},
};

/// The host's side of a pass.
pub(super) struct Host<'a> {
    pub(super) desired: &'a Desired,
    pub(super) tables: &'a Tables,
    pub(super) capacity: &'a Capacity,
    /// Some forward goes on as it was, and may need what nobody desires any more.
    pub(super) keeps_all: bool,
}

impl Host<'_> {
    /// Changes of neighbour entries: what comes, and what goes.
    pub(super) fn neighbours(&self, failures: &mut Vec<MapFull>) -> (Vec<Op>, Vec<Op>) {
        let (held, wanted) = (&self.tables.neighbours, &self.desired.neighbours);
        let lost = wanted
            .iter()
            .filter(|key| held.get(key) != Some(&NeighbourState::Kept));
        let manage = lost.map(|&(interface, address)| {
            let op = Op::ManageNeighbour { interface, address };
            (op, held.contains_key(&(interface, address)))
        });
        let room = free(self.capacity.neighbours, held.len());
        let manage = limit(manage, room, map::NEIGHBOURS, failures);
        let gone = held.keys().filter(|key| !wanted.contains(key));
        let release = gone.map(|&(interface, address)| Op::ReleaseNeighbour { interface, address });
        (manage, self.unless_kept(release))
    }

    /// Changes of VLAN devices and attachments. A program is attached when its VLAN devices are known.
    pub(super) fn interfaces(&self, failures: &mut Vec<MapFull>) -> Vec<Op> {
        let (held, wanted) = (&self.tables.vlans, &self.desired.vlans);
        let missing = wanted
            .iter()
            .filter(|(key, device)| held.get(key) != Some(device));
        let set =
            missing.map(|(&key, &device)| (Op::SetVlan { key, device }, held.contains_key(&key)));
        let room = free(self.capacity.vlans, held.len());
        let mut ops = limit(set, room, map::VLANS, failures);
        let gone = held.keys().filter(|key| !wanted.contains_key(key));
        ops.extend(self.unless_kept(gone.map(|&key| Op::RemoveVlan { key })));

        let (held, wanted) = (&self.tables.attachments, &self.desired.attachments);
        let missing = wanted
            .iter()
            .filter(|interface| held.get(interface) != Some(&AttachmentState::Current));
        let attach = missing.map(|interface| {
            let interface = *interface;
            (Op::Attach { interface }, held.contains_key(&interface))
        });
        let room = free(self.capacity.attachments, held.len());
        ops.extend(limit(attach, room, map::ATTACHMENTS, failures));
        let gone = held.keys().filter(|interface| !wanted.contains(interface));
        ops.extend(self.unless_kept(gone.map(|&interface| Op::Detach { interface })));
        ops
    }

    fn unless_kept(&self, ops: impl Iterator<Item = Op>) -> Vec<Op> {
        if self.keeps_all {
            Vec::new()
        } else {
            ops.collect()
        }
    }
}

fn free(size: u32, used: usize) -> usize {
    (size as usize).saturating_sub(used)
}

/// The ops that have an entry already, and as many of the others as there is room for.
fn limit(
    ops: impl Iterator<Item = (Op, bool)>,
    room: usize,
    map: &'static str,
    failures: &mut Vec<MapFull>,
) -> Vec<Op> {
    let (mut room, mut missing) = (room, 0);
    let mut fitting = Vec::new();
    for (op, has_entry) in ops {
        if has_entry {
            fitting.push(op);
        } else if room > 0 {
            room -= 1;
            fitting.push(op);
        } else {
            missing += 1;
        }
    }
    if missing > 0 {
        failures.push(MapFull::Host { map, missing });
    }
    fitting
}
