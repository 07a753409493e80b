#include "sampling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace sevenb {

const SamplingKernels& sampling_kernels(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512) return sampling_avx512;
  if (isa == Isa::avx2) return sampling_avx2;
#endif
  (void)isa;
  return sampling_portable;
}

namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

struct Candidate {
  float logit;
  int id;

  bool operator<(const Candidate& other) const {  // the better one first
    return logit > other.logit || (logit == other.logit && id < other.id);
  }
};

// A row of logits with the maximum of each of its runs, so that the best are found without looking at the rest.
class Row {
 public:
  Row(const SamplingKernels& kernels, const float* logits, int count)
      : kernels_(kernels), logits_(logits), count_(count) {
    maxima_.resize((count + kRun - 1) / kRun);
    kernels.run_maxima(logits, count, maxima_.data());
    peak_ = *std::max_element(maxima_.begin(), maxima_.end());
  }

  int count() const { return count_; }
  float peak() const { return peak_; }
  float logit(int id) const { return std::isnan(logits_[id]) ? kNever : logits_[id]; }

  // exp((logit - peak) * sharpness) of each of some tokens; the peak must be finite.
  std::vector<double> weights(const std::vector<Candidate>& tokens, double sharpness) const {
    std::vector<float> logits;
    logits.reserve(tokens.size());
    for (const Candidate& token : tokens) logits.push_back(token.logit);
    std::vector<double> weights(tokens.size());
    kernels_.exponentials(logits.data(), static_cast<int>(logits.size()), peak_, sharpness, weights.data());
    return weights;
  }

  // Lowest id of the largest logit; 0 when there is none above minus infinity.
  int argmax() const {
    if (peak_ == kNever) return 0;
    const int run = static_cast<int>(std::find(maxima_.begin(), maxima_.end(), peak_) - maxima_.begin());
    for (int id = run * kRun; id < std::min(count_, (run + 1) * kRun); ++id)
      if (logits_[id] == peak_) return id;
    return 0;
  }

  // Sum of exp((logit - peak) * sharpness); the peak must be finite.
  double total(double sharpness) const { return kernels_.sum_exponentials(logits_, count_, peak_, sharpness); }

  // The `wanted` best tokens, best first.
  std::vector<Candidate> best(int wanted) const {
    wanted = std::min(wanted, count_);
    float threshold = kNever;
    if (wanted < static_cast<int>(maxima_.size())) {
      // Each run at or above the wanted-th largest maximum has at least one such logit.
      std::vector<float> ranked = maxima_;
      std::nth_element(ranked.begin(), ranked.begin() + (wanted - 1), ranked.end(), std::greater<float>());
      threshold = ranked[wanted - 1];
    }
    std::vector<Candidate> found = at_least(threshold);
    std::partial_sort(found.begin(), found.begin() + wanted, found.end());
    found.resize(wanted);
    return found;
  }

  // Tokens whose logit is `lower` or more, in order of id.
  std::vector<Candidate> at_least(float lower) const {
    return collect(lower, [](float) { return true; });
  }

  // Tokens whose logit lies in [lower, upper), in order of id.
  std::vector<Candidate> between(float lower, float upper) const {
    return collect(lower, [upper](float logit) { return logit < upper; });
  }

 private:
  template <class Condition>
  std::vector<Candidate> collect(float lower, Condition wanted) const {
    std::vector<Candidate> found;
    for (std::size_t run = 0; run < maxima_.size(); ++run) {
      if (maxima_[run] < lower) continue;
      const int start = static_cast<int>(run) * kRun;
      for (int id = start; id < std::min(count_, start + kRun); ++id)
        if (logit(id) >= lower && wanted(logit(id))) found.push_back({logit(id), id});
    }
    return found;
  }

  const SamplingKernels& kernels_;
  const float* logits_;
  int count_;
  float peak_;
  std::vector<float> maxima_;
};

// Log-probabilities of a row.
class LogSoftmax {
 public:
  explicit LogSoftmax(const Row& row) : row_(row) {
    if (std::isfinite(row.peak())) log_total_ = row.peak() + std::log(row.total(1.0));
    // Infinite logits share all the probability there is.
    else if (row.peak() > 0) log_total_ = std::log(static_cast<double>(row.at_least(row.peak()).size()));
  }

  double of(int id) const {
    const float logit = row_.logit(id);
    if (std::isfinite(row_.peak())) return logit - log_total_;
    return logit > 0 && logit == row_.peak() ? -log_total_ : kNever;
  }

  void report(SampledToken& token, int top) const {
    token.logprob = of(token.id);
    if (top > 0)
      for (const Candidate& candidate : row_.best(top)) token.top.emplace_back(candidate.id, of(candidate.id));
  }

 private:
  const Row& row_;
  double log_total_ = 0.0;
};

bool is_allowed(const RowControl& control, int id) {
  return !control.allowed || (id / 32 < control.allowed_words && (control.allowed[id / 32] >> id % 32 & 1));
}

// A copy of the row with mask, bias and penalties applied.
void adjust(const float* logits, int count, RowControl& control, std::vector<float>& adjusted) {
  adjusted.assign(logits, logits + count);
  if (control.allowed)
    for (int start = 0; start < count; start += 32) {
      const std::uint32_t word = start / 32 < control.allowed_words ? control.allowed[start / 32] : 0;
      if (word == 0xffffffffu) continue;
      for (int id = start; id < std::min(count, start + 32); ++id)
        if (!(word >> (id - start) & 1)) adjusted[id] = kNever;
    }
  // Sorted, the edits of one token come together, in the order in which they are applied.
  std::vector<LogitEdit>& edits = control.edits;
  std::sort(edits.begin(), edits.end(), [](const LogitEdit& a, const LogitEdit& b) {
    return a.id != b.id ? a.id < b.id : a.kind < b.kind;
  });
  const float repetition = static_cast<float>(control.repetition_penalty);
  for (std::size_t i = 0; i < edits.size();) {
    const int id = edits[i].id;
    float logit = std::isnan(adjusted[id]) ? kNever : adjusted[id];
    for (; i < edits.size() && edits[i].id == id && edits[i].kind == LogitEdit::bias; ++i)
      logit += static_cast<float>(edits[i].value);
    if (i < edits.size() && edits[i].id == id && repetition != 1.0f)
      logit = logit > 0 ? logit / repetition : logit * repetition;
    for (; i < edits.size() && edits[i].id == id; ++i)
      if (edits[i].kind == LogitEdit::generated)
        logit -= static_cast<float>(control.presence_penalty + control.frequency_penalty * edits[i].value);
    adjusted[id] = logit;
  }
}

// A candidate with its probability relative to the best token's.
struct Weighted {
  Candidate token;
  double weight;

  bool operator<(const Weighted& other) const { return token < other.token; }
};

// Tokens that come one after another in the order of falling probability; among themselves in any order until sorted.
struct Group {
  std::vector<Weighted> tokens;
  double mass = 0.0;
  double least = 1.0;  // the smallest weight
  bool sorted = false;

  void add(const Candidate& token, double weight) {
    tokens.push_back({token, weight});
    mass += weight;
    least = std::min(least, weight);
  }
  void sort() {
    if (!sorted) std::sort(tokens.begin(), tokens.end());
    sorted = true;
  }
};

// All tokens in order of falling probability, as a chain of groups that grows as deep as anyone asks: whoever looks
// for a share of the mass passes over whole groups and sorts only the one where it ends.
class Ranking {
 public:
  Ranking(const Row& row, const RowControl& control)
      : row_(row), sharpness_(std::min(1.0 / control.temperature, 1e300)), temperature_(control.temperature) {
    if (control.top_k > 0 && control.top_k < row.count()) {
      const std::vector<Candidate> best = row.best(control.top_k);
      const std::vector<double> weights = row.weights(best, sharpness_);
      groups_.emplace_back();
      for (std::size_t i = 0; i < best.size(); ++i) groups_[0].add(best[i], weights[i]);
      total_ = groups_[0].mass;
      complete_ = true;
    } else {
      total_ = row.total(sharpness_);
    }
  }

  double total() const { return total_; }

  // The group of this index, or null past the last.
  Group* group(std::size_t index) {
    while (index >= groups_.size() && !complete_) deepen();
    return index < groups_.size() ? &groups_[index] : nullptr;
  }

 private:
  // Depths are measured from the peak downwards in units of the temperature: weights fall by e in each.
  static constexpr double kLayer = 4.0, kGroupsPerUnit = 16.0;
  static constexpr double kDeepest = 68.0;  // weights below are zero

  // Appends the groups of the next layer.
  void deepen() {
    complete_ = depth_ + kLayer >= kDeepest;
    const double top = row_.peak() - depth_ * temperature_;
    const float lower = complete_ ? kNever : static_cast<float>(top - kLayer * temperature_);
    const std::size_t first = groups_.size(), count = static_cast<std::size_t>(kLayer * kGroupsPerUnit);
    groups_.resize(first + count);
    const std::vector<Candidate> tokens = row_.between(lower, upper_);
    const std::vector<double> weights = row_.weights(tokens, sharpness_);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const double below = (top - tokens[i].logit) * sharpness_ * kGroupsPerUnit;
      groups_[first + static_cast<std::size_t>(std::clamp(below, 0.0, count - 1.0))].add(tokens[i], weights[i]);
    }
    upper_ = lower;
    depth_ += kLayer;
  }

  const Row& row_;
  double sharpness_, temperature_;
  double total_ = 0.0;
  double depth_ = 0.0;
  float upper_ = std::numeric_limits<float>::infinity();
  bool complete_ = false;
  std::vector<Group> groups_;
};

// How much of the ranking is left after the filters: some groups and some tokens of the next.
struct Survivors {
  std::size_t groups = std::numeric_limits<std::size_t>::max();
  std::size_t tokens = 0;
  double mass;
};

// top-p and min-p: what stays is a prefix of the ranking, at least its first token.
Survivors filter(Ranking& ranking, const RowControl& control) {
  const double wanted = control.top_p * ranking.total();
  const auto enough = [&](double before) { return control.top_p < 1.0 && before > 0.0 && before >= wanted; };
  Survivors survivors;
  double before = 0.0;
  for (survivors.groups = 0; Group* group = ranking.group(survivors.groups); ++survivors.groups) {
    if (!enough(before + group->mass) && group->least >= control.min_p) {
      before += group->mass;
      continue;
    }
    group->sort();
    for (survivors.tokens = 0; survivors.tokens < group->tokens.size(); ++survivors.tokens) {
      const double weight = group->tokens[survivors.tokens].weight;
      if (enough(before) || weight < std::min(control.min_p, 1.0)) {
        survivors.mass = before;
        return survivors;
      }
      before += weight;
    }
    survivors.tokens = 0;
  }
  survivors.mass = before;
  return survivors;
}

// Temperature, top-k, top-p, min-p and the inverse CDF.
int draw(const Row& row, const RowControl& control) {
  Ranking ranking(row, control);
  Survivors survivors;
  survivors.mass = ranking.total();
  if (control.top_p < 1.0 || control.min_p > 0.0) survivors = filter(ranking, control);
  const double target = control.uniform * survivors.mass;
  double cumulative = 0.0;
  Group* last = nullptr;  // where the walk ends if rounding leaves the target past everything
  for (std::size_t index = 0; index <= survivors.groups; ++index) {
    Group* group = ranking.group(index);
    if (!group) break;
    const bool whole = index < survivors.groups;
    const std::size_t count = whole ? group->tokens.size() : survivors.tokens;
    if (count == 0 || group->mass == 0.0) continue;
    last = group;
    if (whole && cumulative + group->mass <= target) {
      cumulative += group->mass;
      continue;
    }
    group->sort();
    for (std::size_t rank = 0; rank < count; ++rank) {
      cumulative += group->tokens[rank].weight;
      if (cumulative > target || (!whole && rank + 1 == count)) return group->tokens[rank].token.id;
    }
  }
  last->sort();
  std::size_t rank = last->tokens.size() - 1;
  while (last->tokens[rank].weight == 0.0) --rank;
  return last->tokens[rank].token.id;
}

SampledToken choose(const SamplingKernels& kernels, const float* logits, int vocabulary, RowControl& control) {
  static thread_local std::vector<float> adjusted;
  SampledToken token;
  const bool untouched = !control.allowed && control.edits.empty();
  if (!untouched) adjust(logits, vocabulary, control, adjusted);
  const Row row(kernels, untouched ? logits : adjusted.data(), vocabulary);
  if (control.temperature > 0 && std::isfinite(row.peak())) {
    token.id = draw(row, control);
  } else {
    token.id = row.argmax();
    if (row.peak() == kNever) {
      while (token.id < vocabulary && !is_allowed(control, token.id)) ++token.id;
      if (token.id == vocabulary) {
        token.error = "the mask allows no token";
        return token;
      }
    }
  }
  if (control.logprobs >= 0) {
    if (untouched)
      LogSoftmax(row).report(token, control.logprobs);
    else
      LogSoftmax(Row(kernels, logits, vocabulary)).report(token, control.logprobs);
  }
  return token;
}

template <class Body>
void for_each_row(ThreadPool& pool, int rows, Body&& body) {
  if (rows == 1) return body(0);
  pool.run(rows, [&](int row, int) { body(row); });
}

}  // namespace

std::vector<SampledToken> sample(ThreadPool& pool, const SamplingKernels& kernels, const Logits& logits,
                                 std::vector<RowControl>& controls) {
  std::vector<SampledToken> tokens(logits.rows);
  for_each_row(pool, logits.rows, [&](int row) {
    tokens[row] = choose(kernels, logits.data + static_cast<std::size_t>(row) * logits.vocabulary, logits.vocabulary,
                         controls[row]);
  });
  return tokens;
}

std::vector<int> argmax(ThreadPool& pool, const SamplingKernels& kernels, const Logits& logits) {
  std::vector<int> ids(logits.rows);
  for_each_row(pool, logits.rows, [&](int row) {
    const float* data = logits.data + static_cast<std::size_t>(row) * logits.vocabulary;
    ids[row] = Row(kernels, data, logits.vocabulary).argmax();
  });
  return ids;
}

std::vector<SampledToken> token_logprobs(ThreadPool& pool, const SamplingKernels& kernels, const Logits& logits,
                                         const std::vector<int>& rows, const std::vector<int>& ids, int top) {
  std::vector<SampledToken> tokens(rows.size());
  for_each_row(pool, static_cast<int>(rows.size()), [&](int i) {
    const Row row(kernels, logits.data + static_cast<std::size_t>(rows[i]) * logits.vocabulary, logits.vocabulary);
    tokens[i].id = ids[i];
    LogSoftmax(row).report(tokens[i], top);
  });
  return tokens;
}

}  // namespace sevenb
