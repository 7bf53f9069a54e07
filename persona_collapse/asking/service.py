"""A server's files and its lists, by the ``openai`` package without its retries."""

import json
import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any, ClassVar, TypeVar

import httpx2
import openai

from persona_collapse.asking.connection import CONNECT_S, api_options, http_options, isolate
from persona_collapse.asking.journal import RefusedError, ThrottledError, UnansweredError
from persona_collapse.asking.keys import redacted
from persona_collapse.asking.limits import requested_wait
from persona_collapse.asking.response import OUT_OF_MONEY
from persona_collapse.common.network import answered, unreachable, web_page

PAGE = 100
MOST_PAGES = 1000
LONGEST_TEXT = 500
T = TypeVar("T")


class Service:
    """A server with OpenAI's ``/files``; subclasses add what works on files of their ``purpose``.

    ``find_key`` is called before the first request; it returns None where no key is needed. Every
    method may raise ``RefusedError`` or ``UnansweredError``.
    """

    purpose: ClassVar[Any]

    def __init__(self, base_url: str, find_key: Callable[[], str | None], timeout_s: float) -> None:
        self._base_url, self._find_key, self._timeout_s = base_url, find_key, timeout_s
        self._key: str | None = None
        self._proxy: str | None = None

    @cached_property
    def _api(self) -> openai.OpenAI:
        self._key = self._find_key()
        timeout = httpx2.Timeout(self._timeout_s, connect=CONNECT_S)
        options = http_options(self._base_url)
        self._proxy = options["proxy"]
        http = openai.DefaultHttpxClient(
            timeout=timeout, event_hooks={"response": [_require_json]}, **options
        )
        api = openai.OpenAI(
            **api_options(self._base_url, self._key), timeout=timeout, http_client=http
        )
        isolate(api)
        return api

    def close(self) -> None:
        """Close the connections."""
        if "_api" in self.__dict__:
            self._api.close()

    def answers(self) -> bool:
        """Return whether the server answers one request, be it with a refusal."""
        try:
            self._call(partial(self._api.files.list, limit=1))
        except (RefusedError, ThrottledError):
            return True
        except UnansweredError:
            return False
        return True

    def find_file(self, name: str, size: int) -> str | None:
        """Look up a file by its size and its name, which holds the digest of its content."""
        for page in self._pages(self._api.files.list, purpose=self.purpose):
            for file in page:
                wrong = getattr(file, "status", None) == "error"
                if file.filename == name and file.bytes == size and not wrong:
                    return str(file.id)
        return None

    def has_file(self, file: str) -> bool:
        """Return whether a file exists; raise ``RefusedError`` for one that the server rejected."""
        try:
            found = self._call(lambda: self._api.files.retrieve(file))
        except RefusedError as fault:
            if fault.status == 404:
                return False
            raise
        if found.status == "error":
            raise RefusedError(
                200, "invalid_file", self._text(found.status_details) or "no reason given"
            )
        return True

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file of lines of JSON; return its id."""
        part = (name, content, "application/jsonl")
        create = partial(self._api.files.create, file=part, purpose=self.purpose)
        return self._id(self._call(create))

    def _pages(self, entries_of: Callable[..., Any], *of: str, **given: str) -> Iterator[list[Any]]:
        after: str | openai.Omit = openai.omit
        for _ in range(MOST_PAGES):
            page = self._call(partial(entries_of, *of, limit=PAGE, after=after, **given))
            entries = page.data if isinstance(page.data, list) else []
            yield entries
            if not getattr(page, "has_more", False) or not entries:
                return
            after = str(entries[-1].id)

    def _call(self, ask: Callable[[], T]) -> T:
        """Make one request; raise ``RefusedError`` or ``UnansweredError`` if it fails."""
        try:
            return ask()
        except openai.APIStatusError as fault:
            raise self._error(fault) from None
        except UnansweredError as fault:
            raise UnansweredError(self._text(str(fault)) or "") from None
        except (openai.OpenAIError, httpx2.HTTPError, json.JSONDecodeError) as fault:
            why = unreachable(fault, self._base_url, self._proxy, CONNECT_S)
            if why is None and isinstance(fault, openai.APITimeoutError):
                why = f"no complete answer within {self._timeout_s:g} s"
            raise UnansweredError(self._text(why or str(fault)) or type(fault).__name__) from None

    def _error(self, fault: openai.APIStatusError) -> Exception:
        code = str(fault.code or fault.type or "")
        body = fault.body if isinstance(fault.body, dict) else {}
        what = web_page(fault.response.content)
        said = f"it answered with {what}" if what else str(body.get("message") or fault.message)
        text = self._text(said) or "no reason given"
        wait = requested_wait(fault.response.headers, time.time())
        if any(word in (code, fault.type) for word in OUT_OF_MONEY):
            return RefusedError(fault.status_code, "insufficient_quota", text)
        if fault.status_code == 429:
            return ThrottledError(text, wait)
        if fault.status_code >= 500 or fault.status_code in (408, 409, 425):
            return UnansweredError(f"{answered(fault.status_code)}: {text}", wait)
        return RefusedError(fault.status_code, code, text)

    def _id(self, made: Any) -> str:
        found = getattr(made, "id", None)
        if not isinstance(found, str) or not found:
            raise UnansweredError("the reply holds no id")
        return found

    def _text(self, text: str | None) -> str | None:
        return redacted(" ".join(text.split()), self._key)[:LONGEST_TEXT] if text else None


def _require_json(response: httpx2.Response) -> None:
    """Refuse an answer that is no JSON, which the client would hand on as a text.

    The content of a file may be of any kind but a web page.
    """
    kind = response.headers.get("content-type", "").partition(";")[0]
    is_file = response.request.url.path.endswith("/content") and kind != "text/html"
    if response.is_success and not kind.endswith("json") and not is_file:
        content = response.read()
        what = web_page(content)
        # More than is shown: a key in it is removed before it is cut.
        text = "" if what else f": {content[: 10 * LONGEST_TEXT].decode('utf-8', 'replace')}"
        raise UnansweredError(f"it answered with {what or 'a text'} instead of JSON{text}")
