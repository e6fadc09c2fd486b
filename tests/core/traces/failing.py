"""Programs that fail, each in its own way: `python failing.py CASE` prints the stack trace as a worker would keep it.

Runs under any Python since 3.6; record.py runs it under several, in folders of different names.
"""
# ruff: noqa: B018, UP031

import concurrent.futures
import datetime
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import traceback
import uuid


class Relaxation:
    """A task with some state, as users write them."""

    def __init__(self, folder):
        self.folder = folder
        self.results = {"energies": [1.0, 2.0], "id": str(uuid.uuid4())}

    def energy(self):
        return self.results["energy"]

    def forces(self):
        return self.results["forces"]

    def read(self, name):
        with open(os.path.join(self.folder, name)) as file:
            return file.read()


class NotConverged(Exception):
    """An exception of a user's own."""


def key_energy():
    Relaxation(".").energy()


def key_forces():
    Relaxation(".").forces()


def missing_poscar():
    Relaxation(tempfile.mkdtemp()).read("POSCAR")


def missing_wavecar():
    Relaxation(tempfile.mkdtemp()).read("WAVECAR")


def bad_number_in_list():
    return [float(word) for word in "1.0 2.0 n/a".split()]


def bad_number_in_dict():
    return {word: int(word) for word in ["1", "x"]}


def not_json():
    json.loads("{'single': %d}" % random.randint(100, 999))


def raised_from():
    try:
        key_energy()
    except KeyError as error:
        raise NotConverged("no energy after %d steps" % random.randint(50, 5000)) from error


def raised_while_handling():
    try:
        key_energy()
    except KeyError:
        key_forces()


def not_converged():
    raise NotConverged(
        "the cell of %s did not converge in %.3f s\n  residual %g at step %d\n  see %s"
        % (
            uuid.uuid4().hex,
            random.random() * 100,
            random.random() / 1000,
            random.randint(10, 9999),
            os.path.join(tempfile.mkdtemp(), "OUTCAR"),
        )
    )


def not_converged_in_time():
    raise NotConverged("stopped at %s after %d steps" % (datetime.datetime.now().isoformat(), random.randint(10, 9999)))


def exit_2():
    subprocess.check_call([sys.executable, "-c", "raise SystemExit(2)"])


def exit_3():
    subprocess.check_call([sys.executable, "-c", "raise SystemExit(3)"])


def killed_program():
    subprocess.check_call([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])


def program_too_slow():
    subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def endless(depth=0):
    return endless(depth + 1)


def no_attribute():
    Relaxation(".").reslts


def none_in_the_way():
    value = None
    return value.energy + Relaxation


def object_in_message():
    raise TypeError("cannot handle %r in %r" % (Relaxation(random), object()))


def too_few_data():
    statistics.mean([])


def arguments_over_lines():
    return max(
        len(os.getcwd()),
        Relaxation(
            folder=None,
        ),
    )


def in_another_process():
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        return pool.submit(key_energy).result()


def no_memory():
    raise MemoryError


def disk_full():
    with open("/dev/full", "w") as file:
        file.write("x" * 100000)


def nobody_listens():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        socket.create_connection(bound.getsockname())


def no_module():
    import module_that_is_not_there  # noqa: F401


def index_beyond():
    return list(range(random.randint(1, 9)))[random.randint(10, 99)]


def asserts():
    assert Relaxation(".").results["energies"][0] > 5, "energy %r too low" % random.random()


def run_task(case):
    return globals()[case]()


def several_at_once():
    errors = []
    for fail in (key_energy, too_few_data):
        try:
            fail()
        except Exception as error:
            errors.append(error)
    raise ExceptionGroup("of %d workers" % random.randint(5, 50), errors)  # noqa: F821


if __name__ == "__main__":
    try:
        run_task(sys.argv[1])
    except BaseException as error:
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stdout)
