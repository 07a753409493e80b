// Binding of the sampler: one call a step for all rows.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "sampling.h"
#include "thread_pool.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace sevenb;

template <class Number, std::size_t Dimensions>
using Array = nb::ndarray<const Number, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

Logits as_logits(const Array<float, 2>& array) {
  if (array.shape(1) == 0) throw std::invalid_argument("the logits have no columns");
  return {array.data(), static_cast<int>(array.shape(0)), static_cast<int>(array.shape(1))};
}

void need_id(int id, int count, const char* what) {
  if (id < 0 || id >= count)
    throw std::invalid_argument(std::string(what) + " " + std::to_string(id) + " is not one of " +
                                std::to_string(count));
}

// (token id, log-probability or None, ((id, log-probability), ...)) a row.
nb::list as_tuples(const std::vector<SampledToken>& tokens, const std::vector<RowControl>* controls) {
  nb::list rows;
  for (std::size_t row = 0; row < tokens.size(); ++row) {
    const SampledToken& token = tokens[row];
    if (!token.error.empty()) throw std::invalid_argument("row " + std::to_string(row) + ": " + token.error);
    nb::list top;
    for (const auto& [id, logprob] : token.top) top.append(nb::make_tuple(id, logprob));
    const bool wanted = !controls || (*controls)[row].logprobs >= 0;
    rows.append(nb::make_tuple(token.id, wanted ? nb::object(nb::float_(token.logprob)) : nb::none(), nb::tuple(top)));
  }
  return rows;
}

nb::list bound_sample(ThreadPool& pool, const std::string& isa, const Array<float, 2>& logits,
                      const Array<double, 2>& parameters, const Array<std::int32_t, 2>& counts,
                      const Array<std::int32_t, 2>& edits, const Array<double, 1>& edit_values, const nb::list& masks) {
  const Logits rows = as_logits(logits);
  const std::size_t count = rows.rows;
  if (parameters.shape(0) != count || parameters.shape(1) != 7 || counts.shape(0) != count || counts.shape(1) != 2 ||
      edits.shape(1) != 3 || edits.shape(0) != edit_values.shape(0) || masks.size() != count)
    throw std::invalid_argument("the controls do not fit the logits");
  std::vector<RowControl> controls(count);
  std::vector<Array<std::uint32_t, 1>> held;  // keeps the masks alive while the interpreter runs on
  for (std::size_t row = 0; row < count; ++row) {
    RowControl& control = controls[row];
    const double* p = parameters.data() + row * 7;
    control.temperature = p[0];
    control.top_p = p[1];
    control.min_p = p[2];
    control.uniform = p[3];
    control.repetition_penalty = p[4];
    control.presence_penalty = p[5];
    control.frequency_penalty = p[6];
    control.top_k = counts.data()[row * 2];
    control.logprobs = counts.data()[row * 2 + 1];
    control.allowed = nullptr;
    control.allowed_words = 0;
    const nb::handle mask = masks[row];
    if (mask.is_none()) continue;
    held.push_back(nb::cast<Array<std::uint32_t, 1>>(mask));
    control.allowed = held.back().data();
    control.allowed_words = static_cast<int>(held.back().shape(0));
  }
  for (std::size_t i = 0; i < edits.shape(0); ++i) {
    const std::int32_t* edit = edits.data() + i * 3;
    need_id(edit[0], rows.rows, "row");
    need_id(edit[1], rows.vocabulary, "token");
    need_id(edit[2], LogitEdit::generated + 1, "edit kind");
    controls[edit[0]].edits.push_back({edit[1], static_cast<LogitEdit::Kind>(edit[2]), edit_values.data()[i]});
  }
  const SamplingKernels& kernels = sampling_kernels(resolve_isa(isa));
  std::vector<SampledToken> tokens;
  {
    nb::gil_scoped_release release;
    tokens = sample(pool, kernels, rows, controls);
  }
  return as_tuples(tokens, &controls);
}

}  // namespace

void bind_sampling(nb::module_& m) {
  m.attr("EDIT_BIAS") = static_cast<int>(LogitEdit::bias);
  m.attr("EDIT_SEEN") = static_cast<int>(LogitEdit::seen);
  m.attr("EDIT_GENERATED") = static_cast<int>(LogitEdit::generated);
  m.def(
      "argmax",
      [](ThreadPool& pool, const std::string& isa, const Array<float, 2>& logits) {
        const Logits rows = as_logits(logits);
        const SamplingKernels& kernels = sampling_kernels(resolve_isa(isa));
        nb::gil_scoped_release release;
        return argmax(pool, kernels, rows);
      },
      "pool"_a, "isa"_a, "logits"_a, "The lowest id of the largest logit in each row of logits [R, V].");
  m.def("sample", &bound_sample, "pool"_a, "isa"_a, "logits"_a, "parameters"_a, "counts"_a, "edits"_a, "edit_values"_a,
        "masks"_a,
        "One token a row. parameters [R, 7]: temperature, top_p, min_p, uniform, repetition, presence and frequency "
        "penalty; counts [R, 2]: top_k, logprobs (-1: none); edits [N, 3]: row, token, kind; masks: an array or None "
        "a row.");
  m.def(
      "token_logprobs",
      [](ThreadPool& pool, const std::string& isa, const Array<float, 2>& logits, const std::vector<int>& rows,
         const std::vector<int>& ids, int top) {
        const Logits matrix = as_logits(logits);
        if (rows.size() != ids.size()) throw std::invalid_argument("rows and token ids differ in number");
        for (int row : rows) need_id(row, matrix.rows, "row");
        for (int id : ids) need_id(id, matrix.vocabulary, "token");
        const SamplingKernels& kernels = sampling_kernels(resolve_isa(isa));
        std::vector<SampledToken> tokens;
        {
          nb::gil_scoped_release release;
          tokens = token_logprobs(pool, kernels, matrix, rows, ids, top);
        }
        return as_tuples(tokens, nullptr);
      },
      "pool"_a, "isa"_a, "logits"_a, "rows"_a, "token_ids"_a, "top"_a,
      "The log-probability of a given token in each of some rows of logits [R, V], with the `top` best.");
}
