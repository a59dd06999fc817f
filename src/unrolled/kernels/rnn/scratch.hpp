// Where things lie during a call: the sums of a cell, its weights as panels, its rows in order.
#pragma once

#include "rnn/pointwise/cells.hpp"
#include "gemm/microkernel.hpp"

namespace unrolled::UNROLLED_ISA {

// Cut one block of memory into arrays that start on lines of 64 bytes. Without a block it only counts.
class Carver {
public:
    explicit Carver(void *block) : at_(static_cast<char *>(block)) {}
    template <class T>
    T *take(std::size_t count) {
        char *const taken = at_ ? at_ + used_ : nullptr;
        used_ += (count * sizeof(T) + 63) / 64 * 64 +
                 64;  // and a line between: powers of two would share cache sets
        return reinterpret_cast<T *>(taken);
    }
    std::size_t used() const { return used_; }

private:
    char *const at_;
    std::size_t used_ = 0;
};

// One sum of products that a step computes: of which gate, over what, which of the rule's sums it is (part
// of), and which sums layer norm takes together with it.
struct Sum {
    Reads reads;
    int gate, of_rule, group;
};

// The sums of a call, those that read the state first.
struct Sums {
    Sum list[8];
    int count, groups;

    constexpr void add(Reads reads, int gate, int of_rule, bool begins_group) {
        groups += begins_group;
        list[count++] = {reads, gate, of_rule, groups - 1};
    }
};

// Layer norm keeps the two halves of each sum apart, except in the plain RNN, whose norm is over both. It
// takes the gates of a half together, and the GRU's candidate alone.
template <class Rule>
constexpr Sums sums_of(bool has_norm) {
    Sums sums{};
    const bool halves = has_norm && Rule::kCell != kRnn;
    constexpr Reads kHalves[] = {kState, kInput};
    for (const Reads half : kHalves)
        for (int sum = 0; sum < Rule::kSums; ++sum) {
            const Reads reads = Rule::reads(sum);
            if (!halves && half == kState) sums.add(reads, Rule::gate(sum), sum, sum == 0);
            if (halves && (reads == kBoth || reads == half))
                sums.add(half, Rule::gate(sum), sum, sum == 0 || reads != kBoth);
        }
    return sums;
}

// Sizes that follow from a call and its cell.
template <class T>
struct Shape {
    int cell, gates, states, rule_sums;
    std::size_t units, inputs, unit_blocks, input_blocks, vectors;
    Sums sums;
    bool has_norm, mixes;  // layer norm; zoneout
    // Vectors saved for each vector of units. Layer norm saves its x^, from which backward computes again
    // what the rule would have saved, then the LSTM's c, then its scales.
    int kept;
    std::size_t c_at, c_apart;  // where a row's first vector of c lies, and how far apart they are
    std::size_t kept_a_row;
    // The scales of four groups at most (the GRU's), or of the LSTM's two and its cell's mean and scale.
    static constexpr std::size_t kScales = Simd<T>::kLanes < 4 ? 4 : Simd<T>::kLanes;

    template <class Rule>
    Shape(const Call<T> &call, const Rule &)
        : cell(Rule::kCell),
          gates(Rule::kGates),
          states(Rule::kStates),
          rule_sums(Rule::kSums),
          units(call.units),
          inputs(call.inputs),
          unit_blocks(blocks_for<T>(units)),
          input_blocks(blocks_for<T>(inputs)),
          vectors((units + Simd<T>::kLanes - 1) / Simd<T>::kLanes),
          sums(sums_of<Rule>(call.gain_hh != nullptr)),
          has_norm(call.gain_hh != nullptr),
          mixes(call.zoneout_h > 0 || call.zoneout_c > 0),
          kept(has_norm              ? sums.count + (states > 1)
               : is_in_outputs(call) ? 0
                                     : Rule::kSaved),
          c_at((has_norm ? vectors * sums.count : Rule::kSaved - 1) * Simd<T>::kLanes),
          c_apart((has_norm ? 1 : kept) * Simd<T>::kLanes),
          kept_a_row(vectors * kept * Simd<T>::kLanes + (has_norm ? kScales : 0)) {}

    // The plain RNN needs nothing but its outputs, unless these are not what its activation gave.
    bool is_in_outputs(const Call<T> &call) const {
        return cell == kRnn && !mixes && call.activation != kPRelu;
    }
    std::size_t kept_in_all(const Call<T> &call) const { return call.steps * call.rows * kept_a_row; }
    std::size_t scales_at() const { return vectors * kept * Simd<T>::kLanes; }
};

// The rows of one member, longest first, as its steps see them.
struct Rows {
    const std::int64_t *order, *lengths;
    std::size_t count;

    // How many of them have a step t, given how many had a neighbouring one.
    std::size_t active(std::size_t t, std::size_t from) const {
        while (from > 0 && lengths[from - 1] <= static_cast<std::int64_t>(t)) --from;
        while (from < count && lengths[from] > static_cast<std::int64_t>(t)) ++from;
        return from;
    }
};

// Where units are split, every member has all rows.
inline Rows rows_of(const Plan &plan, int member) {
    const int group = plan.splits_units ? 0 : member;
    const std::size_t begin = plan.begins[group], end = plan.begins[group + 1];
    return {plan.order + begin, plan.lengths + begin, end - begin};
}

// A member's part of `count` things.
struct Part {
    std::size_t begin, end;
};
inline Part part_of(std::size_t count, int member, int members) {
    return {count * member / members, count * (member + 1) / members};
}
// Of things that the members share only where units are split.
inline Part part_of(std::size_t count, int member, const Plan &plan) {
    return plan.splits_units ? part_of(count, member, plan.members) : Part{0, count};
}

// Whether the state is set back before a row's step t, in the direction of travel.
template <class T>
bool starts_anew(const Call<T> &call, std::size_t row, std::int64_t length, std::size_t t) {
    if (!call.resets) return false;
    const std::size_t mark = call.reverse ? t + 1 : t;
    return static_cast<std::int64_t>(mark) < length && call.resets[row * call.steps + mark];
}

// Columns [0, depth) of the rows row(0) .. row(kColumns - 1) of a weight, a step of the sum after another;
// rows from `present` on are zero.
template <class T>
void pack_rows(const T *weight, std::size_t depth, std::size_t present, T *panel) {
    constexpr std::size_t kWide = kColumns<T>, kStretch = 64 / sizeof(T);
    for (std::size_t k0 = 0; k0 < depth; k0 += kStretch) {
        const std::size_t k1 = k0 + kStretch < depth ? k0 + kStretch : depth;
        for (std::size_t c = 0; c < kWide; ++c)
            for (std::size_t k = k0; k < k1; ++k)
                panel[k * kWide + c] = c < present ? weight[c * depth + k] : T{};
    }
}

// `count` values into a place for `room`; the others are zero.
template <class T>
void copy_padded(const T *from, std::size_t count, T *to, std::size_t room) {
    for (std::size_t k = 0; k < count; ++k) to[k] = from[k];
    for (std::size_t k = count; k < room; ++k) to[k] = T{};
}

template <class T>
void clear(T *to, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) to[k] = T{};
}

// `count` units of a row from `unit` on, at most a vector of them; zeros where there is no row.
template <class T>
typename Simd<T>::Vec units_at(const T *row, std::size_t unit, std::size_t count) {
    using S = Simd<T>;
    return !row ? typename S::Vec{} : count == S::kLanes ? S::load(row + unit) : S::load(row + unit, count);
}

// One row into blocks, and back; no row is a row of zeros.
template <class T>
void to_blocks(const T *from, std::size_t count, T *blocks, std::size_t stride, std::size_t first,
               std::size_t last) {
    using S = Simd<T>;
    for (std::size_t block = first; block < last; ++block)
        for (std::size_t v = 0; v < kColumns<T>; v += S::kLanes) {
            const std::size_t at = block * kColumns<T> + v;
            const std::size_t left = at < count ? count - at : 0;
            S::store(blocks + block * stride + v, !from || !left      ? typename S::Vec{}
                                                  : left >= S::kLanes ? S::load(from + at)
                                                                      : S::load(from + at, left));
        }
}
template <class T>
void from_blocks(const T *blocks, std::size_t stride, T *to, std::size_t count, std::size_t first,
                 std::size_t last) {
    using S = Simd<T>;
    for (std::size_t block = first; block < last; ++block)
        for (std::size_t v = 0; v < kColumns<T> && block * kColumns<T> + v < count; v += S::kLanes) {
            const std::size_t at = block * kColumns<T> + v, left = count - at;
            const auto value = S::load(blocks + block * stride + v);
            left >= S::kLanes ? S::store(to + at, value) : S::store(to + at, value, left);
        }
}

// The row at step t; null where there is no array.
template <class T>
T *at(const Steps<T> &steps, std::size_t t, std::size_t row) {
    if (!steps.data) return nullptr;
    const auto step = static_cast<std::ptrdiff_t>(t), place = static_cast<std::ptrdiff_t>(row);
    return steps.data + step * steps.per_step + place * steps.per_row;
}

}  // namespace unrolled::UNROLLED_ISA
