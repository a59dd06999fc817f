// The loop over time, forward, once for every cell.
//
// A member of the team takes its rows through all steps alone; where the rows are too few or the weights too
// large for that, all members take all rows, each its own units, and meet once a step.
#pragma once

#include "layout.hpp"
#include "normalise.hpp"
#include "parallel.hpp"
#include "random.hpp"

namespace unrolled::UNROLLED_ISA {

// How zoneout mixes a state into its proposal.
template <class T> struct Zoneout {
    T rate[2];
    std::uint32_t seed, threshold[2];
    bool is_random;

    explicit Zoneout(const Call<T> &call)
        : rate{static_cast<T>(call.zoneout_h), static_cast<T>(call.zoneout_c)},
          seed(static_cast<std::uint32_t>(call.seed)),
          threshold{static_cast<std::uint32_t>(call.zoneout_h * 0x1p24),
                    static_cast<std::uint32_t>(call.zoneout_c * 0x1p24)},
          is_random(call.seed >= 0) {}
};

template <class T, class Rule> class Forward {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;
    static constexpr std::size_t kCacheBytes = 1 << 20;

public:
    Forward(const Call<T> &call, const Outcome<T> &outcome, const Plan &plan, const Rule &rule, Barrier &meeting)
        : call_(call), outcome_(outcome), plan_(plan), rule_(rule), shape_(call), zoneout_(call),
          meeting_(meeting), streams_(shape_.kept_in_all(call) * sizeof(T) > kCacheBytes) {}

    // Cut up the memory of the call; the answer is how many bytes that takes.
    std::size_t carve(void *block) {
        Carver carver(block);
        panel_ = (shape_.inputs + shape_.units) * kWide;
        panels_ = carver.take<T>(Rule::kGates * shape_.unit_blocks * panel_);
        starts_ = carver.take<T>(shape_.sums.count * shape_.unit_blocks * kWide);
        if (shape_.has_norm) norm_.carve(carver, shape_.sums.count + 1, shape_.unit_blocks * kWide);
        for (int member = 0; member < plan_.members; ++member) {
            const Rows rows = rows_of(plan_, member);
            Own &own = own_[member];
            const std::size_t state = shape_.unit_blocks * rows.count * kWide;
            if (member == 0 || !plan_.splits_units) {
                for (T *&h : own.recurrent) h = carver.take<T>(state);
                own.h = call_.mask ? carver.take<T>(state) : nullptr;
                own.c = Rule::kStates > 1 ? carver.take<T>(state) : nullptr;
            } else {
                own = own_[0];
            }
            own.x = carver.take<T>(shape_.input_blocks * rows.count * kWide);
            own.sums = carver.take<T>(shape_.sums.count * rows.count * kWide * blocks_at_once(rows.count));
            own.cell = call_.gain_cell ? carver.take<T>(shape_.unit_blocks * kWide) : nullptr;
        }
        return carver.used();
    }

    void run(int member) {
        pack(member);
        const Rows rows = rows_of(plan_, member);
        const Part blocks = plan_.splits_units ? part_of(shape_.unit_blocks, member, plan_.members)
                                               : Part{0, shape_.unit_blocks};
        begin(own_[member], rows, blocks);
        meeting_.wait();
        T *recurrent = own_[member].recurrent[0], *next = own_[member].recurrent[1];
        std::size_t active = 0;
        for (std::size_t step = 0; step < call_.steps; ++step) {
            const std::size_t t = call_.reverse ? call_.steps - 1 - step : step;
            active = rows.active(t, active);
            const Step now{t, step, active, recurrent, next};
            take_step(own_[member], rows, blocks, now);
            if (active == 0) continue;
            if (plan_.splits_units) meeting_.wait();
            T *const used = recurrent;
            recurrent = next, next = used;
        }
        S::end_streams();
    }

private:
    struct Own {                // what a member works in; the state is shared where units are split
        T *recurrent[2];        // what enters W_hh now, and at the next step
        T *h, *c;               // the state, where `recurrent` is not it
        T *x, *sums, *cell;
    };
    struct Step {
        std::size_t t, index, active;
        const T *recurrent;
        T *next;
    };

    const Call<T> &call_;
    const Outcome<T> &outcome_;
    const Plan &plan_;
    const Rule rule_;
    const Shape<T, Rule> shape_;
    const Zoneout<T> zoneout_;
    Barrier &meeting_;
    const bool streams_;  // whether what is saved would only push other things out of the caches
    Norm<T> norm_;
    T *panels_ = nullptr, *starts_ = nullptr;
    std::size_t panel_ = 0;
    Own own_[kMostMembers];

    // Few rows: all panels at once keep the registers busy. Many: as many as the nearest cache holds.
    std::size_t blocks_at_once(std::size_t rows) const {
        constexpr std::size_t kBytes = 16 << 10;
        if (rows <= kTileRows || shape_.has_norm) return shape_.unit_blocks;
        const std::size_t one = shape_.sums.count * rows * kWide * sizeof(T);
        return one >= kBytes ? 1 : kBytes / one < shape_.unit_blocks ? kBytes / one : shape_.unit_blocks;
    }

    bool is_plain() const { return !shape_.has_norm && !shape_.mixes && !call_.mask; }

    // The weights as panels, each member its part of them.
    void pack(int member) {
        const std::size_t H = shape_.units, F = shape_.inputs, blocks = shape_.unit_blocks;
        const Part mine = part_of(Rule::kGates * blocks, member, plan_.members);
        for (std::size_t p = mine.begin; p < mine.end; ++p) {
            const std::size_t unit = p % blocks * kWide, row = p / blocks * H + unit;
            const std::size_t present = H - unit < kWide ? H - unit : kWide;
            pack_rows(call_.w_ih + row * F, F, present, panels_ + p * panel_);
            pack_rows(call_.w_hh + row * H, H, present, panels_ + p * panel_ + F * kWide);
        }
        if (member > 0) return;
        for (int sum = 0; sum < shape_.sums.count; ++sum) {
            const auto [reads, gate] = shape_.sums.list[sum];
            T *const start = starts_ + sum * blocks * kWide;
            for (std::size_t u = 0; u < blocks * kWide; ++u) {
                const bool is_there = u < H && call_.b_ih;
                const T input = is_there && reads != kState ? call_.b_ih[gate * H + u] : T{};
                const T state = is_there && reads != kInput ? call_.b_hh[gate * H + u] : T{};
                start[u] = input + state;
            }
            if (shape_.has_norm) {
                const T *const gain = reads == kInput ? call_.gain_ih : call_.gain_hh;
                copy_padded(gain + gate * H, H, norm_.gain(sum), blocks * kWide);
                copy_padded(start, blocks * kWide, norm_.shift(sum), blocks * kWide);
                copy_padded(start, 0, start, blocks * kWide);
            }
        }
        if (call_.gain_cell) {
            copy_padded(call_.gain_cell, H, norm_.gain(shape_.sums.count), blocks * kWide);
            copy_padded(call_.bias_cell, call_.bias_cell ? H : 0, norm_.shift(shape_.sums.count), blocks * kWide);
        }
    }

    // The state before the first step; rows without any step have their last state in it.
    void begin(const Own &own, const Rows &rows, Part blocks) {
        const std::size_t H = shape_.units, stride = rows.count * kWide;
        for (std::size_t i = 0; i < rows.count; ++i) {
            const std::size_t row = rows.order[i];
            const auto length = rows.lengths[i];
            const T *const h = call_.h0 ? call_.h0 + row * H : nullptr, *const c = call_.c0 ? call_.c0 + row * H : nullptr;
            const bool anew = length > 0 && starts_anew(call_, row, length, call_.reverse ? length - 1 : 0);
            T *const state = own.h ? own.h : own.recurrent[0];
            to_blocks(anew ? nullptr : h, H, state + i * kWide, stride, blocks.begin, blocks.end);
            if (own.c) to_blocks(anew ? nullptr : c, H, own.c + i * kWide, stride, blocks.begin, blocks.end);
            if (own.h) mask(own.h + i * kWide, own.recurrent[0] + i * kWide, stride, row, blocks);
            if (call_.reverse) {  // until a row begins, the buffers pass by it
                for (std::size_t u = blocks.begin; u < blocks.end; ++u)
                    copy_padded(own.recurrent[0] + u * stride + i * kWide, kWide, own.recurrent[1] + u * stride + i * kWide, kWide);
            }
            if (length == 0) {
                from_row(h, outcome_.h_n + row * H, blocks);
                if (own.c) from_row(c, outcome_.c_n + row * H, blocks);
            }
            for (std::size_t t = length; t < call_.steps; ++t) from_row(nullptr, at(outcome_.out, t, row), blocks);
        }
    }
    void from_row(const T *from, T *to, Part blocks) const {
        for (std::size_t u = blocks.begin * kWide; u < blocks.end * kWide && u < shape_.units; ++u)
            to[u] = from ? from[u] : T{};
    }
    void mask(const T *h, T *to, std::size_t stride, std::size_t row, Part blocks) const {
        for (std::size_t u = blocks.begin; u < blocks.end; ++u)
            for (std::size_t v = 0; v < kWide; v += kLanes)
                S::store(to + u * stride + v, S::load(h + u * stride + v) * units_at(call_.mask + row * shape_.units, u * kWide + v));
    }
    // The units from `first` on of a row of H values, zero beyond them.
    Vec units_at(const T *row, std::size_t first) const {
        const std::size_t left = first < shape_.units ? shape_.units - first : 0;
        return left >= kLanes ? S::load(row + first) : S::load(row + first, left);
    }

    void take_step(const Own &own, const Rows &rows, Part blocks, const Step &now) {
        const std::size_t stride = rows.count * kWide, at_once = blocks_at_once(rows.count);
        for (std::size_t i = 0; i < now.active; ++i)
            to_blocks(at(call_.x, now.t, rows.order[i]), shape_.inputs, own.x + i * kWide, stride, 0, shape_.input_blocks);
        for (std::size_t u = blocks.begin; u < blocks.end; u += at_once) {
            const Part some{u, u + at_once < blocks.end ? u + at_once : blocks.end};
            add_up(own, rows, some, now);
            if (is_plain())
                for (std::size_t i = 0; i < now.active; ++i) finish<true>(own, rows, some, now, i);
            else
                for (std::size_t i = 0; i < now.active; ++i) finish<false>(own, rows, some, now, i);
        }
    }

    // The sums of a step for some units; those of like make that lie beside one another in one product.
    void add_up(const Own &own, const Rows &rows, Part some, const Step &now) {
        const std::size_t stride = rows.count * kWide, width = some.end - some.begin;
        for (int sum = 0; sum < shape_.sums.count;) {
            const auto [reads, gate] = shape_.sums.list[sum];
            int run = 1;
            while (width == shape_.unit_blocks && sum + run < shape_.sums.count && shape_.sums.list[sum + run].reads == reads) ++run;
            const T *const panels = panels_ + (gate * shape_.unit_blocks + some.begin) * panel_;
            Product<T> product{};
            if (reads != kState)
                product.pieces[product.n_pieces++] = Piece<T>::over(own.x, stride, panels, panel_, shape_.inputs);
            if (reads != kInput)
                product.pieces[product.n_pieces++] = Piece<T>::over(now.recurrent, stride, panels + shape_.inputs * kWide, panel_, shape_.units);
            product.start = starts_ + (sum * shape_.unit_blocks + some.begin) * kWide;
            product.result = own.sums + sum * width * stride;
            product.result_stride = stride;
            multiply(product, 0, now.active, 0, run * width);
            sum += run;
        }
    }

    // From the sums of row i to its gates, its state and its output. What the loop reads is held in locals:
    // a store of a vector might change any member, as far as the compiler knows.
    template <bool kPlain> void finish(const Own &own, const Rows &rows, Part some, const Step &now, std::size_t i) {
        const std::size_t row = rows.order[i], H = shape_.units, stride = rows.count * kWide;
        const std::size_t width = some.end - some.begin, vectors = some.end * 2 < shape_.vectors ? some.end * 2 : shape_.vectors;
        const bool ends = call_.reverse ? now.t == 0 : static_cast<std::int64_t>(now.t) + 1 == rows.lengths[i];
        const bool anew = !ends && starts_anew(call_, row, rows.lengths[i], call_.reverse ? now.t - 1 : now.t + 1);
        const int kept = shape_.kept, n_starts = shape_.sums.count;
        const bool has_norm = !kPlain && shape_.has_norm, mixes = !kPlain && shape_.mixes, is_masked = !kPlain && own.h;
        T *const out = at(outcome_.out, now.t, row);
        T *const h_n = ends ? outcome_.h_n + row * H : nullptr, *const c_n = ends ? outcome_.c_n + row * H : nullptr;
        T *const saved_row = outcome_.saved && kept ? outcome_.saved + (now.t * call_.rows + row) * shape_.kept_a_row : nullptr;
        T *const saving = shape_.kept_by_rule ? saved_row : nullptr;
        const T *const sums = own.sums + i * kWide - some.begin * stride;
        const std::size_t sum_stride = width * stride;
        T *const state = i * kWide + (is_masked ? own.h : now.next), *const next = i * kWide + now.next;
        const T *const h = i * kWide + (is_masked ? own.h : now.recurrent);
        T *const c = own.c + i * kWide;
        const Rule rule = rule_;
        const bool streams = streams_;
        std::uint32_t keys[2] = {0, 0};
        if (mixes && zoneout_.is_random)
            for (int part = 0; part < Rule::kStates; ++part) keys[part] = key(zoneout_.seed, part, now.t, row);
        CellNorm<T> cell_norm;
        const bool norms_cell = has_norm && call_.gain_cell;
        if (has_norm) normalise_row(own, i, stride, saved_row);
        if (norms_cell) norm_cell(own, i, stride, cell_norm);
        for (std::size_t vector = some.begin * 2; vector < vectors; ++vector) {
            const std::size_t unit = vector * kLanes, left = H - unit < kLanes ? H - unit : kLanes;
            const std::size_t place = vector / 2 * stride + vector % 2 * kLanes;
            Vec sum[Rule::kSums], before[2], after[2], saved[Rule::kSaved];
            for (int s = 0; s < Rule::kSums; ++s)
                sum[s] = has_norm ? normed(own, s, vector, i, stride) : S::load(sums + s * sum_stride + place);
            before[0] = S::load(h + place);
            if constexpr (Rule::kStates > 1) before[1] = S::load(c + place);
            if (norms_cell) {
                cell_norm.gain = S::load(norm_.gain(n_starts) + unit);
                cell_norm.shift = S::load(norm_.shift(n_starts) + unit);
            }
            rule.forward(sum, before, saved, after, norms_cell ? &cell_norm : nullptr);
            if (mixes) mix(before, after, keys, unit);
            if (saving) streams ? save<true>(saving + vector * kept * kLanes, saved, after) : save<false>(saving + vector * kept * kLanes, saved, after);
            put(out + unit, after[0], left);
            if (h_n) put(h_n + unit, after[0], left);
            if constexpr (Rule::kStates > 1) {
                if (c_n) put(c_n + unit, after[1], left);
                S::store(c + place, anew ? Vec{} : after[1]);
            }
            const Vec arrived = anew ? Vec{} : after[0];
            S::store(state + place, arrived);
            if (is_masked) S::store(next + place, arrived * units_at(call_.mask + row * H, unit));
        }
    }

    static void put(T *to, Vec value, std::size_t count) {
        count == kLanes ? S::store(to, value) : S::store(to, value, count);
    }
    template <bool kStreams> static void save(T *to, const Vec *saved, const Vec *after) {
        constexpr int kGates = Rule::kSaved - (Rule::kStates > 1);
        for (int s = 0; s < kGates; ++s) kStreams ? S::stream(to + s * kLanes, saved[s]) : S::store(to + s * kLanes, saved[s]);
        if constexpr (Rule::kStates > 1)
            kStreams ? S::stream(to + kGates * kLanes, after[1]) : S::store(to + kGates * kLanes, after[1]);
    }
    void mix(const Vec *before, Vec *after, const std::uint32_t *keys, std::size_t unit) const {
        for (int part = 0; part < Rule::kStates; ++part) {
            const T rate = zoneout_.rate[part];
            if (rate == T{}) continue;
            after[part] = zoneout_.is_random
                              ? S::select(keep<T>(keys[part], unit, zoneout_.threshold[part]), before[part], after[part])
                              : rate * before[part] + (T{1} - rate) * after[part];
        }
    }

    // A sum of the rule from its normalised halves.
    Vec normed(const Own &own, int sum, std::size_t vector, std::size_t i, std::size_t stride) const {
        const auto half = [&](int k) {
            return S::load(norm_.gain(k) + vector * kLanes) * S::load(sum_at(own, k, vector, i, stride)) +
                   S::load(norm_.shift(k) + vector * kLanes);
        };
        const int gate = Rule::gate(sum);
        if (Rule::kCell == kRnn || Rule::reads(sum) == kState) return half(gate);
        const Vec input = half(Rule::kGates + gate);
        return Rule::reads(sum) == kInput ? input : half(gate) + input;
    }
    T *sum_at(const Own &own, int sum, std::size_t vector, std::size_t i, std::size_t stride) const {
        return own.sums + (sum * shape_.unit_blocks + vector / 2) * stride + i * kWide + vector % 2 * kLanes;
    }

    // Row i's sums less their mean over their standard deviation, in place; saved for the way back.
    void normalise_row(const Own &own, std::size_t i, std::size_t stride, T *saved_row) {
        for (int first = 0, group = 0; first < shape_.sums.count; ++group) {
            const int count = normed_together<Rule>(first);
            const T scale = normalise(own.sums + first * shape_.unit_blocks * stride + i * kWide, stride, shape_.unit_blocks, count, shape_.units);
            if (saved_row) saved_row[shape_.vectors * shape_.kept * kLanes + group] = scale;
            first += count;
        }
        if (!saved_row) return;
        for (std::size_t vector = 0; vector < shape_.vectors; ++vector)
            for (int sum = 0; sum < shape_.sums.count; ++sum)
                S::store(saved_row + (vector * shape_.kept + shape_.kept_by_rule + sum) * kLanes,
                         S::load(sum_at(own, sum, vector, i, stride)));
    }

    // Mean and scale of row i's c before it is mixed.
    void norm_cell(const Own &own, std::size_t i, std::size_t stride, CellNorm<T> &norm) {
        if constexpr (Rule::kStates > 1) {
            for (std::size_t vector = 0; vector < shape_.unit_blocks * 2; ++vector) {
                Vec c{};
                if (vector < shape_.vectors) {
                    Vec sum[Rule::kSums];
                    for (int s = 0; s < Rule::kSums; ++s) sum[s] = normed(own, s, vector, i, stride);
                    c = Rule::cell(sum, S::load(own.c + vector / 2 * stride + i * kWide + vector % 2 * kLanes));
                }
                S::store(own.cell + vector * kLanes, c);
            }
            const auto [mean, scale] = moments(own.cell, kWide, shape_.unit_blocks, 1, shape_.units);
            norm.mean = S::splat(mean), norm.scale = S::splat(scale);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
