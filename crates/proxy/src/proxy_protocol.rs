//! The PROXY protocol, versions 1 and 2: a load balancer's word on who the client is.

use std::io;
use std::net::IpAddr;

use ppp::{HeaderResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How version 2 begins; version 1 is longer than this too.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its end, in bytes.
const LONGEST_LINE: usize = 107;
/// The longest header of version 2 that is read, in bytes.
const LONGEST_BLOCK: usize = 4 << 10;

/// Reads the header, and not a byte more. `None` when it names nobody (a health check of the load
/// balancer itself).
///
/// # Errors
/// The connection's, and [`io::ErrorKind::InvalidData`] for what is no header.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header == SIGNATURE {
        read_block(stream, &mut header).await?;
    } else {
        read_line(stream, &mut header).await?;
    }
    match HeaderResult::parse(&header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(pair) => Some(pair.source_address.into()),
            v1::Addresses::Tcp6(pair) => Some(pair.source_address.into()),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Local => Ok(None),
        HeaderResult::V2(Ok(header)) => Ok(match header.addresses {
            v2::Addresses::IPv4(pair) => Some(pair.source_address.into()),
            v2::Addresses::IPv6(pair) => Some(pair.source_address.into()),
            v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
        }),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Err(malformed()),
    }
}

async fn read_block(stream: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = [0; 4];
    stream.read_exact(&mut rest).await?;
    into.extend_from_slice(&rest);
    let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
    if length > LONGEST_BLOCK {
        return Err(malformed());
    }
    let begin = into.len();
    into.resize(begin + length, 0);
    stream.read_exact(&mut into[begin..]).await?;
    Ok(())
}

/// Byte by byte: what comes behind the line is TLS, and not ours to take.
async fn read_line(stream: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> io::Result<()> {
    while !into.ends_with(b"\r\n") {
        if into.len() == LONGEST_LINE || !into.starts_with(b"PROXY ") {
            return Err(malformed());
        }
        into.push(stream.read_u8().await?);
    }
    Ok(())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a PROXY protocol header")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(sent: &[u8], client: Option<&str>) {
        let bytes = [sent, b"TLS"].concat();
        let mut stream = &bytes[..];
        let found = read(&mut stream).await.unwrap();
        assert_eq!(found, client.map(|text| text.parse().unwrap()));
        assert_eq!(stream, b"TLS");
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_nothing_else_is_read() {
        check(b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n", Some("1.2.3.4")).await;
        check(b"PROXY TCP6 ::1 ::2 1000 443\r\n", Some("::1")).await;
        check(b"PROXY UNKNOWN\r\n", None).await;
        let proxied = b"\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x03\xe8\x01\xbb";
        check(&[&SIGNATURE[..], &proxied[..]].concat(), Some("1.2.3.4")).await;
        check(&[&SIGNATURE[..], &b"\x20\x00\x00\x00"[..]].concat(), None).await;
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        for wrong in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00"[..], b"PROXY TCP4 x\r\n"]
        {
            assert!(read(&mut &*wrong).await.is_err());
        }
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        assert!(read(&mut &*endless).await.is_err());
    }
}
