//! The lab: what every test above unit level stands on.
//!
//! A lab is a handful of network namespaces with real interfaces between them. Tests send real frames
//! and real datagrams in, and look at what comes out.
//!
//! | what a test needs to see | use |
//! | --- | --- |
//! | the frames on a link, as a device delivers them | [`capture::Capture::link`] |
//! | the IP packets that a host's stack gets, after tc | [`capture::Capture::stack`] |
//! | the frames that tc lets go, also those that no stack takes | [`capture::Capture::hook`] |
//! | that frames of any shape go in | [`packet`] and [`traffic::send`] |
//! | that no datagram of a flow is lost, doubled or out of order | [`traffic::Stream`], [`traffic::Receiver`] |
//! | that a defect of the datapath is noticed | [`mutants`] |
//! | the same while the agent is changed, ended or killed | [`scene::Scene`] |
//! | what a failure or a death in any operation does | [`faults`] |
//! | what the program says about single frames, and how large it is | [`test_run`] |
//! | what the datapath must do with any frame | [`reference`] |
//! | that nothing is lost while everything changes | [`soak`] |
//! | counters | [`scrape`] |
//! | that a case gives exactly these frames and counters | [`rows`] |
//! | host names that change, vanish and fail | [`name_server::NameServer`] |
//! | a Kubernetes API server, without nodes | [`api_server::ApiServer`] |
//! | the manifests as users apply them | [`manifests`] |
//! | the Helm chart, and what is generated with it | [`chart`] |
//! | that API server in reach of a host, or out of it | [`relay::Relay`] |
//! | a Kubernetes cluster with nodes, of which pods are real | [`cluster::Cluster`] |
//! | the product | [`agent::Agent`], [`operator::Operator`] |
//! | an agent of another version, with other maps | [`other_version`] |
//!
//! Everything here fails by panicking, with a message that says what was expected and what came. A test
//! that cannot run (no root, no BPF) fails; none is skipped. Labs are independent of each other, so tests
//! run in parallel.

pub mod agent;
pub mod api_server;
pub mod bench;
pub mod capture;
mod cargo;
pub mod chart;
pub mod cluster;
pub mod demo;
pub mod faults;
pub mod foreign;
pub mod lab;
pub mod manifests;
pub mod mutants;
pub mod name_server;
pub mod operator;
pub mod other_version;
pub mod packet;
mod product;
pub mod reference;
pub mod relay;
pub mod rows;
pub mod scene;
pub mod scrape;
pub mod soak;
mod sources;
mod sys;
pub mod test_run;
pub mod tracer;
pub mod traffic;
pub mod wait;
