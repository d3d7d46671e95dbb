"""How much is taken on at once."""

from headwise.admission.admission import Admission, Promise
from headwise.admission.memory import Memory

__all__ = ["Admission", "Memory", "Promise"]
