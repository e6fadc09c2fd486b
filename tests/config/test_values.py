"""What the keys of the files mean, and the sentence for each that is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launchpad.config import find_fworker_file, find_settings, settings_from_values, write_launchpad_file
from launchpad.core.addresses import redact
from launchpad.errors import ConfigurationError
from launchpad.settings import Settings

SECRET = "s3cr3t/w@rd"


def from_file(folder: Path, text: str, name: str = "pad.yaml", **surroundings) -> Settings:
    file = folder / name
    file.write_text(text)
    return find_settings(launchpad_file=file, environ={"HOME": str(folder)}, cwd=folder, **surroundings)


def from_config(folder: Path, text: str) -> Settings:
    file = folder / "FW_config.yaml"
    file.write_text(text)
    return find_settings(environ={"HOME": str(folder), "FW_CONFIG_FILE": str(file)}, cwd="/")


# my_launchpad.yaml


def test_a_fireworks_file_is_read_as_fireworks_reads_it(tmp_path: Path) -> None:
    found = from_file(
        tmp_path,
        """
        host: db.example.org
        port: 27018
        name: NO
        username: me
        password: "0123"
        authsource: admin
        logdir: null
        strm_lvl: warning
        user_indices: [spec.formula, [spec.a, 1]]
        wf_user_indices: []
        uri_mode: false
        mongoclient_kwargs:
          tls: true
          retryWrites: false
        """,
    )
    assert found.client_arguments() == {
        "host": "db.example.org",
        "port": 27018,
        "username": "me",
        "password": "0123",
        "authSource": "admin",
        "tls": True,
        "retryWrites": False,
    }
    assert (found.kind, found.name, found.strm_lvl, found.logdir) == ("mongodb", "NO", "WARNING", None)
    assert found.user_indices == ("spec.formula", ["spec.a", 1])
    assert found.where == "db.example.org:27018/NO"


def test_an_empty_host_is_this_machine_and_the_name_is_fireworks(tmp_path: Path) -> None:
    found = from_file(tmp_path, "host:\n")
    assert (found.where, found.client_arguments()) == ("localhost:27017/fireworks", {"host": "localhost", "port": 27017})


def test_the_user_is_kept_in_the_database_itself_unless_said_otherwise(tmp_path: Path) -> None:
    assert from_file(tmp_path, "host: h\nname: mine\nusername: me\npassword: p").client_arguments()["authSource"] == "mine"


def test_with_uri_mode_only_the_address_and_the_name_count(tmp_path: Path) -> None:
    found = from_file(tmp_path, "host: mongodb://a:1,b:2/x\nuri_mode: true\nname: mine\nport: 5\nusername: old\nauthsource: z")
    assert found.client_arguments() == {"host": "mongodb://a:1,b:2/x"}
    assert (found.where, found.name) == ("a:1,b:2/mine", "mine")
    shown = {key for key, _, _ in found.describe()}
    assert shown.isdisjoint({"port", "username", "password", "authsource", "host"})


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("mongodb://h/mine", "mine"),
        ("mongodb+srv://u:p@h/mine?retryWrites=true", "mine"),
        ("mongodb://h/mine?appName=a@b", "mine"),
        ("mongodb://h/admin", "fireworks"),
        ("mongodb://h", "fireworks"),
        ("mongodb://%2Ftmp%2Fmongodb.sock/mine", "mine"),
    ],
)
def test_the_address_names_the_database_unless_the_file_does(tmp_path: Path, address: str, name: str) -> None:
    assert from_file(tmp_path, f"host: {address}\nuri_mode: true").name == name
    assert find_settings(uri=address, environ={"HOME": str(tmp_path)}, cwd=tmp_path).name == name


def test_an_address_without_uri_mode_is_completed_by_the_other_keys_as_in_fireworks(tmp_path: Path) -> None:
    found = from_file(tmp_path, "host: mongodb://h/ignored\nusername: me\npassword: p\nname: mine")
    assert found.client_arguments() == {
        "host": "mongodb://h/ignored",
        "port": 27017,
        "username": "me",
        "password": "p",
        "authSource": "mine",
    }


def test_several_hosts_may_be_a_list(tmp_path: Path) -> None:
    assert from_file(tmp_path, "host: [a:1, b:2]").where == "a:1,b:2/fireworks"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("host: sqlite:///data/my%20pad.db", "/data/my pad.db"),
        ("host: sqlite:////data/pad.db", "/data/pad.db"),
        ("path: /data/pad", "/data/pad"),
        ("path: sqlite:///data/pad.db", "/data/pad.db"),
        ("path: pad.db", "{folder}/pad.db"),
        ("path: ~/pad.db", "{folder}/pad.db"),
    ],
)
def test_a_file_may_name_the_embedded_database(tmp_path: Path, text: str, path: str) -> None:
    found = from_file(tmp_path, text)
    assert (found.kind, found.is_default, str(found.path)) == ("embedded", False, path.format(folder=tmp_path))


@pytest.mark.parametrize("address", ["sqlite:///data/pad.db", "/data/pad.db"])
def test_an_address_may_name_the_embedded_database(tmp_path: Path, address: str) -> None:
    found = find_settings(uri=address, environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert (found.kind, found.where) == ("embedded", "/data/pad.db")


def test_a_bare_path_is_meant_from_the_current_folder(tmp_path: Path) -> None:
    assert find_settings(uri="pad.db", environ={"HOME": "/"}, cwd=tmp_path).path == tmp_path / "pad.db"


def test_the_tls_keys_of_older_fireworks_files_reach_todays_driver(tmp_path: Path) -> None:
    found = from_file(tmp_path, "host: h\nssl: true\nssl_ca_certs: /ca.pem\nssl_certfile: /me.pem\nssl_pem_passphrase: " + SECRET)
    assert dict(found.mongoclient_kwargs) == {
        "tls": True,
        "tlsCAFile": "/ca.pem",
        "tlsCertificateKeyFile": "/me.pem",
        "tlsCertificateKeyFilePassword": SECRET,
    }


@pytest.mark.parametrize("text", ["ssl_ca_file: /ca.pem", "mongoclient_kwargs: {ssl_ca_certs: /ca.pem}"])
def test_a_ca_file_turns_encryption_on(tmp_path: Path, text: str) -> None:
    assert dict(from_file(tmp_path, f"host: h\n{text}").mongoclient_kwargs) == {"tls": True, "tlsCAFile": "/ca.pem"}


def test_files_as_fireworks_once_wrote_them_full_of_nulls_turn_nothing_on(tmp_path: Path) -> None:
    found = from_file(tmp_path, "host: h\nssl: false\nssl_ca_certs: null\nssl_certfile: null\nssl_keyfile: null\nusername: null")
    assert found.client_arguments() == {"host": "h", "port": 27017}


def test_a_json_file_will_do(tmp_path: Path) -> None:
    assert from_file(tmp_path, '{"host": "h", "port": 5}', "pad.json").where == "h:5/fireworks"


def test_a_program_may_give_the_same_keys(tmp_path: Path) -> None:
    surroundings = {"environ": {"HOME": str(tmp_path)}, "cwd": tmp_path}
    assert settings_from_values({"name": "mine"}, **surroundings).where == "localhost:27017/mine"
    assert settings_from_values({"path": "pad.db"}, **surroundings).path == tmp_path / "pad.db"
    with pytest.raises(ConfigurationError, match=r"LaunchPad\(…\) has the unknown key prt"):
        settings_from_values({"prt": 1}, **surroundings)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("host: h\nprot: 1", "unknown key prot."),
        ("name: mine", "names no database"),
        ("", "names no database"),
        ("- host", "must hold `key: value` lines"),
        ("host: h\nport: http", "port in .* must be a port number, 1 to 65535, not 'http'"),
        ("host: h\nport: 70000", "port in .* must be a port number, 1 to 65535, not 70000"),
        ("host: h\nname: 12", "name in .* must be text"),
        ("host: h\nuri_mode: maybe", "uri_mode in .* must be true or false, not 'maybe'"),
        ("host: h\nstrm_lvl: LOUD", "strm_lvl in .* must be a log level"),
        ("host: h\nuser_indices: spec.a", "user_indices in .* must be a list of field names"),
        ("host: h\nmongoclient_kwargs: tls", "mongoclient_kwargs in .* must be `key: value` lines"),
        ("host: h\nlease_seconds: 0", "lease_seconds in .* must be a number of seconds above 0, not 0"),
        ("host: h\nlease_seconds: 50", "lease_seconds in .* must be at least twice heartbeat_seconds"),
        ("host: h\nheartbeat_seconds: 61", "lease_seconds in .* must be at least twice heartbeat_seconds"),
        ("host: h\nuri_mode: true", "sets uri_mode, but its host is no address"),
        ("host: http://h", "http://h .* is no address of a database"),
        ("host: mongodb://", "MongoDB address of host in .* cannot be read"),
        ("host: h\npath: x.db", "names two databases, host and path"),
        ("path: sqlite://pad.db", "sqlite://pad.db in .* names no file"),
        ("host: h\nhost: g", "line 2, column 1: the key 'host' stands here a second time"),
        ("host: [h", "line 2, column 1: this is no valid YAML"),
        ("host: !!python/object:os.system x", "line 1, column 7: .* cannot be read as"),
        ("host: h\nssl: false\nssl_ca_file: /ca.pem", "sets ssl_ca_file, but `ssl: false` turns encryption off"),
        ("host: h\nssl_certfile: /a\nssl_keyfile: /b", "ssl_certfile and ssl_keyfile in .* name two files"),
    ],
)
def test_what_is_wrong_with_a_launchpad_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as raised:
        from_file(tmp_path, text)
    assert str(tmp_path / "pad.yaml") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_key_suggests_the_nearest(tmp_path: Path) -> None:
    for text, nearest in (("host: h\nuser_name: me", "username"), ("host: h\nPASWORD: x", "password")):
        with pytest.raises(ConfigurationError) as raised:
            from_file(tmp_path, text)
        assert raised.value.hint == f"Did you mean {nearest}?"


@pytest.mark.parametrize("content", [b"host: \xff", b"#" * 1_000_001])
def test_what_is_no_settings_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pad.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError, match="is not a text file|is too big for a settings file"):
        find_settings(launchpad_file=tmp_path / "pad.yaml", environ={"HOME": "/"}, cwd=tmp_path)


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Cannot read .* \(-l\): Is a directory"):
        find_settings(launchpad_file=tmp_path, environ={"HOME": "/"}, cwd=tmp_path)


@pytest.mark.parametrize("address", ["localhost:27017", "https://h/x", "sqlite://pad.db", "sqlite:///", "pad.sqlite"])
def test_what_is_no_address_is_refused_with_the_forms_there_are(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\(LPAD_URI\) is no address of a database") as raised:
        find_settings(environ={"HOME": "/", "LPAD_URI": address}, cwd=tmp_path)
    assert "mongodb://" in raised.value.hint


# FW_config.yaml


def test_the_behaviour_has_fireworks_defaults_except_for_the_order(tmp_path: Path) -> None:
    found = from_config(tmp_path, "")
    assert (found.run_expiration_secs, found.reservation_expiration_secs, found.wflock_expiration_secs) == (14400, 1209600, 300)
    assert (found.pw_check_num, found.rapidfire_sleep_secs, found.tracker_lines, found.sort_fws) == (10, 60, 25, "FIFO")
    assert (found.print_fw_json, found.print_fw_yaml, found.remove_useless_dirs) == (True, False, True)
    assert (found.heartbeat_seconds, found.lease_seconds, found.gridfs_fallback_collection) == (30, 120, "fw_gridfs")


def test_a_config_file_sets_the_behaviour(tmp_path: Path) -> None:
    found = from_config(
        tmp_path,
        """
        RUN_EXPIRATION_SECS: 7200
        SORT_FWS: FILO
        RAPIDFIRE_SLEEP_SECS: 0
        USER_PACKAGES: [one]
        ADD_USER_PACKAGES: [two]
        FW_NAME_UPDATES: {Old Task: NewTask}
        PRINT_FW_YAML: yes
        GRIDFS_FALLBACK_COLLECTION: null
        STREAM_LOGLEVEL: DEBUG
        MONGO_SOCKET_TIMEOUT_MS: 1000
        PING_TIME_SECS: 3600
        ECHO_TEST: hello
        DS_PASSWORD: !!binary MTIzNA==
        """,
    )
    assert (found.run_expiration_secs, found.sort_fws, found.rapidfire_sleep_secs) == (7200, "FILO", 0)
    assert (found.user_packages, dict(found.fw_name_updates)) == (("one", "two"), {"Old Task": "NewTask"})
    assert (found.print_fw_yaml, found.gridfs_fallback_collection, found.strm_lvl) == (True, None, "DEBUG")
    assert (found.heartbeat_seconds, dict(found.mongoclient_kwargs)) == (30, {"socketTimeoutMS": 1000})
    assert found.origin("sort_fws") == f"{tmp_path}/FW_config.yaml (FW_CONFIG_FILE)"


def test_the_launchpad_file_counts_more_than_the_config_file(tmp_path: Path) -> None:
    (tmp_path / "pad.yaml").write_text("host: h\nstrm_lvl: ERROR\nmongoclient_kwargs: {tls: true}")
    found = from_config(tmp_path, "LAUNCHPAD_LOC: pad.yaml\nSTREAM_LOGLEVEL: DEBUG\nMONGO_SOCKET_TIMEOUT_MS: 1000")
    assert (found.strm_lvl, dict(found.mongoclient_kwargs)) == ("ERROR", {"tls": True, "socketTimeoutMS": 1000})


def test_every_key_that_fireworks_knows_is_accepted(tmp_path: Path, fireworks_config_keys: list[str]) -> None:
    found = from_config(tmp_path, "".join(f"{key}: null\n" for key in fireworks_config_keys))
    assert found.kind == "embedded"


@pytest.fixture
def fireworks_config_keys() -> list[str]:
    return """
        USER_PACKAGES ADD_USER_PACKAGES FW_NAME_UPDATES YAML_STYLE FW_BLOCK_FORMAT FW_LOGGING_FORMAT
        QUEUE_RETRY_ATTEMPTS QUEUE_UPDATE_INTERVAL QUEUE_JOBNAME_MAXLEN SUBMIT_SCRIPT_NAME PRINT_FW_JSON PRINT_FW_YAML
        JSON_SCHEMA_VALIDATE JSON_SCHEMA_VALIDATE_LIST PING_TIME_SECS RUN_EXPIRATION_SECS MAINTAIN_INTERVAL
        RESERVATION_EXPIRATION_SECS WFLOCK_EXPIRATION_SECS WFLOCK_EXPIRATION_KILL RAPIDFIRE_SLEEP_SECS LAUNCHPAD_LOC
        FWORKER_LOC QUEUEADAPTER_LOC CONFIG_FILE_DIR STREAM_LOGLEVEL ROCKET_STREAM_LOGLEVEL QSTAT_FREQUENCY
        ALWAYS_CREATE_NEW_BLOCK TEMPLATE_DIR REMOVE_USELESS_DIRS DS_PASSWORD STORE_PACKING_INFO PW_CHECK_NUM
        TRACKER_LINES SORT_FWS ENCODE_MONTY DECODE_MONTY EXCEPT_DETAILS_ON_RERUN WEBSERVER_HOST WEBSERVER_PORT
        WEBSERVER_PERFWARNINGS MONGO_SOCKET_TIMEOUT_MS GRIDFS_FALLBACK_COLLECTION MONGOMOCK_SERVERSTORE_FILE ECHO_TEST
    """.split()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("PW_CHECK_NUMB: 3", "has the unknown key PW_CHECK_NUMB"),
        ("PW_CHECK_NUM: many", "PW_CHECK_NUM in .* must be a whole number, 0 or more, not 'many'"),
        ("RUN_EXPIRATION_SECS: -1", "must be a number of seconds above 0, not -1"),
        ("SORT_FWS: LIFO", r"must be FIFO \(oldest first\) or FILO \(newest first\), not 'LIFO'"),
        ("ADD_USER_PACKAGES: mine", "must be a list of names, not 'mine'"),
    ],
)
def test_what_is_wrong_with_a_config_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        from_config(tmp_path, text)


# Trust


@pytest.mark.parametrize("name", ["my_launchpad.yaml", "FW_config.yaml", "my_fworker.yaml"])
def test_a_file_in_the_current_folder_that_others_may_write_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("name: w\n" if "worker" in name else "host: h\n" if "pad" in name else "")
    (tmp_path / name).chmod(0o666)

    def find() -> object:
        surroundings = {"environ": {"HOME": "/nowhere", "LPAD_DATA_DIR": "/data"}, "cwd": tmp_path}
        return find_fworker_file(**surroundings) if "worker" in name else find_settings(**surroundings)

    with pytest.raises(ConfigurationError, match=f"{name} in the current folder can be written by others") as raised:
        find()
    assert raised.value.hint == f"Take that right away: `chmod go-w {tmp_path / name}`."
    (tmp_path / name).chmod(0o644)
    assert find()


def test_somebody_elses_file_in_the_current_folder_is_refused_until_it_is_named(tmp_path: Path) -> None:
    file = tmp_path / "my_launchpad.yaml"
    if os.getuid() == 0:
        file.write_text("host: h\n")
        os.chown(file, 12345, -1)
    else:
        file.symlink_to("/etc/passwd")  # root's
    with pytest.raises(ConfigurationError, match="belongs to somebody else and is not used") as raised:
        find_settings(environ={"HOME": "/nowhere"}, cwd=tmp_path)
    assert f"-l {file}" in raised.value.hint
    if os.getuid() == 0:
        assert find_settings(launchpad_file=file, environ={"HOME": "/nowhere"}, cwd=tmp_path).host == "h"


# Secrets


@pytest.mark.parametrize(
    "text",
    [
        f"host: h\nusername: me\npassword: {SECRET}",
        f"host: mongodb://me:{SECRET}@h/db",
        "host: mongodb://me:s3cr3t@h/db?tlsCertificateKeyFilePassword=s3cr3t\nuri_mode: true",
        f"host: h\nmongoclient_kwargs: {{tlsCertificateKeyFilePassword: {SECRET}, more: {{AWS_SESSION_TOKEN: {SECRET}}}}}",
        f"host: h\nssl_pem_passphrase: {SECRET}",
        f"host: http://me:{SECRET}@h",
        f"host: h\npassword: [{SECRET}]",
        f"host: mongodb://me:{SECRET}@",
    ],
)
def test_a_password_is_never_shown(tmp_path: Path, text: str) -> None:
    try:
        found = from_file(tmp_path, text)
    except ConfigurationError as error:
        shown = f"{error} {error.hint} {error!r}"
    else:
        shown = f"{found} {found!r} {found.describe()} {found.where}"
        assert "***" in shown
    assert "s3cr3t" not in shown
    assert "w@rd" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mongodb://me:pw@h:1/db", "mongodb://me:***@h:1/db"),
        ("mongodb+srv://me:p/w@x@h/db", "mongodb+srv://me:***@h/db"),
        ("cannot reach mongodb://me:pw@h:1/db (a@b)", "cannot reach mongodb://me:***@h:1/db (a@b)"),
        ("mongodb://me:my pw@h", "mongodb://me:***@h"),
        ("mongodb://h/?proxyPassword=x&y=1", "mongodb://h/?proxyPassword=***&y=1"),
        ("mongodb://h:27017/db", "mongodb://h:27017/db"),
        ("wrong password: none given", "wrong password: none given"),
    ],
)
def test_addresses_lose_their_passwords_and_nothing_else(text: str, shown: str) -> None:
    assert redact(text) == shown


# Writing


def test_a_written_file_is_the_users_alone_and_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "my_launchpad.yaml"
    write_launchpad_file(file, {"host": "h", "port": 5, "name": "012", "username": None, "password": SECRET, "uri_mode": False})
    assert file.stat().st_mode & 0o777 == 0o600
    assert "username" not in file.read_text()
    found = find_settings(environ={"HOME": "/nowhere"}, cwd=tmp_path)
    assert (found.where, found.password) == ("h:5/012", SECRET)
    assert [path.name for path in tmp_path.iterdir()] == ["my_launchpad.yaml"]


def test_a_file_that_is_there_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    file = tmp_path / "my_launchpad.yaml"
    file.write_text("host: old\n")
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="exists already"):
        write_launchpad_file(file, {"host": "new"})
    assert file.read_text() == "host: old\n"
    write_launchpad_file(file, {"host": "new"}, overwrite=True)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("host: new\n", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["my_launchpad.yaml"]


def test_nothing_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown key hots"):
        write_launchpad_file(tmp_path / "pad.yaml", {"hots": "h"})
    with pytest.raises(ConfigurationError, match="Cannot write .*: No such file or directory"):
        write_launchpad_file(tmp_path / "nowhere" / "pad.yaml", {"host": "h"})
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_password_survives_writing_and_reading(tmp_path_factory: pytest.TempPathFactory, password: str) -> None:
    file = tmp_path_factory.mktemp("pad") / "pad.yaml"
    write_launchpad_file(file, {"host": "h", "password": password})
    assert find_settings(launchpad_file=file, environ={"HOME": "/nowhere"}, cwd="/").password == password


def test_without_a_file_neither_yaml_nor_the_driver_is_loaded() -> None:
    program = (
        "import sys, launchpad.config as c; c.find_settings(uri='mongodb://h/x', environ={'HOME': '/nowhere'}, cwd='/')\n"
        "print(sorted({'yaml', 'pymongo', 'bson', 'platformdirs', 'mongomock'} & set(sys.modules)))"
    )
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environ, check=True)
    assert ran.stdout == "[]\n"
