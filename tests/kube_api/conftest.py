"""A scripted API server, a client for it, and a mailbox, for each test."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess

import pytest
from tests.kube_api.server import Mailbox, Server

from kafka_sentinel.adapters.kubernetes.access import from_kubeconfig
from kafka_sentinel.adapters.kubernetes.api import Api, Timeouts

QUICK = Timeouts(connect=1.0, read=1.0, total=3.0)


@pytest.fixture
def server():
    found = Server()
    found.start()
    yield found
    found.end()


@pytest.fixture
def script(server):
    return server.script


@pytest.fixture
def kubeconfig(tmp_path):
    """Write a kubeconfig for a server and a token, and return its path."""

    def write(server, token="first"):
        path = tmp_path / "kubeconfig"
        path.write_text(
            json.dumps(
                {
                    "current-context": "here",
                    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {"server": server.url}}],
                    "users": [{"name": "u", "user": {"token": token}}],
                }
            )
        )
        return path

    return write


@pytest.fixture
def api(server, kubeconfig):
    return Api(from_kubeconfig(kubeconfig(server)), timeouts=QUICK)


@pytest.fixture
def mailbox():
    return Mailbox()


def make_certificate(folder):
    """Make a certificate for 127.0.0.1 that vouches for itself; return the paths of it and of its key."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "the tests of TLS need the program openssl"
    made, key = folder / "ca.crt", folder / "key.pem"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    host = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, *request, *host, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return made, key


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    found = Server(context)
    found.start()
    yield found
    found.end()


@pytest.fixture
def service_account(tmp_path, certificate, monkeypatch):
    """What Kubernetes gives to a pod. Returns the folder, and a function that points the environment at a server."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    shutil.copy(certificate[0], folder / "ca.crt")
    (folder / "token").write_text("first\n")

    def point(server):
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_port))

    return folder, point
