//! The maps. Sizes are placeholders: the agent sets them when it loads the program.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    macros::map,
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf},
};
use udplb_abi::{
    counters::{DestinationCounters, InterfaceCounters, Traffic},
    forward::{ForwardSlot, RateLimitSlot, SourceKey, UpstreamSlot},
    fragment::{FragmentKey, FragmentSlot},
    listener::{ListenerKey, ListenerSlot, VlanKey},
    next_hop::NextHopSlot,
    record::{Attachment, Name, Neighbour, NeighbourKey, UpstreamOwner},
    trace::{TRACE_BUFFER_BYTES, TraceBudget},
};

use crate::{fragments::Entry, trace::Note};

#[map]
pub(crate) static PORTS: Array<[u32; 65_536]> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(crate) static LISTENERS: HashMap<ListenerKey, u32> =
    HashMap::with_max_entries(1, BPF_F_NO_PREALLOC);
#[map]
pub(crate) static PREFIXES: LpmTrie<ListenerKey, u32> = LpmTrie::with_max_entries(1, 0);
#[map]
pub(crate) static LISTENER_SLOTS: Array<ListenerSlot> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(crate) static FORWARDS: Array<u32> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(crate) static FORWARD_SLOTS: Array<ForwardSlot> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(crate) static FORWARD_STAMPS: Array<u32> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(crate) static SOURCES: LpmTrie<SourceKey, u32> = LpmTrie::with_max_entries(1, 0);
#[map]
pub(crate) static TABLES: Array<[u8; 8]> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(crate) static UPSTREAMS: Array<UpstreamSlot> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(crate) static NEXT_HOPS: Array<NextHopSlot> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(crate) static RATE_LIMITS: Array<RateLimitSlot> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(crate) static VLANS: HashMap<VlanKey, u32> = HashMap::with_max_entries(1, BPF_F_NO_PREALLOC);

#[map]
pub(crate) static FRAGMENTS: LruHashMap<FragmentKey, FragmentSlot> =
    LruHashMap::with_max_entries(1, 0);
#[map]
pub(crate) static IDENTIFICATIONS: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub(crate) static FRAGMENT_ENTRY: PerCpuArray<Entry> = PerCpuArray::with_max_entries(1, 0);

#[map]
pub(crate) static FORWARD_COUNTERS: PerCpuArray<Traffic> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub(crate) static DESTINATION_COUNTERS: PerCpuArray<DestinationCounters> =
    PerCpuArray::with_max_entries(1, 0);
#[map]
pub(crate) static UPSTREAM_COUNTERS: PerCpuArray<Traffic> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub(crate) static INTERFACE_COUNTERS: PerCpuHashMap<u32, InterfaceCounters> =
    PerCpuHashMap::with_max_entries(1, 0);

#[map]
pub(crate) static TRACE_BUDGETS: PerCpuArray<TraceBudget> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub(crate) static TRACE_NOTES: PerCpuArray<Note> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub(crate) static TRACE_EVENTS: RingBuf = RingBuf::with_byte_size(TRACE_BUFFER_BYTES, 0);

// Records of user space. The program declares them so that they are created, pinned and adopted
// together with the maps that it reads.
#[map]
static NAMES: HashMap<u64, Name> = HashMap::with_max_entries(1, BPF_F_NO_PREALLOC);
#[map]
static RETIRED: HashMap<u64, Traffic> = HashMap::with_max_entries(1, BPF_F_NO_PREALLOC);
#[map]
static FORWARD_OWNERS: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static DESTINATION_OWNERS: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static UPSTREAM_OWNERS: Array<UpstreamOwner> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static ATTACHMENTS: HashMap<u32, Attachment> = HashMap::with_max_entries(1, BPF_F_NO_PREALLOC);
#[map]
static NEIGHBOURS: HashMap<NeighbourKey, Neighbour> =
    HashMap::with_max_entries(1, BPF_F_NO_PREALLOC);
