// The gradients of the weights: products over many rows of steps at once, added up by each member.
#pragma once

#include "rnn/pointwise/backward.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
class WeightGradients {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    using Own = BackwardOwn<T>;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;

public:
    explicit WeightGradients(const BackwardJob<T> &job)
        : job_(job), shape_(job.shape), to_(job.to), width_(shape_.units + 1 + shape_.inputs) {}

    bool are_wanted() const { return to_.w_ih; }

    void carve(Carver &carver, Own &own) const {
        own.left = carver.take<T>(own.room * stride());
        own.d_weights = carver.take<T>(begin_of(shape_.sums.count));
    }

    // Row i of a step as a row of the left operand: (h_{t-1}, 1, x_t). Whole vectors: what they write too
    // much is written over, or lies in the space between rows.
    void lay_row(const Own &own, const Rows &rows, const BackwardStep &now, std::size_t i) const {
        const std::size_t H = shape_.units, F = shape_.inputs, row = rows.order[i];
        const T *const h = job_.h_before(rows, now.t, i), *const x = at(job_.call.x, now.t, row);
        const T *const mask = job_.call.mask ? job_.call.mask + row * H : nullptr;
        T *const left = own.left + (now.filled + i) * stride(), *const left_x = left + H + 1;
        for (std::size_t u = 0; u < H; u += kLanes) {
            const std::size_t count = H - u < kLanes ? H - u : kLanes;
            const Vec value = units_at(h, u, count);
            S::store(left + u, mask ? value * units_at(mask, u, count) : value);
        }
        left[H] = T{1};
        for (std::size_t f = 0; f < F; f += kLanes)
            S::store(left_x + f, units_at(x, f, F - f < kLanes ? F - f : kLanes));
    }

    // d_weights = or += left^T d_sums over the rows of steps that are filled.
    void add(const Own &own, Part blocks, std::size_t filled, bool adds) const {
        const std::size_t block_rows = own.room * kWide;
        for (int sum = 0; sum < shape_.sums.count; ++sum) {
            const Part read = read_by(sum);
            const std::size_t panel = sum * shape_.unit_blocks + blocks.begin;
            Product<T> product{};
            product.n_pieces = 1;
            product.pieces[0] = {
                own.left + read.begin, stride(), own.d_sums + panel * block_rows, block_rows, 1, 1, filled};
            product.result = panel_of(own, sum, blocks.begin);
            product.result_stride = (read.end - read.begin) * kWide;
            product.adds = adds;
            multiply<T, true>(product, 0, read.end - read.begin, 0, blocks.end - blocks.begin);
        }
    }

    // All members' sums into the gradients, each member some panels.
    void collect(const Own *owns, int member) const {
        const Part mine = part_of(shape_.sums.count * shape_.unit_blocks, member, job_.plan.members);
        for (std::size_t panel = mine.begin; panel < mine.end; ++panel) collect_panel(owns, panel);
        if (member > 0) return;
        if (to_.slope) {
            *to_.slope = T{};
            for (int each = 0; each < job_.plan.members; ++each)
                *to_.slope += total<T>(S::load(owns[each].d_slope));
        }
        if (shape_.has_norm)
            for (int sum = 0; sum <= shape_.sums.count; ++sum) collect_norm(owns, sum);
    }

private:
    const BackwardJob<T> &job_;
    const Shape<T> &shape_;
    const Gradients<T> &to_;
    const std::size_t width_;  // of a row of the left operand

    std::size_t stride() const { return (width_ + kWide - 1) / kWide * kWide + kLanes; }

    // The columns of the left operand that a sum reads.
    Part read_by(int sum) const {
        const Reads reads = shape_.sums.list[sum].reads;
        return {reads == kInput ? shape_.units : 0, reads == kState ? shape_.units + 1 : width_};
    }
    // Where a sum's panels begin in d_weights; past the last sum, how much all of them take.
    std::size_t begin_of(int sum) const {
        std::size_t depth = 0;
        for (int before = 0; before < sum; ++before) depth += read_by(before).end - read_by(before).begin;
        return depth * shape_.unit_blocks * kWide;
    }
    T *panel_of(const Own &own, int sum, std::size_t block) const {
        const Part read = read_by(sum);
        return own.d_weights + begin_of(sum) + block * (read.end - read.begin) * kWide;
    }

    void collect_panel(const Own *owns, std::size_t panel) const {
        const std::size_t H = shape_.units, F = shape_.inputs;
        const std::size_t block = panel % shape_.unit_blocks, unit = block * kWide;
        const int sum = static_cast<int>(panel / shape_.unit_blocks);
        const auto [reads, gate, of_rule, group] = shape_.sums.list[sum];
        const Part read = read_by(sum);
        const std::size_t row = gate * H + unit, present = H - unit < kWide ? H - unit : kWide;
        T *const sums = panel_of(owns[0], sum, block), *const ones = sums + (H - read.begin) * kWide;
        for (int other = 1; other < job_.plan.members && !job_.plan.splits_units; ++other) {
            const T *const more = panel_of(owns[other], sum, block);
            for (std::size_t k = 0; k < (read.end - read.begin) * kWide; k += kLanes)
                S::store(sums + k, S::load(sums + k) + S::load(more + k));
        }
        if (reads != kInput) spread(sums, H, present, to_.w_hh + row * H);
        if (reads != kState) spread(ones + kWide, F, present, to_.w_ih + row * F);
        if (shape_.has_norm || !to_.b_ih) return;
        if (reads != kInput) copy_padded(ones, present, to_.b_hh + row, present);
        if (reads != kState) copy_padded(ones, present, to_.b_ih + row, present);
    }
    // `depth` rows of a panel into the first columns of rows of a weight.
    static void spread(const T *panel, std::size_t depth, std::size_t present, T *weight) {
        constexpr std::size_t kStretch = 64 / sizeof(T);
        for (std::size_t k0 = 0; k0 < depth; k0 += kStretch)
            for (std::size_t c = 0; c < present; ++c)
                for (std::size_t k = k0; k < k0 + kStretch && k < depth; ++k)
                    weight[c * depth + k] = panel[k * kWide + c];
    }

    // Gain and shift of one norm: a sum's, whose shift is its bias, or after these the cell's.
    void collect_norm(const Own *owns, int sum) const {
        const std::size_t H = shape_.units;
        const bool is_cell = sum == shape_.sums.count;
        const auto [reads, gate, of_rule, group] = shape_.sums.list[is_cell ? 0 : sum];
        T *gain = to_.gain_cell, *shift = to_.bias_cell;
        if (!is_cell) {
            T *const bias = reads == kInput ? to_.b_ih : to_.b_hh;
            gain = (reads == kInput ? to_.gain_ih : to_.gain_hh) + gate * H;
            shift = bias ? bias + gate * H : nullptr;
        }
        for (std::size_t u = 0; u < H; ++u) {
            T gains{}, shifts{};
            for (int each = 0; each < job_.plan.members; ++each) {
                const Norm<T> &d_norm = owns[each].d_norm;
                gains += d_norm.gain(sum)[u];
                shifts += is_cell ? d_norm.cell_shift()[u] : d_norm.shift(of_rule)[u];
            }
            if (gain) gain[u] = gains;
            if (shift) shift[u] = shifts;
            if (shift && !is_cell && reads == kBoth) to_.b_ih[u] = shifts;  // the plain RNN's two biases
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
