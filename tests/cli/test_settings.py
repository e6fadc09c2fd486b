"""Which database is meant, and setting it up: init, config, reset."""

from __future__ import annotations

import datetime as dt
import stat

import pytest
import yaml


@pytest.fixture
def typed(monkeypatch):
    """Let a person type these answers."""
    import sys

    from lpad import output

    def prepare(*answers, secrets=()):
        left, hidden = list(answers), list(secrets)

        class Keyboard:
            def readline(self):
                return f"{left.pop(0)}\n" if left else ""

        monkeypatch.setattr(output, "can_ask", lambda: True)
        monkeypatch.setattr(output, "ask_secret", lambda question: hidden.pop(0))
        monkeypatch.setattr(sys, "stdin", Keyboard())

    return prepare


def written(folder, name="my_launchpad.yaml"):
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    return yaml.safe_load((folder / name).read_text())


def test_a_launchpad_file_is_written_from_options(lpad_here, own_surroundings):
    result = lpad_here("init", "--host", "db.example.org", "--port", "27018", "--name", "project", "--username", "me")
    assert (result.status, result.out) == (0, "")
    assert "my_launchpad.yaml" in result.err
    assert written(own_surroundings) == {"host": "db.example.org", "port": 27018, "name": "project", "username": "me"}


def test_an_address_or_an_embedded_file_is_written_too(lpad_here, own_surroundings):
    assert lpad_here("init", "-u", "--uri", "mongodb://db.example.org/project", "--config-file", "a.yaml").status == 0
    assert written(own_surroundings, "a.yaml") == {"host": "mongodb://db.example.org/project", "uri_mode": True}
    assert lpad_here("init", "--embedded", "project.db", "--config-file", "b.yaml").status == 0
    assert lpad_here("-l", "b.yaml", "reset", "--yes").status == 0
    assert (own_surroundings / "project.db").exists()


def test_a_file_with_a_percent_sign_in_its_name_is_the_file_that_is_made(lpad_here, own_surroundings):
    (own_surroundings / "runs%20at 50%").mkdir()
    assert lpad_here("init", "--embedded", "runs%20at 50%/a.db").status == 0
    assert lpad_here("reset", "--yes").status == 0
    assert (own_surroundings / "runs%20at 50%" / "a.db").exists()


def test_a_mistyped_file_is_told_and_not_made(lpad_here, own_surroundings):
    for words in (["get_fws"], ["rerun_fws", "--all", "--yes"], ["get_wflows", "-i", "3"], ["history"]):
        result = lpad_here("--uri", "projetc/a.db", *words)
        assert (result.status, result.out) == (1, "")
        assert f"There is no database {own_surroundings / 'projetc' / 'a.db'}.\n" in result.err
        assert "--uri" in result.err
    assert list(own_surroundings.iterdir()) == []
    assert lpad_here("--uri", "project/a.db", "add_scripts", "true").status == 0
    assert lpad_here("--uri", "project/a.db", "get_fws", "-d", "ids").json == [1]


def test_what_is_not_given_is_asked_for(lpad_here, own_surroundings, typed):
    typed("db.example.org", "", "project", "me", "", "", secrets=["s3cret"])
    result = lpad_here("init")
    assert result.status == 0
    assert written(own_surroundings) == {
        "host": "db.example.org",
        "port": 27017,
        "name": "project",
        "username": "me",
        "password": "s3cret",
    }
    assert "s3cret" not in result.err + result.out


def test_a_password_can_come_from_a_pipe(lpad_process, own_surroundings):
    result = lpad_process("init", "--host", "h", "--username", "me", "--password-stdin", stdin="s3cret\n")
    assert result.status == 0
    assert written(own_surroundings)["password"] == "s3cret"
    assert "s3cret" not in result.err + result.out


def test_a_file_that_is_there_is_not_replaced_by_accident(lpad_here, own_surroundings, typed):
    (own_surroundings / "my_launchpad.yaml").write_text("host: precious\n")
    result = lpad_here("init", "--host", "other")
    assert result.status == 64
    assert "exists already" in result.err
    typed("n")
    assert lpad_here("init", "--host", "other").status == 5
    assert (own_surroundings / "my_launchpad.yaml").read_text() == "host: precious\n"
    typed("y", *[""] * 6, secrets=[""])
    assert lpad_here("init", "--host", "other").status == 0
    assert written(own_surroundings)["host"] == "other"
    typed(*[""] * 5, secrets=[""])
    assert lpad_here("init", "--host", "third", "--force").status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--embedded", "a.db", "--host", "h"], 64, "Name the database in one way."),
        (["--uri", "mongodb://h/n", "--name", "n"], 64, "Name the database in one way."),
        (["-u"], 64, "No address is given."),
        (["--embedded", "nowhere/a.db"], 64, "nowhere does not exist."),
        (["--embedded", "."], 64, "is a folder."),
        (["--host", "h", "--port", "many"], 64, "invalid int value"),
        (["--host", "h", "--port", "70000"], 1, "port"),
        (["--host", "h", "--config-file", "nowhere/my_launchpad.yaml"], 1, "Cannot write"),
    ],
)
def test_what_cannot_be_written_is_told(lpad_here, own_surroundings, arguments, status, sentence):
    result = lpad_here("init", *arguments)
    assert result.status == status
    assert sentence in result.err
    assert list(own_surroundings.iterdir()) == []


def test_settings_are_shown_with_their_origin_and_without_passwords(lpad_here, own_surroundings):
    assert lpad_here("init", "--uri", "mongodb://me:s3cret@db.example.org/project").status == 0
    result = lpad_here("config", "-o", "json")
    assert result.json["uri"]["value"] == "mongodb://me:***@db.example.org/project"
    assert "my_launchpad.yaml" in result.json["uri"]["origin"]
    assert result.json["pw_check_num"] == {"value": "10", "origin": "default"}
    table = lpad_here("config").out
    assert table.splitlines()[0].split() == ["setting", "value", "where", "it", "comes", "from"]
    assert "s3cret" not in table + result.out


def test_without_any_settings_the_embedded_file_is_said_where_it_is(lpad_here, tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    result = lpad_here("get_fws")
    assert (result.status, result.json) == (0, [])
    (file,) = (tmp_path / "home").rglob("launchpad.db")
    assert result.err.splitlines()[0] == f"Using the embedded database {file}; `lpad init` configures another one."
    assert lpad_here("-s", "get_fws").err == ""


def test_two_databases_are_one_too_many(lpad_here, own_surroundings):
    (own_surroundings / "a.yaml").write_text("host: h\n")
    result = lpad_here("--uri", "x.db", "-l", "a.yaml", "get_fws")
    assert result.status == 64
    assert "--uri and -l both name a database" in result.err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("hots: h\n", "unknown key hots"), ("- host\n", ""), ("host: [", ""), (None, "does not exist")],
)
def test_a_bad_launchpad_file_is_one_sentence(lpad_here, own_surroundings, content, sentence):
    if content is not None:
        (own_surroundings / "a.yaml").write_text(content)
    result = lpad_here("-l", "a.yaml", "get_fws")
    assert (result.status, result.out) == (1, "")
    assert "a.yaml" in result.err
    assert sentence in result.err
    assert "Traceback" not in result.err


# reset


def test_a_reset_empties_and_ids_begin_anew(lpad, scene, pad):
    scene.workflow("FIZZLED", "WAITING")
    result = lpad("reset", "--yes")
    assert (result.status, result.out) == (0, "")
    assert "is empty now" in result.err
    assert scene.states() == {}
    assert lpad("add_scripts", "true", "-o", "json").json["fw_ids"] == [1]


def test_todays_date_is_consent_to_a_reset(lpad, scene):
    scene.workflow("READY")
    assert lpad("reset", "--password", dt.date.today().isoformat()).status == 0
    assert scene.states() == {}


@pytest.mark.parametrize("arguments", [[], ["--password", "2012-02-25"]])
def test_a_reset_without_consent_changes_nothing(lpad, scene, arguments):
    scene.workflow("READY")
    before = scene.contents()
    assert lpad("reset", *arguments).status == 64
    assert scene.contents() == before


def test_a_reset_asks_for_the_name_of_the_database(lpad, scene, pad, typed):
    scene.workflow("READY")
    typed("something else")
    result = lpad("reset")
    assert result.status == 5
    assert "1 workflow among it" in result.err
    assert scene.states() == {1: "READY"}
    typed(pad.name)
    assert lpad("reset").status == 0
    assert scene.states() == {}
