//! The body of a request, and word of its end: only then is something asked, and the connection one that does not give way. Else nobody
//! would get in while many send heads whose bodies do not come.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Frame, Incoming, SizeHint};

/// See the top of this file.
pub struct Whole<F> {
    body: Incoming,
    ends: F,
}

impl<F: Fn()> Whole<F> {
    /// A body, and what is to be called at its end; at once where there is none.
    pub fn new(body: Incoming, ends: F) -> Whole<F> {
        if body.is_end_stream() {
            ends();
        }
        Whole { body, ends }
    }
}

impl<F: Fn() + Unpin> Body for Whole<F> {
    type Data = <Incoming as Body>::Data;
    type Error = <Incoming as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(task));
        if frame.is_none() || self.body.is_end_stream() {
            (self.ends)();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
