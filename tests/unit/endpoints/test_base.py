"""The registry of endpoint kinds: built-in ones, those of other packages, and faulty ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from persona_collapse.common.errors import UserError
from persona_collapse.endpoints import base
from persona_collapse.plan.code import code_digest, code_of, source_of

Register = Callable[[str], None]

COMPLETE = """
from persona_collapse.answers import conform
from persona_collapse.endpoints.base import Endpoint, EndpointKeys, VariantKeys


class Own(Endpoint):
    def identity(self, unit):
        return {"rating": 3}

    def answer(self, task, settings):
        raise NotImplementedError
"""


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """Yield a function that installs a package with an endpoint kind ``own``."""

    def install(code: str, value: str = "own_endpoint:Own") -> None:
        (tmp_path / "own_endpoint.py").write_text(code, encoding="utf-8")
        info = tmp_path / "own_endpoint-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-endpoint\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[{base.GROUP}]\nown = {value}\n")
        monkeypatch.syspath_prepend(tmp_path)
        base.kinds.cache_clear()
        base._load.cache_clear()
        monkeypatch.delitem(sys.modules, "own_endpoint", raising=False)

    yield install
    base.kinds.cache_clear()


@pytest.mark.parametrize("kind", base.KINDS)
def test_built_in_kinds_are_complete_endpoints(kind: str) -> None:
    found = base.find(kind)
    assert isinstance(found, base.Endpoint)
    assert source_of(base.module_of(kind)).name == f"{kind}.py"


@pytest.mark.parametrize("kind", ["opnai", None, ["openai"]])
def test_unknown_kind_is_refused_with_the_known_kinds(kind: object) -> None:
    with pytest.raises(UserError, match=r"is not one of: .*openai, recorded, simulated"):
        base.find(kind)


def test_entry_point_registers_a_kind_of_another_package(register: Register) -> None:
    register(COMPLETE)
    assert base.find("own").identity(None) == {"rating": 3}  # type: ignore[arg-type]
    before = code_of("answer_shard", modules=[base.module_of("own")])
    path = source_of(base.module_of("own"))
    path.write_text(f"{COMPLETE}\nchanged = True\n", encoding="utf-8")
    code_digest.cache_clear()
    assert code_of("answer_shard", modules=[base.module_of("own")]) != before


@pytest.mark.parametrize("method", base.REQUIRED)
def test_endpoint_without_a_required_method_is_refused(register: Register, method: str) -> None:
    register(COMPLETE.replace(f"def {method}", "def another"))
    with pytest.raises(UserError, match=rf"'own': own_endpoint:Own has no method '{method}'"):
        base.find("own")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("class Own:\n    pass\n", "own_endpoint:Own is no subclass of .*base.Endpoint"),
        ("import nothing_of_this_name\n", "cannot be loaded from own_endpoint:Own: No module"),
        ("class Other:\n    pass\n", "cannot be loaded from own_endpoint:Own: .*'Own'"),
        (
            COMPLETE.replace("    def identity", "    Settings = VariantKeys\n\n    def identity"),
            "own_endpoint:Own.Settings is no subclass of EndpointKeys",
        ),
    ],
)
def test_registered_object_that_is_no_endpoint_is_refused(
    register: Register, code: str, message: str
) -> None:
    register(code)
    with pytest.raises(UserError, match=message):
        base.find("own")
