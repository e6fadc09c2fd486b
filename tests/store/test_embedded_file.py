"""The embedded store as a file: several processes, crashes, forks, odd files, full disks. Real processes, no pretending."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from launchpad.errors import AccessDenied, ConfigurationError, NewerFormat, NotADatabase, StoreError, StoreUnreachable
from launchpad.store.backend import DeleteMany, Index, Insert, Update, UpdateMany
from launchpad.store.embedded import EmbeddedBackend, reading
from launchpad.store.embedded import file as embedded_file
from launchpad.store.indexes import INDEXES

PROJECT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'cli'}"}
PREAMBLE = """
import sys
from launchpad.errors import *
from launchpad.store.backend import *
from launchpad.store.embedded import EmbeddedBackend
backend = EmbeddedBackend(sys.argv[1])
"""


def start(code: str, *arguments: object, **options) -> subprocess.Popen[str]:
    """Start another process that works on the file; `backend` is open in it."""
    command = [sys.executable, "-c", PREAMBLE + code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, **options)


def finish(processes: list[subprocess.Popen[str]]) -> list[str]:
    outputs = [process.communicate(timeout=120) for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors
    return [output for output, _ in outputs]


def run(code: str, *arguments: object, **options) -> str:
    (output,) = finish([start(code, *arguments, **options)])
    return output


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pad" / "launchpad.db"


# several at once


def test_four_processes_increment_a_counter_and_none_is_lost(path: Path) -> None:
    code = "for _ in range(1000): backend.find_one_and_update('c', {'_id': 1}, {'$inc': {'n': 1}}, upsert=True)"
    finish([start(code, path) for _ in range(4)])
    assert EmbeddedBackend(path).find_one("c", {}) == {"_id": 1, "n": 4000}


def test_four_processes_check_out_600_fireworks_and_none_twice(path: Path) -> None:
    backend = EmbeddedBackend(path)
    backend.create_indexes("fireworks", INDEXES["fireworks"])
    backend.write("fireworks", [Insert({"fw_id": n, "state": "READY", "spec": {"_priority": n % 7}}) for n in range(600)])
    code = """
while True:
    taken = backend.find_one_and_update(
        "fireworks", {"state": "READY"}, {"$set": {"state": "RUNNING"}}, sort=[("spec._priority", -1), ("created_on", 1)],
        fields={"fw_id": 1, "_id": 0},
    )
    if taken is None:
        break
    print(taken["fw_id"])
"""
    taken = [int(line) for output in finish([start(code, path) for _ in range(4)]) for line in output.split()]
    assert sorted(taken) == list(range(600))


def test_eight_threads_share_one_backend(path: Path) -> None:
    backend = EmbeddedBackend(path)

    def count() -> None:
        for _ in range(50):
            backend.write("c", [Update({"_id": 1}, {"$inc": {"n": 1}}, upsert=True)])

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.find_one("c", {})["n"] == 400
    backend.close()


def test_many_processes_make_the_same_new_file_at_once(path: Path) -> None:
    finish([start("backend.write('c', [Insert({'_id': int(sys.argv[2])})])", path, number) for number in range(6)])
    assert EmbeddedBackend(path).count("c", {}) == 6


def test_a_file_that_another_process_makes_while_its_marks_are_read_is_no_strange_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = embedded_file._read_marks

    def overtaken(connection: sqlite3.Connection) -> tuple[int, int]:
        monkeypatch.setattr(embedded_file, "_read_marks", read)
        before, _ = read(connection)
        EmbeddedBackend(path).write("c", [Insert({"_id": 1})])
        return before, read(connection)[1]

    monkeypatch.setattr(embedded_file, "_read_marks", overtaken)
    assert EmbeddedBackend(path).count("c", {}) == 1


def test_an_index_made_by_another_process_is_kept_up_and_used(path: Path) -> None:
    backend = EmbeddedBackend(path)
    backend.write("c", [Insert({"_id": 1, "a": 1})])
    run("backend.create_indexes('c', [Index((('a', 1),), unique=True)])", path)
    backend.write("c", [Insert({"_id": 2, "a": 2})])
    assert backend.index_used("c", {"a": 2}) == "a_1"
    assert [doc["_id"] for doc in backend.find("c", {"a": 2})] == [2]


def test_a_write_waits_for_another_process_that_writes(path: Path) -> None:
    backend = EmbeddedBackend(path)
    backend.write("c", [Insert({"_id": 1})])
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    started, done = threading.Event(), threading.Event()

    def write() -> None:
        started.set()
        backend.write("c", [Insert({"_id": 2})])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    assert backend.count("c", {}) == 1, "reading does not wait"
    assert not done.wait(1.5), "longer than SQLite itself waits"
    other.execute("COMMIT")
    writer.join(10)
    assert done.is_set()
    assert backend.count("c", {}) == 2
    other.close()


def test_a_file_that_stays_locked_is_reported_in_a_sentence(path: Path) -> None:
    backend = EmbeddedBackend(path, patience=0.1)
    backend.write("c", [Insert({"_id": 1})])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnreachable, match=rf"Other processes have kept {path} locked"):
        backend.write("c", [Insert({"_id": 2})])
    other.close()


# crashes


def test_what_was_acknowledged_survives_kill_9_and_no_write_is_there_by_half(path: Path) -> None:
    backend = EmbeddedBackend(path)
    backend.create_indexes("fireworks", INDEXES["fireworks"])
    code = """
for number in range(int(sys.argv[2]), 10**9):
    pair = [Insert({"fw_id": 2 * number + half, "pair": number, "state": "READY", "launches": [half]}) for half in (0, 1)]
    backend.write("fireworks", [*pair, UpdateMany({"pair": number - 1}, {"$set": {"state": "DONE"}})])
    print(number, flush=True)
"""
    acknowledged = 0
    for kill in range(6):
        writer = start(code, path, kill * 10**6)
        assert writer.stdout is not None
        for line in writer.stdout:
            acknowledged += 1
            if int(line) % 10**6 == 20 + 7 * kill:
                break
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        acknowledged += sum(1 for line in rest.splitlines(keepends=True) if line.endswith("\n"))
        assert writer.returncode == -signal.SIGKILL
        pairs = [document["pair"] for document in EmbeddedBackend(path).find("fireworks", {})]
        assert len(pairs) == 2 * len(set(pairs)), "both halves or none"
        assert len(set(pairs)) >= acknowledged
        acknowledged = len(set(pairs))
    assert acknowledged > 200
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert backend.count("fireworks", {"launches": 1}) == len(pairs) // 2, "the side table agrees"


def test_a_commit_waits_for_the_disk_in_the_file_and_in_a_copy_of_it(path: Path) -> None:
    backend = EmbeddedBackend(path)
    backend.write("c", [Insert({"_id": 1})])
    copy = path.with_name("copy.db")
    with sqlite3.connect(path) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()
    for opened in (backend, EmbeddedBackend(copy)):
        assert opened.count("c", {}) == 1
        session = opened.file._session()
        assert session.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert session.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"


def test_a_write_that_raises_in_the_middle_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = EmbeddedBackend(path)
    backend.create_indexes("c", [Index((("a", 1),))])
    backend.write("c", [Insert({"_id": n, "a": [n]}) for n in range(3)])
    seen = 0

    def interrupted(*arguments):
        nonlocal seen
        seen += 1
        if seen == 3:
            raise KeyboardInterrupt
        return put_side_rows(*arguments)

    from launchpad.store.embedded import writing

    put_side_rows = writing._put_side_rows
    monkeypatch.setattr(writing, "_put_side_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backend.write("c", [UpdateMany({}, {"$set": {"a": [7]}})])
    monkeypatch.undo()
    assert [backend.count("c", {"a": number}) for number in (0, 1, 2, 7)] == [1, 1, 1, 0]


# forks


@pytest.mark.parametrize("leave", ["os._exit", "sys.exit"])
def test_a_forked_child_gets_a_connection_of_its_own(path: Path, leave: str) -> None:
    output = run(
        f"""
import os
backend.write("c", [Insert({{"_id": 0}})])
found = backend.find("c", {{}})  # half read when we fork
inherited = backend.file._session()
for child in (1, 2, 3):
    if os.fork() == 0:
        assert backend.file._session() is not inherited
        for number in range(20):
            backend.write("c", [Insert({{"_id": 100 * child + number}})])
        {leave}(0)
for number in range(20):
    backend.write("c", [Insert({{"_id": 1000 + number}})])
for _ in range(3):
    assert os.wait()[1] == 0
backend.write("c", [Insert({{"_id": 9999}})])
print(len(list(found)), backend.count("c", {{}}))
""",
        path,
    )
    assert output.split() == ["1", "82"]
    assert EmbeddedBackend(path).count("c", {}) == 82


def _insert_in_child(backend: EmbeddedBackend, number: int) -> None:
    backend.write("c", [Insert({"_id": number})])
    backend.close()


def test_closing_in_a_child_leaves_the_parent_its_connection(path: Path) -> None:
    backend = EmbeddedBackend(path)
    backend.write("c", [Insert({"_id": 0})])
    child = multiprocessing.get_context("fork").Process(target=_insert_in_child, args=(backend, 1))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    backend.write("c", [Insert({"_id": 2})])
    assert backend.count("c", {}) == 3


# the file itself


def test_nothing_is_opened_before_it_is_needed(path: Path) -> None:
    backend = EmbeddedBackend(path)
    assert backend.where == str(path)
    backend.server_time()
    backend.close()
    assert not path.parent.exists()


def test_the_file_is_its_owners_alone_and_so_are_the_folders_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "launchpad.db"
    old = os.umask(0o022)
    try:
        backend = EmbeddedBackend(path)
        backend.write("c", [Insert({})])
    finally:
        os.umask(old)
    modes = {name: stat.S_IMODE((path.parent / name).stat().st_mode) for name in os.listdir(path.parent)}
    assert modes == {"launchpad.db": 0o600, "launchpad.db-wal": 0o600, "launchpad.db-shm": 0o600}
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)] == [0o700, 0o700]


def test_a_path_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    backend = EmbeddedBackend("~/pad.db")
    backend.write("c", [Insert({})])
    assert (tmp_path / "pad.db").exists()


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    backend = EmbeddedBackend(path)
    backend.write("c", [Insert({})])
    assert backend.count("c", {}) == 1


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    backend = EmbeddedBackend(path)
    backend.write("c", [Insert({})])
    backend.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NewerFormat, match=rf"{path} has format 99"):
        EmbeddedBackend(path).find("c", {})
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("fw_id: 1\nspec: {}\n" * 1000)
    with pytest.raises(NotADatabase, match=rf"{path} is no embedded launchpad"):
        EmbeddedBackend(path).write("c", [Insert({})])
    assert path.read_text() == "fw_id: 1\nspec: {}\n" * 1000


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    connection.close()
    with pytest.raises(NotADatabase, match="another program"):
        EmbeddedBackend(path).write("c", [Insert({})])
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]
    connection.close()


def test_a_damaged_file_is_reported_in_a_sentence(path: Path) -> None:
    backend = EmbeddedBackend(path)
    backend.write("c", [Insert({"a": "x" * 1000}) for _ in range(200)])
    backend.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(NotADatabase, match="damaged"):
        list(EmbeddedBackend(path).find("c", {}))


def test_a_folder_in_the_place_of_the_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a folder"):
        EmbeddedBackend(tmp_path).find("c", {})


def test_a_file_on_a_file_system_without_writing_is_not_said_to_be_missing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    EmbeddedBackend(path).write("c", [Insert({})])
    opened = os.open

    def read_only(file: Any, flags: int, *more: Any, **options: Any) -> int:  # as on such a file system, which only root can make
        if Path(file) == path and flags & os.O_RDWR:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(file))
        return opened(file, flags, *more, **options)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(AccessDenied, match="mounted read-only") as caught:
        list(EmbeddedBackend(path).find("c", {}))
    assert "copy the file to another place" in caught.value.hint


def test_a_file_in_the_place_of_its_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "pad").touch()
    with pytest.raises(ConfigurationError, match=r"launchpad\.db cannot be made"):
        EmbeddedBackend(tmp_path / "pad" / "launchpad.db").find("c", {})


TELL = """
import json, os
try:
    list(backend.find("c", {}))
    backend.write("c", [Insert({})])
except LaunchpadError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o000, 0o755), (0o444, 0o777), (0o600, 0o000)])
def test_a_file_without_the_rights_is_reported(path: Path, file_mode: int, folder_mode: int) -> None:
    backend = EmbeddedBackend(path)
    backend.write("c", [Insert({})])
    backend.close()
    for folder in (*path.parents,)[1:4]:  # pytest's own folders are closed to others
        folder.chmod(folder.stat().st_mode | 0o055)
    path.chmod(file_mode)
    path.parent.chmod(folder_mode)
    # The program itself may lie where nobody else may look: it is imported before the user changes.
    code = "import os\nos.getuid() == 0 and os.setuid(65534)\n" + TELL
    try:
        kind, sentence = json.loads(run("import bson.json_util\n" + code, path))
    finally:
        path.parent.chmod(0o700)
    assert kind == "AccessDenied", sentence
    assert str(path) in sentence


def test_a_folder_that_may_not_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "pad").mkdir(mode=0o555)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    kind, sentence = json.loads(
        run("import os\nos.getuid() == 0 and os.setuid(65534)\n" + TELL, tmp_path / "pad" / "deep" / "launchpad.db")
    )
    assert kind == AccessDenied.__name__
    assert "launchpad.db" in sentence


def test_a_full_disk_is_reported_in_a_sentence_and_nothing_is_changed(path: Path) -> None:
    backend = EmbeddedBackend(path)
    backend.write("c", [Insert({"_id": 1})])
    limit = 200_000

    def small_files_only() -> None:
        # What a file may grow to: to SQLite this looks as a disk that takes no more.
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code = """
import errno
import json
try:
    backend.write("c", [Insert({"a": "x" * 1000}) for _ in range(2000)])
except LaunchpadError as error:
    print(json.dumps([type(error).__name__, str(error)]))
print(json.dumps(backend.count("c", {})))
"""
    (kind, sentence), count = map(json.loads, run(code, path, preexec_fn=small_files_only).splitlines())
    assert kind == StoreError.__name__
    assert sentence.startswith(f"The disk that holds {path}")
    assert count == 1
    backend.write("c", [Insert({"_id": 2})])
    assert backend.count("c", {}) == 2


def test_a_file_that_was_removed_meanwhile_is_made_anew_and_not_written_to_nowhere(path: Path) -> None:
    backend = EmbeddedBackend(path)
    backend.write("c", [Insert({"_id": 1})])
    for file in path.parent.iterdir():
        file.unlink()
    backend.write("c", [Insert({"_id": 2})])
    assert [doc["_id"] for doc in EmbeddedBackend(path).find("c", {})] == [2]


# work that is not done


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents were looked at, as a list of their sizes."""
    sizes: list[int] = []

    def counted(data: bytes):
        sizes.append(len(data))
        return decode(data)

    decode = reading.decode
    monkeypatch.setattr(reading, "decode", counted)
    return sizes


@pytest.fixture
def many(path: Path) -> EmbeddedBackend:
    backend = EmbeddedBackend(path)
    backend.create_indexes("fireworks", INDEXES["fireworks"])
    backend.create_indexes("workflows", INDEXES["workflows"])
    backend.write(
        "fireworks",
        [
            Insert({"fw_id": n, "state": "READY" if n % 2 else "WAITING", "spec": {"_priority": n % 9}, "created_on": f"{n:05}"})
            for n in range(2000)
        ],
    )
    backend.write("workflows", [Insert({"_id": n, "nodes": list(range(10 * n, 10 * n + 10))}) for n in range(200)])
    return backend


PRIORITY = [("spec._priority", -1), ("created_on", 1)]


@pytest.mark.parametrize(
    ("collection", "query", "options", "found", "looked_at"),
    [
        ("fireworks", {"fw_id": 77}, {}, [77], 1),
        ("fireworks", {"fw_id": {"$in": [77, 78, 5000]}, "state": "READY"}, {}, [77], 1),
        ("fireworks", {"fw_id": {"$gte": 1998}}, {}, [1998, 1999], 2),
        ("fireworks", {"$or": [{"fw_id": 7}, {"fw_id": 8, "state": "WAITING"}]}, {"sort": [("fw_id", 1)]}, [7, 8], 2),
        ("fireworks", {"state": "READY"}, {"sort": PRIORITY, "limit": 1}, [17], 1),
        ("fireworks", {"state": "READY", "spec._fworker": {"$in": [None, "w"]}}, {"sort": PRIORITY, "limit": 2}, [17, 35], 2),
        ("fireworks", {}, {"sort": [("fw_id", -1)], "limit": 1}, [1999], 1),
        ("workflows", {"nodes": 1234}, {}, [123], 1),
        ("workflows", {"nodes": {"$in": [5, 1999]}}, {}, [0, 199], 2),
        ("workflows", {"locked.entry": {"$exists": True}}, {}, [], 0),
    ],
)
def test_only_candidates_are_looked_at(many, decoded, collection, query, options, found, looked_at) -> None:
    key = "fw_id" if collection == "fireworks" else "_id"
    assert [document[key] for document in many.find(collection, query, **options)] == found
    assert len(decoded) == looked_at


def test_a_find_over_everything_reads_piece_by_piece(many, decoded) -> None:
    found = many.find("fireworks", {"name": {"$exists": False}}, sort=[("fw_id", 1)])
    assert next(found)["fw_id"] == 0
    assert len(decoded) == 1
    assert len(list(found)) == 1999


def test_a_check_out_looks_at_one_of_many(many, decoded) -> None:
    taken = many.find_one_and_update("fireworks", {"state": "READY"}, {"$set": {"state": "RUNNING"}}, sort=PRIORITY)
    assert taken["fw_id"] == 17
    assert len(decoded) == 1


def test_counting_by_an_index_looks_at_none(many, decoded) -> None:
    assert many.count("fireworks", {"state": "READY"}) == 1000
    assert many.count("fireworks", {"state": {"$in": ["READY", "WAITING"]}, "fw_id": {"$lt": 10}}) == 10
    assert decoded == []


def test_deleting_leaves_no_keys_behind(many, path: Path) -> None:
    many.write("workflows", [DeleteMany({"_id": {"$lt": 150}}), UpdateMany({}, {"$set": {"nodes": 5}})])
    many.write("workflows", [DeleteMany({"nodes": 5})])
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM lpad_side").fetchone() == (0,)
    connection.close()


def test_ten_thousand_ids_in_one_query_go_by_the_index(many) -> None:
    ids = list(range(0, 20_000, 2))
    assert many.count("fireworks", {"fw_id": {"$in": ids}}) == 1000
    assert many.index_used("fireworks", {"fw_id": {"$in": ids}}) == "fw_id_1"
    assert many.count("workflows", {"nodes": {"$in": ids}}) == 200
    assert many.index_used("workflows", {"nodes": {"$in": ids}}) == "nodes_1"


def test_many_ids_of_any_kind_go_by_the_index(many) -> None:
    documents = list(many.find("workflows", {}))
    odd = [document["_id"] for document in documents] + [ObjectId() for _ in range(5000)] + ["x\0y", 1.5, True]
    assert many.count("workflows", {"_id": {"$in": odd}}) == 200
    assert many.index_used("workflows", {"_id": {"$in": odd}}) == "_id_"
    many.write("workflows", [Insert({"_id": 999, "nodes": [1.5, "x\0y", {"odd": 1}]})])
    assert [doc["_id"] for doc in many.find("workflows", {"nodes": {"$in": [*range(5000, 5500), "x\0y"]}})] == [999]
    assert [doc["_id"] for doc in many.find("workflows", {"nodes": {"$in": [*range(5000, 5500), 1.5]}})] == [999]
