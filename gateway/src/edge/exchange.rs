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
use super::connection::{Clock, Connection};
use super::figures::{Figures, Told};

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) connection: Arc<Connection>,
    clock: Clock,
    began_ns: u64,
    /// Where it is counted, and by which core.
    route: Option<(Arc<Figures>, usize)>,
    /// The status that was answered; 0 before that.
    status: u16,
    sent: u64,
    body: Option<Arc<Progress>>,
    /// What the access log tells of it, where there is one.
    record: Option<Box<Record>>,
}

impl Exchange {
    /// A head has come.
    pub(crate) fn begin(connection: Arc<Connection>, clock: Clock) -> Self {
        connection.request_began();
        let began_ns = clock.now_ns();
        let (route, body, record) = (None, None, None);
        Self { connection, clock, began_ns, route, status: 0, sent: 0, body, record }
    }

    /// It is for this route.
    pub(crate) fn of(&mut self, route: Arc<Figures>, core: usize) {
        if self.route.is_none() {
            route.began(core);
            self.route = Some((route, core));
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
        if let Some(record) = &mut self.record {
            record.answered(self.clock.now_ns().saturating_sub(self.began_ns));
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
        self.connection.request_ended();
        if let Some((route, core)) = &self.route {
            let told = Told {
                status: self.status,
                took_ns: self.clock.now_ns().saturating_sub(self.began_ns),
                received: self.body.as_ref().map_or(0, |body| body.bytes()),
                sent: self.sent,
            };
            route.ended(*core, &told);
            if let Some(record) = self.record.take() {
                record.end(&told);
            }
        }
    }
}
