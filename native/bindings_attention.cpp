// Binding of the KV cache, RoPE and attention.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <cstring>
#include <optional>
#include <stdexcept>

#include "attention.h"
#include "cpu.h"
#include "kv_cache.h"
#include "rope.h"
#include "thread_pool.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace sevenb;

using Integers = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using IntegerRows = nb::ndarray<const std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using FloatRows = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using MutableFloatRows = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

std::vector<std::int32_t> copied(const Integers& array) { return {array.data(), array.data() + array.size()}; }

void need_shape(const FloatRows& array, std::size_t rows, std::size_t columns, const char* name) {
  if (array.shape(0) != rows || array.shape(1) != columns)
    throw std::invalid_argument(std::string(name) + " has the wrong shape");
}

void bind_batch(nb::module_& m) {
  nb::class_<PagedBatch>(m, "PagedBatch", "A step's positions, block tables and RoPE angles, checked and copied.")
      .def(
          "__init__",
          [](PagedBatch* self, const Integers& positions, const Integers& query_starts, const Integers& context_lengths,
             const IntegerRows& block_tables, const FloatRows& cos, const FloatRows& sin) {
            if (cos.shape(0) != positions.shape(0) || sin.shape(0) != cos.shape(0) || sin.shape(1) != cos.shape(1))
              throw std::invalid_argument("the RoPE angles need one row a token");
            PagedBatch batch;
            batch.tokens = static_cast<int>(positions.shape(0));
            batch.sequences = static_cast<int>(context_lengths.shape(0));
            batch.table_width = static_cast<int>(block_tables.shape(1));
            batch.rotary_half = static_cast<int>(cos.shape(1));
            batch.positions = copied(positions);
            batch.query_starts = copied(query_starts);
            batch.context_lengths = copied(context_lengths);
            batch.block_tables.assign(block_tables.data(), block_tables.data() + block_tables.size());
            batch.cos.assign(cos.data(), cos.data() + cos.size());
            batch.sin.assign(sin.data(), sin.data() + sin.size());
            batch.check();
            new (self) PagedBatch(std::move(batch));
          },
          "positions"_a, "query_starts"_a, "context_lengths"_a, "block_tables"_a, "cos"_a, "sin"_a)
      .def_ro("tokens", &PagedBatch::tokens);
}

KVShape make_shape(int layers, int kv_heads, int head_dim, int block_size, const std::string& dtype) {
  const KVShape shape{layers, kv_heads, head_dim, block_size, kv_type(dtype)};
  shape.check();
  return shape;
}

nb::bytes read_block(const KVCache& cache, std::int64_t index) {
  const std::byte* from = cache.block(index);
  const std::size_t size = cache.shape().block_bytes();
  auto contents = nb::steal<nb::bytes>(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
  if (!contents.is_valid()) throw nb::python_error();
  char* to = PyBytes_AsString(contents.ptr());
  nb::gil_scoped_release release;
  std::memcpy(to, from, size);
  return contents;
}

void write_block(KVCache& cache, std::int64_t index, const nb::bytes& contents) {
  std::byte* to = cache.block(index);
  const std::size_t size = cache.shape().block_bytes();
  if (contents.size() != size)
    throw std::invalid_argument("a block of this cache has " + std::to_string(size) + " bytes, not " +
                                std::to_string(contents.size()));
  const void* from = contents.data();
  nb::gil_scoped_release release;
  std::memcpy(to, from, size);
}

void bind_cache(nb::module_& m) {
  nb::class_<KVCache>(m, "KVCache", "Paged keys and values of all layers in one allocation.")
      .def(
          "__init__",
          [](KVCache* self, int layers, int kv_heads, int head_dim, int block_size, const std::string& dtype,
             std::int64_t blocks) {
            new (self) KVCache(make_shape(layers, kv_heads, head_dim, block_size, dtype), blocks);
          },
          "layers"_a, "kv_heads"_a, "head_dim"_a, "block_size"_a, "dtype"_a, "blocks"_a)
      .def_prop_ro("blocks", &KVCache::blocks)
      .def("copy_block", &KVCache::copy_block, "source"_a, "target"_a, nb::call_guard<nb::gil_scoped_release>())
      .def("read_block", &read_block, "block"_a)
      .def("write_block", &write_block, "block"_a, "contents"_a);
  m.def(
      "kv_block_bytes",
      [](int layers, int kv_heads, int head_dim, int block_size, const std::string& dtype) {
        return make_shape(layers, kv_heads, head_dim, block_size, dtype).block_bytes();
      },
      "layers"_a, "kv_heads"_a, "head_dim"_a, "block_size"_a, "dtype"_a, "Bytes of one block over all layers.");
}

}  // namespace

void bind_attention(nb::module_& m) {
  bind_batch(m);
  bind_cache(m);
  m.def(
      "rope_store",
      [](ThreadPool& pool, MutableFloatRows query, const FloatRows& key, const FloatRows& value,
         const std::optional<Floats>& key_bias, const std::optional<Floats>& key_balance, bool interleaved,
         const PagedBatch& batch, KVCache& cache, int layer, const std::optional<Floats>& query_norm,
         const std::optional<Floats>& key_norm, double norm_epsilon) {
        const KVShape& shape = cache.shape();
        const std::size_t tokens = batch.tokens, kv_width = static_cast<std::size_t>(shape.kv_heads) * shape.head_dim;
        const std::size_t query_width = query.shape(1);
        if (query.shape(0) != tokens || query_width % shape.head_dim != 0)
          throw std::invalid_argument("query has the wrong shape");
        need_shape(key, tokens, kv_width, "key");
        need_shape(value, tokens, kv_width, "value");
        RopeStore task{};
        task.query = query.data();
        task.query_stride = static_cast<std::ptrdiff_t>(query_width);
        task.key = key.data();
        task.value = value.data();
        task.key_stride = task.value_stride = static_cast<std::ptrdiff_t>(kv_width);
        const auto channels = [](const std::optional<Floats>& values, std::size_t size,
                                 const char* name) -> const float* {
          if (!values) return nullptr;
          if (values->size() != size) throw std::invalid_argument(std::string(name) + " has the wrong shape");
          return values->data();
        };
        task.key_bias = channels(key_bias, kv_width, "key_bias");
        task.key_balance = channels(key_balance, kv_width, "key_balance");
        task.query_norm = channels(query_norm, shape.head_dim, "query_norm");
        task.key_norm = channels(key_norm, shape.head_dim, "key_norm");
        task.norm_epsilon = static_cast<float>(norm_epsilon);
        task.heads = static_cast<int>(query_width / shape.head_dim);
        if (task.heads % shape.kv_heads != 0)
          throw std::invalid_argument("the query heads are not a multiple of the KV heads");
        task.interleaved = interleaved;
        task.batch = &batch;
        task.cache = &cache;
        task.layer = layer;
        nb::gil_scoped_release release;
        rope_store(pool, task);
      },
      "pool"_a, "query"_a.noconvert(), "key"_a, "value"_a, "key_bias"_a.none(), "key_balance"_a.none(),
      "interleaved"_a, "batch"_a, "cache"_a, "layer"_a, "query_norm"_a = nb::none(), "key_norm"_a = nb::none(),
      "norm_epsilon"_a = 0.0,
      "Norm and rotate query [T, heads * head_dim] in place and key, weigh them against each other; store key and value [T, kv_heads * head_dim].");
  m.def(
      "paged_attention",
      [](ThreadPool& pool, const std::string& isa, const FloatRows& query, MutableFloatRows output, int window,
         double scale, const PagedBatch& batch, const KVCache& cache, int layer) {
        const std::size_t tokens = batch.tokens, width = query.shape(1);
        if (query.shape(0) != tokens || width % cache.shape().head_dim != 0 || width == 0)
          throw std::invalid_argument("query has the wrong shape");
        need_shape(FloatRows(output), query.shape(0), width, "output");
        AttentionTask task{};
        task.query = query.data();
        task.output = output.data();
        task.heads = static_cast<int>(width / cache.shape().head_dim);
        task.window = window;
        task.scale = static_cast<float>(scale);
        task.batch = &batch;
        task.cache = &cache;
        task.layer = layer;
        const AttentionKernels& kernels = attention_kernels(resolve_isa(isa));
        nb::gil_scoped_release release;
        paged_attention(pool, kernels, task);
      },
      "pool"_a, "isa"_a, "query"_a, "output"_a.noconvert(), "window"_a, "scale"_a, "batch"_a, "cache"_a, "layer"_a,
      "Causal softmax attention of query [T, heads * head_dim] over the cache into output; window 0 is none.");
}
