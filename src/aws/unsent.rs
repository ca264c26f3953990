//! Proof that a request was never sent. A write without an answer may have happened; a write that
//! failed for want of credentials has not, and the SDK's errors do not tell the two apart.

use std::error::Error;
use std::{fmt, mem};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// What went wrong before a request could be sent.
#[derive(Debug)]
pub(super) struct Unsent(BoxError);

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was not sent")
    }
}

impl Error for Unsent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}

/// Sees whether an operation comes as far as its transmission, and wraps its error in [`Unsent`] if
/// it does not: no credentials, no endpoint, no signature, or no time left for them.
#[derive(Debug)]
pub(super) struct Witness;

/// An attempt of this operation has begun its transmission.
#[derive(Debug)]
struct Transmitting;

impl Storable for Transmitting {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Witness {
    fn name(&self) -> &'static str {
        "Witness"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Transmitting);
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if config.load::<Transmitting>().is_none()
            && let Some(Err(error)) = context.output_or_error_mut()
        {
            let cause = mem::replace(error, OrchestratorError::other("replaced below"));
            *error = OrchestratorError::connector(ConnectorError::user(Box::new(Unsent(cause.into()))));
        }
        Ok(())
    }
}
