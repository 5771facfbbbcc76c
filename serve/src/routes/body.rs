//! The body of a request: as much of it as is read, as long as that is waited for.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header;
use tokio::time::timeout;

use crate::api::{Fields, Refusal};
use crate::blocking::blocking;
use crate::options::Limits;

/// Bytes of a body that are read in no time; more of them would hold up others.
const SHORT: usize = 64 << 10;

/// The fields of a request's body.
///
/// # Errors
/// Too large, too slow, broken off, or no JSON object.
pub async fn fields(request: Request, limits: &Limits) -> Result<Fields, Refusal> {
    let (parts, body) = request.into_parts();
    let (most, said) = (limits.body_bytes, parts.headers.get(header::CONTENT_LENGTH));
    let said = said.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if said.is_some_and(|said| said > most) {
        return Err(Refusal::too_large(most));
    }
    let read =
        timeout(limits.body, to_bytes(body, most)).await.map_err(|_| Refusal::too_slow(limits.body))?;
    let bytes = read.map_err(|error| {
        let too_large = std::error::Error::source(&error)
            .is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
        if too_large { Refusal::too_large(most) } else { Refusal::malformed("the body broke off") }
    })?;
    if bytes.len() > SHORT { blocking(move || Fields::parse(&bytes)).await } else { Fields::parse(&bytes) }
}
