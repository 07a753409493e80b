// Binding of packed matrices and the decoder's matrix ops.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu.h"
#include "head.h"
#include "linear.h"
#include "packed_matrix.h"
#include "thread_pool.h"
#include "workspace.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace sevenb;

using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Vector = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using MutableRows = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

Precision precision_of(int activation_bits) {
  if (activation_bits == 8) return Precision::int8;
  if (activation_bits == 16) return Precision::int16;
  throw std::invalid_argument("activation_bits must be 8 or 16");
}

void need(bool condition, const char* message) {
  if (!condition) throw std::invalid_argument(message);
}

template <class Array>
int tokens_of(const Array& rows, int columns) {
  need(rows.shape(1) == static_cast<std::size_t>(columns), "an array's columns do not fit the matrix");
  return static_cast<int>(rows.shape(0));
}

void need_shape(const MutableRows& out, int tokens, int columns) {
  need(out.shape(0) == static_cast<std::size_t>(tokens) && out.shape(1) == static_cast<std::size_t>(columns),
       "an output array has the wrong shape");
}

Norm norm_of(const Vector& weight, float epsilon, int columns) {
  need(weight.shape(0) == static_cast<std::size_t>(columns), "the norm's length does not fit the matrix");
  return {weight.data(), epsilon};
}

const float* bias_of(const std::optional<Vector>& bias, const PackedMatrix& matrix) {
  if (!bias) return nullptr;
  need(bias->shape(0) == static_cast<std::size_t>(matrix.rows()), "a bias does not fit its matrix");
  return bias->data();
}

void check_ids(const Ids& ids, std::int64_t limit, const char* message) {
  for (std::size_t i = 0; i < ids.shape(0); ++i) need(ids.data()[i] >= 0 && ids.data()[i] < limit, message);
}

void bind_packed_matrix(nb::module_& m) {
  nb::class_<PackedMatrix>(m, "PackedMatrix", "A weight matrix laid out for the kernels; its values are the file's.")
      .def(
          "__init__",
          [](PackedMatrix* self, int quant_type, std::int64_t rows, std::int64_t columns, const Bytes& data,
             ThreadPool& pool, int activation_bits) {
            const Precision precision = precision_of(activation_bits);
            nb::gil_scoped_release release;
            new (self) PackedMatrix(quant_type, rows, columns, data.data(), data.size(), precision, pool);
          },
          "quant_type"_a, "rows"_a, "columns"_a, "data"_a, "pool"_a, "activation_bits"_a = 8)
      .def_prop_ro("quant_type", [](const PackedMatrix& self) { return static_cast<int>(self.type()); })
      .def_prop_ro("rows", &PackedMatrix::rows)
      .def_prop_ro("columns", &PackedMatrix::columns)
      .def_prop_ro("bytes", &PackedMatrix::bytes)
      .def_prop_ro(
          "activation_bits",
          [](const PackedMatrix& self) {
            return self.precision() == Precision::int8 ? 8 : self.precision() == Precision::int16 ? 16 : 32;
          },
          "Bits of the activations that it is multiplied by: 8, 16 or (for plain numbers) 32.");
}

void bind_split_matrix(nb::module_& m) {
  nb::class_<SplitMatrix>(m, "SplitMatrix", "An output head in two halves, so that most tokens need only the first.")
      .def(
          "__init__",
          [](SplitMatrix* self, int quant_type, std::int64_t rows, std::int64_t columns, const Bytes& data,
             ThreadPool& pool) {
            nb::gil_scoped_release release;
            new (self) SplitMatrix(quant_type, rows, columns, data.data(), data.size(), pool);
          },
          "quant_type"_a, "rows"_a, "columns"_a, "data"_a, "pool"_a)
      .def_static("splits", &SplitMatrix::splits, "quant_type"_a, "Whether matrices of this type can be split.")
      .def_prop_ro("rows", &SplitMatrix::rows)
      .def_prop_ro("columns", &SplitMatrix::columns)
      .def_prop_ro("bytes", &SplitMatrix::bytes);
}

// The rows `ids` of a table.
template <class Matrix>
void bound_embed(Workspace& workspace, const Matrix& table, const Ids& ids, MutableRows out) {
  const int tokens = static_cast<int>(ids.shape(0));
  need_shape(out, tokens, table.columns());
  check_ids(ids, table.rows(), "a token id is outside of the table");
  nb::gil_scoped_release release;
  embed(workspace, table, ids.data(), tokens, out.data());
}

void bound_head_logits(Workspace& workspace, const Rows& hidden, const Ids& rows, const Vector& norm, float epsilon,
                       const SplitMatrix& head, const Ids& best, const nb::list& masks, MutableRows out) {
  const int columns = head.columns(), tokens = static_cast<int>(rows.shape(0));
  check_ids(rows, tokens_of(hidden, columns), "a wanted row is outside of the batch");
  check_ids(best, most_best + 1, "a number of best logits is out of range");
  need_shape(out, tokens, head.rows());
  need(best.shape(0) == rows.shape(0) && masks.size() == rows.shape(0), "the wanted logits do not fit the rows");
  const Norm rms = norm_of(norm, epsilon, columns);
  std::vector<WantedLogits> wanted(tokens);
  std::vector<nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>> held;
  for (int token = 0; token < tokens; ++token) {
    wanted[token] = {best.data()[token], nullptr, 0};
    const nb::handle mask = masks[token];
    if (mask.is_none()) continue;
    held.push_back(nb::cast<nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>>(mask));
    wanted[token].allowed = held.back().data();
    wanted[token].allowed_words = static_cast<int>(held.back().shape(0));
  }
  nb::gil_scoped_release release;
  if (tokens > 0) head_logits(workspace, hidden.data(), rows.data(), rms, head, wanted, out.data());
}

}  // namespace

void bind_matmul(nb::module_& m) {
  bind_packed_matrix(m);
  bind_split_matrix(m);
  nb::class_<Workspace>(m, "Workspace", "Threads, kernels and scratch memory that the ops of one backend share.")
      .def(
          "__init__",
          [](Workspace* self, ThreadPool& pool, const std::string& isa) { new (self) Workspace(pool, resolve_isa(isa)); },
          "pool"_a, "isa"_a, nb::keep_alive<1, 2>());

  m.def("embed", &bound_embed<PackedMatrix>, "workspace"_a, "table"_a, "ids"_a, "out"_a.noconvert(),
        "out [T, H] = the rows `ids` of the table.");
  m.def("embed", &bound_embed<SplitMatrix>, "workspace"_a, "table"_a, "ids"_a, "out"_a.noconvert());

  m.def(
      "norm_project_qkv",
      [](Workspace& workspace, const Rows& hidden, const Vector& norm, float epsilon, const PackedMatrix& query,
         const PackedMatrix& key, const PackedMatrix& value, const std::optional<Vector>& query_bias,
         const std::optional<Vector>& key_bias, const std::optional<Vector>& value_bias, MutableRows query_out,
         MutableRows key_out, MutableRows value_out) {
        const int columns = query.columns(), tokens = tokens_of(hidden, columns);
        need(key.columns() == columns && value.columns() == columns, "query, key and value differ in columns");
        need_shape(query_out, tokens, query.rows());
        need_shape(key_out, tokens, key.rows());
        need_shape(value_out, tokens, value.rows());
        const Norm rms = norm_of(norm, epsilon, columns);
        const std::vector<Projection> projections{
            {&query, bias_of(query_bias, query), query_out.data(), false},
            {&key, bias_of(key_bias, key), key_out.data(), false},
            {&value, bias_of(value_bias, value), value_out.data(), false}};
        nb::gil_scoped_release release;
        project(workspace, hidden.data(), nullptr, tokens, rms, projections);
      },
      "workspace"_a, "hidden"_a, "norm"_a, "epsilon"_a, "query"_a, "key"_a, "value"_a, "query_bias"_a.none(),
      "key_bias"_a.none(), "value_bias"_a.none(), "query_out"_a.noconvert(), "key_out"_a.noconvert(),
      "value_out"_a.noconvert(), "RMS norm of hidden [T, H], then three projections with biases.");

  m.def(
      "project_add",
      [](Workspace& workspace, MutableRows hidden, const Rows& inputs, const PackedMatrix& weight) {
        const int tokens = tokens_of(inputs, weight.columns());
        need_shape(hidden, tokens, weight.rows());
        nb::gil_scoped_release release;
        project(workspace, inputs.data(), nullptr, tokens, {nullptr, 0.0f},
                {{&weight, nullptr, hidden.data(), true}});
      },
      "workspace"_a, "hidden"_a.noconvert(), "inputs"_a, "weight"_a, "hidden [T, H] += inputs × weightᵀ, in place.");

  m.def(
      "gated_mlp_add",
      [](Workspace& workspace, MutableRows hidden, const Vector& norm, float epsilon, const PackedMatrix& gate,
         const PackedMatrix& up, const PackedMatrix& down) {
        const int tokens = tokens_of(hidden, gate.columns());
        need(up.columns() == gate.columns() && up.rows() == gate.rows(), "gate and up differ in shape");
        need(down.columns() == gate.rows() && down.rows() == gate.columns(), "down does not fit gate and up");
        const Norm rms = norm_of(norm, epsilon, gate.columns());
        nb::gil_scoped_release release;
        gated_mlp_add(workspace, hidden.data(), tokens, rms, gate, up, down);
      },
      "workspace"_a, "hidden"_a.noconvert(), "norm"_a, "epsilon"_a, "gate"_a, "up"_a, "down"_a,
      "hidden [T, H] += down(silu(gate(n)) × up(n)) with n the RMS norm of hidden, in place.");

  m.def(
      "norm_project_gate_up",
      [](Workspace& workspace, const Rows& hidden, const Vector& norm, float epsilon, const PackedMatrix& gate,
         const PackedMatrix& up, MutableRows gate_out, MutableRows up_out) {
        const int columns = gate.columns(), tokens = tokens_of(hidden, columns);
        need(up.columns() == columns, "gate and up differ in columns");
        need_shape(gate_out, tokens, gate.rows());
        need_shape(up_out, tokens, up.rows());
        const Norm rms = norm_of(norm, epsilon, columns);
        nb::gil_scoped_release release;
        project(workspace, hidden.data(), nullptr, tokens, rms,
                {{&gate, nullptr, gate_out.data(), false}, {&up, nullptr, up_out.data(), false}});
      },
      "workspace"_a, "hidden"_a, "norm"_a, "epsilon"_a, "gate"_a, "up"_a, "gate_out"_a.noconvert(),
      "up_out"_a.noconvert(), "RMS norm of hidden [T, H], then two projections.");

  m.def(
      "silu_multiply",
      [](Workspace& workspace, MutableRows gate, const Rows& up) {
        const int tokens = static_cast<int>(gate.shape(0)), columns = static_cast<int>(gate.shape(1));
        need(up.shape(0) == gate.shape(0) && tokens_of(up, columns) == tokens, "gate and up differ in shape");
        need(columns % 8 == 0, "the columns are no multiple of 8");
        nb::gil_scoped_release release;
        silu_multiply(workspace, gate.data(), up.data(), tokens, columns);
      },
      "workspace"_a, "gate"_a.noconvert(), "up"_a, "gate [T, columns] = silu(gate) × up, in place.");

  m.def(
      "add_low_rank",
      [](Workspace& workspace, const Rows& inputs, const std::optional<Vector>& norm, float epsilon,
         const std::vector<const PackedMatrix*>& shrinks, const std::vector<const PackedMatrix*>& expands,
         const std::vector<float>& scales, const std::vector<MutableRows>& outs) {
        need(!shrinks.empty() && expands.size() == shrinks.size() && scales.size() == shrinks.size() &&
                 outs.size() == shrinks.size(),
             "the lists differ in length");
        const int columns = shrinks.front()->columns(), tokens = tokens_of(inputs, columns);
        std::vector<LowRank> parts;
        for (std::size_t i = 0; i < shrinks.size(); ++i) {
          need(shrinks[i]->columns() == columns, "the inputs' columns do not fit the matrix");
          need(expands[i]->columns() == shrinks[i]->rows(), "two matrices differ in rank");
          need_shape(outs[i], tokens, expands[i]->rows());
          parts.push_back({shrinks[i], expands[i], scales[i], outs[i].data()});
        }
        const Norm rms = norm ? norm_of(*norm, epsilon, columns) : Norm{nullptr, 0.0f};
        nb::gil_scoped_release release;
        if (tokens > 0) add_low_rank(workspace, inputs.data(), tokens, rms, parts);
      },
      "workspace"_a, "inputs"_a, "norm"_a.none(), "epsilon"_a, "shrinks"_a, "expands"_a, "scales"_a,
      "outs"_a.noconvert(),
      "Each of outs [T, outputs] += scale × (n × shrinkᵀ) × expandᵀ, in place; n are inputs [T, columns], or their norm.");

  m.def(
      "logits",
      [](Workspace& workspace, const Rows& hidden, const Ids& rows, const Vector& norm, float epsilon,
         const PackedMatrix& head, MutableRows out) {
        const int columns = head.columns(), tokens = static_cast<int>(rows.shape(0));
        check_ids(rows, tokens_of(hidden, columns), "a wanted row is outside of the batch");
        need_shape(out, tokens, head.rows());
        const Norm rms = norm_of(norm, epsilon, columns);
        nb::gil_scoped_release release;
        if (tokens > 0)
          project(workspace, hidden.data(), rows.data(), tokens, rms, {{&head, nullptr, out.data(), false}});
      },
      "workspace"_a, "hidden"_a, "rows"_a, "norm"_a, "epsilon"_a, "head"_a, "out"_a.noconvert(),
      "out [R, V] = logits of the chosen rows of hidden, after the RMS norm.");

  m.attr("MOST_BEST") = most_best;
  m.def("head_logits", &bound_head_logits, "workspace"_a, "hidden"_a, "rows"_a, "norm"_a, "epsilon"_a, "head"_a,
        "best"_a, "masks"_a, "out"_a.noconvert(),
        "out [R, V] = logits of the chosen rows of hidden, after the RMS norm. Exact are the best[r] largest of row r, at "
        "most MOST_BEST and of those tokens that masks[r] allows (None: all); 0: all. All other allowed ones are smaller.");
}
