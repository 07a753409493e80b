"""`LoginThrottle`: whoever guesses passwords waits longer after each wrong one."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from sevenb.errors import TooManyRequests
from sevenb.workspace.users import name_key

FORGET_SECONDS = 3600.0  # after this long without a failure a name or an address begins anew
MAX_REMEMBERED = 10_000  # names and addresses


@dataclass(frozen=True)
class _Rule:
    """``free`` failures cost nothing; each further one doubles the wait, from one second to ``longest``."""

    free: int
    longest: float

    def wait(self, failures: int) -> float:
        return 0.0 if failures < self.free else min(2.0 ** (failures - self.free), self.longest)


# Many people may share an address. The wait for a name stays short: anybody can make its owner wait.
_NAME = _Rule(free=5, longest=30.0)
_ADDRESS = _Rule(free=20, longest=900.0)


@dataclass
class _Record:
    failures: int = 0
    last: float = 0.0


class LoginThrottle:
    """Counts failed sign-ins by name and by address.

    An attempt counts as failed from its begin until `forgive`, so that many at once are no way around.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def begin(self, name: str, address: str) -> None:
        """Count an attempt. Raises `TooManyRequests` where it comes too early, and then it does not count."""
        now = self._clock()
        subjects = _subjects(name, address)
        wait = max(self._wait(key, rule, now) for key, rule in subjects)
        if wait > 0:
            raise TooManyRequests(f"Too many wrong sign-ins; try again in {max(1.0, wait):.0f} seconds.", wait)
        for key, _ in subjects:
            record = self._record(key, now)
            record.failures += 1
            record.last = now

    def forgive(self, name: str, address: str) -> None:
        """The attempt was right: the name begins anew, and the address loses this one failure."""
        (of_name, _), (of_address, _) = _subjects(name, address)
        self._records.pop(of_name, None)
        if (record := self._records.get(of_address)) is not None:
            record.failures = max(0, record.failures - 1)

    def _wait(self, key: str, rule: _Rule, now: float) -> float:
        """Looks alone: attempts that are refused push nobody out of what is remembered."""
        record = self._records.get(key)
        if record is None or record.last < now - FORGET_SECONDS:
            return 0.0
        return record.last + rule.wait(record.failures) - now

    def _record(self, key: str, now: float) -> _Record:
        record = self._records.setdefault(key, _Record())
        self._records.move_to_end(key)
        if record.last < now - FORGET_SECONDS:
            record.failures = 0
        while len(self._records) > MAX_REMEMBERED:
            self._records.popitem(last=False)
        return record


def _subjects(name: str, address: str) -> tuple[tuple[str, _Rule], tuple[str, _Rule]]:
    return (f"name {name_key(name)[:256]}", _NAME), (f"address {_network(address)}", _ADDRESS)


def _network(address: str) -> str:
    """What one attacker has: of IPv6 everybody gets a network of 2^64 addresses at least."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed, 64), strict=False))
