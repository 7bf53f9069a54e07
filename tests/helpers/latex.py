"""Compile documents with LaTeX where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PREAMBLE = r"""\documentclass{article}
\usepackage[textwidth=469pt,textheight=700pt]{geometry}
\usepackage{booktabs,adjustbox}
\begin{document}
"""


def _is_installed() -> bool:
    if shutil.which("pdflatex") is None:
        return False
    return subprocess.run(["kpsewhich", "adjustbox.sty"], capture_output=True).returncode == 0


NEEDS_LATEX = pytest.mark.skipif(not _is_installed(), reason="LaTeX or adjustbox is not installed")


def compiled(folder: Path, body: str) -> str:
    """Compile a document with this body and return its log."""
    path = folder / "paper.tex"
    path.write_text(f"{PREAMBLE}{body}\n\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    log = (folder / "paper.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-1500:]
    return log
