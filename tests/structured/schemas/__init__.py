"""More than 300 JSON Schemas, by feature, each with what should become of it."""

from tests.structured.schemas.case import Case
from tests.structured.schemas.composition import COMPOSITION
from tests.structured.schemas.features import FEATURES
from tests.structured.schemas.real import REAL
from tests.structured.schemas.written_by_clients import CLIENTS

SUITE: list[Case] = [*FEATURES, *COMPOSITION, *CLIENTS, *REAL]

__all__ = ["SUITE", "Case"]
