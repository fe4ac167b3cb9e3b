"""The command line as tests call it."""

from typer.testing import CliRunner

from mixtures.cli import app as cli


def run(*arguments, stdin=None, columns=200):
    """Exit code, standard output and standard error; a traceback is a failure of the test."""
    env = {"COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "dumb"}
    words = [str(argument) for argument in arguments]
    result = CliRunner().invoke(cli.app, words, env=env, input=stdin, prog_name="mixtures")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"traceback: {result.exception!r}") from result.exception
    return result.exit_code, result.stdout, result.stderr
