# SPDX-License-Identifier: Apache-2.0
"""TAP for test scripts: check() for one claim, skip() where something is not to be had, done() at the end."""
import sys
import traceback


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, ok, what, detail=""):
        self.count += 1
        print(f"{'ok' if ok else 'not ok'} {self.count} - {what}", flush=True)
        if not ok:
            self.failed += 1
            for line in str(detail).splitlines()[-30:]:
                print(f"#   {line}", flush=True)
        return ok

    def equal(self, got, expected, what):
        return self.check(got == expected, what, f"got      {got!r}\nexpected {expected!r}")

    def contains(self, text, part, what):
        return self.check(part in text, what, f"{part!r} is not in:\n{text}")

    def skip(self, what, why):
        self.count += 1
        print(f"ok {self.count} - {what} # SKIP {why}", flush=True)

    def story(self, run, *arguments):
        """Runs one function; an exception in it is one failed test, and the next story still runs."""
        try:
            run(self, *arguments)
        except Exception:  # whatever it is, it is a failure of this story
            self.check(False, run.__name__, traceback.format_exc())

    def done(self):
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)
