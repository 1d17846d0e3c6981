//! What every operation can reach.

/// What every operation can reach; cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiState;

impl ApiState {
    pub(crate) fn document(&self) -> utoipa::openapi::OpenApi {
        super::openapi()
    }
}
