//! The keys of `[[trunk]]` about whom it is believed when calls from outside say who calls: `identity_roots`, `identity_certificates`.

use std::sync::Arc;

use carillon_sip::io::verifier::Certificates;
use carillon_sip::passport::is_certificate_url;
use carillon_sip::verification::Verify;

use crate::reader::{Document, Section};

/// Most entries of `identity_certificates`.
const CERTIFICATES_MAX: usize = 1_000;

/// Reads whom it is believed; `None` where nobody is.
pub(crate) fn verification(document: &Document<'_>, section: &mut Section<'_>) -> Option<Arc<dyn Verify>> {
    let roots = section.text("identity_roots");
    let written = section.texts("identity_certificates", false);
    let Some(roots) = roots else {
        if section.has("identity_certificates") {
            document.problem(&section.place("identity_certificates"), "needs identity_roots");
        }
        return None;
    };
    let file = document.path(&roots.value);
    let mut certificates = match Certificates::of_roots(&file) {
        Ok(certificates) => certificates,
        Err(error) => {
            document.problem(&roots.place, format!("{} {error}", file.display()));
            return None;
        }
    };
    let Some(written) = written.filter(|written| !written.value.is_empty()) else {
        let message = "missing; identity_roots needs it: \"ADDRESS FILE\" for each certificate";
        document.problem(&section.place("identity_certificates"), message);
        return None;
    };
    if written.value.len() > CERTIFICATES_MAX {
        document.problem(&written.place, format!("must name at most {CERTIFICATES_MAX} certificates"));
    }
    for line in written.value.iter().take(CERTIFICATES_MAX) {
        let Some((url, file)) = line.value.split_once(' ').filter(|(url, _)| is_certificate_url(url)) else {
            let message = "must be lines like \"https://cert.example/shaken.pem shaken.pem\"";
            document.problem(&line.place, message);
            continue;
        };
        let file = document.path(file.trim());
        if let Err(error) = certificates.add(url, &file) {
            document.problem(&line.place, format!("{} {error}", file.display()));
        }
    }
    Some(Arc::new(certificates))
}
