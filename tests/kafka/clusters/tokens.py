"""The token endpoint of the tests: gives bearer tokens, and AWS credentials as a container gets them."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs

AUDIENCE = "kafka"
SECONDS = 20.0  # for which a bearer token is good: shorter than a test, so that each sees it renewed
SESSION = timedelta(minutes=20)  # for which AWS credentials are good


class Endpoint:
    """Answers on a port of the loopback address. `clients`: who may have a token, by which secret."""

    def __init__(self, signing_key: Path, clients: dict[str, str], aws: tuple[str, str], *, seconds: float = SECONDS):
        self.clients = clients
        self.seconds = seconds
        self.works = True  # it may be broken meanwhile
        self.given: Counter[str] = Counter()  # by path
        self._key = signing_key
        self._aws = aws
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def token_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/token"

    @property
    def credentials_url(self) -> str:
        """What `AWS_CONTAINER_CREDENTIALS_FULL_URI` is to be."""
        return f"http://127.0.0.1:{self._server.server_port}/credentials"

    def token(self, subject: str, *, seconds: float | None = None, issued: float | None = None) -> str:
        """Return a signed token. `issued`: seconds since 1970, None for now."""
        now = time.time() if issued is None else issued
        good = self.seconds if seconds is None else seconds
        claims = {"sub": subject, "aud": AUDIENCE, "iss": "tests", "iat": int(now), "exp": int(now + good)}
        text = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "tests"}, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self._key)]
        signed = subprocess.run(command, input=text.encode(), check=True, capture_output=True, timeout=60).stdout
        return f"{text}.{_encoded(signed)}"

    def credentials(self) -> dict[str, str]:
        until = datetime.now(UTC) + SESSION
        key, secret = self._aws
        return {
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "Token": "session-of-the-tests",
            "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, endpoint.credentials())

            def do_POST(self) -> None:
                asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                given = self.headers.get("Authorization", "").partition(" ")[2]
                name, _, secret = base64.b64decode(given).decode().partition(":")
                known = endpoint.clients.get(name) == secret and asked["grant_type"] == ["client_credentials"]
                if not endpoint.works:
                    self._answer(503, {})
                elif known:
                    answer = {"access_token": endpoint.token(name), "token_type": "Bearer"}
                    self._answer(200, answer | {"expires_in": int(endpoint.seconds)})
                else:
                    self._answer(401, {"error": "invalid_client"})

            def _answer(self, code: int, answer: dict) -> None:
                endpoint.given[self.path] += code == 200
                text = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None: ...

        return Handler


def _encoded(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")
