// The decoder's matrix ops, each one or two parallel regions: norm and quantise once, then stream the weights.
//
// Shapes are row-major; T tokens. Callers have checked that they fit.
#pragma once

#include <cstdint>
#include <vector>

#include "packed_matrix.h"
#include "workspace.h"

namespace sevenb {

// An RMS norm before a projection; `weight` may be null for none.
struct Norm {
  const float* weight;
  float epsilon;
};

// out [T, rows] = normed inputs × matrixᵀ (+ bias) (+ what was there).
struct Projection {
  const PackedMatrix* matrix;
  const float* bias;
  float* out;
  bool add;
};

// Norms the rows `rows` (null: all) of inputs, if there is a norm, and brings them into every precision that `to` has.
void prepare_inputs(Workspace& workspace, const float* inputs, const std::int32_t* rows, int tokens, int columns,
                    const Norm& norm, ActivationBuffer& to);

// out [T, columns] = rows `ids` of `table`, a PackedMatrix or a SplitMatrix.
template <class Matrix>
void embed(Workspace& workspace, const Matrix& table, const std::int32_t* ids, int tokens, float* out) {
  workspace.pool.run(tokens, [&](int token, int) {
    table.dequantise_row(ids[token], out + static_cast<std::size_t>(token) * table.columns());
  });
}

// All projections of the same inputs [T, columns], row t at inputs + rows[t] * columns (`rows` null: row t itself).
void project(Workspace& workspace, const float* inputs, const std::int32_t* rows, int tokens, const Norm& norm,
             const std::vector<Projection>& projections);

// What is added to a projection of some inputs: out [T, rows of expand] += scale × (inputs × shrinkᵀ) × expandᵀ.
struct LowRank {
  const PackedMatrix* shrink;
  const PackedMatrix* expand;
  float scale;
  float* out;
};

// All low-rank products of the same inputs [T, columns].
void add_low_rank(Workspace& workspace, const float* inputs, int tokens, const Norm& norm,
                  const std::vector<LowRank>& parts);

// gate [T, columns] = silu(gate) × up.
void silu_multiply(Workspace& workspace, float* gate, const float* up, int tokens, int columns);

// hidden [T, columns of gate] += down(silu(gate(normed hidden)) × up(normed hidden)).
void gated_mlp_add(Workspace& workspace, float* hidden, int tokens, const Norm& norm, const PackedMatrix& gate,
                   const PackedMatrix& up, const PackedMatrix& down);

}  // namespace sevenb
