"""What checks are called in English and Chinese."""

CHECKS: dict[str, dict[str, str]] = {
    "read_whole": {"en": "whole prompt read", "zh": "完整读入提示词"},
    "finished": {"en": "answer ended by itself", "zh": "回答自行结束"},
    "json_read": {"en": "JSON readable", "zh": "JSON 可解析"},
    "json_only": {"en": "nothing but JSON", "zh": "只有 JSON"},
    "schema_valid": {"en": "valid by the schema", "zh": "符合 JSON Schema"},
    "value_equal": {"en": "value equal", "zh": "值正确"},
    "opening_kept": {"en": "opens as the role demands", "zh": "开头符合角色规则"},
    "closing_kept": {"en": "closes as the role demands", "zh": "结尾符合角色规则"},
    "short_enough": {"en": "no longer than allowed", "zh": "未超过规定长度"},
    "in_character": {"en": "in character", "zh": "未脱离角色"},
    "remembered": {"en": "earlier turn remembered", "zh": "记得前面的对话"},
    "answer_equal": {"en": "answer equal", "zh": "答案正确"},
    "language_right": {"en": "language right", "zh": "语言正确"},
    "length_right": {"en": "length right", "zh": "篇幅符合要求"},
    "keyword_found": {"en": "keyword found", "zh": "含关键词"},
    "located": {"en": "quote located in the source", "zh": "引文能在原文该处找到"},
    "query_read": {"en": "one query found", "zh": "读到一条查询"},
    "query_runs": {"en": "query runs", "zh": "查询可执行"},
    "rows_equal": {"en": "rows equal", "zh": "查询结果一致"},
    "sentiment_right": {"en": "sentiment right", "zh": "情感判断正确"},
}
