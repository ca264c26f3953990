//! Health, readiness and metrics over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::metrics;
use crate::operator::Operator;

/// Serves until the process ends. Answers the address that it listens on.
///
/// # Errors
///
/// When the address is taken or not ours.
pub async fn serve(address: SocketAddr, operator: Arc<Operator>) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on --http-address {address}"))?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(rendered))
        .with_state(operator);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("health and metrics are not served any more: {error}");
        }
    });
    Ok(bound)
}

/// Ready means that the watches have told everything: whether this replica leads, and whether AWS
/// answers, does not count, or an upgrade would hang on an outage of AWS.
async fn ready(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    if operator.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the watches are still being filled\n")
    }
}

async fn rendered(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    match metrics::render(&operator) {
        Ok(text) => (
            StatusCode::OK,
            [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        ),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
            format!("{error}\n"),
        ),
    }
}
