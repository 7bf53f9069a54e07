"""Values as JSON inside HTML."""

import json
from typing import Any


def embedded(value: Any) -> str:
    """Return a value as JSON that can stand in a ``script`` element whatever its texts say."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
