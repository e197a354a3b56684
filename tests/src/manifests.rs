//! The manifests of this repository, applied as users apply them. IO.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams, TypeMeta},
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
};

/// Where the custom resource definitions are.
pub const DEFINITIONS: &str = "crds";
/// Where everything else is that a cluster needs.
pub const KUBERNETES: &str = "deploy/kubernetes";

/// Files of manifests below the root of the repository, in the order in which `kubectl apply -f` takes them.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let paths = fs::read_dir(&folder);
    let paths = paths.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = paths.map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    assert!(!files.is_empty(), "no manifests in {}", folder.display());
    files.sort();
    files
}

/// The objects of such a folder.
pub fn objects(folder: &str) -> Vec<DynamicObject> {
    let of = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let objects: Result<Vec<DynamicObject>, _> = serde_saphyr::from_multiple(&text);
        objects.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files(folder).into_iter().flat_map(of).collect()
}

/// Applies objects one after the other, on the server's side and strictly.
pub async fn apply(client: &Client, objects: &[DynamicObject]) {
    for object in objects {
        let name = object.name_any();
        let parameters = PatchParams {
            field_validation: Some(kube::api::ValidationDirective::Strict),
            ..PatchParams::apply("kubectl").force()
        };
        let applied = api_of(client, object)
            .await
            .patch(&name, &parameters, &Patch::Apply(object))
            .await;
        if let Err(error) = applied {
            let kind = &object.types.as_ref().unwrap().kind;
            panic!("{kind} {name} is refused: {error}");
        }
    }
}

/// Where an object of any kind is kept.
async fn api_of(client: &Client, object: &DynamicObject) -> Api<DynamicObject> {
    let types: &TypeMeta = object.types.as_ref().expect("an object without a kind");
    let kind = GroupVersionKind::try_from(types).unwrap();
    let (resource, capabilities) = pinned_kind(client, &kind)
        .await
        .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    match (capabilities.scope, object.namespace()) {
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
        (Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), &namespace, &resource)
        }
        (Scope::Namespaced, None) => panic!("{} has no namespace", object.name_any()),
    }
}
