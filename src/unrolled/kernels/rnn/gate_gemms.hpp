// Gate GEMMs of the forward pass: packed weights, inputs of several steps at once, weights read in place.
#pragma once

#include "gemm/in_place.hpp"
#include "rnn/pointwise/forward.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
class GateGemmRunner {
    using Scratch = ForwardScratch<T>;
    using Step = ForwardStep<T>;
    static constexpr std::size_t kWide = kColumns<T>;
    // Rows of steps whose inputs are multiplied at once, and the fewest inputs for which it pays.
    static constexpr std::size_t kRowsAhead = 4 * kTileRows, kFewestInputsAhead = 32;
    // With more rows than this, reading a weight in place reads and writes the results too often.
    static constexpr std::size_t kMostRowsInPlace = 2 * kTileRows;

public:
    // `packs_all`: for steps one at a time, whose weights are packed once for all of them.
    explicit GateGemmRunner(const ForwardContext<T> &context, bool packs_all = false)
        : problem_(context.problem), sizes_(context.sizes), partition_(context.partition) {
        if (packs_all) {
            packs_input_ = packs_state_ = true;
            return;
        }
        const std::size_t rows = rows_of_thread(partition_, 0).count;  // no thread has more
        if (rows > 0 && 2 * rows <= kRowsAhead && sizes_.inputs >= kFewestInputsAhead &&
            !problem_.lengths && !problem_.starts)
            steps_ahead_ = kRowsAhead / rows < problem_.steps ? kRowsAhead / rows : problem_.steps;
        if (steps_ahead_ == 0) steps_ahead_ = 1;
        packs_input_ = rows > kMostRowsInPlace || problem_.steps > steps_ahead_;
        packs_state_ = rows > kMostRowsInPlace || problem_.steps > 1;
    }

    // With few rows, all panels at once keep the registers busy; with many, as many as the first cache holds.
    std::size_t blocks_at_once(std::size_t rows) const {
        constexpr std::size_t kBytes = 16 << 10;
        if (rows <= kTileRows || sizes_.has_norm) return sizes_.unit_blocks;
        const std::size_t one = sizes_.gemms.count * rows * kWide * sizeof(T);
        return one >= kBytes ? 1 : kBytes / one < sizes_.unit_blocks ? kBytes / one : sizes_.unit_blocks;
    }

    void layout_weights(ScratchArena &arena) {
        const std::size_t panels = sizes_.gates * sizes_.unit_blocks;
        panel_ = ((packs_input_ ? sizes_.inputs : 0) + (packs_state_ ? sizes_.units : 0)) * kWide;
        panels_ = arena.allocate<T>(panels * panel_);
        bias_ = arena.allocate<T>(sizes_.gemms.count * sizes_.unit_blocks * kWide);
    }

    void layout_scratch(ScratchArena &arena, Scratch &scratch, std::size_t rows) const {
        const std::size_t block = rows * steps_ahead_ * kWide;
        const std::size_t blocks = sizes_.gemms.count * sizes_.unit_blocks;
        scratch.x = arena.allocate<T>(sizes_.input_blocks * block);
        scratch.ahead = steps_ahead_ > 1 ? arena.allocate<T>(blocks * block) : nullptr;
        scratch.piece = packs_input_ && packs_state_ ? nullptr
                                                     : arena.allocate<T>(kPieceDepth * kWide);
    }

    // Pack the weights that are not read in place into panels, each thread its share.
    void pack(int thread) const {
        if (!packs_input_ && !packs_state_) return;
        const std::size_t H = sizes_.units, F = sizes_.inputs, blocks = sizes_.unit_blocks;
        const Range mine = share_of(sizes_.gates * blocks, thread, partition_.threads);
        for (std::size_t p = mine.begin; p < mine.end; ++p) {
            const auto [row, present] = rows_of_panel(p);
            T *const panel = panels_ + p * panel_;
            if (packs_input_) pack_panel(problem_.weight_ih + row * F, F, F, present, panel);
            if (packs_state_)
                pack_panel(problem_.weight_hh + row * H, H, H, present, panel + state_offset());
        }
    }

    // GEMMs start from the biases. With layer norm, biases come after the norm, and GEMMs start from zero.
    void init_bias() const {
        const std::size_t H = sizes_.units, width = sizes_.unit_blocks * kWide;
        if (sizes_.has_norm) return fill_zero(bias_, sizes_.gemms.count * width);
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

    // Before a step's GEMMs: lay out its inputs, or those of several steps, and then multiply them too.
    void read_inputs(const Scratch &scratch, const RowSet &rows, Range blocks, std::size_t step,
                     std::size_t active) const {
        if (steps_ahead_ > 1 && step % steps_ahead_ != 0) return;
        const std::size_t left = problem_.steps - step;
        const std::size_t steps = steps_ahead_ < left ? steps_ahead_ : left;
        for (std::size_t k = 0; k < steps; ++k) {
            const std::size_t t = problem_.reverse ? problem_.steps - 1 - step - k : step + k;
            for (std::size_t i = 0; i < active; ++i)
                pack_blocks(row_at(problem_.x, t, rows.order[i]), sizes_.inputs,
                            scratch.x + (k * rows.count + i) * kWide, x_stride(rows), 0, sizes_.input_blocks);
        }
        if (!scratch.ahead) return;
        for_each_run(blocks, [&](const GateGemm &first, int i_gemm, int run) {
            if (first.source == kState) return;
            Gemm<T> gemm{};
            gemm.bias = bias_at(i_gemm, blocks);
            gemm.result = ahead_at(scratch, rows, i_gemm, blocks);
            gemm.result_stride = x_stride(rows);
            const Range panels = panels_of(first.gate, run, blocks);
            add_input(gemm, scratch, rows, panels, (steps - 1) * rows.count + active);
        });
    }

    // The gate GEMMs of a step for a range of blocks.
    void run(const Scratch &scratch, const RowSet &rows, Range some, const Step &now,
             std::size_t step) const {
        const std::size_t stride = rows.count * kWide, width = some.end - some.begin;
        for_each_run(some, [&](const GateGemm &first, int i_gemm, int run) {
            Gemm<T> gemm{};
            gemm.result = scratch.preacts + i_gemm * width * stride;
            gemm.result_stride = stride;
            gemm.bias = bias_at(i_gemm, some);
            const Range panels = panels_of(first.gate, run, some);
            const bool reads_input = first.source != kState, reads_state = first.source != kInput;
            if (reads_input && scratch.ahead) {
                gemm.start = ahead_at(scratch, rows, i_gemm, some) + step % steps_ahead_ * stride;
                gemm.start_stride = x_stride(rows);
                if (!reads_state) run_gemm(gemm, 0, now.active, 0, panels.end - panels.begin);
            } else if (reads_input && packs_input_ && packs_state_ && reads_state) {
                gemm.terms[gemm.n_terms++] = input_term(scratch, rows, panels);
            } else if (reads_input) {
                add_input(gemm, scratch, rows, panels, now.active);
                if (reads_state) gemm.accumulate();
            }
            if (reads_state) add_state(gemm, stride, now, scratch, panels);
        });
    }

private:
    const Problem<T> &problem_;
    const Sizes<T> &sizes_;
    const Partition &partition_;
    std::size_t steps_ahead_ = 1;
    bool packs_input_, packs_state_;
    T *panels_ = nullptr, *bias_ = nullptr;  // the weights; what each sum starts from
    std::size_t panel_ = 0;                  // elements of a panel: input's rows, then the state's

    std::size_t state_offset() const { return packs_input_ ? sizes_.inputs * kWide : 0; }
    std::size_t x_stride(const RowSet &rows) const { return rows.count * steps_ahead_ * kWide; }
    T *ahead_at(const Scratch &scratch, const RowSet &rows, int i_gemm, Range blocks) const {
        return scratch.ahead + (i_gemm * sizes_.unit_blocks + blocks.begin) * x_stride(rows);
    }
    const T *bias_at(int i_gemm, Range blocks) const {
        return bias_ + (i_gemm * sizes_.unit_blocks + blocks.begin) * kWide;
    }
    // The panels of `run` gates from one on: of a range of blocks, or of all blocks.
    Range panels_of(int gate, int run, Range blocks) const {
        const std::size_t first = gate * sizes_.unit_blocks + blocks.begin;
        return {first, first + run * (blocks.end - blocks.begin)};
    }

    struct PanelRows {
        std::size_t first, present;
    };
    PanelRows rows_of_panel(std::size_t panel) const {
        const std::size_t H = sizes_.units, unit = panel % sizes_.unit_blocks * kWide;
        return {panel / sizes_.unit_blocks * H + unit, H - unit < kWide ? H - unit : kWide};
    }

    // f(first GEMM, its index, how many): where the range is whole, adjacent GEMMs with one source run as
    // one.
    template <class F>
    [[gnu::always_inline]] void for_each_run(Range some, const F f) const {
        const GateGemms &gemms = sizes_.gemms;
        for (int i_gemm = 0, run; i_gemm < gemms.count; i_gemm += run) {
            run = 1;
            if (some.end - some.begin == sizes_.unit_blocks)
                while (i_gemm + run < gemms.count &&
                       gemms.list[i_gemm + run].source == gemms.list[i_gemm].source)
                    ++run;
            f(gemms.list[i_gemm], i_gemm, run);
        }
    }

    GemmTerm<T> input_term(const Scratch &scratch, const RowSet &rows, Range panels) const {
        return GemmTerm<T>::over(scratch.x, x_stride(rows), panels_ + panels.begin * panel_, panel_,
                                 sizes_.inputs);
    }

    void add_input(Gemm<T> gemm, const Scratch &scratch, const RowSet &rows, Range panels,
                   std::size_t count) const {
        if (!packs_input_)
            return run_in_place(gemm, scratch.x, x_stride(rows), problem_.weight_ih, sizes_.inputs, panels,
                                count, scratch.piece);
        gemm.terms[gemm.n_terms++] = input_term(scratch, rows, panels);
        run_gemm(gemm, 0, count, 0, panels.end - panels.begin);
    }

    void add_state(Gemm<T> gemm, std::size_t stride, const Step &now, const Scratch &scratch,
                   Range panels) const {
        if (!packs_state_)
            return run_in_place(gemm, now.recurrent, stride, problem_.weight_hh, sizes_.units, panels,
                                now.active, scratch.piece);
        gemm.terms[gemm.n_terms++] = GemmTerm<T>::over(
            now.recurrent, stride, panels_ + panels.begin * panel_ + state_offset(), panel_, sizes_.units);
        run_gemm(gemm, 0, now.active, 0, panels.end - panels.begin);
    }

    // A GEMM with a weight (rows, depth) that is read where it lies.
    void run_in_place(const Gemm<T> &whole, const T *left, std::size_t stride, const T *weight,
                      std::size_t depth, Range panels, std::size_t count, T *piece) const {
        for (std::size_t p = panels.begin; p < panels.end; ++p) {
            const std::size_t at = p - panels.begin;
            const auto [row, present] = rows_of_panel(p);
            Gemm<T> gemm = whole;
            gemm.result += at * gemm.result_stride;
            if (gemm.start) gemm.start += at * gemm.start_stride;
            if (gemm.bias) gemm.bias += at * kWide;
            run_panel_in_place({weight + row * depth, depth, present, left, stride}, gemm, count, piece);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
