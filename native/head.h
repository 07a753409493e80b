// Logits of an output head in two halves: exact where a token may be chosen, coarse elsewhere.
#pragma once

#include <cstdint>
#include <vector>

#include "linear.h"
#include "split_matrix.h"

namespace sevenb {

// Which logits of a row have to be exact.
struct WantedLogits {
  int best;                      // the so many largest, ties included, among the allowed ones; 0: all
  const std::uint32_t* allowed;  // bitmask, or null: all are
  int allowed_words;             // tokens past the mask's end are not allowed
};

// More of the best than this are not worth looking for.
constexpr int most_best = 128;

// out [wanted.size(), V]: logits of the rows `rows` of hidden [T, H] after the norm. Those that are wanted are, bit for
// bit, those of the whole matrix; each other one of an allowed token is smaller than every wanted one.
//
// That a coarse logit is further than `deviations` standard deviations of its rest below the smallest wanted one rules
// its token out: were the remainders of weights and activations random, the wrong one would be chosen once in 10^13
// tokens of a vocabulary of 150,000. On real models no logit was seen further away than such chance would have it.
void head_logits(Workspace& workspace, const float* hidden, const std::int32_t* rows, const Norm& norm,
                 const SplitMatrix& head, const std::vector<WantedLogits>& wanted, float* out);

constexpr float deviations = 9.0f;

}  // namespace sevenb
