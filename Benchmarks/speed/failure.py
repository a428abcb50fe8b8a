"""Errors that a user can do something about, and words for people."""

import sys


class Failure(Exception):
    """Ends the run, or the job that raised it, with one line and an exit code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def say(text):
    print(text, file=sys.stderr, flush=True)
