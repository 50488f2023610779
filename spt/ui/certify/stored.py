"""The certificate of the page's default settings, computed beforehand."""

import json

from spt.certificates import CellsCertificate
from spt.classifiers import Classifier
from spt.ui.certify.request import CertifyRequest
from spt.ui.shared import stored_results
from spt.ui.shared.session import Key

NAME = "certify"


def as_text(key: Key, classifier: Classifier, certificate: CellsCertificate) -> str:
    """A certificate as the text of the file."""
    return stored_results.as_text(key, classifier, json.loads(certificate.to_json()))


def find(request: CertifyRequest) -> CellsCertificate | None:
    """The stored certificate of exactly this request, if what it says follows from its evidence; None if there is none."""
    content = stored_results.find(NAME, request.key, request.classifier)
    if content is None:
        return None
    try:
        certificate = CellsCertificate.from_json(json.dumps(content))
    except ValueError:
        return None
    about = (certificate.classifier_fingerprint, certificate.image_sha256)
    mine = about == (request.classifier.fingerprint, request.subject.sha256)
    return certificate if mine and certificate.complete and certificate.verify() else None
