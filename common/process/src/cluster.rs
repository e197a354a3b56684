//! The way to the API server. IO.

use std::path::Path;

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that was named cannot be used.
    #[error("{reason}: name a kubeconfig file with --kubeconfig, or leave it out in a pod")]
    File {
        /// What is wrong with it, with its name.
        reason: kube::config::KubeconfigError,
    },
    /// Neither a pod nor a kubeconfig.
    #[error(
        "this is no pod with a service account, and there is no kubeconfig: name one with --kubeconfig ({reason})"
    )]
    Nowhere {
        /// What was tried.
        reason: kube::config::InferConfigError,
    },
    /// The settings do not make a client.
    #[error("cannot make a client for {server}")]
    Client {
        /// Where it would have gone.
        server: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
}

/// A client for the cluster that the file names, or else for the one around this pod.
pub async fn client(kubeconfig: Option<&Path>) -> Result<Client, Error> {
    let config = match kubeconfig {
        Some(path) => read(path).await.map_err(|reason| Error::File { reason })?,
        None => Config::infer()
            .await
            .map_err(|reason| Error::Nowhere { reason })?,
    };
    let server = config.cluster_url.to_string();
    Client::try_from(config).map_err(|source| Error::Client {
        server,
        source: Box::new(source),
    })
}

async fn read(path: &Path) -> Result<Config, kube::config::KubeconfigError> {
    let file = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await
}
