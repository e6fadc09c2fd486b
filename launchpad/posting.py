"""Sending a delivery to a webhook: one POST, no redirections, nothing read of what is answered but its status."""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping

from launchpad.core.hooks import Answer


def post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
    """Send a body to an http or https address, within so many seconds; never raises for what the other side does."""
    answers: list[Answer] = []
    # The library's timeout is for each piece: who answers byte by byte would never be done.
    sender = threading.Thread(target=lambda: answers.append(_post(url, body, headers, timeout)), daemon=True)
    sender.start()
    sender.join(timeout)
    return answers[0] if answers else Answer(problem=f"it did not answer within {timeout:g} s")


def _post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")
    try:
        with _opener().open(request, timeout=timeout) as response:
            return Answer(int(response.status))
    except urllib.error.URLError as problem:
        reason = problem.reason
        return Answer(problem=f"it cannot be reached: {getattr(reason, 'strerror', None) or reason}")
    except TimeoutError:
        return Answer(problem=f"it did not answer within {timeout:g} s")
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Answer(problem=f"it broke off: {type(problem).__name__}")


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens http and https, through the proxies of the environment, and hands every answer back as it is."""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler()):
        opener.add_handler(handler)
    return opener
