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
  Row(const SamplingKernels& kernels, const float* logits, int count) : kernels_(kernels), logits_(logits), count_(count) {
    maxima_.resize((count + kRun - 1) / kRun);
    kernels.run_maxima(logits, count, maxima_.data());
    peak_ = *std::max_element(maxima_.begin(), maxima_.end());
  }

  int count() const { return count_; }
  float peak() const { return peak_; }
  float logit(int id) const { return std::isnan(logits_[id]) ? kNever : logits_[id]; }

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

  // All tokens at or above `threshold`, best first.
  std::vector<Candidate> at_least(float threshold) const {
    std::vector<Candidate> found = collect(threshold);
    std::sort(found.begin(), found.end());
    return found;
  }

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
    std::vector<Candidate> found = collect(threshold);
    std::partial_sort(found.begin(), found.begin() + wanted, found.end());
    found.resize(wanted);
    return found;
  }

 private:
  std::vector<Candidate> collect(float threshold) const {
    std::vector<Candidate> found;
    for (std::size_t run = 0; run < maxima_.size(); ++run) {
      if (maxima_[run] < threshold) continue;
      const int start = static_cast<int>(run) * kRun;
      for (int id = start; id < std::min(count_, start + kRun); ++id)
        if (logit(id) >= threshold) found.push_back({logit(id), id});
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

// The tokens in order of falling probability, as deep as anyone asks.
class Ranking {
 public:
  Ranking(const Row& row, const RowControl& control)
      : row_(row), sharpness_(std::min(1.0 / control.temperature, 1e300)), temperature_(control.temperature) {
    if (control.top_k > 0 && control.top_k < row.count()) {
      append(row.best(control.top_k));
      complete_ = true;
      for (double weight : weights_) total_ += weight;
    } else {
      total_ = row.total(sharpness_);
      if (control.min_p > 0) depth_ = std::min(kAll, 1.0 - std::log(control.min_p));
      deepen();
    }
  }

  // True when a token of this rank exists; looks deeper when it must.
  bool reaches(std::size_t rank) {
    while (rank >= weights_.size() && !complete_) deepen();
    return rank < weights_.size();
  }
  int id(std::size_t rank) const { return tokens_[rank].id; }
  double weight(std::size_t rank) const { return weights_[rank]; }  // relative to the best token's
  double total() const { return total_; }

 private:
  static constexpr double kAll = 68.0;  // below this the weights are zero

  void deepen() {
    complete_ = depth_ >= kAll;
    append(row_.at_least(complete_ ? kNever : static_cast<float>(row_.peak() - depth_ * temperature_)));
    depth_ *= 2;
  }

  void append(std::vector<Candidate> tokens) {
    tokens_ = std::move(tokens);
    for (std::size_t rank = weights_.size(); rank < tokens_.size(); ++rank)
      weights_.push_back(exponential((static_cast<double>(tokens_[rank].logit) - row_.peak()) * sharpness_));
  }

  const Row& row_;
  double sharpness_, temperature_;
  double total_ = 0.0;
  double depth_ = 8.0;  // how far below the peak to look next, in units of the temperature
  bool complete_ = false;
  std::vector<Candidate> tokens_;
  std::vector<double> weights_;
};

// Temperature, top-k, top-p, min-p and the inverse CDF. The survivors of all three filters are a prefix of the ranking.
int draw(const Row& row, const RowControl& control) {
  Ranking ranking(row, control);
  std::size_t survivors = row.count();
  double mass = ranking.total();
  if (control.top_p < 1.0 || control.min_p > 0.0) {
    double before = 0.0;
    std::size_t rank = 0;
    for (; ranking.reaches(rank); ++rank) {
      // The first always stays.
      if (rank > 0 && control.top_p < 1.0 && before >= control.top_p * ranking.total()) break;
      if (rank > 0 && ranking.weight(rank) < control.min_p) break;
      before += ranking.weight(rank);
    }
    survivors = rank;
    mass = before;
  }
  const double target = control.uniform * mass;
  double cumulative = 0.0;
  std::size_t last = 0;
  for (std::size_t rank = 0; rank < survivors && ranking.reaches(rank); ++rank) {
    cumulative += ranking.weight(rank);
    if (cumulative > target) return ranking.id(rank);
    if (ranking.weight(rank) > 0.0) last = rank;
  }
  return ranking.id(last);  // rounding left the target at the very end
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
