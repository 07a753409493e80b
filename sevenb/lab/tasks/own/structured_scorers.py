"""Scoring of answers that are JSON or a program."""

import ast
import json
from typing import Any

import jsonschema
import referencing

from sevenb.lab.sandbox import check_solution
from sevenb.lab.tasks.code.judging import require_sandbox, sandbox_conditions
from sevenb.lab.tasks.code.programs import fenced_blocks
from sevenb.lab.tasks.own.description import Description, Mistakes
from sevenb.lab.tasks.own.in_time import SECONDS, TOO_LONG, in_time
from sevenb.lab.tasks.own.items import Row
from sevenb.lab.tasks.own.scorer import Scorer, field_text
from sevenb.lab.tasks.task import Score

_PROBLEM = """
import jsonschema, referencing
schema, document = inputs
problem = next(jsonschema.Draft202012Validator(schema, registry=referencing.Registry()).iter_errors(document), None)
answer = problem and f"{problem.json_path}: {problem.message}"
"""


class JsonSchema(Scorer):
    """The answer is JSON that follows the schema; where the item has an expected object, its keys have these values."""

    told = "strict: the whole answer is JSON that is valid; flexible: the JSON in it, in a fenced block or not"

    def __init__(self, description: Description, mistakes: Mistakes) -> None:
        super().__init__(description, mistakes)
        schema = description.json_schema or {}
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise mistakes.at("json_schema", f"this is no JSON schema: {error.message}.") from None
        self._schema = schema
        self._has_patterns = '"pattern' in json.dumps(schema)
        self._validator = jsonschema.Draft202012Validator(schema, registry=referencing.Registry())

    def expected(self, row: Row) -> Any:
        """An object or nothing."""
        value = row.fields.get(self.description.answer)
        if value is not None and not isinstance(value, dict):
            raise row.wrong(f"the field {self.description.answer!r} must be an object, or be left out")
        return value

    def score(self, text: str, expected: Any) -> Score:
        """Validate; the note says what is wrong."""
        strict, why = self._valid(text.strip(), expected)
        if strict:
            return Score(True, True, text.strip())
        start, end = text.find("{"), text.rfind("}")
        for part in [
            *(block.strip() for block in fenced_blocks(text)),
            text[start : end + 1] if 0 <= start < end else "",
        ]:
            if part:
                flexible, why = self._valid(part, expected)
                if flexible:
                    return Score(False, True, part)
        return Score(False, False, text.strip() or None, why)

    def _valid(self, text: str, expected: Any) -> tuple[bool, str]:
        try:
            document = json.loads(text)
            problem = self._problem(document)
        except (ValueError, RecursionError) as error:
            return False, f"no JSON: {error}"[:200]
        except Exception as error:  # a reference in the schema that leads nowhere
            return False, f"the schema cannot be used: {error}"[:200]
        if problem:
            return False, problem[:200]
        for key, value in (expected or {}).items():
            if not isinstance(document, dict) or document.get(key) != value:
                return False, f"{key!r} is not {value!r}"[:200]
        return True, ""

    def _problem(self, document: Any) -> str | None:
        """What is wrong with a document: the patterns of a schema might take for ever."""
        if not self._has_patterns:
            problem = next(self._validator.iter_errors(document), None)
            return problem and f"{problem.json_path}: {problem.message}"
        found = in_time(_PROBLEM, self._schema, document)
        return f"validation took more than {SECONDS:g} s" if found is TOO_LONG else found

    def shown(self, expected: Any) -> str:
        """In the form that counts as strict."""
        return json.dumps(expected, ensure_ascii=False)


class PythonTests(Scorer):
    """The answer is a Python program that passes the item's tests, in the sandbox."""

    told = "strict: the first fenced block passes the tests in the sandbox; flexible: so does the last one, or the text"

    def require(self) -> None:
        """Needs a sandbox in which a right program passes."""
        require_sandbox(confirm_run_unsafe_code=self.confirm_run_unsafe_code)

    def conditions(self) -> dict[str, Any]:
        """The sandbox and its limits."""
        return sandbox_conditions()

    def expected(self, row: Row) -> Any:
        """The tests."""
        tests = field_text(row, self.description.answer)
        try:
            ast.parse(tests)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise row.wrong(
                f"the field {self.description.answer!r} holds no Python tests: {getattr(error, 'msg', error)}"
            ) from None
        return tests

    def score(self, text: str, expected: Any) -> Score:
        """Run them; the note says what failed."""
        blocks = fenced_blocks(text)
        candidates = list(dict.fromkeys([*blocks[:1], *blocks[-1:]])) or [text]
        reasons = []
        for number, program in enumerate(candidates):
            verdict = check_solution(program, expected, confirm_run_unsafe_code=self.confirm_run_unsafe_code)
            if verdict.passed:
                return Score(bool(blocks) and number == 0, True, program)
            reasons.append(verdict.reason)
        return Score(False, False, candidates[0] if text.strip() else None, reasons[0])
