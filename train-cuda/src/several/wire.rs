//! Calls and answers between processes: a length of four bytes and so many bytes of `postcard`.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socket2::{SockRef, TcpKeepalive};

/// Bytes of a message, at most: a batch is 6 to 10 bytes a token.
const LONGEST: usize = 1 << 30;
/// A machine that was switched off is missed after about half a minute.
const SILENT: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_secs(5);
const ASKED: u32 = 4;

/// Prepares a connection: small messages go at once, and one whose other side is gone ends.
///
/// # Errors
/// The system refuses.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(SILENT).with_interval(ASK_AGAIN).with_retries(ASKED);
    let socket = SockRef::from(stream);
    // What was sent and is not heard of is not asked after, so it has a limit of its own.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(SILENT + ASK_AGAIN * ASKED))?;
    socket.set_tcp_keepalive(&keepalive)
}

/// Sends a message.
///
/// # Errors
/// The other side is gone.
pub fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).ok().filter(|&length| length as usize <= LONGEST);
    let length = length.ok_or_else(|| io::Error::other("the message is too long"))?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(&bytes)?;
    stream.flush()
}

/// Waits for a message.
///
/// # Errors
/// The other side is gone, or says what is no such message.
pub fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(io::Error::other("it sends what is none of our messages"));
    }
    // Not taken before it comes: a length is easily said.
    let mut bytes = Vec::new();
    stream.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes).map_err(|_| io::Error::other("it sends what is none of our messages"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::several::call::Call;
    use train::backend::Rates;
    use train::batch::Batch;

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let mut line = Vec::new();
        let batch = Batch { tokens: vec![1, 300, 70_000], targets: vec![u32::MAX] };
        let call = Call::Step { step: 7, batch, rates: Rates { muon: 0.25, adam: 0.5 } };
        send(&mut line, &call).unwrap();
        send(&mut line, &Call::Look).unwrap();
        let mut line = &*line;
        assert_eq!(format!("{:?}", receive::<Call>(&mut line).unwrap()), format!("{call:?}"));
        assert!(matches!(receive::<Call>(&mut line).unwrap(), Call::Look));
        assert_eq!(receive::<Call>(&mut line).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], &[4, 0, 0, 0, 1], &[1, 0, 0, 0, 250], &[255; 64]] {
            assert!(receive::<Call>(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }
}
