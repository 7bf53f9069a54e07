"""Fixtures of the golden tests."""

from __future__ import annotations

import os
import secrets
import socket

import pytest


@pytest.fixture
def known_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process a fixed name."""
    monkeypatch.setattr(socket, "gethostname", lambda: "host.example.org")
    monkeypatch.setattr(os, "getpid", lambda: 77)
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0badcafe")
