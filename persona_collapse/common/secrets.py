"""Recognise what looks like a credential, so that no file, message or address repeats it."""

import re

# Prefixes of services' keys, then a text that is no plain word; or one long run of letters and
# digits.
SERVICE_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:sk|pk|rk|gsk|xai|hf|r8|nvapi|pplx|ghp|glpat|tgp|fw)[-_]|AIza|AKIA|ya29\.|"
    r"eyJ)(?=[a-z._-]*[A-Z0-9])[A-Za-z0-9._-]{12,}"
)
LONG_RUN = re.compile(r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{24,}")
PASSWORD = re.compile(r"(?<=//)[^/\s@]*@|[^/\s:@\"]+:[^/\s@\"]+@")
NAMES = re.compile(
    r"key|token(?!s)|secret|passw|pwd|auth|bearer|credential|signature|^sig$|^code$", re.IGNORECASE
)
HIDDEN = "[hidden]"


def is_service_key(text: str) -> bool:
    """Return whether a text holds a key in the form of a known service."""
    return bool(SERVICE_KEY.search(text))


def is_like_key(text: str) -> bool:
    """Return whether a text holds what may be a key: one of a known form, or a long random run."""
    return is_service_key(text) or bool(LONG_RUN.search(text))


def is_credential(name: str, value: str) -> bool:
    """Return whether a named value, such as a parameter of an address, is a credential."""
    return bool(value) and (bool(NAMES.search(name)) or is_like_key(value))


def masked(text: str) -> str:
    """Return a text without keys of known forms, passwords of addresses and long random runs."""
    for pattern in (PASSWORD, SERVICE_KEY, LONG_RUN):
        text = pattern.sub(HIDDEN, text)
    return text
