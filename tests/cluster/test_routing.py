"""Requests that begin alike go to one engine, until another would be sooner done."""

from collections import Counter

from sevenb.cluster.routing import BLOCK, PrefixRouter

LONG = list(range(50 * BLOCK))


def test_what_has_nothing_in_common_is_shared_out_alike() -> None:
    router = PrefixRouter(3)
    engines = Counter(router.choose([n] * 100, 1, range(3)).engine for n in range(30))
    assert set(engines.values()) == {10}


def test_a_second_question_on_a_document_goes_where_the_document_is() -> None:
    router = PrefixRouter(4)
    first = router.choose([*LONG, 7], 1, range(4))
    router.finished(first)
    for n in range(4):
        other = router.choose([n] * 500, 1, range(4))
        router.finished(other)
    again = router.choose([*LONG, 8, 9], 1, range(4))
    assert again.engine == first.engine
    assert again.cost < first.cost / 5


def test_a_prompt_that_is_in_a_busy_engine_goes_to_an_idle_one_once_that_is_sooner_done() -> None:
    router = PrefixRouter(2)
    home = router.choose(LONG, 1, range(2))
    router.finished(home)
    chosen = [router.choose([*LONG, n], 1, range(2)).engine for n in range(60)]
    assert chosen[:20] == [home.engine] * 20
    assert set(chosen) == {0, 1}


def test_an_engine_that_was_started_anew_knows_nothing() -> None:
    router = PrefixRouter(2)
    ticket = router.choose(LONG, 1, range(2))
    router.finished(ticket)
    router.forget(ticket.engine)
    assert router.choose(LONG, 1, [ticket.engine]).cost == ticket.cost


def test_an_adapter_makes_another_prompt_of_the_same_tokens() -> None:
    router = PrefixRouter(1)
    plain = router.choose(LONG, 1, [0])
    assert router.choose(LONG, 1, [0], "pirate").cost == plain.cost
    assert router.choose(LONG, 1, [0], "pirate").cost < plain.cost


def test_only_engines_that_serve_are_chosen() -> None:
    router = PrefixRouter(3)
    assert {router.choose([n], 1, [0, 2]).engine for n in range(10)} == {0, 2}


def test_work_that_is_done_weighs_nothing() -> None:
    router = PrefixRouter(2)
    tickets = [router.choose([n] * 1000, 1, [0]) for n in range(5)]
    assert router.choose([9] * 10, 1, range(2)).engine == 1
    for ticket in tickets:
        router.finished(ticket)
    assert router.choose([8] * 10, 1, range(2)).engine == 0
