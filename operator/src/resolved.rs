//! One `ResolvedForward`: what it should say, and what has to be written for that. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use udplb_api::{API_VERSION, ResolvedForward};
use udplb_plan::{AcceptedForward, Answers, HostAnswer, Resolution, ServiceKey};

use crate::{
    op::Op,
    world::{
        World, endpoints,
        stored::{Identity, StoredForward, StoredResolved},
    },
};

/// The annotation that names the generation of the `UdpForward` that was resolved.
pub const GENERATION: &str = "udplb.dev/generation";
/// The annotation with the last good answers for host names, as JSON: a new leader starts from them.
pub const HOST_NAMES: &str = "udplb.dev/host-names";
/// The label of what the operator makes, with the field manager as its value.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// What a forward's names and services stand for, as far as it is known.
#[must_use]
pub fn answers(forward: &AcceptedForward, world: &World) -> Answers {
    let namespace = &forward.forward().key().namespace;
    let known = world.services.get(namespace);
    let services = known.filter(|it| it.is_complete()).map(|known| {
        let of_forward = forward.forward().services();
        let answer = |of| {
            (
                (namespace.clone(), Clone::clone(of)),
                endpoints::of(known, of),
            )
        };
        of_forward.map(answer).collect::<BTreeMap<ServiceKey, _>>()
    });
    Answers {
        hostnames: hostnames(forward, world),
        services: Some(services.unwrap_or_default()),
    }
}

/// What a forward's host names stand for, as far as it is known.
#[must_use]
pub fn hostnames(forward: &AcceptedForward, world: &World) -> BTreeMap<String, HostAnswer> {
    let names = forward.forward().hostnames();
    let known = names.filter_map(|name| {
        let answer = world.hostnames.get(name)?;
        Some((name.to_owned(), answer.clone()))
    });
    known.collect()
}

/// Whether what is stored was made of this version of the forward.
#[must_use]
pub fn is_of(stored: &StoredResolved, forward: &StoredForward) -> bool {
    stored.owner.as_ref() == Some(&forward.identity.uid)
        && stored.annotations.get(GENERATION) == Some(&generation_text(forward))
}

/// Whether everything that the forward refers to has been looked up.
#[must_use]
pub fn is_known(forward: &AcceptedForward, answers: &Answers) -> bool {
    let of = forward.forward();
    let services = answers.services.as_ref();
    of.hostnames()
        .all(|name| answers.hostnames.contains_key(name))
        && of.services().all(|service| {
            let key = (of.key().namespace.clone(), service.clone());
            services.is_some_and(|known| known.contains_key(&key))
        })
}

/// What has to be written for a forward.
#[derive(Clone, Debug, PartialEq)]
pub enum Need {
    /// Nothing: it is stored as it should be.
    Nothing,
    /// A version with the revision that is stored: only upstreams have changed.
    Same(Box<Op>),
    /// A version of an accepted spec that nobody has run: it takes a new revision.
    New,
}

/// Compares what should be with what is stored. `revision` is the number for a new version.
#[must_use]
pub fn need(
    resolution: &Resolution,
    forward: &StoredForward,
    stored: Option<&StoredResolved>,
    hostnames: &BTreeMap<String, HostAnswer>,
) -> Need {
    let Some(stored) = stored else {
        return Need::New;
    };
    let Some(spec) = stored.spec.as_ref().filter(|_| is_of(stored, forward)) else {
        return Need::New;
    };
    let mut wanted = resolution.forward.clone();
    wanted.spec.revision = spec.revision;
    if wanted.spec == *spec {
        return Need::Nothing;
    }
    let object = object(wanted, forward, hostnames, Some(&stored.identity));
    Need::Same(Box::new(Op::ApplyResolved(Box::new(object))))
}

/// Writes a version that nobody has run.
#[must_use]
pub fn write(
    resolution: &Resolution,
    forward: &StoredForward,
    stored: Option<&StoredResolved>,
    hostnames: &BTreeMap<String, HostAnswer>,
    revision: i64,
) -> Op {
    let mut wanted = resolution.forward.clone();
    wanted.spec.revision = revision;
    let identity = stored.map(|stored| &stored.identity);
    let object = Box::new(object(wanted, forward, hostnames, identity));
    match stored {
        Some(_) => Op::ApplyResolved(object),
        None => Op::CreateResolved(object),
    }
}

fn object(
    mut wanted: ResolvedForward,
    forward: &StoredForward,
    hostnames: &BTreeMap<String, HostAnswer>,
    stored: Option<&Identity>,
) -> ResolvedForward {
    let ObjectMeta {
        namespace, name, ..
    } = wanted.metadata;
    let owner = OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: "UdpForward".to_owned(),
        name: name.clone().unwrap_or_default(),
        uid: forward.identity.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let mut annotations = BTreeMap::from([(GENERATION.to_owned(), generation_text(forward))]);
    annotations.extend(remembered(hostnames).map(|text| (HOST_NAMES.to_owned(), text)));
    wanted.metadata = ObjectMeta {
        namespace,
        name,
        annotations: Some(annotations),
        labels: Some([(MANAGED_BY.to_owned(), crate::FIELD_MANAGER.to_owned())].into()),
        owner_references: Some(vec![owner]),
        ..stored.map(Identity::fence).unwrap_or_default()
    };
    wanted
}

fn generation_text(forward: &StoredForward) -> String {
    forward.generation.unwrap_or_default().to_string()
}

/// The good answers as the annotation holds them; none where no name has one.
fn remembered(hostnames: &BTreeMap<String, HostAnswer>) -> Option<String> {
    let good: BTreeMap<&String, &Vec<std::net::IpAddr>> = hostnames
        .iter()
        .filter(|(_, answer)| !answer.addresses.is_empty())
        .map(|(name, answer)| (name, &answer.addresses))
        .collect();
    if good.is_empty() {
        return None;
    }
    serde_json::to_string(&good).ok()
}

/// The answers that a stored forward remembers.
#[must_use]
pub fn remembers(stored: &StoredResolved) -> BTreeMap<String, Vec<std::net::IpAddr>> {
    let text = stored.annotations.get(HOST_NAMES);
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}
