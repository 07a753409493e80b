"""The cases: what a user says, the tools at hand, and the calls that are right."""

from dataclasses import dataclass
from typing import Any

from benchmarks.tools.expectation import Call, one_of, saying
from benchmarks.tools.toolboxes import BUSINESS, CHINESE, DEVELOPER, EVERYDAY, HOME, MATHS
from sevenb.structured.tools.tools import Tool

KINDS = ("single", "parallel", "nested", "none needed", "Chinese")


@dataclass(frozen=True)
class Case:
    """One turn. ``messages`` are in OpenAI's form; no ``calls`` mean that none should be made."""

    kind: str
    tools: tuple[Tool, ...]
    messages: tuple[dict[str, Any], ...]
    calls: tuple[Call, ...]


def _case(kind: str, tools: tuple[Tool, ...], user: str, *calls: Call) -> Case:
    return Case(kind, tools, ({"role": "user", "content": user},), calls)


def _call(name: str, /, **arguments: Any) -> Call:
    return Call(name, arguments)


def _answered(kind: str, tools: tuple[Tool, ...], user: str, name: str, arguments: dict[str, Any], result: str) -> Case:
    """A turn in which the call was made already, and its result is there."""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    messages = (
        {"role": "user", "content": user},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    )
    return Case(kind, tools, messages, ())


SINGLE = [
    _case("single", EVERYDAY, "What's the weather like in Paris?", _call("get_weather", city="Paris")),
    _case("single", EVERYDAY, "Is it raining in New York right now?", _call("get_weather", city="New York")),
    _case("single", EVERYDAY, "What time is it in Tokyo?", _call("get_time", city="Tokyo")),
    _case(
        "single",
        EVERYDAY,
        "How much is 250 US dollars in euros? Use USD and EUR.",
        _call("convert_currency", amount=250, source="USD", target="EUR"),
    ),
    _case(
        "single",
        EVERYDAY,
        "Convert 99.5 GBP to JPY.",
        _call("convert_currency", amount=99.5, source="GBP", target="JPY"),
    ),
    _case("single", EVERYDAY, "Set an alarm for 06:45.", _call("set_alarm", time="06:45")),
    _case(
        "single",
        EVERYDAY,
        "Send an email to bob@example.com with the subject 'Lunch' and the body 'See you at noon.'",
        _call("send_email", to="bob@example.com", subject="Lunch", body=one_of("See you at noon.", "See you at noon")),
    ),
    _case("single", HOME, "Turn on the light in the kitchen.", _call("set_light", room="kitchen", on=True)),
    _case("single", HOME, "Bedroom light off, please.", _call("set_light", room="bedroom", on=False)),
    _case(
        "single",
        HOME,
        "Make it 21.5 degrees in the living room.",
        _call("set_thermostat", room="living room", celsius=21.5),
    ),
    _case("single", HOME, "Play something by Miles Davis.", _call("play_music", artist="Miles Davis")),
    _case("single", HOME, "Please lock the garage door.", _call("lock_door", door="garage")),
    _case("single", HOME, "Stop everything!", _call("stop_everything")),
    _case("single", DEVELOPER, "Show me what is in src/main.py", _call("read_file", path="src/main.py")),
    _case(
        "single",
        DEVELOPER,
        "Which files are in the docs directory?",
        _call("list_directory", path=one_of("docs", "docs/", "./docs")),
    ),
    _case(
        "single",
        DEVELOPER,
        "Commit everything with the message 'Fix the login page'.",
        _call("git_commit", message="Fix the login page"),
    ),
    _case(
        "single",
        DEVELOPER,
        "Run the tests in tests/unit.",
        _call("run_tests", path=one_of("tests/unit", "tests/unit/")),
    ),
    _case(
        "single",
        DEVELOPER,
        'In config.toml replace "debug = true" by "debug = false".',
        _call("replace_in_file", path="config.toml", old="debug = true", new="debug = false"),
    ),
    _case("single", MATHS, "What is the square root of 1764?", _call("square_root", x=1764)),
    _case("single", MATHS, "Use the tool to multiply 12.5 by -4.", _call("multiply", a=12.5, b=-4)),
    _case("single", MATHS, "Roll three dice with 20 sides.", _call("roll_dice", count=3, sides=20)),
]

PARALLEL = [
    _case(
        "parallel",
        EVERYDAY,
        "What's the weather in London and in Madrid?",
        _call("get_weather", city="London"),
        _call("get_weather", city="Madrid"),
    ),
    _case(
        "parallel",
        EVERYDAY,
        "Tell me the weather in Oslo, Rome and Cairo.",
        _call("get_weather", city="Oslo"),
        _call("get_weather", city="Rome"),
        _call("get_weather", city="Cairo"),
    ),
    _case(
        "parallel",
        EVERYDAY,
        "What's the time and the weather in Sydney?",
        _call("get_time", city="Sydney"),
        _call("get_weather", city="Sydney"),
    ),
    _case(
        "parallel",
        EVERYDAY,
        "Set alarms for 07:00 and 07:30.",
        _call("set_alarm", time="07:00"),
        _call("set_alarm", time="07:30"),
    ),
    _case(
        "parallel",
        EVERYDAY,
        "Convert 100 USD to EUR and 200 USD to CHF.",
        _call("convert_currency", amount=100, source="USD", target="EUR"),
        _call("convert_currency", amount=200, source="USD", target="CHF"),
    ),
    _case(
        "parallel",
        HOME,
        "Switch on the lights in the kitchen and in the bathroom.",
        _call("set_light", room="kitchen", on=True),
        _call("set_light", room="bathroom", on=True),
    ),
    _case(
        "parallel",
        HOME,
        "I'm leaving: lock the front door and switch off the bedroom light.",
        _call("lock_door", door="front"),
        _call("set_light", room="bedroom", on=False),
    ),
    _case(
        "parallel",
        HOME,
        "Lock all three doors: front, back and garage.",
        _call("lock_door", door="front"),
        _call("lock_door", door="back"),
        _call("lock_door", door="garage"),
    ),
    _case(
        "parallel",
        HOME,
        "Set the bedroom to 18 degrees and the kitchen to 20 degrees.",
        _call("set_thermostat", room="bedroom", celsius=18),
        _call("set_thermostat", room="kitchen", celsius=20),
    ),
    _case(
        "parallel",
        DEVELOPER,
        "Read both a.txt and b.txt.",
        _call("read_file", path="a.txt"),
        _call("read_file", path="b.txt"),
    ),
    _case(
        "parallel",
        DEVELOPER,
        "List the directory src and run the tests in tests.",
        _call("list_directory", path=one_of("src", "src/")),
        _call("run_tests", path=one_of("tests", "tests/")),
    ),
    _case(
        "parallel",
        MATHS,
        "Use the tools: add 17 and 25, and take the square root of 81.",
        _call("add", a=17, b=25),
        _call("square_root", x=81),
    ),
]

NESTED = [
    _case(
        "nested",
        BUSINESS,
        "Create an order for Ada Lovelace (ada@example.com): 2 keyboards and 1 mouse.",
        _call(
            "create_order",
            customer={"name": "Ada Lovelace", "email": "ada@example.com"},
            items=[
                {"product": one_of("keyboard", "keyboards"), "quantity": 2},
                {"product": "mouse", "quantity": 1},
            ],
        ),
    ),
    _case(
        "nested",
        BUSINESS,
        "Order 5 notebooks for Tom Sawyer, tom@example.com.",
        _call(
            "create_order",
            customer={"name": "Tom Sawyer", "email": "tom@example.com"},
            items=[{"product": one_of("notebook", "notebooks"), "quantity": 5}],
        ),
    ),
    _case(
        "nested",
        BUSINESS,
        "Jane Doe <jane@example.com> wants 3 lamps, 1 desk and 4 chairs. Create the order.",
        _call(
            "create_order",
            customer={"name": "Jane Doe", "email": "jane@example.com"},
            items=[
                {"product": one_of("lamp", "lamps"), "quantity": 3},
                {"product": "desk", "quantity": 1},
                {"product": one_of("chair", "chairs"), "quantity": 4},
            ],
        ),
    ),
    _case(
        "nested",
        BUSINESS,
        "Put 'Budget review' into the calendar for 2025-03-14 at 15:30 with Alice and Bob.",
        _call(
            "create_event",
            title="Budget review",
            when={"date": "2025-03-14", "time": "15:30"},
            attendees=["Alice", "Bob"],
        ),
    ),
    _case(
        "nested",
        BUSINESS,
        "Schedule the event 'Dentist' on 2024-12-01 at 09:00. Only Carol attends.",
        _call("create_event", title="Dentist", when={"date": "2024-12-01", "time": "09:00"}, attendees=["Carol"]),
    ),
    _case(
        "nested",
        BUSINESS,
        "Calendar: 'Stand-up', 2026-01-05, 10:15, with Mei, Omar and Lena.",
        _call(
            "create_event",
            title=one_of("Stand-up", "Standup"),
            when={"date": "2026-01-05", "time": "10:15"},
            attendees=["Mei", "Omar", "Lena"],
        ),
    ),
    _case(
        "nested",
        BUSINESS,
        "Find products whose price is below 50.",
        _call("search_products", filters=[{"field": "price", "operator": "below", "value": "50"}]),
    ),
    _case(
        "nested",
        BUSINESS,
        "Search for products of the brand Acme with a price above 100.",
        _call(
            "search_products",
            filters=[
                {"field": "brand", "operator": "equals", "value": "Acme"},
                {"field": "price", "operator": "above", "value": "100"},
            ],
        ),
    ),
    _case(
        "nested",
        BUSINESS,
        "Search the catalogue for products whose color equals red.",
        _call("search_products", filters=[{"field": "color", "operator": "equals", "value": "red"}]),
    ),
    _case(
        "nested",
        BUSINESS,
        "Register John Smith, who lives at 12 Oak Street, Springfield, zip 01101.",
        _call(
            "register_user",
            name="John Smith",
            address={"street": "12 Oak Street", "city": "Springfield", "zip": "01101"},
        ),
    ),
    _case(
        "nested",
        BUSINESS,
        "New user: Maria Rossi, Via Roma 8, Milano, 20121.",
        _call("register_user", name="Maria Rossi", address={"street": "Via Roma 8", "city": "Milano", "zip": "20121"}),
    ),
    _case(
        "nested",
        BUSINESS,
        "Register Kim Lee at 5 River Road in Dover, zip code 19901.",
        _call("register_user", name="Kim Lee", address={"street": "5 River Road", "city": "Dover", "zip": "19901"}),
    ),
]

NONE_NEEDED = [
    _case("none needed", EVERYDAY, "Hello! How are you today?"),
    _case("none needed", EVERYDAY, "Write a short poem about the sea."),
    _case("none needed", EVERYDAY, "What is the capital of France?"),
    _case("none needed", EVERYDAY, "Thank you, that was all."),
    _case("none needed", HOME, "Why is the sky blue?"),
    _case("none needed", HOME, "Explain in one sentence what a thermostat is."),
    _case("none needed", DEVELOPER, "What is the difference between a list and a tuple in Python?"),
    _case("none needed", DEVELOPER, "Write a Python function that reverses a string."),
    _case("none needed", MATHS, "Who was Pythagoras?"),
    _case("none needed", BUSINESS, "Translate 'good morning' into German."),
    _answered(
        "none needed",
        EVERYDAY,
        "What's the weather like in Paris?",
        "get_weather",
        {"city": "Paris"},
        '{"temperature": 18, "conditions": "sunny"}',
    ),
    _answered("none needed", MATHS, "What is the square root of 1764?", "square_root", {"x": 1764}, "42"),
]

CHINESE_CASES = [
    _case("Chinese", CHINESE, "北京今天天气怎么样？", _call("查询天气", 城市=one_of("北京", "北京市"))),
    _case("Chinese", CHINESE, "上海会下雨吗？", _call("查询天气", 城市=one_of("上海", "上海市"))),
    _case(
        "Chinese",
        CHINESE,
        "请在全聚德预订今晚19:00的座位，4个人。",
        _call("预订餐厅", 餐厅="全聚德", 人数=4, 时间="19:00"),
    ),
    _case(
        "Chinese",
        CHINESE,
        "帮我在海底捞订一个12:30的位子，两个人。",
        _call("预订餐厅", 餐厅="海底捞", 人数=2, 时间="12:30"),
    ),
    _case("Chinese", CHINESE, "把“你好，世界”翻译成法语。", _call("翻译", 文本="你好，世界", 目标语言="法语")),
    _case("Chinese", CHINESE, "请把“谢谢”翻译成日语。", _call("翻译", 文本="谢谢", 目标语言="日语")),
    _case(
        "Chinese",
        CHINESE,
        "给王芳发短信，内容是“我晚点到”。",
        _call("发送短信", 收件人="王芳", 内容=one_of("我晚点到", "我晚点到。")),
    ),
    _case(
        "Chinese",
        CHINESE,
        "给李明发短信，告诉他明天的会议改到下午三点。",
        _call("发送短信", 收件人="李明", 内容=saying("会议", "三点")),
    ),
    _case(
        "Chinese",
        CHINESE,
        "创建订单：收货人张伟，城市广州，商品是3个杯子。",
        _call("创建订单", 收货人={"姓名": "张伟", "城市": "广州"}, 商品=[{"名称": "杯子", "数量": 3}]),
    ),
    _case(
        "Chinese",
        CHINESE,
        "请查询广州和深圳的天气。",
        _call("查询天气", 城市="广州"),
        _call("查询天气", 城市="深圳"),
    ),
    _case("Chinese", CHINESE, "你好，请介绍一下你自己。"),
    _case("Chinese", CHINESE, "中国的首都是哪里？"),
    _case("Chinese", EVERYDAY, "现在东京几点了？", _call("get_time", city=one_of("Tokyo", "东京"))),
    _case("Chinese", HOME, "把厨房的灯打开。", _call("set_light", room="kitchen", on=True)),
]

CASES: tuple[Case, ...] = (*SINGLE, *PARALLEL, *NESTED, *NONE_NEEDED, *CHINESE_CASES)
