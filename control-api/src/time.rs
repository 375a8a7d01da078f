//! Times as the API writes them: as the payloads of webhooks do.

pub(crate) use storage::time::rfc3339;
