"""How long one waits after wrong passwords."""

import pytest

from sevenb.errors import TooManyRequests
from sevenb.server.access import throttle
from sevenb.server.access.throttle import LoginThrottle


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def waits(guard: LoginThrottle, clock: Clock, name: str, address: str, attempts: int) -> list[float]:
    """How long each of some wrong attempts had to wait."""
    found = []
    for _ in range(attempts):
        begun = clock.now
        while True:
            try:
                guard.begin(name, address)
                break
            except TooManyRequests as error:
                clock.now += error.retry_after
        found.append(clock.now - begun)
    return found


def test_the_wait_for_a_name_grows_and_stays_bearable_for_its_owner(clock: Clock) -> None:
    assert waits(LoginThrottle(clock), clock, "anna", "1.1.1.1", 12) == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]


def test_many_addresses_are_no_way_around_and_neither_is_another_case(clock: Clock) -> None:
    guard = LoginThrottle(clock)
    for number in range(5):
        guard.begin("anna", f"1.1.1.{number}")
    with pytest.raises(TooManyRequests):
        guard.begin("ＡＮＮＡ", "2.2.2.2")
    guard.begin("ben", "2.2.2.2")


def test_an_address_that_tries_many_names_waits_longer_and_longer(clock: Clock) -> None:
    guard = LoginThrottle(clock)
    for number in range(20):
        guard.begin(f"name {number}", "1.1.1.1")
    assert [waits(guard, clock, f"other {n}", "1.1.1.1", 1)[0] for n in range(12)][-3:] == [512, 900, 900]
    guard.begin("anna", "2.2.2.2")


def test_attempts_at_the_same_time_count_before_they_are_judged(clock: Clock) -> None:
    guard = LoginThrottle(clock)
    begun = 0
    for _ in range(100):
        try:
            guard.begin("anna", "1.1.1.1")
            begun += 1
        except TooManyRequests:
            pass
    assert begun == 5


def test_who_signs_in_begins_anew(clock: Clock) -> None:
    guard = LoginThrottle(clock)
    for _ in range(50):
        guard.begin("anna", "1.1.1.1")
        guard.forgive("anna", "1.1.1.1")


def test_after_an_hour_all_is_forgotten(clock: Clock) -> None:
    guard = LoginThrottle(clock)
    waits(guard, clock, "anna", "1.1.1.1", 12)
    clock.now += 3601
    assert waits(guard, clock, "anna", "1.1.1.1", 5) == [0] * 5


def test_names_that_nobody_has_take_no_memory(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MAX_REMEMBERED", 10)
    guard = LoginThrottle(clock)
    for number in range(100):
        guard.begin(f"name {number}", f"1.1.1.{number}")
    assert len(guard._records) <= 10


@pytest.mark.parametrize("name", [" anna", "anna\t", "ANNA", "\uff41nna", "anna\u2003"])
def test_no_way_to_write_a_name_begins_anew(clock: Clock, name: str) -> None:
    guard = LoginThrottle(clock)
    waits(guard, clock, "anna", "1.1.1.1", 5)
    with pytest.raises(TooManyRequests):
        guard.begin(name, "2.2.2.2")


def test_the_addresses_of_one_ipv6_network_are_one(clock: Clock) -> None:
    guard = LoginThrottle(clock)
    for number in range(20):
        guard.begin(f"name {number}", f"2001:db8::{number:x}")
    with pytest.raises(TooManyRequests):
        guard.begin("another", "2001:db8::ffff")
    guard.begin("another", "2001:db8:0:1::1")


def test_attempts_that_are_refused_push_nobody_out(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MAX_REMEMBERED", 30)
    guard = LoginThrottle(clock)
    for _ in range(5):
        guard.begin("anna", "1.1.1.1")
    for number in range(20):
        guard.begin(f"first {number}", "2.2.2.2")
    for number in range(100):
        with pytest.raises(TooManyRequests):
            guard.begin(f"name {number}", "2.2.2.2")
    with pytest.raises(TooManyRequests):
        guard.begin("anna", "3.3.3.3")
