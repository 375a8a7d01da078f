//! The faults of a body's fields, collected: callers hear of all of them at once.

use std::fmt::Display;

use utoipa::IntoResponses;

use crate::problem::{CONTENT_TYPE, Error, FieldError, Problem};

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FieldError>);

/// How faulty fields are refused, for the descriptions of the endpoints that check several.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described: what is sent is an Error")]
pub(crate) enum Refusals {
    /// Fields whose values are not acceptable, all of them in `errors` (code `invalid_fields`).
    #[response(status = 422, content_type = CONTENT_TYPE)]
    Unprocessable(Problem),
}

impl Faults {
    /// The value of a field that must be there.
    pub(crate) fn required<T, U, E: Display>(
        &mut self,
        field: &str,
        value: Option<T>,
        check: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        if value.is_none() {
            self.found(field, "is missing");
        }
        self.optional(field, value, check)
    }

    /// The value of a field that may be there.
    pub(crate) fn optional<T, U, E: Display>(
        &mut self,
        field: &str,
        value: Option<T>,
        check: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        match value.map(check)? {
            Ok(value) => Some(value),
            Err(error) => {
                self.found(field, error);
                None
            }
        }
    }

    /// Notes a fault that was found elsewhere.
    pub(crate) fn found(&mut self, field: &str, detail: impl Display) {
        self.0.push(FieldError::new(field, detail));
    }

    /// An error where there was any fault.
    pub(crate) fn end(self) -> Result<(), Error> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Error::InvalidFields(self.0)),
        }
    }
}

/// The value of a body's only field that can be faulty.
pub(crate) fn only<T, E: Display>(field: &str, value: Result<T, E>) -> Result<T, Error> {
    value.map_err(|error| Error::InvalidFields(vec![FieldError::new(field, error)]))
}
