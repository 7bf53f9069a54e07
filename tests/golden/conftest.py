"""What the golden tests share."""

from __future__ import annotations

import os
import secrets
import socket

import pytest


@pytest.fixture
def known_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process a name that can be written down."""
    monkeypatch.setattr(socket, "gethostname", lambda: "host.example.org")
    monkeypatch.setattr(os, "getpid", lambda: 77)
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0badcafe")
