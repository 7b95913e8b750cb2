"""The Job before `helm uninstall`: there only where something may have to be undone, and as the daemon is."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from tests.chart.rendering import THREE

from kafka_sentinel.cli.commands import cli


def experiments(**values: object) -> dict:
    return {"settings": {"experiments": {"armed_for": "lkc-1", "dry_run": False, **values}}}


def test_before_an_armed_release_is_deleted_what_experiments_did_is_undone(helm):
    job = helm.template(THREE, experiments()).one("Job")
    annotations = job["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-delete"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    assert annotations["helm.sh/hook-output-log-policy"] == "hook-failed"
    spec = job["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    program, *words = container["command"]
    assert (program, words[0]) == ("kafka-sentinel", "pause")
    assert words[words.index("--reason") + 1] == "helm uninstall sentinel"
    patience = float(words[words.index("--until-undone") + 1].removesuffix("s"))
    # The program's own last word comes before Kubernetes ends it, and that before Helm waits no more.
    assert patience + 60 <= spec["activeDeadlineSeconds"] <= 270
    assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert "Usage:" in CliRunner().invoke(cli, [*words, "--help"]).output


def test_it_is_the_daemons_image_account_and_files_with_no_right_of_its_own(helm):
    armed, rehearsing = (helm.template(THREE, experiments(dry_run=dry)) for dry in (False, True))
    pod = armed.one("Job")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    for key in ("image", "imagePullPolicy", "env", "volumeMounts", "securityContext", "resources"):
        assert container[key] == armed.container[key]
    for key in ("serviceAccountName", "automountServiceAccountToken", "volumes", "securityContext", "tolerations"):
        assert pod[key] == armed.pod[key]
    placed = {"nodeSelector": {"pool": "tools"}, "tolerations": [{"key": "dedicated", "operator": "Exists"}]}
    both = helm.template(THREE, experiments(), placed)
    for key in placed:
        assert both.one("Job")["spec"]["template"]["spec"][key] == both.pod[key]
    assert armed.names() - rehearsing.names() == {("Job", "monitoring", "sentinel-kafka-sentinel-undo")}


@pytest.mark.parametrize(
    "values",
    [
        {},
        experiments(armed_for=None),
        experiments(dry_run=True),
        {"settings": {"experiments": {"armed_for": "lkc-1"}}},
        {"settings": {**experiments()["settings"], "state": {"file": "/state/state.json"}}},
        {"settings": {**experiments()["settings"], "kubernetes": {"enabled": False}, "state": {"file": "/s"}}},
    ],
    ids=["as installed", "disarmed", "a rehearsal", "a rehearsal unless told", "a state file", "no Kubernetes"],
)
def test_where_there_is_nothing_to_undo_or_nobody_to_tell_there_is_no_job(helm, values):
    assert helm.template(THREE, values).of("Job") == []


def test_neither_the_service_nor_a_monitor_nor_the_deployment_takes_its_pod_for_the_daemons(helm):
    on = {"podMonitor": {"enabled": True}, "networkPolicy": {"enabled": True}}
    objects = helm.template(THREE, experiments(), on)
    labels = objects.one("Job")["spec"]["template"]["metadata"]["labels"].items()
    assert not objects.one("Service")["spec"]["selector"].items() <= labels
    assert not objects.one("PodMonitor")["spec"]["selector"]["matchLabels"].items() <= labels
    assert not objects.deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert objects.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels


def test_two_releases_with_long_names_have_two_jobs(helm):
    first, second = (helm.template(THREE, experiments(), name="a" * 52 + end).one("Job") for end in "12")
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert len(first["metadata"]["name"]) <= 63
