"""The exit codes of `masksmith`; errors carry theirs in `pipeline.errors`."""

FAILURE = 1
USAGE = 2
NOTHING_TO_DO = 3
BAD_INPUT = 4
MISSING_DEPENDENCY = 5
SOME_FAILED = 8
INTERRUPTED = 130
