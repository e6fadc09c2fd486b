"""Selections as queries, and the ids they select, on both databases."""

from __future__ import annotations

import datetime as dt

import pytest
from bson import ObjectId

from launchpad import LaunchPad
from launchpad.core.querytext import read_query
from launchpad.core.selection import Selection
from launchpad.errors import BadQuery
from launchpad.store import selecting
from launchpad.store.backend import Insert, Update
from launchpad.store.query_times import in_both_formats
from launchpad.store.selecting import count_fireworks, missing_ids, select_fw_ids, select_workflow_ids
from launchpad.store.selection_queries import attempt_query, firework_query, launch_query, workflow_query
from launchpad.store.sorting import find_sorted

NOON = dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.timezone.utc)


@pytest.fixture
def backend(store_uri):
    launchpad = LaunchPad.open(store_uri)
    yield launchpad.store.backend
    launchpad.close()


@pytest.fixture
def indexes(backend, store_uri):
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.tuneup()


def put(backend, collection, *documents):
    backend.write(collection, [Insert(dict(document)) for document in documents])


def firework(fw_id, **fields):
    defaults = {"name": f"fw {fw_id}", "state": "READY", "spec": {}, "launches": [], "archived_launches": []}
    return {"fw_id": fw_id, **defaults, **fields}


def launch(launch_id, fw_id, state="FIZZLED", trace="", **fields):
    action = {"stored_data": {"_exception": {"_stacktrace": trace}}}
    return {"launch_id": launch_id, "fw_id": fw_id, "state": state, "action": action, "state_history": [], **fields}


def ids(backend, selection, **options):
    return [fw_id for batch in select_fw_ids(backend, selection, **options) for fw_id in batch]


@pytest.fixture
def some(backend):
    """Seven fireworks: 1 to 4 FIZZLED, 5 READY, 6 RUNNING, 7 COMPLETED."""
    put(
        backend,
        "fireworks",
        firework(1, name="relax 1", state="FIZZLED", spec={"p": 1}, launches=[1]),
        firework(2, name="relax 2", state="FIZZLED", spec={"p": 2}, launches=[3], archived_launches=[2]),
        firework(3, name="static", state="FIZZLED", spec={"p": 3}, launches=[4]),
        firework(4, name="run[1]", state="FIZZLED", launches=[5]),
        firework(5, name="run1", spec={"p": 5}, archived_launches=[9]),
        firework(6, name="relax 1", state="RUNNING", launches=[6]),
        firework(7, name="static", state="COMPLETED", launches=[7]),
    )
    put(
        backend,
        "launches",
        launch(1, 1, trace="KeyError: 'a'"),
        launch(2, 2, trace="MemoryError"),  # archived, as FireWorks leaves it: among the active ones
        launch(3, 2, trace="KeyError: 'b'"),
        launch(4, 3, trace="MemoryError"),
        launch(5, 4, trace="MemoryError", state_history=[{"state": "RESERVED", "reservation_id": "4242"}]),
        launch(6, 6, "RUNNING"),
        launch(7, 7, "COMPLETED"),
    )
    put(backend, "archived_launches", launch(9, 5, trace="MemoryError", archived={"fw_ids": [5]}))
    return backend


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), [1, 2, 3, 4, 5, 6, 7]),
        (Selection(everything=True), [1, 2, 3, 4, 5, 6, 7]),
        (Selection(fw_ids=(7, 2, 99, 1)), [7, 2, 1]),
        (Selection(states=("FIZZLED",)), [1, 2, 3, 4]),
        (Selection(states=("READY", "RUNNING")), [5, 6]),
        (Selection(names=("static",)), [3, 7]),
        (Selection(names=("relax*",)), [1, 2, 6]),
        (Selection(names=("static", "relax 2")), [2, 3, 7]),
        (Selection(names=("*1",)), [1, 5, 6]),
        # A name with brackets means itself, and what they mean as a wild card.
        (Selection(names=("run[1]",)), [4, 5]),
        (Selection(query={"spec.p": {"$gte": 2}}), [2, 3, 5]),
        (Selection(query={"$or": [{"spec.p": 1}, {"state": "RUNNING"}]}), [1, 6]),
        # Everything given holds together.
        (Selection(names=("static",), states=("FIZZLED",)), [3]),
        (Selection(fw_ids=(1, 3, 5), states=("FIZZLED",), query={"spec.p": {"$lt": 3}}), [1]),
        (Selection(states=("READY",), query={"state": "FIZZLED"}), []),
        (Selection(everything=True, names=("run1",)), [5]),
    ],
)
def test_a_selection_finds_what_holds_together(some, selection, expected):
    assert ids(some, selection) == expected
    assert ids(some, selection, batch=2) == expected
    assert count_fireworks(some, selection) == len(expected)
    assert ids(some, selection, limit=2, batch=1) == expected[:2]
    assert count_fireworks(some, selection, limit=1) == min(1, len(expected))


MEMORY = {"action.stored_data._exception._stacktrace": {"$regex": "Memory"}}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        # Firework 2 failed so once, but that launch is archived; 5 too, in the other layout.
        (Selection(query=MEMORY, launches_mode=True), [3, 4]),
        (Selection(query=MEMORY, launches_mode=True, names=("static",)), [3]),
        (Selection(query=MEMORY, launches_mode=True, fw_ids=(4, 1, 2, 99)), [4]),
        (Selection(query=MEMORY, launches_mode=True, states=("COMPLETED",)), []),
        (Selection(states=("COMPLETED", "RUNNING"), launches_mode=True), [6, 7]),
        (Selection(query={"fw_id": 2}, launches_mode=True), [2]),
        # Without a query or a state: fireworks that have an active launch at all.
        (Selection(names=("run*",), launches_mode=True), [4]),
        (Selection(launches_mode=True), [1, 2, 3, 4, 6, 7]),
        (Selection(qid="4242"), [4]),
        (Selection(qid="4242", states=("FIZZLED",), names=("run*",)), [4]),
        (Selection(qid="4242", states=("READY",)), []),
        (Selection(qid="4242", launches_mode=True, query=MEMORY), [4]),
        (Selection(qid="1"), []),
    ],
)
def test_launches_mode_asks_active_launches_only(some, selection, expected):
    assert ids(some, selection) == expected
    assert ids(some, selection, batch=1) == expected
    assert count_fireworks(some, selection) == len(expected)
    assert ids(some, selection, limit=1) == expected[:1]


def test_a_firework_with_two_matching_launches_and_two_with_the_same_one_come_once_each(backend):
    put(backend, "fireworks", firework(1, launches=[1, 2, 3]), firework(2, launches=[2]))
    put(backend, "launches", *(launch(number, 1, trace="MemoryError") for number in (1, 2, 3)))
    for batch in (1, 2, 500):
        assert sorted(ids(backend, Selection(query=MEMORY, launches_mode=True), batch=batch)) == [1, 2]


@pytest.mark.parametrize("selection", [Selection(states=("FIZZLED",)), Selection(query=MEMORY, launches_mode=True)])
def test_what_is_changed_between_two_batches_does_not_come_again(backend, selection):
    put(backend, "fireworks", *(firework(n, state="FIZZLED", launches=[n]) for n in range(1, 8)))
    put(backend, "launches", *(launch(n, n, trace="MemoryError") for n in range(1, 8)))
    seen = []
    for batch in select_fw_ids(backend, selection, batch=2):
        seen += batch
        # A fast worker: what was handed out has failed again already.
        backend.write("fireworks", [Update({"fw_id": n}, {"$set": {"state": "FIZZLED", "updated_on": str(n)}}) for n in batch])
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_no_command_names_more_ids_than_a_batch(some, monkeypatch):
    longest = 0

    def longest_list(value):
        if isinstance(value, dict):
            return max((longest_list(inner) for inner in value.values()), default=0)
        return max([len(value), *map(longest_list, value)]) if isinstance(value, list) else 0

    find = some.find

    def watched(collection, query, **options):
        nonlocal longest
        longest = max(longest, longest_list(query))
        return find(collection, query, **options)

    some.find = watched
    many = tuple(range(1, 300))
    put(some, "workflows", *({"nodes": [n, n + 1], "metadata": {"set": "a"}} for n in (1, 3, 5)))
    for selection in (
        Selection(workflows=many),
        Selection(fw_ids=many, workflows=many),
        Selection(metadata={"set": ("a",)}),
        Selection(error="Memory"),
        Selection(error="Memory", any_attempt=True),
        Selection(causes=("oom", "code", "unknown"), any_attempt=True),
        Selection(fw_ids=many, error="Memory", any_attempt=True),
        Selection(error="Memory", metadata={"set": ("a",)}),
        Selection(fw_ids=many),
        Selection(fw_ids=many, states=("FIZZLED",)),
        Selection(fw_ids=many, query=MEMORY, launches_mode=True),
        Selection(query={"launch_id": {"$gt": 0}}, launches_mode=True),
    ):
        assert ids(some, selection, batch=3)
        assert ids(some, selection, batch=3, sort=[("name", 1)])
        for few in (0, 1000):
            monkeypatch.setattr(selecting, "FEW", few)
            assert ids(some, selection, batch=3)
            assert not [batch for batch in select_workflow_ids(some, selection, batch=3) if len(batch) > 3]
    assert 0 < longest <= 3


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ([("fw_id", -1)], [7, 6, 5, 4, 3, 2, 1]),
        ([("created_on", 1)], [4, 7, 2, 3, 1, 6, 5]),
        ([("created_on", -1)], [5, 6, 1, 3, 2, 7, 4]),
    ],
)
def test_fireworks_are_sorted_also_where_times_are_texts_here_and_dates_there(backend, sort, expected):
    times = {
        1: "2026-01-31T12:00:00.500000+00:00",
        2: NOON - dt.timedelta(hours=1),
        3: "2026-01-31T12:00:00.250000",  # as old versions wrote it: UTC, without saying so
        4: None,
        5: NOON + dt.timedelta(hours=1),
        6: "2026-01-31T12:00:01+00:00",
        7: "2026-01-31T10:59:59+00:00",
    }
    put(backend, "fireworks", *(firework(n, launches=[n], **({"created_on": time} if time else {})) for n, time in times.items()))
    put(backend, "launches", *(launch(n, n) for n in times))
    for selection in (Selection(), Selection(fw_ids=tuple(range(1, 8))), Selection(states=("FIZZLED",), launches_mode=True)):
        for batch in (2, 500):
            assert ids(backend, selection, sort=sort, batch=batch) == expected
            assert ids(backend, selection, sort=sort, batch=batch, limit=3) == expected[:3]


def test_equal_ones_are_sorted_by_id(backend):
    same = {"name": "same", "updated_on": "2026-01-31T12:00:00+00:00"}
    put(backend, "fireworks", *(firework(n, launches=[n], **same) for n in (3, 1, 2)), firework(4, name="another"))
    put(backend, "launches", *(launch(n, n) for n in (1, 2, 3)))
    assert ids(backend, Selection(), sort=[("name", 1)]) == [4, 1, 2, 3]
    assert ids(backend, Selection(), sort=[("name", -1)]) == [3, 2, 1, 4]
    assert ids(backend, Selection(), sort=[("name", 1)], limit=3) == [4, 1, 2]
    assert ids(backend, Selection(), sort=[("updated_on", -1)]) == [3, 2, 1, 4]
    assert ids(backend, Selection(), sort=[("updated_on", -1)], limit=2) == [3, 2]
    assert ids(backend, Selection(fw_ids=(4, 3, 2, 1)), sort=[("name", 1)], batch=2) == [4, 1, 2, 3]
    assert ids(backend, Selection(states=("FIZZLED",), launches_mode=True), sort=[("name", -1)]) == [3, 2, 1]


def test_sorted_documents_hold_the_fields_asked_for(backend):
    put(backend, "fireworks", firework(1, name="b"), firework(2, name="a"), firework(3))
    found = list(find_sorted(backend, "fireworks", {"fw_id": {"$lt": 3}}, [("name", 1)], fields=("fw_id",)))
    assert [document["fw_id"] for document in found] == [2, 1]
    assert set(found[0]) <= {"_id", "fw_id", "name"}


def test_ids_that_no_firework_has_are_told_in_the_order_given(some):
    assert missing_ids(some, [99, 1, 12, 7]) == [99, 12]
    assert missing_ids(some, range(1, 2000)) == list(range(8, 2000))


@pytest.mark.parametrize(
    "query",
    [
        "{created_on: {$gte: ISODate('2026-01-31T12:00:00Z')}}",
        "{created_on: {$gte: '2026-01-31T12:00:00Z'}}",
        "{created_on: {$gte: '2026-01-31T14:00:00+02:00', $lt: ISODate('2026-02-01')}}",
        "{created_on: {$not: {$lt: ISODate('2026-01-31T12:00:00Z')}}}",
        "{$and: [{created_on: {$gt: '2026-01-31'}}, {created_on: {$ne: ISODate('2026-01-31T11:59:59Z')}}]}",
        "{created_on: {$in: [ISODate('2026-01-31T12:00:00Z'), '2026-01-31T12:00:01Z']}}",
        "{$or: [{created_on: '2026-01-31T12:00:00Z'}, {created_on: ISODate('2026-01-31T12:00:01Z')}]}",
        "{created_on: {$nin: [ISODate('2026-01-31T11:59:59Z')], $gt: '2000-01-01', $exists: true}}",
    ],
)
def test_a_query_for_times_finds_texts_and_dates_alike(backend, query):
    put(
        backend,
        "fireworks",
        firework(1, created_on="2026-01-31T11:59:59+00:00"),
        firework(2, created_on=NOON - dt.timedelta(seconds=1)),
        firework(3, created_on="2026-01-31T12:00:00+00:00"),
        firework(4, created_on=NOON),
        firework(5, created_on="2026-01-31T12:00:01+00:00"),
        firework(6, created_on=NOON + dt.timedelta(seconds=1)),
    )
    assert ids(backend, Selection(query=read_query(query))) == [3, 4, 5, 6]


def test_times_in_the_history_of_launches_are_found_too(backend):
    put(backend, "fireworks", *(firework(n, launches=[n]) for n in (1, 2, 3)))
    put(
        backend,
        "launches",
        launch(1, 1, state_history=[{"state": "RUNNING", "updated_on": "2026-01-31T12:00:00+00:00"}]),
        launch(2, 2, state_history=[{"state": "RUNNING", "updated_on": NOON}]),
        launch(3, 3, state_history=[{"state": "RUNNING", "updated_on": "2026-01-31T13:00:00+00:00"}]),
    )
    for text in (
        "{state_history.updated_on: {$lt: ISODate('2026-01-31T12:30:00Z')}}",
        "{state_history.0.updated_on: {$lt: ISODate('2026-01-31T12:30:00Z')}}",
        "{state_history: {$elemMatch: {state: 'RUNNING', updated_on: {$lt: ISODate('2026-01-31T12:30:00Z')}}}}",
    ):
        assert ids(backend, Selection(query=read_query(text), launches_mode=True)) == [1, 2]


def test_what_is_no_time_is_left_as_it_is():
    query = {
        "created_on": {"$regex": "^2026"},
        "updated_on": {"$exists": True},
        "spec.created_on": "2026-01-31",
        "spec.list": {"$elemMatch": {"created_on": "2026-01-31"}},
        "state": "READY",
    }
    assert in_both_formats(query) == query
    assert in_both_formats({"created_on": None, "updated_on": "2026-01"}) == {"created_on": None, "updated_on": "2026-01"}


def test_an_object_id_and_an_expression_of_the_shell_are_found(some):
    document = some.find_one("fireworks", {"fw_id": 3})
    assert isinstance(document["_id"], ObjectId)
    assert ids(some, Selection(query=read_query(f"{{_id: ObjectId('{document['_id']}')}}"))) == [3]
    assert ids(some, Selection(query=read_query(f'{{"_id": {{"$in": [{{"$oid": "{document["_id"]}"}}]}}}}'))) == [3]
    assert ids(some, Selection(query=read_query("{name: /^RELAX/i, state: {$not: /RUN/}}"))) == [1, 2]
    assert ids(some, Selection(query=read_query("{name: {$in: [/static/, 'run1']}}"))) == [3, 5, 7]


@pytest.mark.parametrize(
    "query",
    [
        {"spec.p": {"$gtt": 1}},
        {"name": {"$regex": "("}},
        {"$and": []},
        {"$where": "sleep(1000)"},
        {"state": {"$not": {"$where": "1"}}},
        {"$nonsense": 1},
    ],
)
@pytest.mark.parametrize("launches_mode", [False, True])
def test_a_query_that_the_database_cannot_run_is_a_bad_query(some, query, launches_mode):
    with pytest.raises(BadQuery):
        ids(some, Selection(query=query, launches_mode=launches_mode))
    with pytest.raises(BadQuery):
        count_fireworks(some, Selection(query=query, launches_mode=launches_mode))


def test_workflows_are_selected_by_any_of_their_fireworks_and_by_their_own_fields(backend):
    put(
        backend,
        "workflows",
        {"name": "chain", "state": "FIZZLED", "nodes": [1, 2], "metadata": {"a": 1}},
        {"name": "chain 2", "state": "READY", "nodes": [3], "metadata": {"a": 2}},
    )

    def names(selection):
        return sorted(document["name"] for document in backend.find("workflows", workflow_query(selection)))

    assert names(Selection(fw_ids=(2,))) == ["chain"]
    assert names(Selection(fw_ids=(2, 3, 9))) == ["chain", "chain 2"]
    assert names(Selection(names=("chain*",), states=("READY",))) == ["chain 2"]
    assert names(Selection(query={"metadata.a": 1})) == ["chain"]
    assert names(Selection()) == ["chain", "chain 2"]


@pytest.mark.parametrize(
    "selection",
    [Selection(fw_ids=(1,)), Selection(fw_ids=(1, 2, 3)), Selection(states=("FIZZLED",)), Selection(names=("relax",))],
)
def test_fireworks_are_selected_by_an_index(some, indexes, selection):
    assert some.index_used("fireworks", firework_query(selection))


def test_names_with_wild_cards_times_and_queue_ids_are_found_by_an_index(some, indexes):
    if some.kind == "mongodb":  # the embedded store reads through all names, which takes milliseconds
        assert some.index_used("fireworks", firework_query(Selection(names=("relax*",))))
    assert some.index_used("launches", launch_query(Selection(qid="4242")))
    assert some.index_used("fireworks", {}, [("created_on", 1)])
    assert some.index_used("workflows", workflow_query(Selection(fw_ids=(1, 2))))
    assert some.index_used("workflows", workflow_query(Selection(workflows=(1, 2))))


@pytest.mark.parametrize(
    "given", [{"error": "x"}, {"worker": "w1"}, {"host": "node1"}, {"host": ["node1", "node2"], "error": "x"}]
)
def test_attempts_are_found_by_an_index(some, indexes, given):
    assert some.index_used("launches", attempt_query(Selection.of(**given)))


def test_what_was_changed_in_a_span_of_time_is_found_by_an_index(some, indexes):
    span = Selection.of(since="2026-01-30", until="2026-01-31")
    assert some.index_used("fireworks", firework_query(span))
    assert some.index_used("workflows", workflow_query(span))
