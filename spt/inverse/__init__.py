"""What the original can be, given only x' = T_gamma x and gamma in Gamma: bounds of every pixel of x.

Derivation: docs/mathematics.md, section 15.

Policy: no x in [0, 1] and gamma in Gamma that produce x' are ever outside the result, with zero tolerance; what floating
point could lose is added (the proofs are in `spt.inverse.constraints` and `spt.inverse.result`).
"""

from spt.inverse.refinement import invert, refine
from spt.inverse.result import Contradiction, Inverse
from spt.inverse.trace import Trace, trace

__all__ = ["Contradiction", "Inverse", "Trace", "invert", "refine", "trace"]
