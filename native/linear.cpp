#include "linear.h"

#include <algorithm>

#include "chunk_ranges.h"

namespace sevenb {
namespace {

// Bytes of weights that are worth handing out a chunk.
constexpr std::size_t smallest_chunk_bytes = 16 * 1024;
// Enough chunks a thread that a late one does not keep the others waiting.
constexpr int chunks_per_thread = 32;
// With many tokens a chunk is these row groups by one tile.
constexpr int prefill_groups = 4;

// Tokens that one chunk norms and quantises; as few are not worth another thread.
constexpr int prepared_tokens = 2;

int divide_up(int a, int b) { return (a + b - 1) / b; }

// Row groups a chunk, a multiple of `multiple`.
int chunk_groups(int groups, std::size_t group_bytes, int tokens, int threads, int multiple) {
  std::size_t wanted;
  if (tokens >= 16) {
    wanted = prefill_groups;
  } else {
    const std::size_t bytes = std::max(smallest_chunk_bytes, groups * group_bytes / (threads * chunks_per_thread));
    wanted = (bytes + group_bytes - 1) / group_bytes;
  }
  return static_cast<int>((wanted + multiple - 1) / multiple * multiple);
}

// Chunks of one tile are dealt out in ranges; with more tiles, threads do better to share each chunk's weights.
template <class F>
void run_chunks(ThreadPool& pool, int chunks, int tiles, F&& f) {
  if (tiles == 1)
    run_in_ranges(pool, chunks, f);
  else
    pool.run(chunks * tiles, f);
}

// The projections of inputs that are ready, all in one parallel region.
void run_projections(Workspace& workspace, ActivationBuffer& inputs, const std::vector<Projection>& projections) {
  struct Part {
    const Projection* projection;
    int chunk_groups;
    int first_chunk;  // of those of one tile
  };
  std::vector<Part> parts;
  int chunks = 0;
  std::size_t total_groups = 0;
  for (const Projection& projection : projections) total_groups += projection.matrix->groups();
  for (const Projection& projection : projections) {
    const PackedMatrix& matrix = *projection.matrix;
    const int step = chunk_groups(static_cast<int>(total_groups), matrix.group_bytes(), inputs.tokens(),
                                  workspace.pool.size(), 1);
    parts.push_back({&projection, step, chunks});
    chunks += divide_up(matrix.groups(), step);
  }
  run_chunks(workspace.pool, chunks, inputs.tiles(), [&](int index, int) {
    const int tile = index / chunks, chunk = index % chunks;
    const Part* part = &parts.back();
    while (part->first_chunk > chunk) --part;
    const Projection& projection = *part->projection;
    const PackedMatrix& matrix = *projection.matrix;
    const int first = (chunk - part->first_chunk) * part->chunk_groups;
    const std::size_t stride = matrix.rows();
    const Output out{projection.out + static_cast<std::size_t>(tile) * tile_tokens * stride, stride, 0,
                     projection.bias, projection.add};
    workspace.kernels.multiply(matrix, first, std::min(first + part->chunk_groups, matrix.groups()),
                               inputs.tile(matrix.precision(), tile), out);
  });
}

void reserve_for(ActivationBuffer& buffer, int tokens, int columns, const std::vector<Projection>& projections) {
  bool wanted[3] = {};
  for (const Projection& projection : projections) wanted[static_cast<int>(projection.matrix->precision())] = true;
  buffer.reserve(tokens, columns, wanted[0], wanted[1], wanted[2]);
}

}  // namespace

void prepare_inputs(Workspace& workspace, const float* inputs, const std::int32_t* rows, int tokens, int columns,
                    const Norm& norm, ActivationBuffer& to) {
  float* normed_rows =
      static_cast<float*>(workspace.normed.reserve(sizeof(float) * columns * workspace.pool.size()));
  const auto prepare_token = [&](int token, int worker) {
    const float* row = inputs + static_cast<std::size_t>(rows ? rows[token] : token) * columns;
    if (norm.weight) {
      float* normed = to.has(Precision::float32) ? to.floats(token) : normed_rows + worker * columns;
      workspace.kernels.rms_norm(row, norm.weight, norm.epsilon, columns, normed);
      row = normed;
    } else if (to.has(Precision::float32)) {
      std::copy(row, row + columns, to.floats(token));
    }
    for (Precision precision : {Precision::int8, Precision::int16})
      if (to.has(precision))
        workspace.kernels.quantise(row, columns, precision, to.block(precision, token, 0),
                                   tile_width(tokens, token / tile_tokens));
  };
  workspace.pool.run(divide_up(tokens, prepared_tokens), [&](int chunk, int worker) {
    const int end = std::min((chunk + 1) * prepared_tokens, tokens);
    for (int token = chunk * prepared_tokens; token < end; ++token) prepare_token(token, worker);
  });
}

void project(Workspace& workspace, const float* inputs, const std::int32_t* rows, int tokens, const Norm& norm,
             const std::vector<Projection>& projections) {
  std::lock_guard<std::mutex> turn(workspace.turn);
  const int columns = projections.front().matrix->columns();
  reserve_for(workspace.inputs, tokens, columns, projections);
  prepare_inputs(workspace, inputs, rows, tokens, columns, norm, workspace.inputs);
  run_projections(workspace, workspace.inputs, projections);
}

void add_low_rank(Workspace& workspace, const float* inputs, int tokens, const Norm& norm,
                  const std::vector<LowRank>& parts) {
  std::size_t ranks = 0;
  for (const LowRank& part : parts) ranks += part.shrink->rows();
  std::vector<float> shrunk(ranks * tokens);
  std::vector<Projection> shrinks;
  float* next = shrunk.data();
  for (const LowRank& part : parts) {
    shrinks.push_back({part.shrink, nullptr, next, false});
    next += static_cast<std::size_t>(part.shrink->rows()) * tokens;
  }
  project(workspace, inputs, nullptr, tokens, norm, shrinks);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    float* values = shrinks[i].out;
    const std::size_t count = static_cast<std::size_t>(parts[i].shrink->rows()) * tokens;
    for (std::size_t j = 0; j < count; ++j) values[j] *= parts[i].scale;
    project(workspace, values, nullptr, tokens, {nullptr, 0.0f}, {{parts[i].expand, nullptr, parts[i].out, true}});
  }
}

void silu_multiply(Workspace& workspace, float* gate, const float* up, int tokens, int columns) {
  workspace.pool.run(divide_up(tokens, prepared_tokens), [&](int chunk, int) {
    const int end = std::min((chunk + 1) * prepared_tokens, tokens);
    for (int token = chunk * prepared_tokens; token < end; ++token) {
      const std::size_t row = static_cast<std::size_t>(token) * columns;
      workspace.kernels.silu_multiply(gate + row, up + row, columns);
    }
  });
}

void gated_mlp_add(Workspace& workspace, float* hidden, int tokens, const Norm& norm, const PackedMatrix& gate,
                   const PackedMatrix& up, const PackedMatrix& down) {
  std::lock_guard<std::mutex> turn(workspace.turn);
  ActivationBuffer& inputs = workspace.inputs;
  ActivationBuffer& gated = workspace.gated;
  reserve_for(inputs, tokens, gate.columns(),
              {{&gate, nullptr, nullptr, false}, {&up, nullptr, nullptr, false}});
  prepare_inputs(workspace, hidden, nullptr, tokens, gate.columns(), norm, inputs);
  const std::vector<Projection> last{{&down, nullptr, hidden, true}};
  reserve_for(gated, tokens, down.columns(), last);

  // Two row groups of gate and up make one 32-column block of what `down` reads, so a chunk can quantise its own.
  const int step = chunk_groups(2 * gate.groups(), gate.group_bytes() + up.group_bytes(), tokens,
                                workspace.pool.size(), block_columns / group_rows);
  const int chunks = divide_up(gate.groups(), step);
  const int widest = step * group_rows;
  const std::size_t worker_floats = 2 * static_cast<std::size_t>(std::min(tokens, tile_tokens)) * widest;
  float* tiles = static_cast<float*>(workspace.tiles.reserve(sizeof(float) * worker_floats * workspace.pool.size()));
  const Precision precision = down.precision();
  run_chunks(workspace.pool, chunks, inputs.tiles(), [&](int index, int worker) {
    const int tile = index / chunks, first = index % chunks * step;
    const int end = std::min(first + step, gate.groups());
    const int width = (end - first) * group_rows, first_row = first * group_rows;
    const int tile_size = tile_width(tokens, tile);
    float* gates = tiles + worker * worker_floats;
    float* ups = gates + worker_floats / 2;
    const std::size_t stride = widest;
    workspace.kernels.multiply(gate, first, end, inputs.tile(gate.precision(), tile),
                               {gates, stride, first_row, nullptr, false});
    workspace.kernels.multiply(up, first, end, inputs.tile(up.precision(), tile),
                               {ups, stride, first_row, nullptr, false});
    for (int t = 0; t < tile_size; ++t) {
      const int token = tile * tile_tokens + t;
      float* values = gates + t * stride;
      workspace.kernels.silu_multiply(values, ups + t * stride, width);
      if (precision == Precision::float32)
        std::copy(values, values + width, gated.floats(token) + first_row);
      else
        workspace.kernels.quantise(values, width, precision, gated.block(precision, token, first_row / block_columns),
                                   tile_size);
    }
  });
  run_projections(workspace, gated, last);
}

}  // namespace sevenb
