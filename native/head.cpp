#include "head.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "chunk_ranges.h"

namespace sevenb {
namespace {

constexpr float nothing = -std::numeric_limits<float>::infinity();
constexpr int groups_per_chunk = 16, chunks_per_thread = 32;
constexpr std::uint32_t whole_group = (1u << group_rows) - 1;

// The allowed tokens of a row group, one bit each.
std::uint32_t allowed_rows(const WantedLogits& wanted, int group) {
  static_assert(32 % group_rows == 0);
  if (wanted.allowed == nullptr) return whole_group;
  const int first = group * group_rows;
  return first / 32 < wanted.allowed_words ? wanted.allowed[first / 32] >> first % 32 & whole_group : 0;
}

class HeadLogits {
 public:
  HeadLogits(Workspace& workspace, const SplitMatrix& head, const std::vector<WantedLogits>& wanted, float* out)
      : workspace_(workspace),
        inputs_(workspace.inputs),
        head_(head),
        wanted_(wanted),
        tokens_(static_cast<int>(wanted.size())),
        out_(out) {}

  void compute() {
    const bool all = std::any_of(wanted_.begin(), wanted_.end(), [](const WantedLogits& w) { return w.best == 0; });
    if (all) return compute_exactly(every_group());
    compute_coarsely();
    exact_.assign(head_.groups(), false);
    compute_exactly(groups_of_the_best());
    compute_exactly(groups_that_may_hold_better());
  }

 private:
  // -- all groups ----------------------------------------------------------------------------------------------

  std::vector<int> every_group() const {
    std::vector<int> groups(head_.groups());
    for (int group = 0; group < head_.groups(); ++group) groups[group] = group;
    return groups;
  }

  void compute_coarsely() {
    largest_.resize(static_cast<std::size_t>(tokens_) * head_.groups());
    const int chunks = (head_.groups() + groups_per_chunk - 1) / groups_per_chunk;
    run_in_ranges(workspace_.pool, chunks, [&](int chunk, int) {
      const int first = chunk * groups_per_chunk, end = std::min(first + groups_per_chunk, head_.groups());
      for (int tile = 0; tile < inputs_.tiles(); ++tile)
        workspace_.kernels.multiply(head_.coarse(), first, end, inputs_.tile(Precision::int8, tile), output(tile));
      for (int token = 0; token < tokens_; ++token)
        for (int group = first; group < end; ++group) largest_[index(token, group)] = largest_of(token, group);
    });
  }

  // The largest logit of an allowed token in a group.
  float largest_of(int token, int group) const {
    float largest = nothing;
    for_allowed(token, group, [&](float logit) { largest = logit > largest ? logit : largest; });
    return largest;
  }

  // -- some groups ---------------------------------------------------------------------------------------------

  void compute_exactly(const std::vector<int>& groups) {
    const int count = static_cast<int>(groups.size());
    const int step = std::max(1, std::min(groups_per_chunk, count / (chunks_per_thread * workspace_.pool.size())));
    run_in_ranges(workspace_.pool, (count + step - 1) / step, [&](int chunk, int) {
      for (int i = chunk * step; i < std::min((chunk + 1) * step, count); ++i) compute_group_exactly(groups[i]);
    });
  }

  void compute_group_exactly(int group) {
    for (int tile = 0; tile < inputs_.tiles(); ++tile)
      workspace_.kernels.multiply_split(head_, group, group + 1, inputs_.tile(Precision::int16, tile), output(tile));
  }

  // As many groups for each token as it wants logits, those with the largest ones.
  std::vector<int> groups_of_the_best() {
    return chosen_groups([this](int token, std::vector<int>& groups) {
      const float* largest = &largest_[index(token, 0)];
      const float least = kth_largest(largest, head_.groups(), wanted_[token].best);
      for (int group = 0; group < head_.groups(); ++group)
        if (largest[group] >= least && largest[group] > nothing) groups.push_back(group);
    });
  }

  std::vector<int> groups_that_may_hold_better() {
    return chosen_groups([this](int token, std::vector<int>& groups) {
      const float* largest = &largest_[index(token, 0)];
      const float least = least_wanted(token);
      const std::vector<float> variances = variances_of(token);
      for (int group = 0; group < head_.groups(); ++group)
        // Written so that a variance that is no number keeps every group.
        if (!(largest[group] + deviations * std::sqrt(variances[group]) < least) && largest[group] > nothing)
          groups.push_back(group);
    });
  }

  // The groups that are chosen for any token by f(token, groups) and were not chosen before.
  template <class F>
  std::vector<int> chosen_groups(F f) {
    std::vector<std::vector<int>> chosen(tokens_);
    workspace_.pool.run(tokens_, [&](int token, int) { f(token, chosen[token]); });
    std::vector<int> groups;
    for (const std::vector<int>& of_token : chosen)
      for (int group : of_token)
        if (!exact_[group]) {
          exact_[group] = true;
          groups.push_back(group);
        }
    return groups;
  }

  // A logit that the smallest wanted one cannot be below.
  float least_wanted(int token) const {
    std::vector<float> found;
    for (int group = 0; group < head_.groups(); ++group)
      if (exact_[group]) for_allowed(token, group, [&](float logit) { found.push_back(logit); });
    return kth_largest(found.data(), static_cast<int>(found.size()), wanted_[token].best);
  }

  // The k-th largest of `count` numbers, minus infinity when there are fewer. NaN counts as less than all.
  static float kth_largest(const float* values, int count, int k) {
    std::vector<float> best(k, nothing);  // a heap, the smallest first
    for (int i = 0; i < count; ++i) {
      if (!(values[i] > best.front())) continue;
      std::pop_heap(best.begin(), best.end(), std::greater<float>());
      best.back() = values[i];
      std::push_heap(best.begin(), best.end(), std::greater<float>());
    }
    return best.front();
  }

  // No less than the variance of what the coarse logits of each group lack: that of the weights' rests times the
  // activations, and that of the weights times what 8 bits leave of activations of 15.
  std::vector<float> variances_of(int token) const {
    std::vector<float> variances(head_.groups());
    const float* x = inputs_.floats(token);
    const int stride = tile_width(tokens_, token / tile_tokens);
    const auto* blocks = static_cast<const ActivationBlock<1>*>(inputs_.block(Precision::int8, token, 0));
    const float rounding = block_columns * head_.largest_weight() * head_.largest_weight() / 12;
    for (int block = 0; block < head_.columns() / block_columns; ++block, x += block_columns) {
      const float step = blocks[block * stride].scale;
      float energy = 0.0f;
      for (int i = 0; i < block_columns; ++i) energy += x[i] * x[i];
      const float of_block = head_.rest_variance() * energy + rounding * step * step;
      const float* squares = head_.squares(block);
      for (int group = 0; group < head_.groups(); ++group) variances[group] += squares[group] * of_block;
    }
    return variances;
  }

  // -- details -------------------------------------------------------------------------------------------------

  // f(logit) for each allowed token of a group.
  template <class F>
  void for_allowed(int token, int group, F f) const {
    const int first = group * group_rows, rows = std::min(group_rows, head_.rows() - first);
    const float* logits = out_ + static_cast<std::size_t>(token) * head_.rows() + first;
    const std::uint32_t allowed = allowed_rows(wanted_[token], group);
    if (allowed == whole_group)
      for (int row = 0; row < rows; ++row) f(logits[row]);
    else if (allowed != 0)
      for (int row = 0; row < rows; ++row)
        if ((allowed >> row & 1) != 0) f(logits[row]);
  }

  std::size_t index(int token, int group) const { return static_cast<std::size_t>(token) * head_.groups() + group; }

  Output output(int tile) const {
    const std::size_t stride = head_.rows();
    return {out_ + static_cast<std::size_t>(tile) * tile_tokens * stride, stride, 0, nullptr, false};
  }

  Workspace& workspace_;
  ActivationBuffer& inputs_;
  const SplitMatrix& head_;
  const std::vector<WantedLogits>& wanted_;
  const int tokens_;
  float* out_;
  std::vector<float> largest_;  // [token][group], of coarse logits
  std::vector<char> exact_;     // [group], computed exactly or about to be
};

}  // namespace

void head_logits(Workspace& workspace, const float* hidden, const std::int32_t* rows, const Norm& norm,
                 const SplitMatrix& head, const std::vector<WantedLogits>& wanted, float* out) {
  std::lock_guard<std::mutex> turn(workspace.turn);
  const int tokens = static_cast<int>(wanted.size());
  workspace.inputs.reserve(tokens, head.columns(), true, true, true);
  prepare_inputs(workspace, hidden, rows, tokens, head.columns(), norm, workspace.inputs);
  HeadLogits(workspace, head, wanted, out).compute();
}

}  // namespace sevenb
