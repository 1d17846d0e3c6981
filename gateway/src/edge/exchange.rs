//! One request, from its head to the end of its answer.
//!
//! Invariant: whatever ends it (an answer, a client that leaves, a broken replica), its connection
//! counts it no longer and its route's figures count it once.

use std::net::SocketAddr;
use std::sync::Arc;

use hythe_core::ids::DeploymentId;
use hythe_core::wire::access::AccessFailed;

use super::access::Record;
use super::body::Progress;
use super::figures::{Figures, Told};
use super::pool::Pool;
use super::proxy::Proxy;

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Of the connection that it came on.
    proxy: Arc<Proxy>,
    began_ns: u64,
    /// Where it is counted.
    route: Option<Arc<Figures>>,
    /// The status that was answered; 0 before that.
    status: u16,
    sent: u64,
    body: Option<Arc<Progress>>,
    /// What the access log tells of it, where there is one.
    record: Option<Box<Record>>,
}

impl Exchange {
    /// A head has come.
    pub(crate) fn begin(proxy: Arc<Proxy>) -> Self {
        proxy.connection.request_began();
        let began_ns = proxy.core.clock.now_ns();
        let (route, body, record) = (None, None, None);
        Self { proxy, began_ns, route, status: 0, sent: 0, body, record }
    }

    fn took_ns(&self) -> u64 {
        self.proxy.core.clock.now_ns().saturating_sub(self.began_ns)
    }

    /// Where the connection to the replica goes once it is free.
    pub(crate) fn pool(&self) -> &Pool {
        &self.proxy.core.pool
    }

    /// It is for this route.
    pub(crate) fn of(&mut self, route: Arc<Figures>) {
        if self.route.is_none() {
            route.began(self.proxy.core.index);
            self.route = Some(route);
        }
    }

    /// It has a body.
    pub(crate) fn with_body(&mut self, body: Arc<Progress>) {
        self.body = Some(body);
    }

    /// It is told in an access log.
    pub(crate) fn recorded(&mut self, record: Box<Record>) {
        self.record = Some(record);
    }

    /// It is answered with this status.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
        if self.record.is_none() {
            return;
        }
        let after_ns = self.took_ns();
        if let Some(record) = &mut self.record {
            record.answered(after_ns);
        }
    }

    /// A replica answers it.
    pub(crate) fn served(&mut self, deployment: DeploymentId, replica: SocketAddr) {
        if let Some(record) = &mut self.record {
            record.served(deployment, replica);
        }
    }

    /// Who failed, where nobody was found to have done so before.
    pub(crate) fn failed(&mut self, who: AccessFailed) {
        if let Some(record) = &mut self.record {
            record.failed(who);
        }
    }

    /// So many bytes of a body went to the client.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.proxy.connection.request_ended();
        if let Some(route) = &self.route {
            let core = &self.proxy.core;
            let told = Told {
                status: self.status,
                took_ns: self.took_ns(),
                received: self.body.as_ref().map_or(0, |body| body.bytes()),
                sent: self.sent,
            };
            route.ended(core.index, &told);
            if let Some(record) = &self.record {
                record.end(&told, &core.access, core.index);
            }
        }
    }
}
