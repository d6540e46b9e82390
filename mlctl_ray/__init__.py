"""mlctl-ray: does label-aware multi-level contrastive learning improve zero-shot transfer?"""

from __future__ import annotations

__version__ = "0.1.0"
