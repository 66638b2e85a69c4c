//! Certificates for the tests of TLS.

use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use stationmaster_sockets::ServerCertificate;

/// A certificate that has issued itself, with its key.
pub struct Made {
    pub certificate: X509,
    pub key: PKey<Private>,
}

/// Make one for a DNS name.
pub fn made(name: &str) -> Made {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut number = BigNum::new().unwrap();
    number.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_serial_number(&number.to_asn1_integer().unwrap()).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    let names = SubjectAlternativeName::new().dns(name).build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    Made { certificate: builder.build(), key }
}

/// Write its two files. name: theirs, different in each test.
pub fn write(name: &str, made: &Made) -> ServerCertificate {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = |end: &str, content: Vec<u8>| {
        let path = Path::new(&directory).join(format!("{name}.{end}"));
        std::fs::write(&path, content).unwrap();
        path
    };
    ServerCertificate {
        chain: file("pem", made.certificate.to_pem().unwrap()),
        key: file("key", made.key.private_key_to_pem_pkcs8().unwrap()),
    }
}
