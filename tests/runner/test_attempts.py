"""What a task knows about the attempts before it. On both stores."""

from __future__ import annotations

from collections.abc import Callable

from launchpad import Firework, LaunchPad, ScriptTask, Selection
from tests.runner.sample_tasks import Remember


def test_a_task_knows_its_attempt_and_the_one_before(launchpad: LaunchPad, run_all: Callable[..., None]):
    says = 'echo "$LPAD_ATTEMPT:$LPAD_PREVIOUS_DIR:$LPAD_PREVIOUS_CAUSE"'
    script = ScriptTask(script=f"{says}; test $LPAD_ATTEMPT -gt 1", store_stdout=True)
    (fw_id,) = launchpad.add_wf(Firework([script, Remember(keys=["_attempt"])])).values()
    run_all()
    first = launchpad.get_fw_by_id(fw_id).launches[-1]
    launchpad.rerun(Selection(fw_ids=(fw_id,)))
    run_all()
    second = launchpad.get_fw_by_id(fw_id).launches[-1]
    assert first.state == "FIZZLED"
    assert second.action.stored_data["stdout"] == f"2:{first.launch_dir}:exit_code\n"
    assert second.action.stored_data["_attempt"] == {
        "number": 2,
        "previous_launch_id": first.launch_id,
        "previous_launch_dir": first.launch_dir,
        "previous_cause": "exit_code",
    }
    assert "_attempt" not in launchpad.get_fw_by_id(fw_id).spec, "it is told, and not kept"
    told = first.action.stored_data["_exception"]["_details"]["stdout"]
    assert told == "1::\n"
