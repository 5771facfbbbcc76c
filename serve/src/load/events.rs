//! Server-sent events out of the bytes that come, in whatever pieces these come.

/// Most bytes of one line: more than any answer holds.
const LINE_BYTES_MAX: usize = 16 << 20;

/// What has come of a line that is not yet at its end.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
}

impl Events {
    /// Takes bytes and hands on the data of each event that they complete, one line each as all servers of this API send it; comments
    /// and other fields are left out. Says what is wrong with a line that has no end.
    pub fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) -> Result<(), String> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.line.len() + part.len() > LINE_BYTES_MAX {
                return Err(format!("a line of more than {} MiB came", LINE_BYTES_MAX >> 20));
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&self.line);
                if let Some(data) = line.trim_end_matches(['\r', '\n']).strip_prefix("data:") {
                    each(data.strip_prefix(' ').unwrap_or(data));
                }
                self.line.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_their_bytes_come() {
        let stream = ": waiting\n\ndata: {\"a\": \"\u{e9}\"}\r\n\r\nevent: x\ndata:two\n\ndata: [DONE]\n\ndata: not yet".as_bytes();
        for size in 1..=stream.len() {
            let (mut events, mut found) = (Events::default(), Vec::new());
            for piece in stream.chunks(size) {
                events.take(piece, |data| found.push(data.to_owned())).unwrap();
            }
            assert_eq!(found, ["{\"a\": \"\u{e9}\"}", "two", "[DONE]"], "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let (mut events, piece) = (Events::default(), vec![b'x'; 1 << 20]);
        let taken = (0..).map(|_| events.take(&piece, |_| {})).take_while(Result::is_ok).count();
        assert_eq!(taken, LINE_BYTES_MAX >> 20);
    }
}
