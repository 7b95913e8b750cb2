"""`kafka-sentinel resume`: lift what holds experiments back. A person decides that, never Sentinel itself."""

from __future__ import annotations

from pathlib import Path

import click

from kafka_sentinel.adapters.state_file import StateFile, StateFileError
from kafka_sentinel.cli.common import RUNTIME_FAILURE, USAGE, Trouble, config_option, load_settings


@click.command(short_help="Let experiments run again after a failure or a loss.")
@config_option
def resume(config: Path | None) -> None:
    """Let experiments run again: lift the latch that a failed experiment or a lost record has set, and a pause.

    Stop the daemon first; it keeps its state file locked and would write over what is changed here.
    """
    file = load_settings(config).state.file
    if file is None:
        raise Trouble("state.file is not set: a latch is forgotten when the daemon is started again", code=USAGE)
    state_file = StateFile(file)
    try:
        state_file.open()
        click.echo(_lift(state_file, file))
    except StateFileError as error:
        raise Trouble(str(error), code=RUNTIME_FAILURE) from None
    finally:
        state_file.close()


def _lift(state_file: StateFile, file: Path) -> str:
    loaded = state_file.load()
    if loaded.state is None:
        reason = f"{loaded.reason} (kept as {loaded.set_aside})" if loaded.reason else "it does not exist"
        raise Trouble(f"state file {file} holds nothing to resume: {reason}", code=RUNTIME_FAILURE)
    experiments = loaded.state["experiments"]
    held = [experiments["latched"]] if experiments["latched"] is not None else []
    held += [f"paused: {experiments['paused']}"] if experiments["paused"] not in {None, False} else []
    if not held:
        return "nothing holds experiments back"
    state_file.save({**loaded.state, "experiments": {**experiments, "latched": None, "paused": None}})
    return f"lifted: {'; '.join(held)}. Start the daemon again"
