// Scratch memory of a call: sizes that follow from the problem, the gate GEMMs of a cell, the rows of a
// thread.
#pragma once

#include "gemm/packing.hpp"
#include "rnn/pointwise/cells.hpp"
#include "runtime/scratch_arena.hpp"

namespace unrolled::UNROLLED_ISA {

// One GEMM of a step: the gate whose weights it multiplies and what with, the pre-activation of the cell that
// it belongs to, and the group of GEMMs that layer norm normalises together with it.
struct GateGemm {
    GemmSource source;
    int gate, preact, group;
};

// The GEMMs of a step; those that read the state come first.
struct GateGemms {
    GateGemm list[8];
    int count, groups;

    constexpr void add(GemmSource source, int gate, int preact, bool begins_group) {
        groups += begins_group;
        list[count++] = {source, gate, preact, groups - 1};
    }
};

// Layer norm needs W x and W h apart, except in the plain RNN, whose norm is over their sum. It normalises
// the gates together, and the GRU's candidate alone.
template <class CellRule>
constexpr GateGemms gate_gemms_of(bool has_norm) {
    GateGemms gemms{};
    const bool is_split = has_norm && CellRule::kCell != kRnn;
    constexpr GemmSource kHalves[] = {kState, kInput};
    for (const GemmSource half : kHalves)
        for (int preact = 0; preact < CellRule::kPreacts; ++preact) {
            const GemmSource source = CellRule::source(preact);
            const int gate = CellRule::gate(preact);
            if (!is_split && half == kState) gemms.add(source, gate, preact, preact == 0);
            if (is_split && (source == kBoth || source == half))
                gemms.add(half, gate, preact, preact == 0 || source != kBoth);
        }
    return gemms;
}

// Sizes that follow from a problem and its cell. A vector holds kLanes hidden units; a block, two vectors.
template <class T>
struct Sizes {
    int cell, gates, states, preacts;
    std::size_t units, inputs, unit_blocks, input_blocks, vectors;
    GateGemms gemms;
    bool has_norm, has_zoneout;
    // Vectors saved for each vector of units. Layer norm saves its x^, from which backward recomputes what
    // the cell would have saved, then the LSTM's c, then its scales.
    int saved_vectors;
    std::size_t c_offset, c_stride;  // of a row's first saved vector of c, and from one to the next
    std::size_t saved_per_row;
    // The scales of four groups at most (the GRU's), or of the LSTM's two and its cell's mean and scale.
    static constexpr std::size_t kScales = Simd<T>::kLanes < 4 ? 4 : Simd<T>::kLanes;

    template <class CellRule>
    Sizes(const Problem<T> &problem, const CellRule &)
        : cell(CellRule::kCell),
          gates(CellRule::kGates),
          states(CellRule::kStates),
          preacts(CellRule::kPreacts),
          units(problem.units),
          inputs(problem.inputs),
          unit_blocks(blocks_for<T>(units)),
          input_blocks(blocks_for<T>(inputs)),
          vectors((units + Simd<T>::kLanes - 1) / Simd<T>::kLanes),
          gemms(gate_gemms_of<CellRule>(problem.gain_hh != nullptr)),
          has_norm(problem.gain_hh != nullptr),
          has_zoneout(problem.zoneout_h > 0 || problem.zoneout_c > 0),
          saved_vectors(has_norm                      ? gemms.count + (states > 1)
                        : needs_only_outputs(problem) ? 0
                                                      : CellRule::kSaved),
          c_offset((has_norm ? vectors * gemms.count : CellRule::kSaved - 1) * Simd<T>::kLanes),
          c_stride((has_norm ? 1 : saved_vectors) * Simd<T>::kLanes),
          saved_per_row(vectors * saved_vectors * Simd<T>::kLanes + (has_norm ? kScales : 0)) {}

    // Whether backward of the plain RNN needs nothing but the outputs: they are what its activation gave.
    bool needs_only_outputs(const Problem<T> &problem) const {
        return cell == kRnn && !has_zoneout && problem.activation != kPRelu;
    }
    std::size_t saved_total(const Problem<T> &problem) const {
        return problem.steps * problem.rows * saved_per_row;
    }
    std::size_t scales_offset() const { return vectors * saved_vectors * Simd<T>::kLanes; }
};

// The rows of one thread, longest first.
struct RowSet {
    const std::int64_t *order, *lengths;
    std::size_t count;

    // How many rows have a step t, given how many had a neighbouring one.
    std::size_t active(std::size_t t, std::size_t from) const {
        while (from > 0 && lengths[from - 1] <= static_cast<std::int64_t>(t)) --from;
        while (from < count && lengths[from] > static_cast<std::int64_t>(t)) ++from;
        return from;
    }
};

// Where units are split, every thread has all rows.
inline RowSet rows_of_thread(const Partition &partition, int thread) {
    const int group = partition.splits_units ? 0 : thread;
    const std::size_t begin = partition.begins[group], end = partition.begins[group + 1];
    return {partition.order + begin, partition.lengths + begin, end - begin};
}

// A thread's share of things that are shared only where units are split.
inline Range share_of(std::size_t count, int thread, const Partition &partition) {
    return partition.splits_units ? share_of(count, thread, partition.threads) : Range{0, count};
}

// Whether the state of a row is reset before its step t, in the direction of travel.
template <class T>
bool is_reset_before(const Problem<T> &problem, std::size_t row, std::int64_t length, std::size_t t) {
    if (!problem.resets) return false;
    const std::size_t mark = problem.reverse ? t + 1 : t;
    return static_cast<std::int64_t>(mark) < length && problem.resets[row * problem.steps + mark];
}

// The step that says how many rows are active at step t: where rows have starts, they end together.
template <class T>
std::size_t activity_step(const Problem<T> &problem, std::size_t t) {
    return problem.starts ? problem.steps - 1 - t : t;
}

// A row at step t; null where there is no array.
template <class T>
T *row_at(const StepView<T> &view, std::size_t t, std::size_t row) {
    if (!view.data) return nullptr;
    return view.data + static_cast<std::ptrdiff_t>(t) * view.step_stride +
           static_cast<std::ptrdiff_t>(row) * view.row_stride;
}

}  // namespace unrolled::UNROLLED_ISA
