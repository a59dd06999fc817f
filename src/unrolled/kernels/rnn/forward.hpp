// Forward pass: the loop over time, one for all cells.
//
// Each thread runs its rows through all steps alone. Where the rows are too few or the weights too large for
// that, all threads run all rows, each its own hidden units, and synchronise once a step.
//
// With few rows the input's part of the GEMMs runs for several steps at once, so that W_ih is read less
// often. A weight that is read once is not packed: it is read where it lies. Neither changes the order of a sum.
#pragma once

#include "rnn/gate_gemms.hpp"
#include "runtime/thread_pool.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
class ForwardPass {
    using S = Simd<T>;
    using Scratch = ForwardScratch<T>;
    using Step = ForwardStep<T>;
    static constexpr std::size_t kWide = kColumns<T>;

public:
    static constexpr int kPhases = 2;  // the weights packed; then all steps

    ForwardPass(ForwardContext<T> &context, const ForwardPointwise<T> &pointwise, Barrier &barrier)
        : context_(context),
          problem_(context.problem),
          sizes_(context.sizes),
          partition_(context.partition),
          pointwise_(pointwise),
          barrier_(barrier),
          gemms_(context) {}

    // Lay out the scratch buffers in `block`, which may be null; return the bytes needed.
    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        const std::size_t blocks = sizes_.unit_blocks;
        gemms_.layout_weights(arena);
        if (sizes_.has_norm) context_.norm.layout_scratch(arena, sizes_);
        for (int thread = 0; thread < partition_.threads; ++thread) {
            const std::size_t rows = rows_of_thread(partition_, thread).count, state = blocks * rows * kWide;
            Scratch &scratch = scratch_[thread];
            if (thread == 0 || !partition_.splits_units) {
                for (T *&h : scratch.recurrent) h = arena.allocate<T>(state);
                scratch.h = problem_.mask ? arena.allocate<T>(state) : nullptr;
                scratch.c = sizes_.states > 1 ? arena.allocate<T>(state) : nullptr;
            } else {
                scratch = scratch_[0];
            }
            gemms_.layout_scratch(arena, scratch, rows);
            scratch.preacts = arena.allocate<T>(sizes_.gemms.count * rows * kWide * gemms_.blocks_at_once(rows));
            scratch.norm_row =
                sizes_.has_norm ? arena.allocate<T>(sizes_.gemms.count * blocks * kWide) : nullptr;
            scratch.cell = problem_.gain_cell ? arena.allocate<T>(blocks * kWide) : nullptr;
        }
        return arena.bytes();
    }

    void run(int thread, int phase) {
        phase == 0 ? pack(thread) : run_steps(thread);
    }

private:
    void pack(int thread) {
        gemms_.pack(thread);
        if (thread > 0) return;
        gemms_.init_bias();
        if (sizes_.has_norm) context_.norm.load(problem_, sizes_);
    }

    void run_steps(int thread) {
        const Scratch &scratch = scratch_[thread];
        const RowSet rows = rows_of_thread(partition_, thread);
        const Range blocks = share_of(sizes_.unit_blocks, thread, partition_);
        for (std::size_t i = 0; i < rows.count; ++i) begin(scratch, rows, blocks, i);
        if (partition_.splits_units) barrier_.wait();
        T *recurrent = scratch.recurrent[0], *next = scratch.recurrent[1];
        std::size_t active = 0;
        for (std::size_t step = 0; step < problem_.steps; ++step) {
            const std::size_t t = problem_.reverse ? problem_.steps - 1 - step : step;
            const std::size_t before = active;
            active = rows.active(activity_step(problem_, t), active);
            if (active == 0) continue;
            if (problem_.starts && t > 0)
                for (std::size_t i = before; i < active; ++i) start(scratch, rows, blocks, recurrent, t, i);
            gemms_.read_inputs(scratch, rows, blocks, step, active);
            run_step(scratch, rows, blocks, {t, active, recurrent, next}, step);
            if (partition_.splits_units) barrier_.wait();
            T *const used = recurrent;
            recurrent = next, next = used;
        }
        S::end_streams();
    }

    ForwardContext<T> &context_;
    const Problem<T> &problem_;
    const Sizes<T> &sizes_;
    const Partition &partition_;
    const ForwardPointwise<T> &pointwise_;
    Barrier &barrier_;
    GateGemmRunner<T> gemms_;
    Scratch scratch_[kMaxThreads];

    // Initialise row i: its state before its first step, its outputs beyond its last one; and the final state
    // of a row without steps.
    void begin(const Scratch &scratch, const RowSet &rows, Range blocks, std::size_t i) {
        const std::size_t H = sizes_.units, stride = rows.count * kWide, row = rows.order[i];
        const Outputs<T> &outputs = context_.outputs;
        const std::int64_t length = rows.lengths[i];
        const T *const h = problem_.h0 ? problem_.h0 + row * H : nullptr;
        const T *const c = problem_.c0 ? problem_.c0 + row * H : nullptr;
        const bool is_reset =
            length > 0 && is_reset_before(problem_, row, length, problem_.reverse ? length - 1 : 0);
        T *const state = (scratch.h ? scratch.h : scratch.recurrent[0]) + i * kWide;
        pack_blocks(is_reset ? nullptr : h, H, state, stride, blocks.begin, blocks.end);
        if (scratch.c)
            pack_blocks(is_reset ? nullptr : c, H, scratch.c + i * kWide, stride, blocks.begin, blocks.end);
        if (scratch.h) mask(state, scratch.recurrent[0] + i * kWide, stride, row, blocks);
        if (problem_.reverse)  // until a row begins, the two buffers change places without it
            for (std::size_t u = blocks.begin; u < blocks.end; ++u) {
                const std::size_t place = u * stride + i * kWide;
                copy_padded(scratch.recurrent[0] + place, kWide, scratch.recurrent[1] + place, kWide);
            }
        if (length == 0) {
            copy_units(h, outputs.h_n + row * H, blocks);
            if (scratch.c) copy_units(c, outputs.c_n + row * H, blocks);
        }
        if (problem_.starts) return;
        for (std::size_t t = length; t < problem_.steps; ++t)
            copy_units(nullptr, row_at(outputs.out, t, row), blocks);
    }
    // Start row i at step t from the state of the first row, which has run for all until now; backward looks for
    // it, and for what was saved with it, among the row's own.
    void start(const Scratch &scratch, const RowSet &rows, Range blocks, T *recurrent, std::size_t t,
               std::size_t i) {
        const std::size_t stride = rows.count * kWide, from = rows.order[0], to = rows.order[i];
        const Outputs<T> &outputs = context_.outputs;
        for (std::size_t u = blocks.begin; u < blocks.end; ++u) {
            T *const h = recurrent + u * stride, *const c = scratch.c ? scratch.c + u * stride : nullptr;
            copy_padded(h, kWide, h + i * kWide, kWide);
            if (c) copy_padded(c, kWide, c + i * kWide, kWide);
        }
        copy_units(row_at(outputs.out, t - 1, from), row_at(outputs.out, t - 1, to), blocks);
        if (!outputs.saved) return;
        T *const saved = outputs.saved + (t - 1) * problem_.rows * sizes_.saved_per_row;
        copy_padded(saved + from * sizes_.saved_per_row, sizes_.saved_per_row,
                    saved + to * sizes_.saved_per_row, sizes_.saved_per_row);
    }
    void copy_units(const T *from, T *to, Range blocks) const {
        for (std::size_t u = blocks.begin * kWide; u < blocks.end * kWide && u < sizes_.units; ++u)
            to[u] = from ? from[u] : T{};
    }
    void mask(const T *h, T *to, std::size_t stride, std::size_t row, Range blocks) const {
        const T *const mask = problem_.mask + row * sizes_.units;
        for (std::size_t u = blocks.begin * kWide; u < blocks.end * kWide; ++u) {
            const std::size_t place = u / kWide * stride + u % kWide;
            to[place] = u < sizes_.units ? h[place] * mask[u] : T{};
        }
    }

    void run_step(const Scratch &scratch, const RowSet &rows, Range blocks, const Step &now,
                  std::size_t step) {
        const std::size_t at_once = gemms_.blocks_at_once(rows.count);
        for (std::size_t u = blocks.begin; u < blocks.end; u += at_once) {
            const Range some{u, u + at_once < blocks.end ? u + at_once : blocks.end};
            gemms_.run(scratch, rows, some, now, step);
            pointwise_.run(scratch, rows, some, now);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
