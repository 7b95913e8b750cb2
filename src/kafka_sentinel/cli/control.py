"""`kafka-sentinel pause | resume | run-now | heal`: what a person tells a Sentinel.

On Kubernetes a running one is told, by annotations on its state ConfigMap: whoever may change that may do this. One
with a state file cannot be told anything while it runs; some of this can be done to its state while it is stopped.
"""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from kafka_sentinel.cli.common import USAGE, DurationType, Trouble, config_option, load_settings, say
from kafka_sentinel.cli.stopped import Stopped
from kafka_sentinel.cli.telling import told
from kafka_sentinel.cli.undoing import pause_until_undone
from kafka_sentinel.core.types import OrderKind
from kafka_sentinel.settings import Settings

EPILOG = """\b
In the pod, or anywhere with a kubeconfig:
  kubectl exec deploy/kafka-sentinel -- kafka-sentinel {verb}
  export KAFKA_SENTINEL__KUBERNETES__KUBECONFIG=~/.kube/config KAFKA_SENTINEL__STATE__NAMESPACE=kafka-sentinel
  kafka-sentinel {verb} --config sentinel.yaml
"""


def _state(settings: Settings) -> Path | None:
    """Return the state file; None: the state is in a ConfigMap. Ends the command if it is in neither."""
    if settings.config_map is None and settings.state.file is None:
        raise Trouble(
            "neither state.config_map nor state.file is set: there is no state through which a Sentinel can be told",
            code=USAGE,
        )
    return settings.state.file


@click.command(short_help="Have nothing injected until resume.", epilog=EPILOG.format(verb="pause"))
@config_option
@click.option("--reason", help="Shown with the pause. Default: by whom it was set.")
@click.option(
    "--until-undone",
    type=DurationType(),
    help="Before Sentinel is removed: leave a pause that stands, and wait, at most this long, until no mark of an "
    "experiment is on a node or a pod; where no Sentinel runs they are taken off from here.",
)
def pause(config: Path | None, reason: str | None, until_undone: float | None) -> None:
    """Have nothing injected until `resume`; a fault that is in effect is undone, its run is aborted.

    On Kubernetes this is an annotation on the state ConfigMap, which stands until `resume`, also over restarts. With a
    state file, stop the daemon first.
    """
    settings = load_settings(config)
    words = reason if reason is not None else f"by {getpass.getuser()}"
    if until_undone is not None:
        _only_while_running(settings, "pause --until-undone", "a daemon undoes at its end what is in effect")
        with told(settings) as telling:
            pause_until_undone(telling, settings, words, until_undone)
        return
    file = _state(settings)
    if file is not None:
        say(Stopped(file).pause(words))
        return
    with told(settings) as telling:
        telling.pause(words)


@click.command(
    short_help="Let experiments run again: after a failure, a loss or a pause.", epilog=EPILOG.format(verb="resume")
)
@config_option
def resume(config: Path | None) -> None:
    """Let experiments run again: lift the latch that a failed experiment or a lost record has set, and a pause.

    With a state file, stop the daemon first; it keeps its state file locked and would write over what is changed here.
    """
    settings = load_settings(config)
    file = _state(settings)
    if file is not None:
        say(Stopped(file).resume())
        return
    with told(settings) as telling:
        telling.resume()


@click.command(
    "run-now", short_help="Have an experiment run now, if all guards allow.", epilog=EPILOG.format(verb="run-now NAME")
)
@config_option
@click.argument("name")
def run_now(config: Path | None, name: str) -> None:
    """Have the experiment NAME due now. Every guard is asked, as for a run that was planned.

    Waits until it began, or until a guard has denied it for as long as its `grace`; says which. Exit code 1 if it did
    not run. Needs a state in Kubernetes (state.config_map).
    """
    settings = load_settings(config)
    _only_while_running(settings, "run-now", "set an experiment's `every` or `schedule` instead")
    grace = next((item.grace for item in settings.experiments.items if item.name == name), None)
    with told(settings) as telling:
        telling.order(OrderKind.RUN_NOW, name, patience=grace)


@click.command(short_help="Undo what an experiment did.", epilog=EPILOG.format(verb="heal"))
@config_option
def heal(config: Path | None) -> None:
    """Undo the fault that is in effect, end its run, and take our marks off nodes that an earlier life left closed.

    Where no Sentinel runs that could, the marks are taken off from here, with the rights of whoever calls this. Needs a
    state in Kubernetes (state.config_map).
    """
    settings = load_settings(config)
    _only_while_running(settings, "heal", "a daemon undoes at its start what it left behind")
    with told(settings) as telling:
        telling.heal()


def _only_while_running(settings: Settings, verb: str, instead: str) -> None:
    if _state(settings) is not None:
        raise Trouble(
            f"{verb} tells a running Sentinel by its state ConfigMap, and here state.file is set: {instead}", code=USAGE
        )
