#include "rope.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "kv_integers.h"

namespace sevenb {
namespace {

constexpr int kTokensPerChunk = 16;  // one panel of keys, so threads seldom write to the same cache line

// head = head / sqrt(mean(head²) + epsilon) × weight. The order of the additions is fixed and leaves room for vectors.
void norm_head(const float* weight, float epsilon, int dim, float* head) {
  if (weight == nullptr) return;
  constexpr int kLanes = 8;
  float squares[kLanes] = {};
  int d = 0;
  for (; d + kLanes <= dim; d += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) squares[lane] += head[d + lane] * head[d + lane];
  for (int lane = 0; d < dim; ++d, ++lane) squares[lane] += head[d] * head[d];
  const float sum = ((squares[0] + squares[4]) + (squares[2] + squares[6])) +
                    ((squares[1] + squares[5]) + (squares[3] + squares[7]));
  const float factor = 1.0f / std::sqrt(sum / static_cast<float>(dim) + epsilon);
  for (d = 0; d < dim; ++d) head[d] = head[d] * factor * weight[d];
}

void rotate(const float* from, float* to, const float* cos, const float* sin, int half, bool interleaved) {
  if (interleaved) {
    for (int i = 0; i < half; ++i) {
      const float first = from[2 * i], second = from[2 * i + 1];
      to[2 * i] = first * cos[i] - second * sin[i];
      to[2 * i + 1] = first * sin[i] + second * cos[i];
    }
    return;
  }
  float copied[kMostHeadDim];  // `to` may be `from`: without a copy compilers find no vectors here
  std::copy(from, from + 2 * half, copied);
  for (int i = 0; i < half; ++i) to[i] = copied[i] * cos[i] - copied[half + i] * sin[i];
  for (int i = 0; i < half; ++i) to[half + i] = copied[i] * sin[i] + copied[half + i] * cos[i];
}

void balance_key(const RopeStore& task, int head, float* key) {
  if (task.key_balance == nullptr) return;
  const int dim = task.cache->shape().head_dim;
  for (int d = 0; d < dim; ++d) key[d] *= task.key_balance[head * dim + d];
}

// `inverses` of the balance of one KV head, if there is one.
void balance_query(const float* inverses, int dim, float* query) {
  if (inverses == nullptr) return;
  for (int d = 0; d < dim; ++d) query[d] *= inverses[d];
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

float read_float(const std::byte* from) {
  float value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
void write_float(std::byte* to, float value) { std::memcpy(to, &value, sizeof value); }

std::uint16_t encode(float value, std::uint16_t*) { return half_from_float(value); }
float encode(float value, float*) { return value; }

// Where a token's keys and values go.
struct Slot {
  std::int64_t block;
  int index;
};

Slot slot_at(const RopeStore& task, int token, int position) {
  const int block_size = task.cache->shape().block_size;
  const PagedBatch& batch = *task.batch;
  return {batch.table(batch.sequence_of[token])[position / block_size], position % block_size};
}

// `Element` is how the cache stores a number.
template <class Element>
void store(const RopeStore& task, const Slot& slot, int head, const float* key, const float* value) {
  const KVShape& shape = task.cache->shape();
  auto* keys = reinterpret_cast<Element*>(task.cache->keys(slot.block, task.layer, head)) +
               slot.index / kPanel * (kPanel * shape.head_dim) + slot.index % kPanel;
  for (int d = 0; d < shape.head_dim; ++d) keys[d * kPanel] = encode(key[d], keys);
  auto* values =
      reinterpret_cast<Element*>(task.cache->values(slot.block, task.layer, head)) + slot.index * kPanel;
  for (int d = 0; d < shape.head_dim; ++d)
    values[d / kPanel * (kPanel * shape.block_size) + d % kPanel] = encode(value[d], values);
}

// The same in integers, after what kv_integers.h says. `key` is overwritten.
template <class KeyElement>
void store_integers(const RopeStore& task, int token, const Slot& slot, int head, float* key, const float* value) {
  const KVShape& shape = task.cache->shape();
  const int dim = shape.head_dim, block = hadamard_block(dim);
  KeyElement rounded_key[kMostHeadDim];
  std::int8_t rounded_value[kMostHeadDim];

  const int position = task.batch->positions[token];
  const std::byte* centre =
      task.cache->centre(slot_at(task, token, position - position % kCentreSpan).block, task.layer, head);
  const auto* offsets = reinterpret_cast<const std::int8_t*>(centre);
  const float centre_unit = read_float(centre + shape.centre_depth());
  hadamard(key, dim, block);
  for (int d = 0; d < dim; ++d) key[d] -= offsets[d] * centre_unit;
  std::byte* keys = task.cache->keys(slot.block, task.layer, head);
  write_float(keys + shape.key_element_bytes() + slot.index * sizeof(float), quantize(key, dim, rounded_key));
  auto* key_to = reinterpret_cast<KeyElement*>(keys) + slot.index / kPanel * (kPanel * shape.key_depth()) +
                 slot.index % kPanel * 2;
  for (int d = 0; d < dim; ++d) key_to[d / 2 * (2 * kPanel) + d % 2] = rounded_key[d];

  std::copy(value, value + dim, key);
  hadamard(key, dim, block);
  std::byte* values = task.cache->values(slot.block, task.layer, head);
  write_float(values + shape.value_element_bytes() + slot.index * sizeof(float), quantize(key, dim, rounded_value));
  auto* value_to = reinterpret_cast<std::int8_t*>(values) + slot.index / 2 * (2 * kPanel) + slot.index % 2;
  for (int d = 0; d < dim; ++d) value_to[d / kPanel * (kPanel * shape.block_size) + d % kPanel * 2] = rounded_value[d];
}

// The centre of the keys from `token` on.
void store_centres(const RopeStore& task, int token) {
  const PagedBatch& batch = *task.batch;
  const KVShape& shape = task.cache->shape();
  const Slot slot = slot_at(task, token, batch.positions[token]);
  std::vector<float> centre(shape.centre_depth());
  for (int head = 0; head < shape.kv_heads; ++head) {
    std::fill(centre.begin(), centre.end(), 0.0f);
    if (task.key_bias != nullptr) {
      const float* bias = task.key_bias + head * shape.head_dim;
      std::copy(bias, bias + shape.head_dim, centre.begin());
      rotate(bias, centre.data(), batch.cos_of(token), batch.sin_of(token), batch.rotary_half, task.interleaved);
      const int step = task.interleaved ? 2 : 1, partner = task.interleaved ? 1 : batch.rotary_half;
      for (int pair = 0; pair < batch.rotary_half / 2; ++pair)  // the faster half
        centre[pair * step] = centre[pair * step + partner] = 0.0f;
      balance_key(task, head, centre.data());
    }
    hadamard(centre.data(), shape.head_dim, hadamard_block(shape.head_dim));
    std::byte* to = task.cache->centre(slot.block, task.layer, head);
    write_float(to + shape.centre_depth(),
                quantize(centre.data(), shape.centre_depth(), reinterpret_cast<std::int8_t*>(to)));
  }
}

void rope_store_tokens(const RopeStore& task, int first, int last) {
  const PagedBatch& batch = *task.batch;
  const KVShape& shape = task.cache->shape();
  const int group = task.heads / shape.kv_heads;
  float rotated[kMostHeadDim], inverses[kMostHeadDim];
  // Heads outside, tokens inside: one division a channel, whose result is exact for powers of two.
  for (int head = 0; head < task.heads; ++head) {
    const float* balance = task.key_balance;
    if (balance != nullptr && head % group == 0)
      for (int d = 0; d < shape.head_dim; ++d) inverses[d] = 1.0f / balance[head / group * shape.head_dim + d];
    for (int token = first; token < last; ++token) {
      float* query = task.query + token * task.query_stride + head * shape.head_dim;
      norm_head(task.query_norm, task.norm_epsilon, shape.head_dim, query);
      rotate(query, query, batch.cos_of(token), batch.sin_of(token), batch.rotary_half, task.interleaved);
      balance_query(balance != nullptr ? inverses : nullptr, shape.head_dim, query);
    }
  }
  for (int token = first; token < last; ++token) {
    const float* cos = batch.cos_of(token);
    const float* sin = batch.sin_of(token);
    const Slot slot = slot_at(task, token, batch.positions[token]);
    for (int head = 0; head < shape.kv_heads; ++head) {
      const float* key = task.key + token * task.key_stride + head * shape.head_dim;
      const float* value = task.value + token * task.value_stride + head * shape.head_dim;
      std::copy(key, key + shape.head_dim, rotated);
      norm_head(task.key_norm, task.norm_epsilon, shape.head_dim, rotated);
      rotate(rotated, rotated, cos, sin, batch.rotary_half, task.interleaved);
      balance_key(task, head, rotated);
      switch (shape.type) {
        case KVType::f16: store<std::uint16_t>(task, slot, head, rotated, value); break;
        case KVType::f32: store<float>(task, slot, head, rotated, value); break;
        case KVType::int8: store_integers<std::int8_t>(task, token, slot, head, rotated, value); break;
        case KVType::k16v8: store_integers<std::int16_t>(task, token, slot, head, rotated, value); break;
      }
    }
  }
}

}  // namespace

void rope_store(ThreadPool& pool, const RopeStore& task) {
  const PagedBatch& batch = *task.batch;
  batch.check_against(*task.cache, task.layer);
  if (2 * batch.rotary_half > task.cache->shape().head_dim)
    throw std::invalid_argument("the rotary dimension is larger than a head");
  if (task.cache->shape().integers())  // before any key that lacks it, whichever thread stores that
    for (int token = 0; token < batch.tokens; ++token)
      if (batch.positions[token] % kCentreSpan == 0) store_centres(task, token);
  if (batch.tokens <= kTokensPerChunk) return rope_store_tokens(task, 0, batch.tokens);
  pool.run((batch.tokens + kTokensPerChunk - 1) / kTokensPerChunk, [&](int chunk, int) {
    rope_store_tokens(task, chunk * kTokensPerChunk, std::min(batch.tokens, (chunk + 1) * kTokensPerChunk));
  });
}

}  // namespace sevenb
