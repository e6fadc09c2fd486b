"""Files of workflows, fireworks, actions and workers: what is read, and what an error says."""

from __future__ import annotations

import json

import pytest

from launchpad.errors import BadDocument, BadWorkflow, ConfigurationError
from launchpad.model import FiretaskBase, Firework, FWAction, FWorker, Workflow, serialization
from launchpad.model.serialization import decode_for_running, read_document
from tests.oracle import PROJECT, ask_fireworks, needs_fireworks

FILE = """\
# A workflow as people write it
name: tea
fws:
- fw_id: 1
  name: boil
  spec: {_tasks: [{_fw_name: ScriptTask, script: "echo hot"}], answer: NO}
- fw_id: 2
  name: pour
  spec: {_tasks: []}
links: {1: [2]}
"""


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_file_as_people_write_it(write):
    workflow = Workflow.from_file(write("tea.yaml", FILE))
    assert workflow.links == {1: [2], 2: []}
    assert workflow.fws[0].spec["answer"] == "NO"


@pytest.mark.parametrize("name", ["tea.yml", "tea.YAML", "tea.json"])
def test_the_name_tells_the_format(tmp_path, name):
    workflow = Workflow.from_firework(Firework([], name="tea", spec={"a": {"é": [1.5, None]}}))
    workflow.to_file(tmp_path / name)
    assert Workflow.from_file(str(tmp_path / name)).to_dict() == workflow.to_dict()
    (tmp_path / name).rename(tmp_path / "tea.txt")
    assert Workflow.from_file(tmp_path / "tea.txt", f_format="json" if name.endswith("json") else "yaml").name == "tea"


def test_arguments_for_json_are_passed_on(tmp_path):
    Firework([], name="x").to_file(tmp_path / "x.json", indent=4)
    assert '\n    "name": "x"' in (tmp_path / "x.json").read_text()


def test_texts_are_read_and_written():
    firework = Firework([], name="x", fw_id=3)
    for form in ("json", "yaml"):
        assert Firework.from_format(firework.to_format(form), form).to_dict() == firework.to_dict()
    assert json.loads(repr(firework)) == firework.to_dict() == firework.as_dict()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "fws: [\n", "a.yaml, line 2, column 1: this is no valid YAML"),
        ("a.json", '{"fws": [,]}', "a.json, line 1, column 10: this is no valid JSON (Expecting value)."),
        ("a.json", '{"links": {"1": [2], "1": [3]}}', "a.json: the key '1' stands twice in one object."),
        ("a.json", '{"a": ' * 2000 + "1" + "}" * 2000, "a.json is nested more than 100 levels deep."),
        ("a.json", "[" * 200_000, "a.json is nested more than 100 levels deep."),
        ("a.json", '{"a": ' + "9" * 5000 + "}", "a.json holds a number that cannot be read"),
        ("a.yaml", "", "a.yaml holds nothing, not the keys and values of a Workflow."),
        ("a.yaml", "- 1\n", "a.yaml holds a list, not the keys and values of a Workflow."),
        ("a.yaml", "fws: [{name: x}]\n", "a.yaml: fws[0] (x) has no spec."),
        ("a.yaml", b"\xff\xfe", "a.yaml is no text in UTF-8: byte 1 does not belong there."),
        ("a.txt", "x", "a.txt: its name must end in .json, .yaml or .yml."),
    ],
)
def test_an_error_names_the_file_and_the_place(write, name, text, said):
    path = write(name, text)
    with pytest.raises(BadDocument) as refusal:
        Workflow.from_file(path)
    assert said in str(refusal.value)
    assert str(path.parent) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_or_unreadable_file_is_said_in_one_sentence(tmp_path):
    with pytest.raises(BadWorkflow, match=r"Cannot read .*/none.yaml: No such file or directory\."):
        Workflow.from_file(tmp_path / "none.yaml")
    with pytest.raises(BadWorkflow, match=r"Cannot read .*: Is a directory\."):
        Workflow.from_file(tmp_path, f_format="json")
    with pytest.raises(BadDocument, match=r"Cannot write .*: No such file or directory\."):
        Firework([]).to_file(tmp_path / "none" / "x.yaml")
    with pytest.raises(BadDocument, match="format 'toml' is not known"):
        Firework([]).to_format("toml")


def test_a_huge_file_is_refused_unread(write, monkeypatch):
    monkeypatch.setattr(serialization, "MAX_BYTES", 2 << 20)
    path = write("a.json", b" " * ((2 << 20) + 1))
    with pytest.raises(BadDocument, match=r"a.json is larger than 2 MB\."):
        Workflow.from_file(path)


def test_a_byte_order_mark_is_no_error(write):
    assert read_document(write("a.json", b'\xef\xbb\xbf{"a": 1}')) == {"a": 1}
    assert read_document(write("a.yaml", b"\xef\xbb\xbfa: 1\n")) == {"a": 1}


def test_an_action_is_read_from_a_file(write):
    action = FWAction.from_file(write("FWAction.json", '{"stored_data": {"a": 1}, "exit": true}'))
    assert (action.stored_data, action.exit, action.mod_spec) == ({"a": 1}, True, [])


# workers


def test_a_worker_may_write_its_query_as_text_or_as_mapping(write):
    as_text = FWorker.from_file(write("a.yaml", "name: w\ncategory: ''\nquery: '{\"spec.n\": 1}'\n"))
    as_mapping = FWorker.from_file(write("b.yaml", "name: w\nquery: {spec.n: 1}\n"))
    assert as_text.query == as_mapping.query == {"spec.n": 1}
    assert as_text.to_dict() == as_mapping.to_dict() == {"name": "w", "category": "", "query": '{"spec.n": 1}', "env": {}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: w\ncategroy: x\n", "has the key 'categroy', which no worker has"),
        ("name: w\nquery: '{'\n", "query must be JSON"),
        ("name: w\nquery: '[1]'\n", "query must be a mapping"),
        ("name: w\ncategory: {a: 1}\n", "category is a text or a list of texts"),
        ("name: w\nenv: 5\n", "env must be a mapping"),
        ("- w\n", "must hold a worker's keys and values"),
        ("name: [\n", "line 2, column 1"),
    ],
)
def test_a_wrong_worker_file_is_a_wrong_setting(write, text, said):
    with pytest.raises(ConfigurationError) as refusal:
        FWorker.from_file(write("my_fworker.yaml", text))
    assert said in str(refusal.value)
    assert "my_fworker.yaml" in str(refusal.value)


def test_the_worker_of_the_current_folder_is_loaded_by_itself(write, tmp_path, monkeypatch):
    for name in ("FW_CONFIG_FILE", "FWORKER_LOC", "LAUNCHPAD_LOC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert FWorker.auto_load().to_dict() == FWorker().to_dict()
    write("my_fworker.yaml", "name: here\ncategory: [a, b]\n").chmod(0o600)
    assert (FWorker.auto_load().name, FWorker.auto_load().category) == ("here", ["a", "b"])


# objects in specs


class Thing(FiretaskBase):
    _fw_name = "Thing"


@needs_fireworks
def test_objects_of_other_libraries_are_made_when_a_firework_runs_and_not_before(tmp_path):
    (tmp_path / "shapes.py").write_text(
        "from monty.json import MSONable\n"
        "print('shapes is imported')\n"
        "class Square(MSONable):\n    def __init__(self, side):\n        self.side = side\n"
    )
    script = """
sys.path.insert(0, question)
from launchpad.errors import BadTask
from launchpad.model import Firework
from launchpad.model.serialization import decode_for_running
square = {"@module": "shapes", "@class": "Square", "side": 3}
firework = Firework.from_dict({"spec": {"_tasks": [{"_fw_name": "X", "shape": square}], "l": [{"s": square}], "n": 1}})
assert firework.to_dict()["spec"]["l"] == [{"s": square}]
answer = ["shapes" in sys.modules]
spec = decode_for_running(firework.spec)
answer += [spec["l"][0]["s"].side, spec["_tasks"][0]["shape"].side, firework.spec["l"], spec["n"]]
stored = Firework([], spec={"s": spec["l"][0]["s"]}).to_dict()["spec"]["s"]
answer.append([stored["@module"], stored["@class"], stored["side"]])
try:
    decode_for_running({"a": [{"@module": "shapes", "@class": "Square"}]})
except BadTask as error:
    answer.append(str(error))
answer.append(decode_for_running({"@module": "nowhere", "@class": "C"}))
"""
    answer = ask_fireworks(script, str(PROJECT), path=str(tmp_path))
    assert answer[:6] == [False, 3, 3, [{"s": {"@module": "shapes", "@class": "Square", "side": 3}}], 1, ["shapes", "Square", 3]]
    assert answer[6].startswith("spec.a[0] holds a shapes.Square, which cannot be made: TypeError")
    assert answer[7] == {"@module": "nowhere", "@class": "C"}


def test_without_monty_such_dictionaries_stay_dictionaries(monkeypatch):
    monkeypatch.setattr(serialization.importlib.util, "find_spec", lambda name: None)
    spec = {"s": {"@module": "shapes", "@class": "Square"}}
    assert decode_for_running(spec) == spec
