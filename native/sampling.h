// Choosing tokens from logits: exactly the semantic of `SampleControl` in sevenb/backend/protocol.py, without sorting a
// vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sampling_kernels.h"
#include "thread_pool.h"

namespace sevenb {

// A change to the logit of one token.
struct LogitEdit {
  enum Kind : std::int32_t {
    bias,        // add `value`
    seen,        // the token stands in the prompt: repetition penalty
    generated,   // it was generated `value` times: repetition, presence and frequency penalties
  };
  std::int32_t id;
  Kind kind;
  double value;
};

// How to choose one token from one row; fields as in `SampleControl`.
struct RowControl {
  double temperature, top_p, min_p, uniform;
  double repetition_penalty, presence_penalty, frequency_penalty;
  int top_k;
  int logprobs;  // how many of the best to report with the chosen one; -1: none at all
  std::vector<LogitEdit> edits;
  const std::uint32_t* allowed;  // bitmask, or null: all are
  int allowed_words;             // tokens past the mask's end are not allowed
};

struct SampledToken {
  int id = 0;
  double logprob = 0.0;
  std::vector<std::pair<int, double>> top;  // best first, ties by lower id
  std::string error;                        // why no token could be chosen; empty when one was
};

struct Logits {
  const float* data;  // [rows, vocabulary], never written to
  int rows, vocabulary;
};

// One token for each row. Rows are independent and share the pool.
std::vector<SampledToken> sample(ThreadPool& pool, const SamplingKernels& kernels, const Logits& logits,
                                 std::vector<RowControl>& controls);

// The lowest id of the largest logit in each row.
std::vector<int> argmax(ThreadPool& pool, const SamplingKernels& kernels, const Logits& logits);

// The log-probability of ids[i] in row rows[i] with the `top` best there.
std::vector<SampledToken> token_logprobs(ThreadPool& pool, const SamplingKernels& kernels, const Logits& logits,
                                         const std::vector<int>& rows, const std::vector<int>& ids, int top);

}  // namespace sevenb
