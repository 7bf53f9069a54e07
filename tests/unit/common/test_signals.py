"""Signals that end a process become an exception."""

from __future__ import annotations

import signal

import pytest

from persona_collapse.common.signals import StoppedError, stoppable


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_its_name_inside_and_is_handled_as_before_afterwards(
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)
    with stoppable(), pytest.raises(StoppedError, match=number.name):
        signal.raise_signal(number)
    assert signal.getsignal(number) is before
