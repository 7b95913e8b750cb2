"""A stand-in for Amazon MSK's API on a local port: it speaks by the service model that comes with boto3.

Requests are read by the model's own paths and names, and answers are checked against the model's shapes and written by
its names; so what is proved is that we speak the API as AWS describes it, not that AWS behaves as it says.
"""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.session import get_session
from botocore.validate import validate_parameters

MODEL = get_session().get_service_model("kafka")
ARN = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0a1b2c3d-1"
OPERATION = "arn:aws:kafka:eu-west-1:123456789012:cluster-operation/orders/0a1b2c3d-1/11112222"
DOMAIN = "orders.x1.c2.kafka.eu-west-1.amazonaws.com"
STATUS = {"BadRequestException": 400, "NotFoundException": 404, "TooManyRequestsException": 429}
STATUS |= {"ForbiddenException": 403, "AccessDeniedException": 403, "UnauthorizedException": 401}
STATUS |= {"ServiceUnavailableException": 503, "InternalServerErrorException": 500}


def wire(shape, value):
    """Return a value as the model says that it is written, or fail: names are those of the wire."""
    if shape.type_name == "structure":
        return {
            shape.members[name].serialization.get("name", name): wire(shape.members[name], item)
            for name, item in value.items()
        }
    return [wire(shape.member, item) for item in value] if shape.type_name == "list" else value


def parameters(operation, path: str, query: str, body: bytes) -> dict | None:
    """Return what a request asks for in the model's words; None: it is no request of that operation."""
    uri = operation.http["requestUri"]
    names = re.findall(r"\{(\w+)\}", uri)
    match = re.fullmatch(re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(uri)), path)
    if match is None:
        return None
    told = {**dict(zip(names, map(unquote, match.groups()), strict=True)), **json.loads(body or b"{}")}
    told |= {name: values[0] for name, values in parse_qs(query).items()}
    members = operation.input_shape.members
    found = {name: told.pop(shape.serialization.get("name", name), None) for name, shape in members.items()}
    assert not told, f"not in the model: {told}"
    return {name: value for name, value in found.items() if value is not None}


class Msk:
    """`state`, `hosts` and `operation` are what it says next; `refuse`: an error by operation, `hang`: the silent."""

    def __init__(self) -> None:
        self.state, self.operation, self.error = "ACTIVE", "PENDING", ""
        self.hosts = {number: [f"b-{number}.{DOMAIN}"] for number in (1, 2, 3)}
        self.asked: list[tuple[str, dict]] = []
        self.refuse: dict[str, tuple[str, str]] = {}
        self.hang: set[str] = set()
        self.over = threading.Event()
        self.page = 2
        self._answers = {
            "DescribeClusterV2": self._cluster,
            "ListNodes": self._list_nodes,
            "RebootBroker": self._reboot,
            "DescribeClusterOperation": self._describe_operation,
        }
        msk = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Nothing to standard error."""

            def do_GET(self) -> None:
                msk.serve(self)

            do_PUT = do_GET  # noqa: N815 - a name given by http.server

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def of(self, operation: str) -> list[dict]:
        return [given for name, given in self.asked if name == operation]

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        assert "AWS4-HMAC-SHA256" in request.headers["Authorization"]
        assert "/eu-west-1/kafka/aws4_request" in request.headers["Authorization"]
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        target = urlsplit(request.path)
        for name in self._answers:
            operation = MODEL.operation_model(name)
            given = parameters(operation, target.path, target.query, body)
            if operation.http["method"] == request.command and given is not None:
                self._answer(request, name, operation, given)
                return
        raise AssertionError(f"no operation is {request.command} {request.path}")

    def _answer(self, request, name: str, operation, given: dict) -> None:
        validate_parameters(given, operation.input_shape)
        self.asked.append((name, given))
        if name in self.hang:
            self.over.wait(60)
            return
        if name in self.refuse:
            code, message = self.refuse[name]
            self._send(request, STATUS[code], {"message": message, "invalidParameter": "x"}, code)
            return
        answer = self._answers[name](given)
        validate_parameters(answer, operation.output_shape)
        self._send(request, 200, wire(operation.output_shape, answer))

    @staticmethod
    def _send(request, status: int, content: dict, code: str = "") -> None:
        data = json.dumps(content).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        if code:
            request.send_header("x-amzn-ErrorType", code)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _cluster(self, given: dict) -> dict:
        return {"ClusterInfo": {"ClusterArn": given["ClusterArn"], "State": self.state, "ClusterType": "PROVISIONED"}}

    def _list_nodes(self, given: dict) -> dict:
        nodes = [
            {"NodeType": "BROKER", "BrokerNodeInfo": {"BrokerId": float(number), "Endpoints": hosts}}
            for number, hosts in self.hosts.items()
        ]
        nodes.append({"NodeType": "CONTROLLER", "ControllerNodeInfo": {"Endpoints": [f"c-9.{DOMAIN}"]}})
        first = int(given.get("NextToken", 0))
        answer = {"NodeInfoList": nodes[first : first + self.page]}
        return {**answer, "NextToken": str(first + self.page)} if first + self.page < len(nodes) else answer

    def _reboot(self, given: dict) -> dict:
        self.state = "REBOOTING_BROKER"
        return {"ClusterArn": given["ClusterArn"], "ClusterOperationArn": OPERATION}

    def _describe_operation(self, given: dict) -> dict:
        error = {"ErrorInfo": {"ErrorCode": "X", "ErrorString": self.error}} if self.error else {}
        info = {"OperationArn": given["ClusterOperationArn"], "OperationState": self.operation, **error}
        return {"ClusterOperationInfo": info}


def wait_until(predicate, what) -> None:
    deadline = time.monotonic() + 30
    while not predicate():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)
