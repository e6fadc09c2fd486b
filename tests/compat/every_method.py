"""A script in the manner of FireWorks' users: it calls every method of LaunchPad, and notes the form of what each returns.

It runs with either library: `import fireworks` or `import launchpad`, as `library` says; `arguments` open the database.
"""

import importlib
import json
import logging
import os


def form(value):
    """Return what kind of thing a value is, as far as a caller may rely on it."""
    if isinstance(value, dict):
        by_id = value and all(str(key).lstrip("-").isdigit() for key in value)
        return "dict by id" if by_id else {"keys": sorted(key for key in value if key != "_id")}
    if isinstance(value, tuple):
        return {"tuple": [form(item) for item in value]}
    if isinstance(value, list):
        return {"list of": [form(item) for item in value[:1]]}
    return type(value).__name__


def call_every_method(library, arguments, folder):
    """Call every method; return the form of what each returned by "method", or "method, how" for a further call."""
    package = importlib.import_module(library)
    LaunchPad, Workflow, Firework = package.LaunchPad, package.Workflow, package.Firework  # noqa: N806
    FWorker, FWAction, ScriptTask = package.FWorker, package.FWAction, package.ScriptTask  # noqa: N806
    lp = LaunchPad(**arguments)
    forms = {}

    def call(method, *given, how="", **named):
        value = getattr(lp, method)(*given, **named)
        forms[f"{method}, {how}" if how else method] = form(value)
        return value

    def chain(name="chain", length=3, **spec):
        fireworks = [Firework(ScriptTask(script="true"), spec=dict(spec), name="AB"[n == 0], fw_id=-1 - n) for n in range(length)]
        return Workflow(fireworks, {fireworks[n]: [fireworks[n + 1]] for n in range(length - 1)}, name=name)

    def from_the_root(ids):
        return [ids[old] for old in sorted(ids, reverse=True)]

    def added(*given, **named):
        return from_the_root(lp.add_wf(chain(*given, **named)))

    worker = FWorker(name="w1")

    # itself
    call("reset", "", require_password=False)
    call("tuneup", bkground=True)
    for method in ("to_dict", "as_dict", "to_db_dict"):
        call(method)
    text = call("to_format", "json")
    call("to_file", os.path.join(folder, "pad.yaml"))
    lp.to_file(os.path.join(folder, "pad.json"), f_format="json", indent=2)
    forms["from_format"] = form(LaunchPad.from_format(text, f_format="json"))
    forms["from_dict"] = form(LaunchPad.from_dict(json.loads(text)))
    forms["from_file"] = form(LaunchPad.from_file(os.path.join(folder, "pad.yaml")))
    forms["auto_load"] = form(LaunchPad.auto_load())
    call("get_logdir")
    call("log_message", logging.INFO, "a message")
    forms["fw_name"] = form(lp.fw_name)

    # adding
    first, second, third = from_the_root(call("add_wf", chain()))
    call("bulk_add_wfs", [chain("bulk"), chain("bulk")])
    call("append_wf", chain("more", 1), [third], detour=False, pull_spec_mods=True)
    call("get_new_fw_id", quantity=2)
    call("get_new_launch_id")

    # looking
    call("run_exists", worker)
    call("future_run_exists", fworker=worker)
    call("get_fw_ids", query={"name": "B"}, sort=[("fw_id", -1)], limit=1)
    call("get_fw_ids", {}, count_only=True, how="count")
    call("get_fw_ids", {"host": "nowhere"}, launches_mode=True, how="launches")
    call("get_wf_ids", query={"name": "bulk"}, sort=[("created_on", -1)], limit=2)
    call("get_wf_ids", count_only=True, how="count")
    call("get_fw_ids_in_wfs", wf_query={"name": "bulk"}, fw_query={"name": "A"}, limit=1)
    call("get_fw_ids_in_wfs", wf_query={"name": "bulk"}, fw_query={"name": "A"}, count_only=True, how="count")
    call("get_fw_by_id", first)
    call("get_fw_dict_by_id", first)
    call("get_wf_by_fw_id", first)
    call("get_wf_by_fw_id_lzyfw", first)
    for mode in ("less", "more", "all"):
        call("get_wf_summary_dict", first, mode=mode, how=mode)

    # working
    _, launch_id = call("checkout_fw", worker, folder, fw_id=first, host="node7", ip="127.0.0.1")
    call("checkout_fw", FWorker(name="idle", category="none"), folder, how="nothing there")
    call("ping_launch", launch_id, checkpoint={"_task_n": 0, "_all_stored_data": {}, "_all_update_spec": {}, "_all_mod_spec": []})
    call("change_launch_dir", launch_id, os.path.join(folder, "elsewhere"))
    call("get_recovery", launch_id)
    call("complete_launch", launch_id, FWAction(stored_data={"x": 1}), "COMPLETED")
    call("get_launch_by_id", launch_id)
    call("get_launchdir", first, launch_idx=-1)
    call("get_tracker_data", first)
    reserved = added("reserved", 1)[0]
    _, reservation = call("reserve_fw", worker, folder, fw_id=reserved)
    call("set_reservation_id", reservation, 4242)
    call("get_reservation_id_from_fw_id", reserved)
    call("get_fw_ids_from_reservation_id", "4242")
    call("cancel_reservation_by_reservation_id", "4242")
    _, reservation = lp.reserve_fw(worker, folder, fw_id=reserved)
    call("cancel_reservation", reservation)

    # changing
    call("rerun_fw", first, rerun_duplicates=True, recover_launch=None, recover_mode=None)
    for method in ("pause_fw", "resume_fw", "defuse_fw", "reignite_fw"):
        call(method, first)
    call("set_priority", first, 7)
    call("update_spec", [first, second], {"p": 1}, mongo=False)
    call("update_spec", [first], {"$set": {"spec.q": 1}}, mongo=True, how="mongo")
    lost = added("lost", 1)[0]
    _, lost_launch = lp.checkout_fw(worker, folder, fw_id=lost)
    call("detect_lostruns", expiration_secs=10000, fizzle=False, rerun=False, refresh=False, query={}, launch_query={})
    call("mark_fizzled", lost_launch)
    call("detect_unreserved", expiration_secs=10000, rerun=False)
    call("maintain", infinite=False, maintain_interval=1)
    for method in ("pause_wf", "reignite_wf"):
        call(method, added(method)[0])
    call("defuse_wf", added("defused")[0], defuse_all_states=True)
    call("archive_wf", added("archived")[0])
    call("delete_wf", added("deleted")[0], delete_launch_dirs=False)
    gone = added("gone")
    call("delete_fws", gone, delete_launch_dirs=False)

    # what became of it
    states = {fw_id: lp.get_fw_by_id(fw_id).state for fw_id in (first, second, reserved, lost)}
    forms["at the end"] = [*sorted(states.values()), lp.get_fw_by_id(first).spec["p"], lp.get_fw_by_id(first).spec["_priority"]]
    return forms
