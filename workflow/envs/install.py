"""Make a virtual environment of pinned packages: python3 install.py FOLDER LOCK.

It says what it does and how far it is: on one line in a terminal, as two lines elsewhere. A failed
or interrupted installation leaves no folder that looks complete. Only the standard library is used,
and syntax that old versions of Python can read, so that they get the message about their version.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

MARK = "installed"  # the file that make looks at: it is there where all packages are
OLDEST = (3, 11)
OFFLINE = re.compile(
    r"NewConnectionError|ConnectTimeoutError|NameResolutionError|Max retries exceeded"
    r"|ProxyError|SSLError|ReadTimeoutError|Network is unreachable"
)
INTERRUPTED = "Interrupted."
PIP = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "2")


class Line:
    """A line that a terminal shows anew; elsewhere it is written when it is complete."""

    def __init__(self, text):
        self.text, self.begin, self.state = text, time.monotonic(), ""
        self.live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.repeat)
        if self.live:
            self.thread.start()
        else:
            print(text + " ...", flush=True)

    def repeat(self):
        """Show the state every half second."""
        while not self.over.wait(0.5):
            self.write(self.state)

    def write(self, state):
        """Show the line with a state, cut to the width of the terminal."""
        seconds = f"{time.monotonic() - self.begin:.0f} s"
        parts = [self.text + " ...", state, seconds]
        text = " ".join(part for part in parts if part)
        columns = shutil.get_terminal_size().columns
        sys.stdout.write("\r\033[K" + text[: columns - 1])
        sys.stdout.flush()

    def end(self, state=""):
        """Show the line for the last time."""
        self.over.set()
        if self.live:
            self.thread.join()
            self.write(state)
            print(flush=True)
        else:
            print(f"{state or 'Done in'} {time.monotonic() - self.begin:.0f} s")


def main(folder, lock):
    """Install the packages of a lock file into a folder; return the exit status."""
    if sys.version_info < OLDEST:
        version = ".".join(map(str, OLDEST))
        print(f"Python {version} or newer is needed; give one with make PYTHON=python3.12")
        return 1
    packages = re.findall(r"^\w", Path(lock).read_text(encoding="utf-8"), re.MULTILINE)
    mark = Path(folder, MARK)
    fresh = not mark.exists()
    log = Path(tempfile.gettempdir(), f"persona-collapse-install-{os.getpid()}.log")
    line = Line(f"Installing {len(packages)} packages into {folder}")
    try:
        if not fresh:
            mark.unlink()  # until it is complete again
        failed = install(folder, lock, len(packages), line, log)
    except KeyboardInterrupt:
        failed = INTERRUPTED
    except BaseException:
        line.end("failed after")
        raise
    line.end("failed after" if failed else "")
    if not failed:
        mark.touch()
        log.unlink()
        return 0
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    state = "Nothing is installed." if fresh else f"{folder} is not complete."
    print(f"{failed} {state} Run the same command again.")
    return 130 if failed == INTERRUPTED else 1


def install(folder, lock, count, line, log):
    """Make the environment and install into it; return what failed, or None."""
    with log.open("w", encoding="utf-8") as file:
        venv = [sys.executable, "-m", "venv", folder]
        if subprocess.run(venv, stdout=file, stderr=subprocess.STDOUT).returncode:
            return (
                "Python's module venv failed: on Debian and Ubuntu install the package "
                f"python3-venv. Its messages: {log}."
            )
        pip = [str(Path(folder, "bin", "python")), "-m", "pip", "install", *PIP, "-r", lock]
        pip = subprocess.Popen(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            said = follow(pip.stdout, file, count, line)
            status = pip.wait()
        except BaseException:
            pip.kill()
            pip.wait()
            raise
    if status == 0:
        return None
    if OFFLINE.search("".join(said)):
        return (
            "The package index cannot be reached: is this machine online? Behind a proxy set "
            "HTTPS_PROXY; another index: PIP_INDEX_URL."
        )
    errors = [text.strip() for text in said if text.startswith("ERROR")]
    return f"pip failed: {errors[-1] if errors else 'see its log'}. Its messages: {log}."


def follow(texts, file, count, line):
    """Copy pip's messages to a file, show by them how far it is, and return them."""
    said, fetched = [], 0
    for text in texts:
        file.write(text)
        said.append(text)
        if text.startswith(("Collecting ", "Requirement already satisfied")):
            fetched += 1
            line.state = f"{min(fetched, count)} of {count} fetched"
        elif text.startswith("Installing collected"):
            line.state = "writing files"
    return said


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
