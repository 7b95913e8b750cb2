"""Where the API server is and how we sign in: the `kubernetes` package reads that, from the pod or a kubeconfig."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kubernetes import config
from kubernetes.client import Configuration
from kubernetes.config.incluster_config import InClusterConfigLoader

from kafka_sentinel.adapters.kubernetes.errors import CREDENTIALS, ApiError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN = "BearerToken"  # noqa: S105 - the package's name for the place of the token
MAX_CONNECTIONS = 32  # kept open to the API server: one for each watch, a few for the rest

Load = Callable[[], Configuration]


def in_cluster(folder: Path = SERVICE_ACCOUNT) -> Load:
    """Return a loader for what Kubernetes gives to every pod. The token is read again every minute, or when refused."""

    def load() -> Configuration:
        found = Configuration(connection_pool_maxsize=MAX_CONNECTIONS)
        loader = InClusterConfigLoader(token_filename=str(folder / "token"), cert_filename=str(folder / "ca.crt"))
        return _guarded(f"service account in {folder}", lambda: loader.load_and_set(found), found)

    return load


def own_namespace(folder: Path = SERVICE_ACCOUNT) -> str:
    """Return the namespace of the pod we run in. Raises ApiError outside of a pod."""
    try:
        return (folder / "namespace").read_text().strip()
    except OSError as error:
        raise ApiError(CREDENTIALS, type(error).__name__, f"no namespace in {folder}: {error.strerror}") from error


def from_kubeconfig(path: Path, context: str | None = None) -> Load:
    """Return a loader for a kubeconfig file; `context` is its current one if None is given."""

    def load() -> Configuration:
        found = Configuration(connection_pool_maxsize=MAX_CONNECTIONS)

        def read() -> None:
            config.load_kube_config(
                config_file=str(path), context=context, client_configuration=found, persist_config=False
            )

        return _guarded(f"kubeconfig {path}", read, found)

    return load


def authorization(configuration: Configuration) -> str | None:
    """Return the header that signs us in, refreshed if it is old; None where a client certificate does."""

    def read() -> None:
        value.append(configuration.get_api_key_with_prefix(TOKEN, alias="authorization"))

    value: list[str | None] = []
    _guarded("credentials", read, configuration)
    return value[0].strip() if value[0] else None


def _guarded(what: str, read: Callable[[], object], answer: Configuration) -> Configuration:
    try:
        read()
    except Exception as error:
        # The package raises its own exception, OSError, KeyError, YAML errors and more: to us they are all the same.
        raise ApiError(CREDENTIALS, type(error).__name__, f"{what} cannot be used: {error}") from error
    return answer
