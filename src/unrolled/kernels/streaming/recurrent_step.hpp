// Steps of stacked recurrent layers, one at a time, from weights that are packed once.
//
// The GEMMs and the pointwise work are those of a whole run, in the same order, so that stepping gives its
// bits.
#pragma once

#include "rnn/forward.hpp"
#include "rnn/pointwise/forward_norm.hpp"
#include "rnn/rnn.hpp"
#include "streaming/problem.hpp"

namespace unrolled::UNROLLED_ISA {

// Rows that are stepped together: their states and pre-activations stay in the second cache.
inline constexpr std::size_t kStepRows = 7 * kTileRows;

// Lengths of rows that have one step, and the partition of no rows.
struct OneStep {
    std::int64_t lengths[kStepRows];
    constexpr OneStep() : lengths() {
        for (std::int64_t &length : lengths) length = 1;
    }
};
inline constexpr OneStep kOneStep{};
inline constexpr std::size_t kNoRows[] = {0, 0};

// One layer: what is packed and its scratch are laid out anew for every call, at the same places.
template <class T>
class LayerStep {
    using Scratch = ForwardScratch<T>;
    static constexpr std::size_t kWide = kColumns<T>;

public:
    LayerStep(ForwardContext<T> &context, const ForwardPointwise<T> &pointwise, void *packed)
        : context_(context), pointwise_(pointwise), gemms_(context, true) {
        ScratchArena arena(packed);
        gemms_.layout_weights(arena);
        if (context.sizes.has_norm) context.norm.layout_scratch(arena, context.sizes);
        packed_bytes = arena.bytes();
    }

    void pack() const {
        gemms_.pack(0);
        gemms_.init_bias();
        if (context_.sizes.has_norm) context_.norm.load(context_.problem, context_.sizes);
    }

    // Lay out the scratch of a step of so many rows in `block`, which may be null; return the bytes needed.
    std::size_t layout_scratch(void *block, std::size_t rows) {
        ScratchArena arena(block);
        const Sizes<T> &sizes = context_.sizes;
        const std::size_t blocks = sizes.unit_blocks, state = blocks * rows * kWide;
        for (T *&h : scratch_.recurrent) h = arena.allocate<T>(state);
        scratch_.h = nullptr;
        scratch_.c = sizes.states > 1 ? arena.allocate<T>(state) : nullptr;
        gemms_.layout_scratch(arena, scratch_, rows);
        scratch_.preacts = arena.allocate<T>(sizes.gemms.count * rows * kWide * gemms_.blocks_at_once(rows));
        scratch_.norm_row = sizes.has_norm ? arena.allocate<T>(sizes.gemms.count * blocks * kWide) : nullptr;
        scratch_.cell = context_.problem.gain_cell ? arena.allocate<T>(blocks * kWide) : nullptr;
        return arena.bytes();
    }

    void run(const RowSet &rows) const {
        const Problem<T> &problem = context_.problem;
        const std::size_t H = problem.units, stride = rows.count * kWide, blocks = context_.sizes.unit_blocks;
        for (std::size_t i = 0; i < rows.count; ++i) {
            const std::size_t row = rows.order[i];
            pack_blocks(problem.h0 + row * H, H, scratch_.recurrent[0] + i * kWide, stride, 0, blocks);
            if (scratch_.c) pack_blocks(problem.c0 + row * H, H, scratch_.c + i * kWide, stride, 0, blocks);
        }
        const ForwardStep<T> now{0, rows.count, scratch_.recurrent[0], scratch_.recurrent[1]};
        gemms_.read_inputs(scratch_, rows, {0, blocks}, 0, rows.count);
        const std::size_t at_once = gemms_.blocks_at_once(rows.count);
        for (std::size_t u = 0; u < blocks; u += at_once) {
            const Range some{u, u + at_once < blocks ? u + at_once : blocks};
            gemms_.run(scratch_, rows, some, now, 0);
            pointwise_.run(scratch_, rows, some, now);
        }
    }

    std::size_t packed_bytes;

private:
    ForwardContext<T> &context_;
    const ForwardPointwise<T> &pointwise_;
    GateGemmRunner<T> gemms_;
    Scratch scratch_{};
};

// Call f with the LayerStep of a layer.
template <class T, class F>
void with_layer_step(const Problem<T> &problem, const Outputs<T> &outputs, const Partition &partition,
                     void *packed, F f) {
    with_cell_rule(problem, [&](auto rule) {
        ForwardContext<T> context(problem, outputs, partition, rule);
        if (context.sizes.has_norm) {
            const NormedForwardPointwise<T, decltype(rule)> normed(context, rule);
            LayerStep<T> step(context, normed, packed);
            return f(step);
        }
        const PlainForwardPointwise<T, decltype(rule)> plain(context, rule);
        LayerStep<T> step(context, plain, packed);
        f(step);
    });
}

inline Partition no_partition() { return {1, false, nullptr, nullptr, kNoRows}; }

// Bytes of the packed weights, and of the scratch of a step of at most `rows` rows.
template <class T>
void count_step_bytes(const Problem<T> &problem, std::size_t rows, std::size_t *packed, std::size_t *scratch) {
    with_layer_step<T>(problem, {}, no_partition(), nullptr, [&](LayerStep<T> &step) {
        *packed = step.packed_bytes;
        *scratch = 0;
        for (std::size_t count = 1; count <= rows && count <= kStepRows; ++count) {  // not always more for more
            const std::size_t bytes = step.layout_scratch(nullptr, count);
            if (bytes > *scratch) *scratch = bytes;
        }
    });
}

template <class T>
void pack_step_weights(const SteppedLayer<T> &layer) {
    with_layer_step<T>(layer.problem, {}, no_partition(), layer.packed, [](LayerStep<T> &step) { step.pack(); });
}

// One step of some rows, at most kStepRows, of one layer; it overwrites their states.
template <class T>
void step_layer(const SteppedLayer<T> &layer, const std::int64_t *rows, std::size_t count,
                StepView<const T> x, StepView<T> out, void *scratch) {
    const std::size_t begins[] = {0, count};
    const Partition partition{1, false, rows, kOneStep.lengths, begins};
    Problem<T> problem = layer.problem;
    problem.x = x, problem.h0 = layer.h, problem.c0 = layer.c;
    const Outputs<T> outputs{out, layer.h, layer.c, nullptr};
    with_layer_step<T>(problem, outputs, partition, layer.packed, [&](LayerStep<T> &step) {
        step.layout_scratch(scratch, count);
        step.run(rows_of_thread(partition, 0));
    });
}

// All steps of some rows of a stack, on the calling thread.
template <class T>
void step_stack(const SteppedStack<T> &stack, void *scratch) {
    for (std::size_t first = 0; first < stack.n_rows; first += kStepRows) {
        const std::size_t left = stack.n_rows - first, count = left < kStepRows ? left : kStepRows;
        const std::int64_t *const rows = stack.rows + first;
        for (std::size_t t = 0; t < stack.steps; ++t) {
            StepView<const T> x{stack.x.data + static_cast<std::ptrdiff_t>(t) * stack.x.step_stride, 0,
                                stack.x.row_stride};
            for (std::size_t k = 0; k < stack.n_layers; ++k) {
                const SteppedLayer<T> &layer = stack.layers[k];
                const auto units = static_cast<std::ptrdiff_t>(layer.problem.units);
                StepView<T> out{layer.h, 0, units};
                if (k + 1 == stack.n_layers && stack.out.data)
                    out = {stack.out.data + static_cast<std::ptrdiff_t>(t) * stack.out.step_stride, 0,
                           stack.out.row_stride};
                step_layer(layer, rows, count, x, out, scratch);
                x = {layer.h, 0, units};
            }
        }
    }
}

}  // namespace unrolled::UNROLLED_ISA
