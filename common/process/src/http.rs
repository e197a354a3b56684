//! `/metrics`, `/livez` and `/readyz`. **IO**

use std::{io, net::SocketAddr};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::ready::Ready;

/// Why the endpoints are not served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}, choose another address with {flag}")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Serving ended.
    #[error("cannot serve HTTP on {address}")]
    Serve {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// The endpoints of a process, listening but not yet served.
#[derive(Debug)]
pub struct Endpoints {
    listener: TcpListener,
    address: SocketAddr,
}

impl Endpoints {
    /// Takes the address, so that a process fails before it does anything else. `flag` is what the
    /// user has to change where the address is taken.
    pub async fn bind(address: SocketAddr, flag: &'static str) -> Result<Self, Error> {
        let failed = |source| Error::Bind {
            address,
            flag,
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where they listen: with the port that the system chose where 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the token is cancelled and open requests are answered.
    pub async fn serve(
        self,
        registry: Registry,
        ready: Ready,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let routes = Router::new()
            .route("/metrics", get(metrics).with_state(registry))
            .route("/readyz", get(readyz).with_state(ready))
            .route("/livez", get(async || "ok\n"));
        axum::serve(self.listener, routes)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
            .map_err(|source| Error::Serve {
                address: self.address,
                source,
            })
    }
}

/// Collectors may read maps of the kernel, which takes a while, so not on the runtime's threads.
async fn metrics(State(registry): State<Registry>) -> Response {
    let gather = move || TextEncoder::new().encode_to_string(&registry.gather());
    let failure = match tokio::task::spawn_blocking(gather).await {
        Ok(Ok(text)) => return ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(error = failure, "cannot gather metrics");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("cannot gather metrics: {failure}\n"),
    )
        .into_response()
}

async fn readyz(State(ready): State<Ready>) -> (StatusCode, String) {
    let waiting = ready.waiting();
    if waiting.is_empty() {
        (StatusCode::OK, "ready\n".into())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("waiting for {}\n", waiting.join(", ")),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use prometheus::{IntCounterVec, Opts};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// Status line and headers, and the body.
    async fn get(address: SocketAddr, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _length = stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }

    #[tokio::test]
    async fn endpoints_answer_until_shutdown() {
        let registry = Registry::new();
        let opts = Opts::new("udplb_matched_packets_total", "Packets that matched.");
        let matched = IntCounterVec::new(opts, &["namespace", "forward"]).unwrap();
        registry.register(Box::new(matched.clone())).unwrap();
        matched
            .with_label_values(&["telemetry", "syslog"])
            .inc_by(3);

        let ready = Ready::new();
        let guard = ready.wait_for("datapath");
        let shutdown = CancellationToken::new();
        let endpoints = Endpoints::bind(ANY_PORT, "--http-address").await.unwrap();
        let address = endpoints.address();
        assert_ne!(address.port(), 0);
        let server = tokio::spawn(endpoints.serve(registry, ready, shutdown.clone()));

        let (head, body) = get(address, "/metrics").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(
            head.contains("content-type: text/plain; version=0.0.4"),
            "{head}"
        );
        assert_eq!(
            body,
            "# HELP udplb_matched_packets_total Packets that matched.\n\
             # TYPE udplb_matched_packets_total counter\n\
             udplb_matched_packets_total{forward=\"syslog\",namespace=\"telemetry\"} 3\n"
        );
        assert!(get(address, "/livez").await.0.starts_with("http/1.1 200"));
        assert!(get(address, "/").await.0.starts_with("http/1.1 404"));

        let (head, body) = get(address, "/readyz").await;
        assert!(head.starts_with("http/1.1 503"), "{head}");
        assert_eq!(body, "waiting for datapath\n");
        drop(guard);
        assert!(get(address, "/readyz").await.0.starts_with("http/1.1 200"));

        shutdown.cancel();
        server.await.unwrap().unwrap();
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_taken_port_names_the_flag() {
        let first = Endpoints::bind(ANY_PORT, "--http-address").await.unwrap();
        let error = Endpoints::bind(first.address(), "--http-address")
            .await
            .unwrap_err();
        let expected = format!(
            "cannot listen on {}, choose another address with --http-address",
            first.address()
        );
        assert_eq!(error.to_string(), expected);
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.to_string().contains("in use"), "{source}");
    }
}
