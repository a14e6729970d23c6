"""The error of a value that a config, a checkpoint or the command line should not hold."""


class SpecError(ValueError):
    """A value cannot be used; the message says where it is and what is allowed there.

    Parameters
    ----------
    path : str
        Keys and numbers that lead to the value, such as ``views[0].sd``; empty at the top.
    reason : str
        What is wrong with it, and what to do.
    source : str
        File that holds the value, where that is known.

    Examples
    --------
    >>> print(SpecError("views[0].sd", "'abc' is not a number", "config.yaml"))
    config.yaml: views[0].sd: 'abc' is not a number
    """

    def __init__(self, path: str, reason: str, source: str = "") -> None:
        self.path, self.reason, self.source = path, reason, source
        # Constructors such as that of Training name their setting in full themselves.
        named = path and not reason.startswith(f"{path}.")
        super().__init__(": ".join(filter(None, (source, path if named else "", reason))))

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return SpecError, (self.path, self.reason, self.source)

    def within(self, source: str) -> "SpecError":
        """The same error, said to lie in `source`."""
        return SpecError(self.path, self.reason, source)


class MismatchError(SpecError):
    """A value is not what is `expected` at its path; the hint says how to write it instead."""

    def __init__(self, path: str, value: object, expected: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(path, f"{shown(value)} is not {expected}{hint and f': {hint}'}")


def shown(value: object) -> str:
    """A value as a config has it, shortened where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
