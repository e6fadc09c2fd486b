"""Fireworks that need not run, for their like has run."""

from launchpad import DupeFinderExact, Firework, FWorker, LaunchPad, ScriptTask, Selection


def test_of_two_equal_fireworks_one_runs_and_both_are_rerun_together(store_uri):
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.reset(require_password=False)
        for _ in range(2):
            launchpad.add_wf(Firework(ScriptTask.from_str("true"), spec={"k": 1, "_dupefinder": DupeFinderExact()}))
        launchpad.claim(FWorker(), "/tmp").complete("COMPLETED", {})
        assert launchpad.claim(FWorker(), "/tmp") is None
        assert launchpad.get_fw_ids({"state": "COMPLETED", "launches": [1]}, count_only=True) == 2
        report = launchpad.rerun(Selection.of(fw_ids=[1]))
        assert [(outcome.fw_id, outcome.role) for outcome in report.changed] == [(1, "target"), (2, "duplicate")]
        assert not list(launchpad.check())
