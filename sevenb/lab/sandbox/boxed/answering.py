"""The solution's side of a check: runs what the model wrote and answers calls of its functions.

Runs inside the sandbox, without sevenb: the import below is replaced by the module's text.
"""

from sevenb.lab.sandbox.boxed.values import dumps, loads


def answer() -> None:
    """Run the solution at descriptor 3, then answer the calls at 4 by values at 5 until there are no more."""
    with open(3, "rb") as source, open(4, "rb") as calls, open(5, "wb") as answers:

        def say(*message: object) -> None:
            answers.write(dumps(message))
            answers.flush()

        names = {"__name__": "solution", "__builtins__": __builtins__}
        try:
            exec(compile(source.read(), "solution.py", "exec"), names)
        except BaseException as error:
            say("failed", type(error).__name__, str(error)[:300])
            return
        say("ready", sorted(name for name, value in names.items() if callable(value)))
        for line in calls:
            name, arguments, keywords = loads(line)
            try:
                say("value", names[name](*arguments, **keywords))  # type: ignore[operator]
            except BaseException as error:
                say("raised", type(error).__name__, str(error)[:300])
