//! What is written into a certificate before it is signed. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber,
};
use vaultyard_model::DnsName;
use vaultyard_model::port::clock::Random;

use crate::wanted::{Usage, Wanted};

/// How far clocks may differ: a certificate is valid from this long before its issue.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// How long before its issue a certificate of this lifetime begins. A tenth of a short lifetime,
/// so that a fresh certificate is never already due.
pub(crate) fn backdating(lifetime: Duration) -> Duration {
    CLOCK_SKEW.min(lifetime / 10)
}

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Validity {
    /// For `lifetime` from `now`, but never beyond `end`, the issuer's own.
    pub(crate) fn new(now: Timestamp, lifetime: Duration, end: Timestamp) -> Self {
        let not_before = now.checked_sub(signed(backdating(lifetime))).unwrap_or(Timestamp::MIN);
        let not_after = now.checked_add(signed(lifetime)).unwrap_or(Timestamp::MAX);
        Self { not_before, not_after: not_after.min(end) }
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// 128 random bits, which RFC 5280 allows (section 4.1.2.2: positive, at most 20 bytes).
pub(crate) fn serial(random: &dyn Random) -> Result<SerialNumber, String> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    Ok(SerialNumber::from(bytes.to_vec()))
}

/// A certificate authority under which at most `below` further ones may stand, and which signs
/// for `usage` only where one is given.
pub(crate) fn authority(
    common_name: &str,
    below: u8,
    usage: Option<Usage>,
    validity: Validity,
    serial: SerialNumber,
) -> CertificateParams {
    let mut params = common(common_name, validity, serial);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = usage.map(purpose).into_iter().collect();
    params
}

/// A leaf. Key agreement and encryption are not among the usages: the key of TLS 1.3, and of the
/// ECDHE suites of TLS 1.2, only signs.
pub(crate) fn leaf(
    wanted: &Wanted,
    validity: Validity,
    serial: SerialNumber,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = common(&wanted.common_name, validity, serial);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose(wanted.usage)];
    // Each once, as `Wanted::sans` has them: a leaf that names one twice would differ from what is
    // wanted, and be issued anew for ever.
    let names: BTreeSet<&str> = wanted.dns_names.iter().map(DnsName::as_str).collect();
    for name in names {
        params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
    }
    let addresses: BTreeSet<IpAddr> = wanted.addresses.iter().copied().collect();
    params.subject_alt_names.extend(addresses.into_iter().map(SanType::IpAddress));
    Ok(params)
}

fn common(common_name: &str, validity: Validity, serial: SerialNumber) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Vaultyard");
    params.distinguished_name.push(DnType::CommonName, common_name);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(validity.not_before);
    params.not_after = epoch + since_epoch(validity.not_after);
    params.serial_number = Some(serial);
    params.use_authority_key_identifier_extension = true;
    params
}

/// Whole seconds: certificates keep no fractions. A clock before 1970 counts as 1970.
fn since_epoch(moment: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(moment.as_second()).unwrap_or(0))
}

fn purpose(usage: Usage) -> ExtendedKeyUsagePurpose {
    match usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_begins_before_its_issue_and_ends_with_its_issuer() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let hour = SignedDuration::from_hours(1);
        let validity = Validity::new(now, Duration::from_secs(7_200), now + hour);
        assert_eq!(validity.not_before, now - SignedDuration::from_mins(5));
        assert_eq!(validity.not_after, now + hour);
    }

    #[test]
    fn a_short_lifetime_is_not_due_when_it_begins() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for seconds in [2, 30, 600, 86_400] {
            let validity = Validity::new(now, Duration::from_secs(seconds), Timestamp::MAX);
            let at = crate::renew::renewal(validity.not_before, validity.not_after);
            assert!(at > now, "{seconds}");
        }
    }

    #[test]
    fn no_moment_and_no_lifetime_overflows() {
        for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            let validity = Validity::new(now, Duration::MAX, Timestamp::MAX);
            let _ = common("x", validity, SerialNumber::from(1));
        }
    }
}
