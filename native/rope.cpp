#include "rope.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace sevenb {
namespace {

constexpr int kTokensPerChunk = 16;  // one panel of keys, so threads seldom write to the same cache line

void rotate(const float* from, float* to, const float* cos, const float* sin, int half, bool interleaved) {
  const int step = interleaved ? 2 : 1, partner = interleaved ? 1 : half;
  for (int i = 0; i < half; ++i) {
    const float first = from[i * step], second = from[i * step + partner];
    to[i * step] = first * cos[i] - second * sin[i];
    to[i * step + partner] = first * sin[i] + second * cos[i];
  }
}

// Rounds to nearest even and saturates: what was finite stays finite.
std::uint16_t half_from_float(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const std::uint16_t sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return sign | 0x7e00 | static_cast<std::uint16_t>(bits >> 13 & 0x3ff);  // NaN, made quiet
  if (bits == 0x7f800000) return sign | 0x7c00;
  if (bits >= 0x477fe000) return sign | 0x7bff;  // 65504 and above saturate
  if (bits < 0x38800000) {
    // Subnormal: adding 0.5 leaves the value, rounded to multiples of 2^-24, in the low bits of the sum.
    float magnitude;
    std::memcpy(&magnitude, &bits, 4);
    magnitude += 0.5f;
    std::memcpy(&bits, &magnitude, 4);
    return sign | static_cast<std::uint16_t>(bits - 0x3f000000);
  }
  bits += 0xfff + (bits >> 13 & 1);  // round to nearest even
  return sign | static_cast<std::uint16_t>((bits >> 13) - (112 << 10));
}

std::uint16_t encode(float value, std::uint16_t*) { return half_from_float(value); }
float encode(float value, float*) { return value; }

// `Element` is how the cache stores a number.
template <class Element>
void store(const RopeStore& task, int token, float* rotated) {
  const PagedBatch& batch = *task.batch;
  const KVShape& shape = task.cache->shape();
  const int position = batch.positions[token], slot = position % shape.block_size;
  const std::int64_t block = batch.table(batch.sequence_of[token])[position / shape.block_size];
  const float* cos = batch.cos.data() + static_cast<std::size_t>(token) * batch.rotary_half;
  const float* sin = batch.sin.data() + static_cast<std::size_t>(token) * batch.rotary_half;
  for (int head = 0; head < shape.kv_heads; ++head) {
    const float* key = task.key + token * task.key_stride + head * shape.head_dim;
    const float* value = task.value + token * task.value_stride + head * shape.head_dim;
    std::copy(key, key + shape.head_dim, rotated);
    rotate(key, rotated, cos, sin, batch.rotary_half, task.interleaved);

    auto* keys = reinterpret_cast<Element*>(task.cache->keys(block, task.layer, head)) +
                 slot / kPanel * (kPanel * shape.head_dim) + slot % kPanel;
    for (int d = 0; d < shape.head_dim; ++d) keys[d * kPanel] = encode(rotated[d], keys);
    auto* values = reinterpret_cast<Element*>(task.cache->values(block, task.layer, head)) + slot * kPanel;
    for (int d = 0; d < shape.head_dim; ++d)
      values[d / kPanel * (kPanel * shape.block_size) + d % kPanel] = encode(value[d], values);
  }
}

}  // namespace

void rope_store_tokens(const RopeStore& task, int first, int last) {
  const PagedBatch& batch = *task.batch;
  const KVShape& shape = task.cache->shape();
  std::vector<float> rotated(shape.head_dim);
  for (int token = first; token < last; ++token) {
    const float* cos = batch.cos.data() + static_cast<std::size_t>(token) * batch.rotary_half;
    const float* sin = batch.sin.data() + static_cast<std::size_t>(token) * batch.rotary_half;
    for (int head = 0; head < task.heads; ++head) {
      float* query = task.query + token * task.query_stride + head * shape.head_dim;
      rotate(query, query, cos, sin, batch.rotary_half, task.interleaved);
    }
    shape.type == KVType::f16 ? store<std::uint16_t>(task, token, rotated.data())
                              : store<float>(task, token, rotated.data());
  }
}

void rope_store(ThreadPool& pool, const RopeStore& task) {
  task.batch->check_against(*task.cache, task.layer);
  if (2 * task.batch->rotary_half > task.cache->shape().head_dim)
    throw std::invalid_argument("the rotary dimension is larger than a head");
  const int tokens = task.batch->tokens;
  if (tokens <= kTokensPerChunk) return rope_store_tokens(task, 0, tokens);
  pool.run((tokens + kTokensPerChunk - 1) / kTokensPerChunk, [&](int chunk, int) {
    rope_store_tokens(task, chunk * kTokensPerChunk, std::min(tokens, (chunk + 1) * kTokensPerChunk));
  });
}

}  // namespace sevenb
