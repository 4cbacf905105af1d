# SPDX-License-Identifier: Apache-2.0
"""Which functions of a file each unit test calls, told by gcov: no other test can notice a mutant in them."""
import json
import pathlib
import subprocess


def functions_called(folder, programs, paths):
    """`programs`: {name: path below `folder`}, built with --coverage. Returns {path of source: [(first line,
    last line, names of the programs that call this function)]}."""
    objects = {path: next(iter(folder.rglob(f"*.p/{pathlib.Path(path).name}.gcno"))).with_suffix(".gcda") for path in paths}
    called = {path: {} for path in paths}
    for name, program in programs.items():
        for data in objects.values():
            data.unlink(missing_ok=True)
        subprocess.run([folder / program], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for path, data in objects.items():
            if data.exists():
                note_calls(called[path], name, data, path)
    return {path: [(*lines, names) for lines, names in functions.items()] for path, functions in called.items()}


def note_calls(called, name, data, path):
    told = subprocess.run(["gcov", "--json-format", "--stdout", data.resolve()], check=True, capture_output=True)
    for file in json.loads(told.stdout)["files"]:
        if file["file"].endswith(path):
            for function in file["functions"]:
                names = called.setdefault((function["start_line"], function["end_line"]), set())
                if function["execution_count"] > 0:
                    names.add(name)


def callers(functions, line):
    """Names of the programs that call the function at this line; None when it is in none."""
    found = [names for first, last, names in functions if first <= line <= last]
    return set().union(*found) if found else None
