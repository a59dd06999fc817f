// Backward pass: the loop over time, one for all cells. It computes each step's gradients of the
// pre-activations, and accumulates the weights' gradients while these are still in the cache.
#pragma once

#include "rnn/weight_gradients.hpp"
#include "runtime/thread_pool.hpp"
#include "simd/denormals.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
class BackwardPass {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    using Scratch = BackwardScratch<T>;
    using Step = BackwardStep;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;
    // Rows of steps in one weight GEMM: fewer would read and write the weights' gradients more often, more
    // would not stay in the cache.
    static constexpr std::size_t kRowsAtOnce = 128;
    // Rows whose states are read twice while they are in the first cache: packed, then run pointwise.
    static constexpr std::size_t kRowsTogether = 8;

public:
    static constexpr int kPhases = 3;  // the weights packed; all steps; the weights' gradients summed up

    BackwardPass(BackwardContext<T> &context, const BackwardPointwise<T> &pointwise, Barrier &barrier)
        : context_(context),
          problem_(context.problem),
          gradients_(context.gradients),
          sizes_(context.sizes),
          partition_(context.partition),
          pointwise_(pointwise),
          weights_(context),
          barrier_(barrier) {}

    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        const std::size_t blocks = sizes_.unit_blocks;
        panel_ = sizes_.gates * sizes_.units * kWide;
        state_panels_ = arena.allocate<T>(blocks * panel_);
        input_panels_ = gradients_.d_x.data ? arena.allocate<T>(sizes_.input_blocks * panel_) : nullptr;
        if (sizes_.has_norm) context_.norm.layout_scratch(arena, sizes_);
        for (int thread = 0; thread < partition_.threads; ++thread) {
            const std::size_t rows = rows_of_thread(partition_, thread).count, state = blocks * rows * kWide;
            Scratch &scratch = scratch_[thread];
            if (thread == 0 || !partition_.splits_units) {
                scratch.capacity = capacity_for(rows);
                scratch.d_h = arena.allocate<T>(state);
                scratch.d_c = sizes_.states > 1 ? arena.allocate<T>(state) : nullptr;
                scratch.d_recurrent = problem_.mask ? arena.allocate<T>(state) : nullptr;
                scratch.d_preacts = arena.allocate<T>(sizes_.gemms.count * blocks * scratch.capacity * kWide);
                if (weights_.is_needed()) weights_.layout_scratch(arena, scratch);
            } else {
                scratch = scratch_[0];
            }
            scratch.d_x = gradients_.d_x.data
                              ? arena.allocate<T>(sizes_.input_blocks * scratch.capacity * kWide)
                              : nullptr;
            scratch.places = arena.allocate<typename Scratch::Place>(scratch.capacity);
            scratch.d_slope = arena.allocate<T>(kLanes);
            if (!sizes_.has_norm) continue;
            scratch.d_norm.layout_scratch(arena, sizes_);
            scratch.d_norm_row = arena.allocate<T>(sizes_.gemms.count * blocks * kWide);
            scratch.recomputed = arena.allocate<T>(sizes_.preacts * blocks * kWide);
            for (T *&cell : scratch.cell)
                cell = problem_.gain_cell ? arena.allocate<T>(blocks * kWide) : nullptr;
        }
        return arena.bytes();
    }

    void run(int thread, int phase) {
        const FlushDenormals flushed;
        if (phase == 0) pack(thread);
        if (phase == 1) run_steps(thread);
        if (phase == 2 && weights_.is_needed()) weights_.reduce(scratch_, thread);
    }

private:
    void pack(int thread) const {
        pack(problem_.weight_hh, sizes_.units, sizes_.unit_blocks, thread, state_panels_);
        if (input_panels_)
            pack(problem_.weight_ih, sizes_.inputs, sizes_.input_blocks, thread, input_panels_);
        if (sizes_.has_norm && thread == 0) context_.norm.load(problem_, sizes_);
    }

    void run_steps(int thread) {
        const Scratch &scratch = scratch_[thread];
        const RowSet rows = rows_of_thread(partition_, thread);
        const Range blocks = share_of(sizes_.unit_blocks, thread, partition_);
        begin(scratch, rows, blocks, thread);
        if (partition_.splits_units) barrier_.wait();
        std::size_t active = 0, filled = 0;
        bool has_added = false;
        for (std::size_t step = 0; step < problem_.steps; ++step) {
            const std::size_t t = problem_.reverse ? step : problem_.steps - 1 - step;
            const std::size_t before = active;
            active = rows.active(activity_step(problem_, t), active);
            for (std::size_t i = active; problem_.starts && i < before; ++i) end_at_start(scratch, rows, i);
            if (active == 0) continue;
            if (filled + active > scratch.capacity) {
                flush_gemms(scratch, blocks, thread, filled, has_added);
                has_added = true, filled = 0;
                if (partition_.splits_units) barrier_.wait();
            }
            run_step(scratch, rows, blocks, thread, {t, active, filled});
            filled += active;
        }
        flush_gemms(scratch, blocks, thread, filled, has_added);
        end(scratch, rows, blocks);
    }

    BackwardContext<T> &context_;
    const Problem<T> &problem_;
    const Gradients<T> &gradients_;
    const Sizes<T> &sizes_;
    const Partition &partition_;
    const BackwardPointwise<T> &pointwise_;
    const WeightGradients<T> weights_;
    Barrier &barrier_;
    T *state_panels_ = nullptr, *input_panels_ = nullptr;
    std::size_t panel_ = 0;
    Scratch scratch_[kMaxThreads];

    std::size_t capacity_for(std::size_t rows) const {
        const std::size_t steps = rows < kRowsAtOnce ? kRowsAtOnce / (rows ? rows : 1) : 1;
        return rows * (steps < problem_.steps ? steps : problem_.steps);
    }

    // Cut a weight into `count` panels of columns, each thread its share.
    void pack(const T *weight, std::size_t columns, std::size_t count, int thread, T *panels) const {
        const std::size_t depth = sizes_.gates * sizes_.units;
        const Range mine = share_of(count * depth, thread, partition_.threads);
        for (std::size_t place = mine.begin; place < mine.end; ++place) {
            const std::size_t first = place / depth * kWide, k = place % depth;
            const std::size_t left = columns - first < kWide ? columns - first : kWide;
            copy_padded(weight + k * columns + first, left, panels + place * kWide, kWide);
        }
    }

    // Load the gradients of the final states; write zeros where gradients accumulate or no step will write.
    void begin(const Scratch &scratch, const RowSet &rows, Range blocks, int thread) const {
        const std::size_t H = sizes_.units, stride = rows.count * kWide;
        const auto lay = [&](const T *grad, std::size_t row, T *place) {
            pack_blocks(grad ? grad + row * H : nullptr, H, place, stride, blocks.begin, blocks.end);
        };
        for (std::size_t i = 0; i < rows.count; ++i) {
            const std::size_t row = rows.order[i];
            lay(gradients_.grad_h_n, row, scratch.d_h + i * kWide);
            if (scratch.d_c) lay(gradients_.grad_c_n, row, scratch.d_c + i * kWide);
            if (!gradients_.d_x.data || (partition_.splits_units && thread > 0)) continue;
            const auto length = static_cast<std::size_t>(rows.lengths[i]);
            const std::size_t first = problem_.starts ? 0 : length, count = problem_.steps - length;
            for (std::size_t t = first; t < first + count; ++t)
                fill_zero(row_at(gradients_.d_x, t, row), sizes_.inputs);
        }
        fill_zero(scratch.d_slope, kLanes);
        if (sizes_.has_norm) scratch.d_norm.reset();
        if (sizes_.vectors % 2 == 0 || blocks.end < sizes_.unit_blocks) return;
        for (int i_gemm = 1; i_gemm <= sizes_.gemms.count;
             ++i_gemm)  // the last block's second vector, which has no units
            for (std::size_t k = 0; k < scratch.capacity; ++k)
                fill_zero(scratch.d_preacts +
                              ((i_gemm * sizes_.unit_blocks - 1) * scratch.capacity + k) * kWide + kLanes,
                          kLanes);
    }

    void run_step(const Scratch &scratch, const RowSet &rows, Range blocks, int thread,
                  const Step &now) const {
        for (std::size_t i = 0; i < now.active; ++i)
            scratch.places[now.filled + i] = {now.t, static_cast<std::size_t>(rows.order[i])};
        const Range mine = weights_.is_needed() ? share_of(now.active, thread, partition_) : Range{0, 0};
        for (std::size_t i = 0; i < now.active; i += kRowsTogether) {
            const Range some{i, i + kRowsTogether < now.active ? i + kRowsTogether : now.active};
            for (std::size_t k = some.begin; k < some.end; ++k)
                if (k >= mine.begin && k < mine.end) weights_.pack_left_row(scratch, rows, now, k);
            pointwise_.run(scratch, rows, blocks, now, some);
        }
        if (partition_.splits_units) barrier_.wait();
        state_gemm(scratch, rows, blocks, now);
        if (!scratch.d_recurrent && !problem_.resets) return;
        for (std::size_t i = 0; i < now.active; ++i) finish_state_gradient(scratch, rows, blocks, now, i);
    }

    // GEMM of the pre-activations' gradients with W_hh.
    void state_gemm(const Scratch &scratch, const RowSet &rows, Range blocks, const Step &now) const {
        const std::size_t stride = rows.count * kWide, H = sizes_.units;
        Gemm<T> gemm{};
        gemm.n_terms = 1;
        gemm.terms[0] = {scratch.d_preacts + now.filled * kWide, scratch.capacity * kWide,
                         state_panels_ + blocks.begin * panel_,  panel_,
                         static_cast<std::size_t>(sizes_.gates), sizes_.unit_blocks,
                         H - (sizes_.unit_blocks - 1) * kWide};
        gemm.result = (scratch.d_recurrent ? scratch.d_recurrent : scratch.d_h) + blocks.begin * stride;
        gemm.result_stride = stride;
        if (context_.has_state_path && !scratch.d_recurrent) gemm.accumulate();
        run_gemm(gemm, 0, now.active, 0, blocks.end - blocks.begin);
    }

    // Finish the gradient of row i's state before the step: through the mask, and not past a reset.
    void finish_state_gradient(const Scratch &scratch, const RowSet &rows, Range blocks, const Step &now,
                               std::size_t i) const {
        const std::size_t row = rows.order[i], H = sizes_.units, stride = rows.count * kWide;
        const bool is_reset = is_reset_before(problem_, row, rows.lengths[i], now.t);
        if (!is_reset && !scratch.d_recurrent) return;
        const std::size_t end = blocks.end * 2 < sizes_.vectors ? blocks.end * 2 : sizes_.vectors;
        for (std::size_t vector = blocks.begin * 2; vector < end; ++vector) {
            const std::size_t unit = vector * kLanes, left = H - unit < kLanes ? H - unit : kLanes;
            const std::size_t place = vector / 2 * stride + i * kWide + vector % 2 * kLanes;
            T *const d_h = scratch.d_h + place;
            if (is_reset) {
                S::store(d_h, Vec{});
                if (scratch.d_c) S::store(scratch.d_c + place, Vec{});
            } else {
                const Vec gemm =
                    S::load(scratch.d_recurrent + place) * load_units(problem_.mask + row * H, unit, left);
                S::store(d_h, context_.has_state_path ? S::load(d_h) + gemm : gemm);
            }
        }
    }

    // Add the gradients of the state from which row i started to those of the first row, which ran for it.
    void end_at_start(const Scratch &scratch, const RowSet &rows, std::size_t i) const {
        for (T *const d_state : {scratch.d_h, scratch.d_c}) {
            if (!d_state) continue;
            for (std::size_t u = 0; u < sizes_.unit_blocks; ++u)
                for (std::size_t v = 0; v < kWide; v += kLanes) {
                    T *const to = d_state + u * rows.count * kWide + v;
                    S::store(to, S::load(to) + S::load(to + i * kWide));
                }
        }
    }

    // Run the GEMMs over all rows of steps that are filled.
    void flush_gemms(const Scratch &scratch, Range blocks, int thread, std::size_t filled,
                     bool accumulates) const {
        if (weights_.is_needed()) weights_.add(scratch, blocks, filled, accumulates);
        if (gradients_.d_x.data) input_gemm(scratch, thread, filled);
    }

    // GEMM of the pre-activations' gradients with W_ih, in runs of gates that read the input.
    void input_gemm(const Scratch &scratch, int thread, std::size_t filled) const {
        const std::size_t block_rows = scratch.capacity * kWide, H = sizes_.units;
        const Range mine = share_of(sizes_.input_blocks, thread, partition_);
        const GateGemms &gemms = sizes_.gemms;
        Gemm<T> gemm{};
        for (int i_gemm = 0, depth = 0; i_gemm < gemms.count;) {
            int run = 0;
            while (i_gemm + run < gemms.count && gemms.list[i_gemm + run].source != kState) ++run;
            if (run > 0)
                gemm.terms[gemm.n_terms++] = {scratch.d_preacts + i_gemm * sizes_.unit_blocks * block_rows,
                                              block_rows,
                                              input_panels_ + mine.begin * panel_ + depth * H * kWide,
                                              panel_,
                                              static_cast<std::size_t>(run),
                                              sizes_.unit_blocks,
                                              H - (sizes_.unit_blocks - 1) * kWide};
            depth += run, i_gemm += run > 0 ? run : 1;
        }
        gemm.result = scratch.d_x + mine.begin * block_rows;
        gemm.result_stride = block_rows;
        run_gemm(gemm, 0, filled, 0, mine.end - mine.begin);
        for (std::size_t k = 0; k < filled; ++k)
            unpack_blocks(scratch.d_x + k * kWide, block_rows,
                          row_at(gradients_.d_x, scratch.places[k].t, scratch.places[k].row), sizes_.inputs,
                          mine.begin, mine.end);
    }

    void end(const Scratch &scratch, const RowSet &rows, Range blocks) const {
        const std::size_t stride = rows.count * kWide, H = sizes_.units;
        for (std::size_t i = 0; i < rows.count; ++i) {
            const std::size_t row = rows.order[i];
            if (gradients_.d_h0)
                unpack_blocks(scratch.d_h + i * kWide, stride, gradients_.d_h0 + row * H, H, blocks.begin,
                              blocks.end);
            if (gradients_.d_c0)
                unpack_blocks(scratch.d_c + i * kWide, stride, gradients_.d_c0 + row * H, H, blocks.begin,
                              blocks.end);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
