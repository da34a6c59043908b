"""Names of the files that verbs write: one name for each request."""

from __future__ import annotations

import click

from latentbench.files.naming import file_name

__all__ = ["file_name", "other_choices"]

IN_THE_NAME = frozenset(
    {"run", "model", "dataset", "seed", "output", "files", "blocked", "form", "moving"}
)  # the trial is in the name anyway, the format in the ending


def other_choices(*named: str) -> list[str]:
    """Return the options of the running command that differ from their defaults, as `name=value`.

    Args:
        named: parameters that the file name holds anyway.
    """
    context = click.get_current_context()
    choices = []
    for option in (option for option in context.command.params if option.expose_value):
        value = context.params[str(option.name)]
        if option.name not in IN_THE_NAME | {*named} and value not in (option.get_default(context), None, ()):
            choices.append(_choice(option, value))
    return choices


def _choice(option: click.Parameter, value: object) -> str:
    name = option.opts[0].lstrip("-")
    if value is True:
        return name
    return f"{name}={','.join(map(str, value)) if isinstance(value, list | tuple) else value}"
