//! Objects that the server takes, and a server that knows their kind.

use std::time::Duration;

use kube::{
    Error,
    api::{Api, ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::Value;
use udplb_tests::{api_server::ApiServer, wait::Deadline};

/// Longer than a definition takes to be served on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every field of the API once.
pub(crate) fn full() -> Value {
    serde_json::from_str(include_str!("../../../common/api/tests/objects/full.json")).unwrap()
}

/// The full object with one field changed; `None` takes it out.
pub(crate) fn changed(pointer: &str, value: Option<&Value>) -> Value {
    let mut document = full();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (document.pointer_mut(parent).unwrap(), value) {
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value.clone(),
        (Value::Object(fields), Some(value)) => drop(fields.insert(name.into(), value.clone())),
        (Value::Object(fields), None) => assert!(fields.remove(name).is_some(), "{pointer}"),
        (other, _) => panic!("{pointer}: {other}"),
    }
    document
}

/// A server with our definitions, and a client that asks it about `UdpForward`s.
pub(crate) struct Server {
    forwards: Api<DynamicObject>,
    server: ApiServer,
}

impl Server {
    pub(crate) async fn start(name: &str) -> Self {
        let server = ApiServer::start(name).await;
        let client = server.defined().await;
        let kind = GroupVersionKind::gvk("udplb.dev", "v1alpha1", "UdpForward");
        let resource = ApiResource::from_gvk(&kind);
        let this = Self {
            forwards: Api::default_namespaced_with(client, &resource),
            server,
        };
        // The definition is served a moment after it is stored. Until then the server answers 404, and
        // before it knows our group at all it does so in plain text, without a reason.
        let deadline = Deadline::after(PATIENCE);
        while let Err(error) = this.apply(&full()).await {
            let unknown = matches!(&error, Error::Api(status) if status.code == 404);
            assert!(unknown && !deadline.passed(), "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        this
    }

    /// The server itself.
    pub(crate) const fn server(&self) -> &ApiServer {
        &self.server
    }

    /// Has it judge an object as `kubectl apply --server-side` hands it over, without storing it.
    pub(crate) async fn apply(&self, object: &Value) -> Result<(), Error> {
        let parameters = PatchParams::apply("test").dry_run().validation_strict();
        let name = object["metadata"]["name"].as_str().unwrap_or("syslog");
        self.forwards
            .patch(name, &parameters, &Patch::Apply(object))
            .await
            .map(drop)
    }
}
