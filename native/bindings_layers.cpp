// Binding of a decoder's layers as one op.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "layers.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace sevenb;

using Vector = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using MutableRows = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void need(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

// Layers whose shapes have been checked, with the vectors that they point into. Matrices are kept alive by Python.
class Layers {
 public:
  Layers(int heads, int kv_heads, int head_dim, bool interleaved, int window, double softmax_scale, double norm_epsilon)
      : kv_heads_(kv_heads),
        head_dim_(head_dim),
        spec_{heads, interleaved, window, static_cast<float>(softmax_scale), static_cast<float>(norm_epsilon)} {
    need(heads > 0 && kv_heads > 0 && head_dim > 0 && heads % kv_heads == 0,
         "the query heads are not a multiple of the KV heads");
  }

  void append(const Vector& attention_norm, const PackedMatrix& query, const PackedMatrix& key,
              const PackedMatrix& value, const std::optional<Vector>& query_bias, const std::optional<Vector>& key_bias,
              const std::optional<Vector>& value_bias, const std::optional<Vector>& key_balance,
              const std::optional<Vector>& query_norm, const std::optional<Vector>& key_norm,
              const PackedMatrix& output, const Vector& mlp_norm, const PackedMatrix& gate, const PackedMatrix& up,
              const PackedMatrix& down) {
    const int hidden = layers_.empty() ? query.columns() : layers_.front().query->columns();
    const int query_rows = spec_.heads * head_dim_, key_rows = kv_heads_ * head_dim_;
    need_shape(query, query_rows, hidden, "query");
    need_shape(key, key_rows, hidden, "key");
    need_shape(value, key_rows, hidden, "value");
    need_shape(output, hidden, query_rows, "output");
    need_shape(gate, gate.rows(), hidden, "gate");
    need_shape(up, gate.rows(), hidden, "up");
    need_shape(down, hidden, gate.rows(), "down");
    layers_.push_back({kept(attention_norm, hidden, "attention_norm"), &query, &key, &value,
                       kept(query_bias, query_rows, "query_bias"), kept(key_bias, key_rows, "key_bias"),
                       kept(value_bias, key_rows, "value_bias"), kept(key_balance, key_rows, "key_balance"),
                       kept(query_norm, head_dim_, "query_norm"), kept(key_norm, head_dim_, "key_norm"), &output,
                       kept(mlp_norm, hidden, "mlp_norm"), &gate, &up, &down});
  }

  void run(Workspace& workspace, MutableRows hidden, const PagedBatch& batch, KVCache& cache) const {
    need(!layers_.empty(), "there are no layers");
    need(hidden.shape(0) == static_cast<std::size_t>(batch.tokens) &&
             hidden.shape(1) == static_cast<std::size_t>(layers_.front().query->columns()),
         "hidden has the wrong shape");
    const KVShape& shape = cache.shape();
    need(shape.kv_heads == kv_heads_ && shape.head_dim == head_dim_ &&
             shape.layers == static_cast<int>(layers_.size()),
         "the cache has another shape than the layers");
    nb::gil_scoped_release release;
    run_layers(workspace, layers_, spec_, batch, cache, hidden.data());
  }

 private:
  static void need_shape(const PackedMatrix& matrix, int rows, int columns, const std::string& name) {
    need(matrix.rows() == rows && matrix.columns() == columns, name + " has the wrong shape");
  }

  const float* kept(const std::optional<Vector>& vector, int size, const std::string& name) {
    if (!vector) return nullptr;
    need(vector->size() == static_cast<std::size_t>(size), name + " has the wrong shape");
    vectors_.push_back(*vector);
    return vector->data();
  }

  int kv_heads_, head_dim_;
  LayerSpec spec_;
  std::vector<LayerWeights> layers_;
  std::vector<Vector> vectors_;
};

}  // namespace

void bind_layers(nb::module_& m) {
  nb::class_<Layers>(m, "Layers", "A decoder's layers, which tokens go through in one call.")
      .def(nb::init<int, int, int, bool, int, double, double>(), "heads"_a, "kv_heads"_a, "head_dim"_a,
           "interleaved"_a, "window"_a, "softmax_scale"_a, "norm_epsilon"_a)
      .def("append", &Layers::append, "attention_norm"_a, "query"_a, "key"_a, "value"_a, "query_bias"_a.none(),
           "key_bias"_a.none(), "value_bias"_a.none(), "key_balance"_a.none(), "query_norm"_a.none(),
           "key_norm"_a.none(), "output"_a, "mlp_norm"_a, "gate"_a, "up"_a, "down"_a, nb::keep_alive<1, 3>(),
           nb::keep_alive<1, 4>(), nb::keep_alive<1, 5>(), nb::keep_alive<1, 12>(), nb::keep_alive<1, 14>(),
           nb::keep_alive<1, 15>(), nb::keep_alive<1, 16>(),
           "One more layer; matrices and vectors are kept, None where the model has no such vector.")
      .def("run", &Layers::run, "workspace"_a, "hidden"_a.noconvert(), "batch"_a, "cache"_a,
           "hidden [T, H] goes through all layers, in place; keys and values are stored in the cache.");
}
