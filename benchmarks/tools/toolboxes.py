"""The tools that the cases offer: a few boxes of related ones, as an assistant would have."""

from typing import Any

from sevenb.structured.tools.tools import Tool


def _tool(name: str, description: str, required: dict[str, Any], optional: dict[str, Any] | None = None) -> Tool:
    properties = {**required, **(optional or {})}
    return Tool(name, description, {"type": "object", "properties": properties, "required": list(required)})


def _text(description: str, *choices: str) -> dict[str, Any]:
    return {"type": "string", "description": description} | ({"enum": list(choices)} if choices else {})


def _number(description: str, kind: str = "number") -> dict[str, Any]:
    return {"type": kind, "description": description}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def _list(items: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "items": items, "description": description}


EVERYDAY = (
    _tool("get_weather", "Get the current weather of a city", {"city": _text("Name of the city")}),
    _tool("get_time", "Get the current local time of a city", {"city": _text("Name of the city")}),
    _tool(
        "convert_currency",
        "Convert an amount of money",
        {
            "amount": _number("How much"),
            "source": _text("Currency code to convert from, such as USD"),
            "target": _text("Currency code to convert to, such as EUR"),
        },
    ),
    _tool(
        "set_alarm", "Set an alarm", {"time": _text("24-hour time, HH:MM")}, {"label": _text("What the alarm is for")}
    ),
    _tool(
        "send_email",
        "Send an email",
        {"to": _text("Address of the recipient"), "subject": _text("Subject line"), "body": _text("The message")},
    ),
)

HOME = (
    _tool(
        "set_light",
        "Switch a light on or off",
        {
            "room": _text("Which room", "kitchen", "bedroom", "living room", "bathroom"),
            "on": {"type": "boolean", "description": "true to switch on, false to switch off"},
        },
    ),
    _tool(
        "set_thermostat",
        "Set the temperature of a room",
        {
            "room": _text("Which room", "kitchen", "bedroom", "living room", "bathroom"),
            "celsius": _number("Temperature in degrees Celsius"),
        },
    ),
    _tool("play_music", "Play music", {"artist": _text("Name of the artist")}),
    _tool("lock_door", "Lock a door", {"door": _text("Which door", "front", "back", "garage")}),
    _tool("stop_everything", "Stop everything that is playing or running", {}),
)

DEVELOPER = (
    _tool("read_file", "Read the content of a file", {"path": _text("Path of the file")}),
    _tool("list_directory", "List the files of a directory", {"path": _text("Path of the directory")}),
    _tool("git_commit", "Commit all changes", {"message": _text("The commit message")}),
    _tool("run_tests", "Run the tests below a path", {"path": _text("Path of the tests")}),
    _tool(
        "replace_in_file",
        "Replace a text in a file",
        {"path": _text("Path of the file"), "old": _text("Text to replace"), "new": _text("Text to put there")},
    ),
)

MATHS = (
    _tool("add", "Add two numbers", {"a": _number("First number"), "b": _number("Second number")}),
    _tool("multiply", "Multiply two numbers", {"a": _number("First number"), "b": _number("Second number")}),
    _tool("square_root", "Take the square root of a number", {"x": _number("The number")}),
    _tool(
        "roll_dice",
        "Roll dice",
        {"count": _number("How many dice", "integer"), "sides": _number("Sides of each die", "integer")},
    ),
)

_PERSON = _object({"name": _text("Full name"), "email": _text("Email address")})

BUSINESS = (
    _tool(
        "create_order",
        "Create an order of a shop",
        {
            "customer": _PERSON,
            "items": _list(
                _object({"product": _text("Name of the product"), "quantity": _number("How many", "integer")}),
                "What is ordered",
            ),
        },
    ),
    _tool(
        "create_event",
        "Put an event into the calendar",
        {
            "title": _text("Title of the event"),
            "when": _object({"date": _text("Date, YYYY-MM-DD"), "time": _text("24-hour time, HH:MM")}),
            "attendees": _list(_text("Name"), "Who takes part"),
        },
    ),
    _tool(
        "search_products",
        "Search the catalogue",
        {
            "filters": _list(
                _object(
                    {
                        "field": _text("Which field", "price", "brand", "color"),
                        "operator": _text("How to compare", "equals", "below", "above"),
                        "value": _text("What to compare with"),
                    }
                ),
                "All of these must hold",
            )
        },
    ),
    _tool(
        "register_user",
        "Register a new user",
        {
            "name": _text("Full name"),
            "address": _object({"street": _text("Street and number"), "city": _text("City"), "zip": _text("Zip code")}),
        },
    ),
)

CHINESE = (
    _tool("查询天气", "查询某个城市的天气", {"城市": _text("城市名称")}),
    _tool(
        "预订餐厅",
        "在餐厅预订座位",
        {
            "餐厅": _text("餐厅名称"),
            "人数": _number("用餐人数", "integer"),
            "时间": _text("24小时制时间，格式为 HH:MM"),
        },
    ),
    _tool(
        "翻译",
        "把一段文字翻译成另一种语言",
        {"文本": _text("要翻译的文字"), "目标语言": _text("目标语言", "英语", "日语", "法语", "德语")},
    ),
    _tool("发送短信", "给联系人发送短信", {"收件人": _text("联系人姓名"), "内容": _text("短信内容")}),
    _tool(
        "创建订单",
        "创建一个购物订单",
        {
            "收货人": _object({"姓名": _text("收货人姓名"), "城市": _text("收货城市")}),
            "商品": _list(_object({"名称": _text("商品名称"), "数量": _number("数量", "integer")}), "商品列表"),
        },
    ),
)
