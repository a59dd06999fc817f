// Readout of a Forecaster with its loss, forward and all the way back to the states: each thread takes its
// windows, a few at a time, whose rows stay in the caches from the first product to the last.
//
// The outputs of a row lie quantile by quantile and then anchor by anchor, a vector along the horizon.
#pragma once

#include "forecasting/problem.hpp"
#include "gemm/packing.hpp"
#include "rnn/scratch.hpp"
#include "runtime/scratch_arena.hpp"
#include "simd/special.hpp"

namespace unrolled::UNROLLED_ISA {

// Where forward leaves the rows whose products are the gradients of the weights: what went into both layers,
// row after row with a 1 behind it; and the gradients of their sums, in blocks of columns.
struct ReadoutRows {
    static constexpr std::size_t kWide = kColumns<float>;
    std::size_t seen_stride, hidden_stride, block_stride;
    float *seen, *hidden, *d_hidden, *d_outputs;
    std::size_t elements;

    ReadoutRows(const QuantileReadout &problem, float *memory) {
        const std::size_t M = problem.rows();
        seen_stride = (problem.width() + 16) / 16 * 16;
        hidden_stride = (problem.hidden + 16) / 16 * 16;
        block_stride = M * kWide + 64;  // blocks a power of two apart would share cache sets
        const std::size_t hidden_at = M * seen_stride, d_hidden_at = hidden_at + M * hidden_stride;
        const std::size_t d_outputs_at = d_hidden_at + blocks_for<float>(problem.hidden) * block_stride;
        elements = d_outputs_at + blocks_for<float>(problem.outputs()) * block_stride;
        seen = memory, hidden = memory + hidden_at;
        d_hidden = memory + d_hidden_at, d_outputs = memory + d_outputs_at;
    }
};

// Memory of one row's pointwise part, as long as a row and a vector more each.
struct ReadoutRow {
    float *outputs, *d_outputs, *anchors, *d_state;
};

class QuantileReadoutForward {
    using S = Simd<float>;
    using Vec = S::Vec;
    static constexpr std::size_t kWide = kColumns<float>, kLanes = S::kLanes;
    static constexpr std::size_t kRowsAtOnce = 4 * kTileRows;

public:
    static constexpr int kPhases = 2;  // the weights packed; then each thread its windows
    double *window_losses = nullptr;

    QuantileReadoutForward(const QuantileReadout &problem, float *d_states, float *saved, int threads)
        : p_(problem),
          saved_(problem, saved),
          d_states_(d_states),
          threads_(threads),
          width_(problem.width()),
          outputs_(problem.outputs()),
          group_(problem.readouts < kRowsAtOnce ? kRowsAtOnce / problem.readouts : 1),
          stride_(group_ * problem.readouts * kWide) {}

    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        window_losses = arena.allocate<double>(p_.windows);
        hidden_panels_ = arena.allocate<float>(blocks_for<float>(p_.hidden) * width_ * kWide);
        hidden_bias_ = arena.allocate<float>(blocks_for<float>(p_.hidden) * kWide);
        output_weight_ = arena.allocate<float>(outputs_ * p_.hidden);
        output_panels_ = arena.allocate<float>(blocks_for<float>(outputs_) * p_.hidden * kWide);
        output_bias_ = arena.allocate<float>(blocks_for<float>(outputs_) * kWide);
        back_to_hidden_ = arena.allocate<float>(blocks_for<float>(p_.hidden) * outputs_ * kWide);
        back_to_state_ = arena.allocate<float>(blocks_for<float>(p_.units) * p_.hidden * kWide);
        for (int thread = 0; thread < threads_; ++thread) {
            Blocks &blocks = blocks_[thread];
            blocks.seen = arena.allocate<float>(blocks_for<float>(width_) * stride_);
            blocks.hidden = arena.allocate<float>(blocks_for<float>(p_.hidden) * stride_);
            blocks.slopes = arena.allocate<float>(blocks_for<float>(p_.hidden) * stride_);
            blocks.outputs = arena.allocate<float>(blocks_for<float>(outputs_) * stride_);
            blocks.d_hidden = arena.allocate<float>(blocks_for<float>(p_.hidden) * stride_);
            blocks.d_states = arena.allocate<float>(blocks_for<float>(p_.units) * stride_);
            blocks.row = {arena.allocate<float>(outputs_ + kLanes),
                          arena.allocate<float>(outputs_ + kLanes),
                          arena.allocate<float>(p_.horizon * p_.anchors + kLanes),
                          arena.allocate<float>(p_.units + kLanes)};
        }
        return arena.bytes();
    }

    void run(int thread, int phase) {
        if (phase == 0) {
            if (thread == 0) pack();
            return;
        }
        const Range mine = share_of(p_.windows, thread, threads_);
        for (std::size_t t = 0; t < p_.steps; ++t)
            fill_zero(d_states_ + (t * p_.windows + mine.begin) * p_.units, (mine.end - mine.begin) * p_.units);
        for (std::size_t window = mine.begin; window < mine.end; window += group_)
            run_group(blocks_[thread], {window, window + group_ < mine.end ? window + group_ : mine.end});
    }

private:
    struct Blocks {
        float *seen, *hidden, *slopes, *outputs, *d_hidden, *d_states;
        ReadoutRow row;
    };

    const QuantileReadout &p_;
    const ReadoutRows saved_;
    float *const d_states_;
    const int threads_;
    const std::size_t width_, outputs_, group_, stride_;
    float *hidden_panels_ = nullptr, *hidden_bias_ = nullptr, *output_weight_ = nullptr;
    float *output_panels_ = nullptr, *output_bias_ = nullptr;
    float *back_to_hidden_ = nullptr, *back_to_state_ = nullptr;
    Blocks blocks_[kMaxThreads];
    float share_ = 0;  // of one target in the loss, but for its window's weight

    void pack() {
        const std::size_t h = p_.horizon, U = p_.hidden, mask_size = p_.rows() * h;
        double observed = 0;
        for (std::size_t k = 0; k < mask_size; ++k) observed += static_cast<double>(p_.mask[k]);
        share_ = static_cast<float>(1 / ((observed > 1 ? observed : 1) * static_cast<double>(p_.quantiles)));
        pack_panels(p_.hidden_weight, p_.hidden, width_, hidden_panels_);
        copy_padded(p_.hidden_bias, U, hidden_bias_, blocks_for<float>(U) * kWide);
        fill_zero(output_bias_, blocks_for<float>(outputs_) * kWide);
        for (std::size_t k = 0; k < h; ++k) {
            for (std::size_t j = 0; j < p_.quantiles; ++j)
                lay_output(p_.quantile_weight, p_.quantile_bias, k * p_.quantiles + j, j * h + k);
            for (std::size_t a = 0; a < p_.anchors; ++a)
                lay_output(p_.anchor_weight, p_.anchor_bias, k * p_.anchors + a, (p_.quantiles + a) * h + k);
        }
        pack_panels(output_weight_, outputs_, U, output_panels_);
        pack_columns(output_weight_, outputs_, U, U, back_to_hidden_);
        pack_columns(p_.hidden_weight, U, p_.units, width_, back_to_state_);
    }
    void lay_output(const float *weight, const float *bias, std::size_t from, std::size_t to) const {
        copy_padded(weight + from * p_.hidden, p_.hidden, output_weight_ + to * p_.hidden, p_.hidden);
        output_bias_[to] = bias[from];
    }
    // Panels of the rows of a weight, and of its first `columns` columns.
    static void pack_panels(const float *weight, std::size_t rows, std::size_t depth, float *panels) {
        for (std::size_t row = 0; row < rows; row += kWide)
            pack_panel(weight + row * depth, depth, depth, rows - row < kWide ? rows - row : kWide,
                       panels + row * depth);
    }
    static void pack_columns(const float *weight, std::size_t depth, std::size_t columns, std::size_t stride,
                             float *panels) {
        for (std::size_t first = 0; first < columns; first += kWide)
            for (std::size_t k = 0; k < depth; ++k)
                copy_padded(weight + k * stride + first, columns - first < kWide ? columns - first : kWide,
                            panels + (first * depth + k * kWide), kWide);
    }

    void run_group(const Blocks &blocks, Range windows) const {
        const std::size_t R = p_.readouts, first = windows.begin * R, count = windows.end * R - first;
        for (std::size_t i = 0; i < count; ++i) lay_seen(blocks, first + i, i);
        multiply(blocks.seen, stride_, hidden_panels_, width_, hidden_bias_, blocks.hidden, stride_, count,
                 p_.hidden);
        for (std::size_t i = 0; i < count; ++i) activate(blocks, first + i, i);
        multiply(blocks.hidden, stride_, output_panels_, p_.hidden, output_bias_, blocks.outputs, stride_,
                 count, outputs_);
        for (std::size_t window = windows.begin, i = 0; window < windows.end; ++window) {
            double loss = 0;
            for (std::size_t r = 0; r < R; ++r, ++i) loss += row_loss(blocks, first + i, i);
            window_losses[window] = loss;
        }
        const float *const d_outputs = saved_.d_outputs + first * kWide;
        float *const d_hidden = saved_.d_hidden + first * kWide;
        multiply(d_outputs, saved_.block_stride, back_to_hidden_, outputs_, nullptr, blocks.d_hidden, stride_,
                 count, p_.hidden);
        for (std::size_t block = 0; block < blocks_for<float>(p_.hidden); ++block)
            for (std::size_t k = 0; k < count * kWide; k += kLanes)
                S::store(d_hidden + block * saved_.block_stride + k,
                         S::load(blocks.d_hidden + block * stride_ + k) *
                             S::load(blocks.slopes + block * stride_ + k));
        multiply(d_hidden, saved_.block_stride, back_to_state_, p_.hidden, nullptr, blocks.d_states, stride_,
                 count, p_.units);
        for (std::size_t i = 0; i < count; ++i) add_d_state(blocks, first + i, i);
    }

    static void multiply(const float *left, std::size_t left_stride, const float *panels, std::size_t depth,
                         const float *bias, float *result, std::size_t result_stride, std::size_t rows,
                         std::size_t columns) {
        Gemm<float> gemm{};
        gemm.n_terms = 1;
        gemm.terms[0] = GemmTerm<float>::over(left, left_stride, panels, depth * kWide, depth);
        gemm.bias = bias;
        gemm.result = result;
        gemm.result_stride = result_stride;
        run_gemm(gemm, 0, rows, 0, blocks_for<float>(columns));
    }

    // Lay out what row m sees: for the product, and saved with a 1 behind it.
    void lay_seen(const Blocks &blocks, std::size_t m, std::size_t i) const {
        const std::size_t H = p_.units, V = p_.recent, A = p_.horizon * p_.anchors, K = p_.horizon * p_.ahead;
        float *const row = saved_.seen + m * saved_.seen_stride, *to = row;
        const std::size_t step = static_cast<std::size_t>(p_.steps_of[m]), window = m / p_.readouts;
        copy_padded(row_at(p_.states, step, window), H, to, H);
        copy_padded(p_.context + m * kContext, kContext, to += H, kContext);
        map(p_.recent_levels + m * V, to += kContext, V, Asinh{});
        map(p_.anchor_levels + m * A, to += V, A, Asinh{});
        copy_padded(p_.ahead_inputs + m * K, K, to += A, K);
        if (p_.keep)
            for (std::size_t d = 0; d < width_; ++d) row[d] *= p_.keep[m * width_ + d];
        row[width_] = 1;
        pack_blocks(row, width_, blocks.seen + i * kWide, stride_, 0, blocks_for<float>(width_));
    }

    // GELU of the sums of row i, and its slopes.
    void activate(const Blocks &blocks, std::size_t m, std::size_t i) const {
        const std::size_t n_blocks = blocks_for<float>(p_.hidden);
        for (std::size_t block = 0; block < n_blocks; ++block)
            for (std::size_t v = 0; v < kWide; v += kLanes) {
                const std::size_t place = block * stride_ + i * kWide + v;
                Vec value, slope;
                Gelu::both(S::load(blocks.hidden + place), value, slope);
                S::store(blocks.hidden + place, value);
                S::store(blocks.slopes + place, slope);
            }
        float *const row = saved_.hidden + m * saved_.hidden_stride;
        unpack_blocks(blocks.hidden + i * kWide, stride_, row, p_.hidden, 0, n_blocks);
        row[p_.hidden] = 1;
    }

    // Compute the loss of row m, and the gradient of its outputs.
    double row_loss(const Blocks &blocks, std::size_t m, std::size_t i) const {
        const std::size_t h = p_.horizon, A = p_.anchors, n_blocks = blocks_for<float>(outputs_);
        const ReadoutRow &row = blocks.row;
        unpack_blocks(blocks.outputs + i * kWide, stride_, row.outputs, outputs_, 0, n_blocks);
        for (std::size_t k = 0; k < h; ++k)
            for (std::size_t a = 0; a < A; ++a) row.anchors[a * h + k] = p_.anchor_levels[(m * h + k) * A + a];
        double loss = 0;
        for (std::size_t k = 0; k < h; k += kLanes)
            loss += steps_loss(row, m, k, h - k < kLanes ? h - k : kLanes);
        pack_blocks(row.d_outputs, outputs_, saved_.d_outputs + m * kWide, saved_.block_stride, 0, n_blocks);
        return loss;
    }

    // Steps k .. k + count - 1 of the horizon. The gradients of the quantiles add up from the outer ones to the
    // median, as the distances add up on the way out.
    double steps_loss(const ReadoutRow &row, std::size_t m, std::size_t k, std::size_t count) const {
        const std::size_t h = p_.horizon, Q = p_.quantiles, middle = Q / 2;
        const Vec target = S::load(p_.targets + m * h + k, count);
        const Vec share = S::load(p_.mask + m * h + k, count) * (share_ * p_.weights[m]);
        Vec median = S::load(row.outputs + middle * h + k, count), loss{};
        for (std::size_t a = 0; a < p_.anchors; ++a)
            median += S::load(row.outputs + (Q + a) * h + k, count) * S::load(row.anchors + a * h + k, count);
        const auto pinball = [&](Vec quantile, std::size_t j) {
            const Vec error = target - quantile;
            const Vec slope = (S::splat(p_.levels[j]) -
                               S::select((S::Bits)(error < Vec{}), S::splat(1.0f), Vec{})) * share;
            loss += error * slope;
            S::store(row.d_outputs + j * h + k, -slope, count);
        };
        const auto distance = [&](std::size_t j) {
            Vec value, slope;
            Softplus::both(S::load(row.outputs + j * h + k, count), value, slope);
            S::store(row.outputs + j * h + k, slope, count);
            return value;
        };
        pinball(median, middle);
        Vec quantile = median;
        for (std::size_t j = middle; j-- > 0;) pinball(quantile -= distance(j), j);
        quantile = median;
        for (std::size_t j = middle + 1; j < Q; ++j) pinball(quantile += distance(j), j);
        Vec d_below{}, d_above{};
        const auto add_up = [&](Vec &sum, std::size_t j, float sign) {
            sum += S::load(row.d_outputs + j * h + k, count);
            S::store(row.d_outputs + j * h + k, sum * S::load(row.outputs + j * h + k, count) * sign, count);
        };
        for (std::size_t j = 0; j < middle; ++j) add_up(d_below, j, -1);
        for (std::size_t j = Q; --j > middle;) add_up(d_above, j, 1);
        const Vec d_median = S::load(row.d_outputs + middle * h + k, count) + d_below + d_above;
        S::store(row.d_outputs + middle * h + k, d_median, count);
        for (std::size_t a = 0; a < p_.anchors; ++a)
            S::store(row.d_outputs + (Q + a) * h + k, d_median * S::load(row.anchors + a * h + k, count),
                     count);
        double total = 0;
        for (std::size_t lane = 0; lane < count; ++lane) total += static_cast<double>(loss[lane]);
        return total;
    }

    void add_d_state(const Blocks &blocks, std::size_t m, std::size_t i) const {
        const std::size_t H = p_.units, step = static_cast<std::size_t>(p_.steps_of[m]);
        float *const d_row = blocks.row.d_state, *to = d_states_ + (step * p_.windows + m / p_.readouts) * H;
        unpack_blocks(blocks.d_states + i * kWide, stride_, d_row, H, 0, blocks_for<float>(H));
        const float *const keep = p_.keep ? p_.keep + m * width_ : nullptr;
        for (std::size_t u = 0; u < H; ++u) to[u] += keep ? d_row[u] * keep[u] : d_row[u];
    }
};

// Gradients of the weights: each thread takes columns of what went in, over all rows, so that the order of the
// sums is the same for any number of threads.
class QuantileReadoutBackward {
    using S = Simd<float>;
    static constexpr std::size_t kWide = kColumns<float>;
    static constexpr std::size_t kRowsAtOnce = 128;  // as in rnn/backward.hpp

public:
    QuantileReadoutBackward(const QuantileReadout &problem, float *saved,
                            const QuantileReadoutGradients &gradients, int threads)
        : p_(problem), saved_(problem, saved), gradients_(gradients), threads_(threads) {}

    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        d_hidden_ = arena.allocate<float>(blocks_for<float>(p_.hidden) * (p_.width() + 1) * kWide);
        d_outputs_ = arena.allocate<float>(blocks_for<float>(p_.outputs()) * (p_.hidden + 1) * kWide);
        return arena.bytes();
    }

    void run(int thread) const {
        const std::size_t D = p_.width(), U = p_.hidden;
        const Range seen = share_of(D + 1, thread, threads_), hidden = share_of(U + 1, thread, threads_);
        for (std::size_t row = 0; row < p_.rows(); row += kRowsAtOnce) {
            add(saved_.seen, saved_.seen_stride, D + 1, saved_.d_hidden, U, row, seen, d_hidden_);
            add(saved_.hidden, saved_.hidden_stride, U + 1, saved_.d_outputs, p_.outputs(), row, hidden,
                d_outputs_);
        }
        for (std::size_t u = 0; u < U; ++u)
            spread(d_hidden_, D + 1, u, seen, gradients_.hidden_weight + u * D, gradients_.hidden_bias + u);
        const std::size_t h = p_.horizon, Q = p_.quantiles, A = p_.anchors;
        for (std::size_t k = 0; k < h; ++k) {
            for (std::size_t j = 0; j < Q; ++j)
                spread(d_outputs_, U + 1, j * h + k, hidden, gradients_.quantile_weight + (k * Q + j) * U,
                       gradients_.quantile_bias + k * Q + j);
            for (std::size_t a = 0; a < A; ++a)
                spread(d_outputs_, U + 1, (Q + a) * h + k, hidden, gradients_.anchor_weight + (k * A + a) * U,
                       gradients_.anchor_bias + k * A + a);
        }
    }

private:
    const QuantileReadout &p_;
    const ReadoutRows saved_;
    const QuantileReadoutGradients &gradients_;
    const int threads_;
    float *d_hidden_ = nullptr, *d_outputs_ = nullptr;

    // Panels of `depth` rows of the result, of which `mine` are the thread's: += left^T d over some rows.
    void add(const float *left, std::size_t left_stride, std::size_t depth, const float *d, std::size_t columns,
             std::size_t row, Range mine, float *panels) const {
        const std::size_t left_rows = p_.rows() - row;
        Gemm<float> gemm{};
        gemm.n_terms = 1;
        gemm.terms[0] = {left + row * left_stride, left_stride, d + row * kWide, saved_.block_stride, 1, 1,
                         left_rows < kRowsAtOnce ? left_rows : kRowsAtOnce};
        gemm.result = panels;
        gemm.result_stride = depth * kWide;
        if (row > 0) gemm.accumulate();
        run_gemm<float, true>(gemm, mine.begin, mine.end, 0, blocks_for<float>(columns));
    }

    // Copy the gradient of output unit `unit`, the thread's columns of it; the last one is the bias's.
    static void spread(const float *panels, std::size_t depth, std::size_t unit, Range mine, float *weight,
                       float *bias) {
        const float *const column = panels + unit / kWide * depth * kWide + unit % kWide;
        for (std::size_t k = mine.begin; k < mine.end; ++k)
            (k + 1 < depth ? weight[k] : *bias) = column[k * kWide];
    }
};

inline std::size_t readout_saved(const QuantileReadout &problem) {
    return ReadoutRows(problem, nullptr).elements;
}

inline double quantile_readout_forward(const QuantileReadout &problem, float *d_states, float *saved,
                                       int threads) {
    QuantileReadoutForward pass(problem, d_states, saved, threads);
    Buffer block(pass.layout_scratch(nullptr));  // which holds the losses, too
    pass.layout_scratch(block.data());
    run_parts(pass, threads);
    double loss = 0;
    for (std::size_t window = 0; window < problem.windows; ++window) loss += pass.window_losses[window];
    return loss;
}

inline void quantile_readout_backward(const QuantileReadout &problem, float *saved,
                                      const QuantileReadoutGradients &gradients, int threads) {
    QuantileReadoutBackward pass(problem, saved, gradients, threads);
    run_pass(pass, threads);
}

}  // namespace unrolled::UNROLLED_ISA
