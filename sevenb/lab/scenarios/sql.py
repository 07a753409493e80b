"""The scenario "sql": questions turned into queries, which are run and must give what the right ones give."""

import re
from collections.abc import Callable
from random import Random

from sevenb.lab.results import Check
from sevenb.lab.scenarios.database import QueryFailed, Rows, query, same_rows
from sevenb.lab.scenarios.scenario import Ask, Scenario, Words, user

TABLES = """\
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id),
                     ordered_on TEXT NOT NULL,  -- 'YYYY-MM-DD'
                     status TEXT NOT NULL);     -- 'paid' or 'cancelled'
CREATE TABLE items (order_id INTEGER NOT NULL REFERENCES orders(id), product TEXT NOT NULL,
                    quantity INTEGER NOT NULL, unit_price REAL NOT NULL);"""

_FENCE = re.compile(r"```(?:sql|sqlite|SQL|SQLite)?[ \t]*\n(.*?)```", re.DOTALL)
_BEGINNING = re.compile(r"^[^\S\n]*(?:SELECT|WITH)\b", re.IGNORECASE | re.MULTILINE)
_CITIES = ("Lyon", "Porto", "Utrecht")
_NAMES = ("Ana", "Bo", "Chen", "Dara", "Emil", "Fay", "Goro", "Hana", "Ivo", "Jun", "Kaya", "Leo")
_PRODUCTS = {"lamp": 39.9, "desk": 210.0, "chair": 89.5, "paper": 6.25}


def database(seed: int) -> str:
    """The tables with rows: customers without orders, orders of other years, cancelled ones."""
    random = Random(seed)
    lines = [TABLES]
    names = random.sample(_NAMES, 9)
    for id, name in enumerate(names, 1):
        lines.append(f"INSERT INTO customers VALUES ({id}, '{name}', '{_CITIES[id % len(_CITIES)]}');")
    for id in range(1, 41):
        customer = random.randint(1, 7)  # the last two never order
        day = f"{random.choice((2024, 2025, 2025))}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
        status = random.choice(("paid", "paid", "paid", "cancelled"))
        lines.append(f"INSERT INTO orders VALUES ({id}, {customer}, '{day}', '{status}');")
        for product in random.sample(sorted(_PRODUCTS), random.randint(1, 3)):
            lines.append(f"INSERT INTO items VALUES ({id}, '{product}', {random.randint(1, 6)}, {_PRODUCTS[product]});")
    return "\n".join(lines)


DATABASES = (database(1), database(2))  # the second, so that no answer can hold the rows instead of the way to them


def read_query(answer: str) -> str | None:
    """The only fenced block, else all from the first SELECT or WITH to its semicolon or an empty line."""
    fences: list[str] = [block for block in _FENCE.findall(answer) if _BEGINNING.search(block)]
    if len(fences) > 1:
        return None
    if fences:
        return fences[0].strip()
    beginning = _BEGINNING.search(answer)
    if not beginning:
        return None
    return re.split(r";|\n\s*\n|```", answer[beginning.start() :])[0].strip()


def check_query(right: str, *, ordered: bool) -> Callable[[str], list[Check]]:
    """That the answer's query gives the same rows as ``right`` on both databases; in the same order if ``ordered``."""

    def check(answer: str) -> list[Check]:
        sql = read_query(answer)
        if sql is None:
            return [Check("query_read", False, "the answer holds no query, or several")]
        checks = [Check("query_read", True, " ".join(sql.split())[:200])]
        try:
            found = [query(script, sql) for script in DATABASES]
        except QueryFailed as error:
            return [*checks, Check("query_runs", False, str(error))]
        wanted = [query(script, right) for script in DATABASES]
        equal = all(same_rows(one, other, ordered=ordered) for one, other in zip(found, wanted, strict=True))
        detail = _shown(found[0]) if equal else f"{_shown(found[0])} instead of {_shown(wanted[0])}"
        return [*checks, Check("query_runs", True, f"{len(found[0].rows)} rows"), Check("rows_equal", equal, detail)]

    return check


def _shown(rows: Rows) -> str:
    shown = "; ".join(", ".join(map(str, row)) for row in rows.rows[:4])
    return f"[{shown}{'; …' if len(rows.rows) > 4 else ''}]"


QUERIES = {
    "city": ("SELECT name FROM customers WHERE city = 'Porto' ORDER BY name", True),
    "silent": (
        "SELECT name FROM customers WHERE id NOT IN (SELECT customer_id FROM orders) ORDER BY name",
        True,
    ),
    "turnover": (
        "SELECT customers.name, SUM(items.quantity * items.unit_price) AS total FROM customers"
        " JOIN orders ON orders.customer_id = customers.id JOIN items ON items.order_id = orders.id"
        " WHERE orders.status = 'paid' AND orders.ordered_on BETWEEN '2025-01-01' AND '2025-12-31'"
        " GROUP BY customers.id, customers.name ORDER BY total DESC LIMIT 3",
        True,
    ),
}


def _question(key: str, title: Words, text: str) -> Ask:
    right, ordered = QUERIES[key]
    prompt = f"""\
A SQLite database has these tables:

{TABLES}

Write one SQLite query. {text}
Answer with the query alone, in a fenced block that begins with ```sql."""
    return Ask(
        key=key, title=title, messages=(user(prompt),), check=check_query(right, ordered=ordered), max_tokens=300
    )


SQL = Scenario(
    key="sql",
    title={"en": "From a question to SQL", "zh": "自然语言转 SQL"},
    asks=(
        _question(
            "city",
            {"en": "One table", "zh": "单表查询"},
            "It lists the names of all customers in the city Porto, in alphabetical order.",
        ),
        _question(
            "silent",
            {"en": "What is not there", "zh": "没有下单的客户"},
            "它列出从未下过任何订单（包括已取消的订单）的客户的姓名（name），只要这一列，按字母顺序排列。",
        ),
        _question(
            "turnover",
            {"en": "Three tables, sums and a limit", "zh": "三表连接与汇总"},
            "It lists the three customers who spent most in the year 2025, cancelled orders not counted: exactly "
            "two columns,"
            " the customer's name and the sum of quantity times unit price, the largest sum first.",
        ),
    ),
)
