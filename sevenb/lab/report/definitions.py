"""What every figure of a report means; written into each."""

DEFINITIONS: dict[str, dict[str, str]] = {
    "TTFT": {
        "en": "Time to first token: from the client's send to the first chunk with content.",
        "zh": "首 token 时间：从客户端发出请求到收到第一个有内容的数据块。",
    },
    "TPOT": {
        "en": "Time per output token: (last token − first token) ÷ (output tokens − 1), of one request.",
        "zh": "每个输出 token 的时间：单个请求的（末 token − 首 token）÷（输出 token 数 − 1）。",
    },
    "ITL": {
        "en": "Inter-token latency: each gap between one chunk and the next; a chunk may carry several tokens.",
        "zh": "token 间延迟：相邻两个数据块之间的间隔；一个数据块可能含多个 token。",
    },
    "E2E": {
        "en": "End to end: from the client's send to the end of the stream.",
        "zh": "端到端：从客户端发出请求到数据流结束。",
    },
    "tok/s": {
        "en": "Tokens per second. Decode: 1 ÷ TPOT of one stream. Prefill: prompt tokens ÷ TTFT. Output ÷ E2E includes "
        "the prefill. Throughput: output tokens of all clients ÷ wall time. Tokens are those of the server's usage, "
        "never counted from chunks.",
        "zh": "每秒 token 数。解码：单个数据流的 1 ÷ TPOT。预填充：提示 token 数 ÷ TTFT。输出 ÷ E2E 含预填充。"
        "吞吐量：所有客户端的输出 token ÷ 实际时间。token 数取自服务器的 usage，从不按数据块计数。",
    },
    "Goodput": {
        "en": "Requests per second that met all limits of the service level (TTFT and TPOT); failed ones did not.",
        "zh": "有效吞吐：每秒满足服务水平全部要求（TTFT 与 TPOT）的请求数；失败的请求不计入。",
    },
    "p50, p95, p99": {
        "en": "Percentiles over all requests of a row, linear between neighbours; p50 is the median. Of few requests "
        "the p95 and p99 are about the worst one.",
        "zh": "该行全部请求的百分位数，相邻值之间线性插值；p50 即中位数。请求较少时，p95 与 p99 接近最差的一次。",
    },
    "Context": {
        "en": "Tokens of the prompt after templating, verified by the server's usage. Each length is warmed up, each "
        "prompt begins with its own random prefix, and tokens from a prefix cache are shown; a warm row is labelled.",
        "zh": "套用模板后的提示 token 数，以服务器的 usage 核对。每个长度先预热，每条提示以各自的随机前缀开头；"
        "来自前缀缓存的 token 会列出，预热过的行会注明。",
    },
    "Memory": {
        "en": "Weights: the model's tensors as they are held. KV used: keys and values of the tokens in the cache; "
        "reserved: what is kept ready for more. Activations: what a step holds besides, at its peak. Process: "
        "resident memory at its peak, programs and libraries included. GiB are 2³⁰ bytes.",
        "zh": "权重：模型张量在内存中的大小。KV 已用：缓存中 token 的键值；预留：为更多 token 准备的空间。"
        "激活：每步计算的其他占用的峰值。进程：常驻内存峰值，含程序与库。GiB 为 2³⁰ 字节。",
    },
    "Strict, flexible": {
        "en": "Strict: the answer counts only in the form that was asked for. Flexible: wherever it stands in the "
        "text. Truncated: the answer ran into its longest length. Unparsed: no answer was found, flexibly.",
        "zh": "严格：答案须符合要求的格式才算对。宽松：答案出现在文本任何位置均可。"
        "截断：回答达到长度上限。无法解析：宽松提取也找不到答案。",
    },
    "95 % interval": {
        "en": "Wilson's score interval of a share (Wilson 1927): how far chance alone may have moved it with so many "
        "items.",
        "zh": "比例的 Wilson 得分区间（Wilson 1927）：在该题数下，仅由随机性可能造成的偏差范围。",
    },
    "pass@1": {
        "en": "Share of problems whose one greedy answer passes all of its tests, run in a sandbox.",
        "zh": "贪心解码的一次回答通过全部测试的题目比例，代码在沙箱中运行。",
    },
    "McNemar": {
        "en": "Whether two models differ on the same items (McNemar 1947), exact and two-sided: the chance to see so "
        "uneven a split of the items that only one got right, were both equally good. Below 0.05 they differ.",
        "zh": "两个模型在相同题目上是否有差异（McNemar 1947，精确、双侧）：若两者同样好，只有一方判对的题目分布"
        "如此不均的概率。小于 0.05 视为有差异。",
    },
}
