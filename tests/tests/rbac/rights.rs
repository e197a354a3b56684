//! What the accounts may do: exactly what is written here, and no Secret.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec},
    core::v1::{Node, Secret},
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use udplb_tests::operator::NAMESPACE;

use crate::cast::{Cast, NODES};

/// What the server says of a token's rights in a namespace, one line for each verb.
async fn rights(client: &Client, namespace: &str) -> BTreeSet<String> {
    let api: Api<SelfSubjectRulesReview> = Api::all(client.clone());
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec {
            namespace: Some(namespace.to_owned()),
        },
        ..SelfSubjectRulesReview::default()
    };
    let review = api.create(&PostParams::default(), &review).await.unwrap();
    let status = review.status.unwrap();
    assert!(!status.incomplete, "{status:?}");
    let mut rights = BTreeSet::new();
    for rule in status.resource_rules {
        let names = rule.resource_names.unwrap_or_default();
        let only = if names.is_empty() {
            String::new()
        } else {
            format!(" {}", names.join(","))
        };
        for group in rule.api_groups.unwrap_or_default() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    let _new = rights.insert(format!("{group}/{resource}{only}: {verb}"));
                }
            }
        }
    }
    rights
}

/// Lines such as "group/resource: verb verb", taken apart.
fn expected(lines: &[&str]) -> BTreeSet<String> {
    let apart = |line: &&str| {
        let (what, verbs) = line.split_once(": ").unwrap();
        let what = what.to_owned();
        let verbs = verbs.split(' ').map(str::to_owned).collect::<Vec<_>>();
        verbs.into_iter().map(move |verb| format!("{what}: {verb}"))
    };
    lines.iter().flat_map(apart).collect()
}

/// Beyond what every account has.
async fn own_rights(client: &Client, anybody: &Client, namespace: &str) -> BTreeSet<String> {
    let (own, common) = (
        rights(client, namespace).await,
        rights(anybody, namespace).await,
    );
    own.difference(&common).cloned().collect()
}

const AGENT: [&str; 3] = [
    "udplb.dev/nodeforwardconfigs: get list watch",
    "udplb.dev/nodeforwardconfigs/status: patch",
    "udplb.dev/resolvedforwards: get list watch",
];

const OPERATOR: [&str; 9] = [
    "udplb.dev/udpforwards: list watch",
    "udplb.dev/udpforwards/status: patch",
    "udplb.dev/resolvedforwards: list watch create patch delete",
    "udplb.dev/nodeforwardconfigs: list watch create patch",
    "/nodes: list watch",
    "/namespaces: list watch",
    "/services: list watch",
    "discovery.k8s.io/endpointslices: list watch",
    "events.k8s.io/events: create patch",
];

/// The answer to a read that must not succeed.
fn forbidden<T>(answer: kube::Result<T>) -> String {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 403 => status.message.clone(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it is allowed"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_has_just_the_rights_that_it_needs() {
    let cast = Cast::start("rights").await;
    let agent = cast
        .client(&cast.pod("agent", "agent", NODES[0]).await)
        .await;
    let operator = cast
        .client(&cast.pod("operator", "operator", NODES[0]).await)
        .await;
    let anybody = cast.account_without_rights().await;

    for (namespace, agents, operators) in [
        (
            NAMESPACE,
            vec![],
            vec![
                "/pods: list watch",
                "coordination.k8s.io/leases udplb-operator: get update",
            ],
        ),
        (
            "default",
            vec!["events.k8s.io/events: create patch"],
            vec![],
        ),
        ("kube-system", vec![], vec![]),
        ("telemetry", vec![], vec![]),
    ] {
        let agents = expected(&[&AGENT[..], &agents].concat());
        assert_eq!(
            own_rights(&agent, &anybody, namespace).await,
            agents,
            "{namespace}"
        );
        let operators = expected(&[&OPERATOR[..], &operators].concat());
        assert_eq!(
            own_rights(&operator, &anybody, namespace).await,
            operators,
            "{namespace}"
        );
    }

    let everything = ListParams::default();
    for (name, client) in [("agent", &agent), ("operator", &operator)] {
        for namespace in [NAMESPACE, "default"] {
            let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
            let user = format!("\"system:serviceaccount:{NAMESPACE}:udplb-{name}\" cannot");
            let said = forbidden(secrets.list(&everything).await);
            assert!(
                said.contains(&format!("{user} list resource \"secrets\"")),
                "{said}"
            );
            let said = forbidden(secrets.get("any").await);
            assert!(
                said.contains(&format!("{user} get resource \"secrets\"")),
                "{said}"
            );
        }
    }
    let nodes: Api<Node> = Api::all(agent);
    drop(forbidden(nodes.list(&everything).await));
    let nodes: Api<Node> = Api::all(operator);
    drop(nodes.list(&everything).await.unwrap());
}
