//! Reads bodies within a budget of memory: a small pod holds few large ones or many small ones, and a
//! stranger who sends slowly takes no more of it than he announced.

use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::metrics::Rejection;

/// Largest body: WhatsApp sends at most 3 MiB, others less.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;

/// All bodies that are being read or worked on. What is stored is a copy, or two while it is being sent to
/// the database: with those a pod of 256 MiB has room.
const BUDGET: u32 = 64 * 1024 * 1024 / UNIT;

/// One permit, in bytes.
const UNIT: u32 = 4096;

/// What bodies may take.
pub(super) struct Budget(Semaphore);

impl Budget {
    /// All of it is free.
    pub(super) fn new() -> Self {
        Self(Semaphore::new(BUDGET as usize))
    }

    /// Waits for room, then reads the body. The permit is to be kept as long as the body.
    pub(super) async fn read(
        &self,
        request: Request,
    ) -> Result<(Bytes, SemaphorePermit<'_>), Rejection> {
        let size = announced(request.headers())?;
        let permit = self
            .0
            .acquire_many(size.div_ceil(UNIT).max(1))
            .await
            .map_err(|_| Rejection::Overloaded)?; // never closed
        let body =
            Bytes::from_request(request, &())
                .await
                .map_err(|error| match error.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Rejection::TooLarge,
                    _ => Rejection::Incomplete,
                })?;
        Ok((body, permit))
    }
}

/// The size that the sender announced; the largest when he did not.
fn announced(headers: &HeaderMap) -> Result<u32, Rejection> {
    let Some(length) = headers.get(CONTENT_LENGTH) else {
        return Ok(u32::try_from(LARGEST).unwrap_or(u32::MAX));
    };
    let length: Option<usize> = length.to_str().ok().and_then(|text| text.parse().ok());
    match length {
        Some(length) if length <= LARGEST => u32::try_from(length).map_err(|_| Rejection::TooLarge),
        _ => Err(Rejection::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(announced: Option<&str>, body: Vec<u8>) -> Request {
        let mut request = Request::new(Body::from(body));
        if let Some(length) = announced {
            request
                .headers_mut()
                .insert(CONTENT_LENGTH, length.parse().unwrap());
        }
        request
    }

    #[tokio::test]
    async fn a_body_takes_what_it_announced_and_gives_it_back() {
        let budget = Budget::new();
        let all = budget.0.available_permits();
        let (body, permit) = budget
            .read(request(Some("5"), b"hello".to_vec()))
            .await
            .unwrap();
        assert_eq!(
            (&body[..], all - budget.0.available_permits()),
            (&b"hello"[..], 1)
        );
        drop(permit);
        let (_, permit) = budget.read(request(None, b"hello".to_vec())).await.unwrap();
        assert_eq!(all - budget.0.available_permits(), LARGEST / UNIT as usize);
        drop(permit);
        assert_eq!(budget.0.available_permits(), all);
    }

    #[tokio::test]
    async fn too_much_is_refused_before_it_is_read() {
        let budget = Budget::new();
        for length in ["4194305", "99999999999999999999", "-1", "x"] {
            let refused = budget.read(request(Some(length), Vec::new())).await.err();
            assert_eq!(refused, Some(Rejection::TooLarge), "{length}");
        }
    }
}
