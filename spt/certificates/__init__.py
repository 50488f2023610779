"""What a run found, with its whole evidence, and how its numbers are shown.

Plain values throughout, so that they print, compare, go to JSON and back, and can be checked by others: `verify`
recomputes every conclusion from the counts.
"""

from spt.certificates.base_spt import HEURISTIC_NOTE, Certificate, Prediction, VoteEvidence
from spt.certificates.cells import CellsCertificate, SettledCell
from spt.certificates.error_level import DistributionErrorLevel, ErrorLevel, ImageErrorLevel, ReceivedErrorLevel
from spt.certificates.individual_cells import IndividualCellsCertificate
from spt.certificates.nested_prediction import NestedPrediction
from spt.certificates.one_error import OneErrorCertificate
from spt.certificates.per_sample import DistCertificate, IndividualCertificate
from spt.certificates.rounding import confidence, given, quantity, rounded_down, rounded_up

__all__ = [
    "HEURISTIC_NOTE",
    "CellsCertificate",
    "Certificate",
    "DistCertificate",
    "DistributionErrorLevel",
    "ErrorLevel",
    "ImageErrorLevel",
    "IndividualCellsCertificate",
    "IndividualCertificate",
    "NestedPrediction",
    "OneErrorCertificate",
    "Prediction",
    "ReceivedErrorLevel",
    "SettledCell",
    "VoteEvidence",
    "confidence",
    "given",
    "quantity",
    "rounded_down",
    "rounded_up",
]
