//! An installation of the chart on a real API server, and who plays the controllers that are not there.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, api::PostParams, runtime::conditions::is_crd_established};
use serde_json::json;
use udplb_tests::{api_server::ApiServer, chart::Helm, operator::NAMESPACE};

pub(crate) struct Release {
    pub(crate) server: ApiServer,
    pub(crate) client: Client,
    pub(crate) helm: Helm,
}

impl Release {
    /// An API server, with nothing on it.
    pub(crate) async fn new(name: &str, helm: Helm) -> Self {
        let server = ApiServer::start(&format!("{name}-{helm:?}").to_lowercase()).await;
        let client = server.client().await;
        Self {
            server,
            client,
            helm,
        }
    }

    /// Helm with its release and namespace.
    pub(crate) fn arguments(&self, command: &[&str], further: &[&str]) -> Vec<String> {
        let kubeconfig = self.server.kubeconfig();
        let kubeconfig = kubeconfig.to_str().unwrap().to_owned();
        let all = command.iter().chain(further).map(ToString::to_string);
        let fixed = ["--namespace", NAMESPACE, "--kubeconfig"];
        let fixed = fixed.map(str::to_owned).into_iter().chain([kubeconfig]);
        all.chain(fixed).collect()
    }

    /// What Helm says, or complains about.
    pub(crate) fn try_helm(&self, command: &[&str], further: &[&str]) -> Result<String, String> {
        let arguments = self.arguments(command, further);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.helm.run(&arguments)
    }

    pub(crate) fn helm(&self, command: &[&str], further: &[&str]) -> String {
        let said = self.try_helm(command, further);
        said.unwrap_or_else(|error| panic!("{:?} {command:?} {further:?}: {error}", self.helm))
    }

    /// Installs a chart, this one or a copy.
    pub(crate) fn install(&self, chart: &str, values: &[&str]) -> String {
        let command = ["install", "udplb", chart, "--create-namespace"];
        self.helm(&command, values)
    }

    /// The kinds of the Prometheus operator, as far as the server needs them.
    pub(crate) async fn prometheus_operator(&self) {
        for kind in ["PodMonitor", "ServiceMonitor", "PrometheusRule"] {
            let plural = format!("{}s", kind.to_lowercase());
            let name = format!("{plural}.monitoring.coreos.com");
            let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
            let object = json!({
                "metadata": { "name": name },
                "spec": {
                    "group": "monitoring.coreos.com",
                    "names": { "kind": kind, "plural": plural },
                    "scope": "Namespaced",
                    "versions": [{
                        "name": "v1", "served": true, "storage": true,
                        "schema": { "openAPIV3Schema": schema },
                    }],
                },
            });
            let object: CustomResourceDefinition = serde_json::from_value(object).unwrap();
            let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
            drop(api.create(&PostParams::default(), &object).await.unwrap());
            let established =
                kube::runtime::wait::await_condition(api, &name, is_crd_established());
            drop(established.await.unwrap());
        }
    }

    /// The definition of a kind, if there is one.
    pub(crate) async fn definition(&self, plural: &str) -> Option<CustomResourceDefinition> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        api.get_opt(&format!("{plural}.udplb.dev")).await.unwrap()
    }
}
