"""Foreign SQL reads the little database and nothing else, and passes only if its rows are the right ones."""

import sqlite3

import pytest

from sevenb.lab.scenarios.database import QueryFailed, Rows, query, same_rows
from sevenb.lab.scenarios.sql import DATABASES, QUERIES, SQL, database, read_query

ASKS = {ask.key: ask for ask in SQL.asks}

RIGHT = [
    ("city", "```sql\nSELECT name FROM customers WHERE city = 'Porto' ORDER BY name ASC;\n```"),
    ("city", "SELECT customers.name AS who FROM customers WHERE city LIKE 'porto' ORDER BY 1"),
    ("city", "Here it is:\n\nSELECT name FROM customers\nWHERE city IN ('Porto')\nORDER BY name;\n\nIt sorts by name."),
    (
        "silent",
        "```sql\nSELECT c.name FROM customers c LEFT JOIN orders o ON o.customer_id = c.id"
        " WHERE o.id IS NULL ORDER BY c.name\n```",
    ),
    (
        "turnover",
        "```sqlite\nWITH paid AS (SELECT * FROM orders WHERE status <> 'cancelled' AND ordered_on LIKE '2025-%')\n"
        "SELECT c.name, ROUND(SUM(i.quantity * i.unit_price), 2) FROM customers c, paid p, items i\n"
        "WHERE p.customer_id = c.id AND i.order_id = p.id GROUP BY c.name ORDER BY 2 DESC LIMIT 3\n```",
    ),
]
TOTAL = (
    "SELECT c.name, SUM(i.quantity * i.unit_price) AS t FROM customers c JOIN orders o ON o.customer_id = c.id"
    " JOIN items i ON i.order_id = o.id WHERE {condition} GROUP BY c.id ORDER BY t {order} LIMIT {limit}"
)
PAID, YEAR = "o.status = 'paid'", "o.ordered_on LIKE '2025%'"
WRONG = [
    ("city", "", "query_read"),
    ("city", "```sql\nSELECT 1;\n```\nor\n```sql\nSELECT 2;\n```", "query_read"),
    ("city", "```sql\nSELECT name FROM clients\n```", "query_runs"),
    ("city", "SELECT name FROM customers WHERE city = 'Porto' ORDER BY name DESC", "rows_equal"),
    ("city", "SELECT id, name FROM customers WHERE city = 'Porto' ORDER BY name", "rows_equal"),
    ("city", "SELECT name FROM customers ORDER BY name", "rows_equal"),
    ("silent", "SELECT name FROM customers WHERE id NOT IN (SELECT customer_id FROM orders WHERE status = 'cancelled')"
     " ORDER BY name", "rows_equal"),
    ("turnover", TOTAL.format(condition=YEAR, order="DESC", limit=3), "rows_equal"),
    ("turnover", TOTAL.format(condition=PAID, order="DESC", limit=3), "rows_equal"),
    ("turnover", TOTAL.format(condition=f"{PAID} AND {YEAR}", order="ASC", limit=3), "rows_equal"),
    ("turnover", TOTAL.format(condition=f"{PAID} AND {YEAR}", order="DESC", limit=2), "rows_equal"),
]  # fmt: skip
HOSTILE = [
    "DELETE FROM customers",
    "DROP TABLE customers",
    "UPDATE customers SET name = 'x'",
    "INSERT INTO customers VALUES (99, 'x', 'y')",
    "CREATE TABLE x (y)",
    "ATTACH DATABASE '/tmp/stolen.db' AS stolen",
    "PRAGMA writable_schema = 1",
    "SELECT load_extension('/lib/x.so')",
    "VACUUM INTO '/tmp/stolen.db'",
    "BEGIN",
    "SELECT 1; DROP TABLE customers",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) SELECT i FROM n",
    "SELECT zeroblob(1000000000)",
    "SELECT * FROM sqlite_master, nowhere",
    "SELECT group_concat(printf('%.*c', 90000, 'x')) FROM items",
    "SELECT '\ud800'",
    "SELECT \x00",
]


@pytest.mark.parametrize(("key", "answer"), RIGHT)
def test_queries_that_give_the_right_rows_pass_however_they_are_written(key, answer):
    assert all(check.passed for check in ASKS[key].check(answer)), ASKS[key].check(answer)


@pytest.mark.parametrize(("key", "answer", "failing"), WRONG)
def test_wrong_queries_fail_and_say_at_what(key, answer, failing):
    assert [check.name for check in ASKS[key].check(answer) if not check.passed] == [failing]


def test_rows_written_down_instead_of_asked_for_do_not_pass():
    rows = query(DATABASES[0], QUERIES["city"][0]).rows
    constant = " UNION ALL ".join(f"SELECT '{name}'" for (name,) in rows)
    assert same_rows(query(DATABASES[0], constant), Rows(rows), ordered=True)
    assert [check.name for check in ASKS["city"].check(constant) if not check.passed] == ["rows_equal"]


@pytest.mark.parametrize("sql", HOSTILE)
def test_nothing_but_reading_a_little_is_allowed(sql):
    with pytest.raises(QueryFailed):
        query(DATABASES[0], sql, seconds=0.2)


def test_an_empty_statement_gives_nothing_and_a_value_too_large_is_null():
    assert query(DATABASES[0], "").rows == ()
    assert query(DATABASES[0], "SELECT printf('%.*c', 900000, 'x')").rows == ((None,),)


def test_the_databases_tell_right_queries_from_likely_mistakes():
    for sql, _ in QUERIES.values():
        assert query(DATABASES[0], sql) != query(DATABASES[1], sql)
    totals = [total for script in DATABASES for _, total in query(script, QUERIES["turnover"][0]).rows]
    assert len(set(totals)) == 6  # no two tie, so that the order is the only one


def test_a_database_is_the_same_for_its_seed():
    assert database(1) == DATABASES[0]
    connection = sqlite3.connect(":memory:")
    connection.executescript(database(1))
    assert connection.execute("SELECT COUNT(*) FROM orders WHERE status = 'cancelled'").fetchone()[0] > 3


def test_numbers_are_equal_to_a_millionth_and_order_counts_only_where_asked_for():
    first, second = Rows((("a", 0.1 + 0.2), (None, 3))), Rows(((None, 3.0), ("a", 0.3)))
    assert same_rows(first, second, ordered=False)
    assert not same_rows(first, second, ordered=True)
    assert not same_rows(first, Rows((("a", 0.31), (None, 3))), ordered=True)
    assert not same_rows(first, Rows((("a", 0.3),)), ordered=False)


def test_a_query_is_read_up_to_its_semicolon():
    assert read_query("Use this: \nselect 1 ;\nIt gives 1.") == "select 1"
