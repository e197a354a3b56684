//! Whether the API server answers our watches, told once for each turn. **IO**

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use kube::{Client, client::Body};
use prometheus::{IntGauge, Registry};
use tokio::sync::watch;
use tower::service_fn;

/// The kinds that are watched, as they are in paths.
const KINDS: [&str; 2] = ["nodeforwardconfigs", "resolvedforwards"];

/// What came of the last question about a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// None was asked yet.
    Open,
    /// It was good.
    Good,
    /// There was none.
    Nothing,
    /// The server answered with an error.
    Refused(StatusCode),
}

/// What is known of the connection; clones share it.
#[derive(Clone, Debug)]
pub struct Connection {
    answers: Arc<watch::Sender<[Answer; 2]>>,
    connected: IntGauge,
}

impl Connection {
    /// Registers its metric.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let connected = IntGauge::new(
            "udplb_agent_api_server_connected",
            "Whether the API server answers; without it, what is in force goes on.",
        )?;
        registry.register(Box::new(connected.clone()))?;
        Ok(Self {
            answers: Arc::new(watch::Sender::new([Answer::Open; 2])),
            connected,
        })
    }

    /// A client whose watches are listened to.
    #[must_use]
    pub fn listen(&self, client: Client) -> Client {
        let this = self.clone();
        let namespace = client.default_namespace().to_owned();
        let service = service_fn(move |request: Request<Body>| {
            let (this, client) = (this.clone(), client.clone());
            async move {
                let kind = kind(&request);
                let answer = client.send(request).await;
                if let Some(kind) = kind {
                    match &answer {
                        Ok(response) if response.status().is_success() => {
                            this.told(kind, Answer::Good, "");
                        }
                        Ok(response) => this.told(kind, Answer::Refused(response.status()), ""),
                        Err(error) => {
                            this.told(kind, Answer::Nothing, &udplb_process::error_chain(error));
                        }
                    }
                }
                answer
            }
        });
        Client::new(service, namespace)
    }

    /// Returns once a question got no good answer.
    pub async fn failed(&self) {
        let mut answers = self.answers.subscribe();
        let is_bad = |answer: &Answer| !matches!(answer, Answer::Open | Answer::Good);
        // It never closes: there is a sender here.
        let _closed = answers.wait_for(|all| all.iter().any(is_bad)).await;
    }

    /// Returns once every question gets a good answer again.
    pub async fn recovered(&self) {
        let mut answers = self.answers.subscribe();
        answers.mark_unchanged();
        while answers.changed().await.is_ok() {
            if is_good(*answers.borrow_and_update()) {
                return;
            }
        }
    }

    fn told(&self, kind: usize, answer: Answer, error: &str) {
        let mut before = [Answer::Open; 2];
        let is_new = self.answers.send_if_modified(|all| {
            before = *all;
            all[kind] = answer;
            *all != before
        });
        if !is_new {
            return;
        }
        let mut after = before;
        after[kind] = answer;
        self.connected.set(is_good(after).into());
        if answer != Answer::Good {
            // One server that is away is told once.
            if answer != Answer::Nothing || before[1 - kind] != Answer::Nothing {
                tracing::warn!(
                    "{}; what is in force goes on",
                    complaint(kind, answer, error)
                );
            }
        } else if is_good(after) {
            tracing::info!("following the API server");
        }
    }
}

fn is_good(all: [Answer; 2]) -> bool {
    all.iter().all(|answer| *answer == Answer::Good)
}

/// The kind that a watch or list asks for; others' failures are told where they are made.
fn kind(request: &Request<Body>) -> Option<usize> {
    let path = request.uri().path();
    let is_ours = request.method() == Method::GET && path.starts_with("/apis/udplb.dev/");
    KINDS.iter().position(|kind| is_ours && path.contains(kind))
}

fn complaint(kind: usize, answer: Answer, error: &str) -> String {
    let name = KINDS[kind];
    match answer {
        Answer::Refused(StatusCode::UNAUTHORIZED) => {
            "the API server does not accept this agent's token: run it with the ServiceAccount udplb-agent, \
             or name a kubeconfig with --kubeconfig"
                .to_owned()
        }
        Answer::Refused(StatusCode::FORBIDDEN) => format!(
            "the API server does not let this agent read {name}: bind the ClusterRole udplb-agent to its \
             ServiceAccount"
        ),
        Answer::Refused(StatusCode::NOT_FOUND) => format!(
            "the API server does not know {name}: apply the definitions, kubectl apply --server-side -f crds/"
        ),
        Answer::Refused(status) => format!("the API server answers {status} about {name}"),
        Answer::Open | Answer::Good | Answer::Nothing => {
            format!("the API server does not answer: {error}")
        }
    }
}
