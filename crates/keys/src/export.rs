//! `vaultyard keys export`: hand shares to people, each share encrypted to one of them.
//!
//! The first share goes to the first recipient, the second to the second, and so on; when there
//! are more shares than recipients the dealing begins again with the first. Nobody may get as many
//! as unseal a server, unless the caller says that this is wanted. No share is ever in the clear.

use age::x25519;
use vaultyard_model::Secret;

use crate::envelope::Keys;

/// One share for one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedShare {
    /// Which share, from 1.
    pub number: usize,
    /// To whom it is encrypted.
    pub recipient: String,
    /// The share (base64, as `unseal` takes it), encrypted and armoured; `age -d` opens it.
    pub armored: String,
}

/// Why shares are not handed out. None is, then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Nobody to give them to.
    #[error("no recipient is given; add --recipient age1... for each person")]
    NoRecipient,
    /// Not a key of age.
    #[error(
        "{recipient:?} is not an age recipient ({why}); it looks like age1... and is what \
         `age-keygen` prints as the public key"
    )]
    Recipient {
        /// What was given.
        recipient: String,
        /// What is wrong with it.
        why: String,
    },
    /// The same person twice.
    #[error("{0} is given twice; one person must not get two people's shares")]
    Twice(String),
    /// More shares than there are, or none.
    #[error("{asked} shares were asked for; 1 to {there} can be handed out")]
    Number {
        /// How many were asked for.
        asked: usize,
        /// How many there are.
        there: usize,
    },
    /// Fewer shares than people.
    #[error("{shares} shares are not enough for {recipients} recipients")]
    MoreRecipients {
        /// How many shares.
        shares: usize,
        /// How many recipients.
        recipients: usize,
    },
    /// Somebody could unseal a server alone.
    #[error(
        "with {shares} shares for {recipients} recipients one of them gets {each}, and {threshold} \
         unseal a server: name more recipients, or allow it with --allow-threshold"
    )]
    Threshold {
        /// How many shares.
        shares: usize,
        /// How many recipients.
        recipients: usize,
        /// How many the first gets.
        each: usize,
        /// How many unseal a server.
        threshold: u8,
    },
    /// The library refused.
    #[error("share {number} cannot be encrypted: {why}")]
    Encrypt {
        /// Which share.
        number: usize,
        /// Why.
        why: String,
    },
}

/// What is handed out.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    /// How many shares, beginning with the first.
    pub shares: usize,
    /// To whom: recipients of age (`age1...`).
    pub recipients: &'a [String],
    /// Whether one person may get as many shares as unseal a server.
    pub allow_threshold: bool,
}

/// Encrypts the first shares to their recipients.
///
/// # Errors
/// [`ExportError`]; nothing was handed out then.
pub fn export(keys: &Keys, export: Export<'_>) -> Result<Vec<ExportedShare>, ExportError> {
    let recipients = check(keys, export)?;
    let dealt = keys.shares.iter().take(export.shares).zip(recipients.iter().cycle());
    (1..).zip(dealt).map(|(number, (share, recipient))| encrypt(number, share, recipient)).collect()
}

fn check(keys: &Keys, export: Export<'_>) -> Result<Vec<x25519::Recipient>, ExportError> {
    let Export { shares, recipients, allow_threshold } = export;
    let (there, threshold) = (keys.shares.len(), keys.header.threshold);
    if recipients.is_empty() {
        return Err(ExportError::NoRecipient);
    }
    if shares == 0 || shares > there {
        return Err(ExportError::Number { asked: shares, there });
    }
    if recipients.len() > shares {
        return Err(ExportError::MoreRecipients { shares, recipients: recipients.len() });
    }
    for (at, recipient) in recipients.iter().enumerate() {
        if recipients[..at].contains(recipient) {
            return Err(ExportError::Twice(recipient.clone()));
        }
    }
    let each = shares.div_ceil(recipients.len());
    if each >= usize::from(threshold) && !allow_threshold {
        let recipients = recipients.len();
        return Err(ExportError::Threshold { shares, recipients, each, threshold });
    }
    let parse = |recipient: &String| {
        recipient.parse::<x25519::Recipient>().map_err(|why| ExportError::Recipient {
            recipient: recipient.clone(),
            why: why.to_owned(),
        })
    };
    recipients.iter().map(parse).collect()
}

fn encrypt(
    number: usize,
    share: &Secret,
    recipient: &x25519::Recipient,
) -> Result<ExportedShare, ExportError> {
    let armored = age::encrypt_and_armor(recipient, share.expose())
        .map_err(|why| ExportError::Encrypt { number, why: why.to_string() })?;
    Ok(ExportedShare { number, recipient: recipient.to_string(), armored })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use vaultyard_model::port::server::KeyKind;
    use vaultyard_model::{ClusterName, Software};
    use vaultyard_testkit::fixed::SeededRandom;

    use super::*;
    use crate::envelope::{Header, Split};
    use crate::record::{Generation, IntentId};

    fn keys() -> Keys {
        let intent = IntentId::random(&SeededRandom::new(1)).unwrap();
        let cluster = ClusterName::new("vault").unwrap();
        let split = Split { kind: KeyKind::Unseal, shares: 5, threshold: 3 };
        let generation = Generation { attempt: 1, intent };
        let header =
            Header::new(&cluster, generation, Timestamp::UNIX_EPOCH, split, Software::OpenBao);
        let shares = (1..=5).map(|n| Secret::from(format!("share {n}"))).collect();
        Keys { header, shares, root_token: Secret::from("s.root".to_owned()) }
    }

    fn people(count: usize) -> Vec<x25519::Identity> {
        (0..count).map(|_| x25519::Identity::generate()).collect()
    }

    fn recipients(people: &[x25519::Identity]) -> Vec<String> {
        people.iter().map(|person| person.to_public().to_string()).collect()
    }

    fn run(shares: usize, recipients: &[String]) -> Result<Vec<ExportedShare>, ExportError> {
        export(&keys(), Export { shares, recipients, allow_threshold: false })
    }

    #[test]
    fn each_share_is_opened_by_its_recipient_alone() {
        let people = people(3);
        let exported = run(5, &recipients(&people)).unwrap();
        for (at, share) in exported.iter().enumerate() {
            assert_eq!(share.number, at + 1);
            let opened = age::decrypt(&people[at % 3], share.armored.as_bytes()).unwrap();
            assert_eq!(opened, format!("share {}", at + 1).into_bytes());
            assert!(age::decrypt(&people[(at + 1) % 3], share.armored.as_bytes()).is_err());
        }
    }

    #[test]
    fn what_cannot_be_handed_out_is_said() {
        let three = recipients(&people(3));
        let threshold = ExportError::Threshold { shares: 5, recipients: 1, each: 5, threshold: 3 };
        assert_eq!(run(5, &three[..1]), Err(threshold));
        assert_eq!(run(6, &three), Err(ExportError::Number { asked: 6, there: 5 }));
        let more = ExportError::MoreRecipients { shares: 2, recipients: 3 };
        assert_eq!(run(2, &three), Err(more));
        assert_eq!(run(1, &[]), Err(ExportError::NoRecipient));
        let twice = [three[0].clone(), three[0].clone()];
        assert_eq!(run(2, &twice), Err(ExportError::Twice(three[0].clone())));
        let wrong = ["age1nonsense".to_owned()];
        assert!(matches!(run(1, &wrong), Err(ExportError::Recipient { .. })));
    }
}
