// Forward pass: the loop over time, one for all cells.
//
// Each thread runs its rows through all steps alone. Where the rows are too few or the weights too large for
// that, all threads run all rows, each its own hidden units, and synchronise once a step.
#pragma once

#include "rnn/pointwise/forward.hpp"
#include "runtime/thread_pool.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
class ForwardPass {
    using S = Simd<T>;
    using Scratch = ForwardScratch<T>;
    using Step = ForwardStep<T>;
    static constexpr std::size_t kWide = kColumns<T>;

public:
    ForwardPass(ForwardContext<T> &context, const ForwardPointwise<T> &pointwise, Barrier &barrier)
        : context_(context),
          problem_(context.problem),
          sizes_(context.sizes),
          partition_(context.partition),
          pointwise_(pointwise),
          barrier_(barrier) {}

    // Lay out the scratch buffers in `block`, which may be null; return the bytes needed.
    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        const std::size_t blocks = sizes_.unit_blocks;
        panel_ = (sizes_.inputs + sizes_.units) * kWide;
        panels_ = arena.allocate<T>(sizes_.gates * blocks * panel_);
        bias_ = arena.allocate<T>(sizes_.gemms.count * blocks * kWide);
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
            scratch.x = arena.allocate<T>(sizes_.input_blocks * rows * kWide);
            scratch.preacts = arena.allocate<T>(sizes_.gemms.count * rows * kWide * blocks_at_once(rows));
            scratch.norm_row =
                sizes_.has_norm ? arena.allocate<T>(sizes_.gemms.count * blocks * kWide) : nullptr;
            scratch.cell = problem_.gain_cell ? arena.allocate<T>(blocks * kWide) : nullptr;
        }
        return arena.bytes();
    }

    void run(int thread) {
        const Scratch &scratch = scratch_[thread];
        const RowSet rows = rows_of_thread(partition_, thread);
        const Range blocks = share_of(sizes_.unit_blocks, thread, partition_);
        pack(thread);
        if (thread == 0) init_bias();
        for (std::size_t i = 0; i < rows.count; ++i) begin(scratch, rows, blocks, i);
        barrier_.wait();
        T *recurrent = scratch.recurrent[0], *next = scratch.recurrent[1];
        std::size_t active = 0;
        for (std::size_t step = 0; step < problem_.steps; ++step) {
            const std::size_t t = problem_.reverse ? problem_.steps - 1 - step : step;
            active = rows.active(t, active);
            if (active == 0) continue;
            run_step(scratch, rows, blocks, {t, active, recurrent, next});
            if (partition_.splits_units) barrier_.wait();
            T *const used = recurrent;
            recurrent = next, next = used;
        }
        S::end_streams();
    }

private:
    ForwardContext<T> &context_;
    const Problem<T> &problem_;
    const Sizes<T> &sizes_;
    const Partition &partition_;
    const ForwardPointwise<T> &pointwise_;
    Barrier &barrier_;
    T *panels_ = nullptr, *bias_ = nullptr;  // the weights; what each sum starts from
    std::size_t panel_ = 0;                  // elements of a panel: input's rows, then the state's
    Scratch scratch_[kMaxThreads];

    // With few rows, all panels at once keep the registers busy; with many, as many as the first cache holds.
    std::size_t blocks_at_once(std::size_t rows) const {
        constexpr std::size_t kBytes = 16 << 10;
        if (rows <= kTileRows || sizes_.has_norm) return sizes_.unit_blocks;
        const std::size_t one = sizes_.gemms.count * rows * kWide * sizeof(T);
        return one >= kBytes ? 1 : kBytes / one < sizes_.unit_blocks ? kBytes / one : sizes_.unit_blocks;
    }

    // Pack the weights into panels, each thread its share.
    void pack(int thread) {
        const std::size_t H = sizes_.units, F = sizes_.inputs, blocks = sizes_.unit_blocks;
        const Range mine = share_of(sizes_.gates * blocks, thread, partition_.threads);
        for (std::size_t p = mine.begin; p < mine.end; ++p) {
            const std::size_t unit = p % blocks * kWide, row = p / blocks * H + unit;
            const std::size_t present = H - unit < kWide ? H - unit : kWide;
            pack_panel(problem_.weight_ih + row * F, F, present, panels_ + p * panel_);
            pack_panel(problem_.weight_hh + row * H, H, present, panels_ + p * panel_ + F * kWide);
        }
    }

    // GEMMs start from the biases. With layer norm, biases come after the norm, and GEMMs start from zero.
    void init_bias() {
        const std::size_t H = sizes_.units, width = sizes_.unit_blocks * kWide;
        if (sizes_.has_norm) {
            context_.norm.load(problem_, sizes_);
            return fill_zero(bias_, sizes_.gemms.count * width);
        }
        for (int i_gemm = 0; i_gemm < sizes_.gemms.count; ++i_gemm) {
            const GemmSource source = sizes_.gemms.list[i_gemm].source;
            const std::size_t first = sizes_.gemms.list[i_gemm].gate * H;
            for (std::size_t u = 0; u < width; ++u) {
                const bool is_there = u < H && problem_.bias_ih;
                const T input = is_there && source != kState ? problem_.bias_ih[first + u] : T{};
                const T state = is_there && source != kInput ? problem_.bias_hh[first + u] : T{};
                bias_[i_gemm * width + u] = input + state;
            }
        }
    }

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
        for (std::size_t t = length; t < problem_.steps; ++t)
            copy_units(nullptr, row_at(outputs.out, t, row), blocks);
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

    void run_step(const Scratch &scratch, const RowSet &rows, Range blocks, const Step &now) {
        const std::size_t stride = rows.count * kWide, at_once = blocks_at_once(rows.count);
        for (std::size_t i = 0; i < now.active; ++i)
            pack_blocks(row_at(problem_.x, now.t, rows.order[i]), sizes_.inputs, scratch.x + i * kWide,
                        stride, 0, sizes_.input_blocks);
        for (std::size_t u = blocks.begin; u < blocks.end; u += at_once) {
            const Range some{u, u + at_once < blocks.end ? u + at_once : blocks.end};
            gate_gemm(scratch, rows, some, now);
            pointwise_.run(scratch, rows, some, now);
        }
    }

    // The gate GEMMs of a step for a range of blocks. Where the range is whole, adjacent GEMMs with one
    // source run as one.
    void gate_gemm(const Scratch &scratch, const RowSet &rows, Range some, const Step &now) {
        const std::size_t stride = rows.count * kWide, width = some.end - some.begin;
        const GateGemms &gemms = sizes_.gemms;
        for (int i_gemm = 0, run; i_gemm < gemms.count; i_gemm += run) {
            const auto [source, gate, preact, group] = gemms.list[i_gemm];
            run = 1;
            if (width == sizes_.unit_blocks)
                while (i_gemm + run < gemms.count && gemms.list[i_gemm + run].source == source) ++run;
            const T *const panels = panels_ + (gate * sizes_.unit_blocks + some.begin) * panel_;
            Gemm<T> gemm{};
            if (source != kState)
                gemm.terms[gemm.n_terms++] =
                    GemmTerm<T>::over(scratch.x, stride, panels, panel_, sizes_.inputs);
            if (source != kInput)
                gemm.terms[gemm.n_terms++] = GemmTerm<T>::over(
                    now.recurrent, stride, panels + sizes_.inputs * kWide, panel_, sizes_.units);
            gemm.bias = bias_ + (i_gemm * sizes_.unit_blocks + some.begin) * kWide;
            gemm.result = scratch.preacts + i_gemm * width * stride;
            gemm.result_stride = stride;
            run_gemm(gemm, 0, now.active, 0, run * width);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
