//! A request as all that handle it know it: what it is called, who asks, and whether it is in the list of those that are served.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::Request;

use super::{chat, completions};
use crate::net::Peer;
use crate::texts::{About, RequestKind};

/// See the top of this file.
#[derive(Clone, Debug)]
pub struct Call {
    id: String,
    client: Option<IpAddr>,
    listed: Arc<AtomicBool>,
}

impl Call {
    /// Of a request that came.
    pub fn of(request: &Request<Body>) -> Call {
        let client = request.extensions().get::<Peer>().map(|peer| peer.0);
        Call { id: format!("{:016x}", rand::random::<u64>()), client, listed: Arc::default() }
    }

    /// What it is called in its answer, as hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The machine that asks, where it is known.
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// It is in the list, and how it ends will be told there.
    pub fn lists(&self) {
        self.listed.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn is_listed(&self) -> bool {
        self.listed.load(Ordering::Relaxed)
    }

    /// What is known of it as long as it is not.
    pub fn about(&self, route: String) -> About {
        let kind = match route.as_str() {
            chat::ROUTE => RequestKind::Chat,
            completions::ROUTE => RequestKind::Completion,
            _ => RequestKind::Other,
        };
        About { client: self.client, model: String::new(), kind, route }
    }
}
