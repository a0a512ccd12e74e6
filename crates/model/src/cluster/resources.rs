//! What the container of a server is given on Kubernetes.

use std::fmt;

/// Requests and limits of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// What a node keeps for it.
    pub requests: Requests,
    /// What it may take at most; nothing here is below the request.
    pub limits: Limits,
}

/// What a node keeps for one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests {
    /// Its share of the processors.
    pub cpu: Cpu,
    /// In bytes.
    pub memory: u64,
}

/// What one server may take at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Its share of the processors; without one it takes what is free.
    pub cpu: Option<Cpu>,
    /// In bytes. Kubernetes ends a server that takes more.
    pub memory: u64,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            requests: Requests { cpu: Cpu(100), memory: 256 << 20 },
            limits: Limits { cpu: None, memory: 1 << 30 },
        }
    }
}

/// An amount of processing, in thousandths of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(u32);

impl Cpu {
    /// Reads Kubernetes' quantities of processing: `500m`, `2` or `0.5`. Kubernetes itself knows no
    /// smaller part than a thousandth.
    pub fn new(text: &str) -> Option<Self> {
        let whole = |digits: &str| {
            let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            number.then(|| digits.parse::<u32>().ok()).flatten()
        };
        if let Some(thousandths) = text.strip_suffix('m') {
            return whole(thousandths).map(Self);
        }
        let (processors, part) = match text.split_once('.') {
            Some((processors, part)) if (1..=3).contains(&part.len()) => {
                (processors, whole(&format!("{part:0<3}"))?)
            }
            Some(_) => return None,
            None => (text, 0),
        };
        whole(processors)?.checked_mul(1000)?.checked_add(part).map(Self)
    }

    /// The amount in thousandths of a processor.
    pub fn thousandths(self) -> u32 {
        self.0
    }
}

/// As Kubernetes shows it, so that what is written and what is read back are the same text.
impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 1000, self.0 % 1000) {
            (processors, 0) => write!(f, "{processors}"),
            _ => write!(f, "{}m", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processing_is_read_and_shown_as_kubernetes_does() {
        for (text, shown) in [
            ("100m", "100m"),
            ("2", "2"),
            ("2000m", "2"),
            ("0.5", "500m"),
            ("1.25", "1250m"),
            ("0.001", "1m"),
            ("0", "0"),
        ] {
            assert_eq!(Cpu::new(text).map(|cpu| cpu.to_string()).as_deref(), Some(shown), "{text}");
        }
        for wrong in ["", "m", "-1", "+1", "1.", ".5", "0.0005", "1.5m", "1e3", "2Gi", "5000000"] {
            assert_eq!(Cpu::new(wrong), None, "{wrong}");
        }
    }
}
