"""Secrets are planted, and then looked for wherever Sentinel shows something: none may be there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.kafka.clusters.acls import GROUP
from tests.kafka.clusters.cluster import SecuredCluster
from tests.kafka.clusters.listeners import USER, Security
from tests.kafka.clusters.run import SECONDS, config_of, grants_of
from tests.kafka.sentinel import SentinelProcess, wait_for

PAGES = ("/", "/metrics", "/api/v1/status", "/healthz", "/readyz")
ROOT = Path(__file__).parents[3]
# Something inside fails, and the text of it says all that clients are given.
CRASH = """
import sys
from kafka_sentinel.adapters.connection import Connection
from kafka_sentinel.cli import main
def fail(self, *_):
    raise RuntimeError(f"given: {dict(self._kafka.client_config())} {self.secrets()}")
Connection.look = fail
sys.argv = ["kafka-sentinel", "run", "--config", sys.argv[1]]
main()
"""


def command(file: Path, *words: str) -> str:
    """Return all that a command prints."""
    done = subprocess.run(
        [sys.executable, *words, "--config", str(file)] if words[0] == "-m" else [sys.executable, *words, str(file)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        check=False,
    )
    return done.stdout + done.stderr


def arguments() -> str:
    """Return the arguments of every process there is."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(one.read_bytes().decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return "\n".join(found)


def hidden_key(cluster: SecuredCluster, password: str) -> Path:
    """Return the user's key, which has a password now."""
    plain = cluster.keys.clients.folder / f"{USER}.key"
    made = plain.with_suffix(".hidden")
    words = ["openssl", "pkcs8", "-topk8", "-in", plain, "-out", made, "-passout", "stdin"]
    subprocess.run(words, input=password.encode(), check=True, timeout=60)
    return made


def planted(cluster: SecuredCluster, security: Security) -> tuple[dict, list[str]]:
    """Return a configuration, and the secrets that are in it or in the files that it names."""
    config = config_of(cluster, security, log={"level": "debug"})
    signing = config["kafka"]["security"]
    canaries = [cluster.secrets.password]
    if security is Security.MTLS:
        canaries = ["canary-of-the-key"]
        signing |= {"key_file": str(hidden_key(cluster, canaries[0])), "key_password": canaries[0]}
    elif security is Security.PLAIN:
        signing["password"] = cluster.secrets.password
        del signing["password_file"]
    elif security is Security.OAUTHBEARER:
        token = cluster.endpoint.token(USER, seconds=600)
        cluster.keys.replace(cluster.folder / "token", token)
        for name in ("token_url", "client_id", "client_secret"):
            del signing[name]
        signing["token_file"] = str(cluster.folder / "token")
        canaries = [token, token.rpartition(".")[2]]
    return config, canaries


@pytest.mark.full
@pytest.mark.timeout(1_200)
def test_no_secret_is_shown_anywhere(kafka_ready, tmp_path):
    shown: dict[str, str] = {}
    canaries: list[str] = []
    with SecuredCluster() as cluster:
        for security in (Security.MTLS, Security.PLAIN, Security.OAUTHBEARER):
            config, secret = planted(cluster, security)
            canaries += secret
            with cluster.allowed(cluster.keys.who(security), grants_of(security)):
                folder = tmp_path / security.name
                with SentinelProcess(folder, config) as process:
                    wait_for(lambda one=process: one.records().get("verified", 0) > 20, SECONDS, process.log)
                    shown |= {f"{security} {page}": process.get(page) or "" for page in PAGES}
                    shown[f"{security} processes"] = arguments()
                    file = folder / "config.yaml"
                    shown[f"{security} config show"] = command(file, "-m", "kafka_sentinel", "config", "show")
                    shown[f"{security} check"] = command(file, "-m", "kafka_sentinel", "check")
                    process.stop()
                    shown[f"{security} log"] = process.log()
            shown[f"{security} crash"] = command(file, "-c", CRASH)
            wrong = yaml.safe_load(file.read_text())
            wrong["kafka"]["bootstrap_servers"] = cluster.bootstrap(Security.SCRAM)
            (folder / "wrong.yaml").write_text(yaml.safe_dump(wrong))
            shown[f"{security} at another door"] = command(
                folder / "wrong.yaml", "-m", "kafka_sentinel", "check", "--timeout", "5s"
            )
    assert all(shown.values()), f"nothing was looked at: {[name for name, text in shown.items() if not text]}"
    assert GROUP in shown[f"{Security.PLAIN} config show"]
    assert "internal failure: RuntimeError" in shown[f"{Security.PLAIN} crash"]
    assert "kafka_sentinel" in shown[f"{Security.PLAIN} processes"]
    assert [name for name, text in shown.items() for canary in canaries if canary in text] == []
