// The loop over time, backward, once for every cell: one sweep that turns each step's gradients of the
// state into those of its sums, and adds up the weights' gradients while these are still in the cache.
#pragma once

#include "forward.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T, class Rule> class Backward {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;
    // Rows of steps whose products with their inputs are added up at once: fewer would read and write the
    // weights' gradients more often, more would not stay in the cache.
    static constexpr std::size_t kRowsAtOnce = 128;

public:
    Backward(const Call<T> &call, const Gradients<T> &gradients, const Plan &plan, const Rule &rule, Barrier &meeting)
        : call_(call), to_(gradients), plan_(plan), rule_(rule), shape_(call), zoneout_(call), meeting_(meeting),
          left_width_(shape_.units + 1 + shape_.inputs),
          passes_(Rule::kPassesState || call.zoneout_h > 0) {}

    std::size_t carve(void *block) {
        Carver carver(block);
        const std::size_t blocks = shape_.unit_blocks, panels = shape_.sums.count * blocks;
        panel_ = Rule::kGates * shape_.units * kWide;
        state_panels_ = carver.take<T>(blocks * panel_);
        input_panels_ = to_.grad_x.data ? carver.take<T>(shape_.input_blocks * panel_) : nullptr;
        if (shape_.has_norm) norm_.carve(carver, shape_.sums.count + 1, blocks * kWide);
        for (int member = 0; member < plan_.members; ++member) {
            const std::size_t rows = rows_of(plan_, member).count, state = blocks * rows * kWide;
            Own &own = own_[member];
            own.room = room_for(rows);
            if (member == 0 || !plan_.splits_units) {
                own.d_h = carver.take<T>(state);
                own.d_c = Rule::kStates > 1 ? carver.take<T>(state) : nullptr;
                own.d_recurrent = call_.mask ? carver.take<T>(state) : nullptr;
                own.d_sums = carver.take<T>(panels * own.room * kWide);
                own.left = carver.take<T>(own.room * left_stride());
                own.d_weights = to_.w_ih ? carver.take<T>(panels * left_width_ * kWide) : nullptr;
            } else {
                own = own_[0];
            }
            own.d_x = to_.grad_x.data ? carver.take<T>(shape_.input_blocks * own.room * kWide) : nullptr;
            own.places = carver.take<Place>(own.room);
            own.d_slope = carver.take<T>(kLanes);
            if (shape_.has_norm) own.d_norm.carve(carver, shape_.sums.count + 1, blocks * kWide);
            own.cell = call_.gain_cell ? carver.take<T>(2 * blocks * kWide) : nullptr;
        }
        return carver.used();
    }

    void run(int member) {
        pack(member);
        Own &own = own_[member];
        const Rows rows = rows_of(plan_, member);
        const Part blocks = plan_.splits_units ? part_of(shape_.unit_blocks, member, plan_.members)
                                               : Part{0, shape_.unit_blocks};
        begin(own, rows, blocks, member);
        meeting_.wait();
        std::size_t active = 0, filled = 0;
        bool has_added = false;
        for (std::size_t step = 0; step < call_.steps; ++step) {
            const std::size_t t = call_.reverse ? step : call_.steps - 1 - step;
            active = rows.active(t, active);
            if (active == 0) continue;
            if (filled + active > own.room) {
                add_up(own, blocks, member, filled, has_added);
                has_added = true, filled = 0;
                if (plan_.splits_units) meeting_.wait();
            }
            take_step(own, rows, blocks, member, {t, active, filled});
            filled += active;
        }
        add_up(own, blocks, member, filled, has_added);
        end(own, rows, blocks);
        meeting_.wait();
        if (to_.w_ih) collect(member);
    }

private:
    struct Place {
        std::size_t t, row;
    };
    struct Own {                       // what a member works in; where units are split most of it is shared
        std::size_t room;              // rows of steps that d_sums and left hold
        T *d_h, *d_c, *d_recurrent;    // of the state; of what entered W_hh, where that was not the state
        T *d_sums;                     // panels of the sums, `room` rows each
        T *left;                       // h_{t-1}, 1, x_t of each row of a step
        T *d_weights;                  // panels of the sums, left_width_ rows each
        T *d_x, *d_slope, *cell;
        Place *places;
        Norm<T> d_norm;
    };
    struct Step {
        std::size_t t, active, filled;
    };

    const Call<T> &call_;
    const Gradients<T> &to_;
    const Plan &plan_;
    const Rule rule_;
    const Shape<T, Rule> shape_;
    const Zoneout<T> zoneout_;
    Barrier &meeting_;
    const std::size_t left_width_;
    const bool passes_;  // whether a gradient reaches h_{t-1} past the product
    Norm<T> norm_;
    T *state_panels_ = nullptr, *input_panels_ = nullptr;
    std::size_t panel_ = 0;
    Own own_[kMostMembers];

    std::size_t left_stride() const { return (left_width_ + kWide - 1) / kWide * kWide + kLanes; }
    std::size_t room_for(std::size_t rows) const {
        const std::size_t steps = rows < kRowsAtOnce ? kRowsAtOnce / (rows ? rows : 1) : 1;
        return rows * (steps < call_.steps ? steps : call_.steps);
    }

    // W_hh and W_ih as they stand, cut into panels of columns.
    void pack(int member) {
        const std::size_t H = shape_.units, depth = Rule::kGates * H;
        const auto cut = [&](const T *weight, std::size_t columns, std::size_t count, T *panels) {
            const Part mine = part_of(count * depth, member, plan_.members);
            for (std::size_t place = mine.begin; place < mine.end; ++place) {
                const std::size_t first = place / depth * kWide, k = place % depth;
                const std::size_t left = columns - first < kWide ? columns - first : kWide;
                copy_padded(weight + k * columns + first, left, panels + place * kWide, kWide);
            }
        };
        cut(call_.w_hh, H, shape_.unit_blocks, state_panels_);
        if (input_panels_) cut(call_.w_ih, shape_.inputs, shape_.input_blocks, input_panels_);
        if (!shape_.has_norm || member > 0) return;
        const std::size_t width = shape_.unit_blocks * kWide;
        for (int sum = 0; sum < shape_.sums.count; ++sum) {
            const auto [reads, gate] = shape_.sums.list[sum];
            copy_padded((reads == kInput ? call_.gain_ih : call_.gain_hh) + gate * H, H, norm_.gain(sum), width);
        }
        if (call_.gain_cell) {
            copy_padded(call_.gain_cell, H, norm_.gain(shape_.sums.count), width);
            copy_padded(call_.bias_cell, call_.bias_cell ? H : 0, norm_.shift(shape_.sums.count), width);
        }
    }

    void begin(Own &own, const Rows &rows, Part blocks, int member) {
        const std::size_t H = shape_.units, stride = rows.count * kWide, width = shape_.unit_blocks * kWide;
        for (std::size_t i = 0; i < rows.count; ++i) {
            const std::size_t row = rows.order[i];
            to_blocks(to_.grad_h_n ? to_.grad_h_n + row * H : nullptr, H, own.d_h + i * kWide, stride, blocks.begin, blocks.end);
            if (own.d_c)
                to_blocks(to_.grad_c_n ? to_.grad_c_n + row * H : nullptr, H, own.d_c + i * kWide, stride, blocks.begin, blocks.end);
            if (!to_.grad_x.data || (plan_.splits_units && member > 0)) continue;
            for (std::size_t t = rows.lengths[i]; t < call_.steps; ++t)
                copy_padded(to_.grad_x.data, 0, at(to_.grad_x, t, row), shape_.inputs);
        }
        copy_padded(own.d_slope, 0, own.d_slope, kLanes);
        if (shape_.has_norm)
            for (int sum = 0; sum <= shape_.sums.count; ++sum) {
                copy_padded(own.d_norm.gain(0), 0, own.d_norm.gain(sum), width);
                copy_padded(own.d_norm.shift(0), 0, own.d_norm.shift(sum), width);
            }
        if (shape_.vectors % 2 == 0) return;
        for (int sum = 0; sum < shape_.sums.count; ++sum)  // units that are not there
            if (blocks.end == shape_.unit_blocks)
                for (std::size_t k = 0; k < own.room; ++k)
                    S::store(own.d_sums + (((sum + 1) * shape_.unit_blocks - 1) * own.room + k) * kWide + kLanes, Vec{});
    }

    void take_step(Own &own, const Rows &rows, Part blocks, int member, const Step &now) {
        const std::size_t stride = rows.count * kWide;
        const Part mine = plan_.splits_units ? part_of(now.active, member, plan_.members) : Part{0, now.active};
        for (std::size_t i = 0; i < now.active; ++i) {
            own.places[now.filled + i] = {now.t, static_cast<std::size_t>(rows.order[i])};
            if (to_.w_ih && i >= mine.begin && i < mine.end) lay_left(own, rows, now, i);
            turn(own, rows, blocks, now, i);
        }
        if (plan_.splits_units) meeting_.wait();
        Product<T> product{};
        product.n_pieces = 1;
        product.pieces[0] = {own.d_sums + now.filled * kWide, own.room * kWide, state_panels_ + blocks.begin * panel_, panel_,
                             static_cast<std::size_t>(Rule::kGates), shape_.unit_blocks,
                             shape_.units - (shape_.unit_blocks - 1) * kWide};
        product.result = (own.d_recurrent ? own.d_recurrent : own.d_h) + blocks.begin * stride;
        product.result_stride = stride;
        product.adds = passes_ && !own.d_recurrent;
        multiply(product, 0, now.active, 0, blocks.end - blocks.begin);
        if (!own.d_recurrent && !call_.resets) return;
        for (std::size_t i = 0; i < now.active; ++i) arrive(own, rows, blocks, now, i);
    }

    // What a row's step started from: the state of the step before, the initial one, or zeros.
    enum class Origin { kStep, kInitial, kZero };
    Origin origin(const Rows &rows, std::size_t t, std::size_t i) const {
        if (starts_anew(call_, rows.order[i], rows.lengths[i], t)) return Origin::kZero;
        const bool is_first = call_.reverse ? static_cast<std::int64_t>(t) + 1 == rows.lengths[i] : t == 0;
        return is_first ? Origin::kInitial : Origin::kStep;
    }
    const T *initial(const T *state, std::size_t row) const { return state ? state + row * shape_.units : nullptr; }
    std::size_t step_before(std::size_t t) const { return call_.reverse ? t + 1 : t - 1; }
    const T *h_before(const Rows &rows, std::size_t t, std::size_t i) const {
        const std::size_t row = rows.order[i];
        switch (origin(rows, t, i)) {
            case Origin::kStep: return at(to_.out, step_before(t), row);
            case Origin::kInitial: return initial(call_.h0, row);
            default: return nullptr;
        }
    }

    void lay_left(const Own &own, const Rows &rows, const Step &now, std::size_t i) const {
        const std::size_t H = shape_.units, row = rows.order[i];
        T *const left = own.left + (now.filled + i) * left_stride(), *const left_x = left + H + 1;
        const T *const h = h_before(rows, now.t, i), *const x = at(call_.x, now.t, row);
        const T *const mask = call_.mask ? call_.mask + row * H : nullptr;
        // whole vectors: what they write too much is written over, or lies in the space between rows
        for (std::size_t u = 0; u < H; u += kLanes) {
            const std::size_t count = H - u < kLanes ? H - u : kLanes;
            const Vec value = units_at(h, u, count);
            S::store(left + u, mask ? value * units_at(mask, u, count) : value);
        }
        left[H] = T{1};
        for (std::size_t f = 0; f < shape_.inputs; f += kLanes)
            S::store(left_x + f, units_at(x, f, shape_.inputs - f < kLanes ? shape_.inputs - f : kLanes));
    }

    Vec units_at(const T *row, std::size_t unit, std::size_t left) const {
        return !row ? Vec{} : left == kLanes ? S::load(row + unit) : S::load(row + unit, left);
    }

    // From the gradients of row i's state to those of its sums; what goes past them stays in d_h and d_c.
    void turn(const Own &own, const Rows &rows, Part blocks, const Step &now, std::size_t i) {
        const std::size_t row = rows.order[i], stride = rows.count * kWide;
        Turn turn{};
        turn.out = at(to_.out, now.t, row);
        turn.grad_out = to_.grad_out.data ? at(to_.grad_out, now.t, row) : nullptr;
        turn.saved = shape_.kept ? to_.saved + (now.t * call_.rows + row) * shape_.kept_a_row : nullptr;
        turn.d_sums = own.d_sums + (now.filled + i) * kWide;
        turn.state = i * kWide;
        turn.is_followed = call_.reverse ? now.t + 1 < call_.steps : now.t > 0;
        const std::ptrdiff_t ahead = call_.reverse ? 1 : -1;
        turn.saved_ahead = ahead * static_cast<std::ptrdiff_t>(call_.rows * shape_.kept_a_row);
        turn.grad_ahead = ahead * to_.grad_out.per_step;
        turn.stride = stride;
        if constexpr (Rule::kPassesState) turn.h = h_before(rows, now.t, i);
        if constexpr (Rule::kStates > 1) {
            const Origin from = origin(rows, now.t, i);
            turn.c_is_saved = from == Origin::kStep;
            if (turn.c_is_saved) turn.c = to_.saved + (step_before(now.t) * call_.rows + row) * shape_.kept_a_row;
            else if (from == Origin::kInitial) turn.c = initial(call_.c0, row);
        }
        if (shape_.mixes && zoneout_.is_random)
            for (int part = 0; part < Rule::kStates; ++part) turn.keys[part] = key(zoneout_.seed, part, now.t, row);
        if (call_.gain_cell) turn_cell(own, turn);
        if (shape_.has_norm || shape_.mixes) turn_units<false>(own, turn, blocks);
        else turn_units<true>(own, turn, blocks);
        if (shape_.has_norm) turn_norm(own, turn);
    }
    struct Turn {
        const T *out, *grad_out, *saved, *h, *c;
        bool c_is_saved;
        T *d_sums;
        std::size_t state, stride;
        std::uint32_t keys[2];
        bool is_followed;
        std::ptrdiff_t saved_ahead, grad_ahead;
    };

    Vec c_before(const Turn &turn, std::size_t vector, std::size_t left) const {
        if (turn.c_is_saved) return S::load(turn.c + (vector * shape_.kept + Rule::kSaved - 1) * kLanes);
        return units_at(turn.c, vector * kLanes, left);
    }
    // The gradients of what the cell proposed, and what zoneout lets past it.
    void split(const Own &own, const Turn &turn, std::size_t vector, std::size_t left, Vec *d_after, Vec *past) const {
        const std::size_t place = vector / 2 * turn.stride + turn.state + vector % 2 * kLanes;
        d_after[0] = S::load(own.d_h + place) + units_at(turn.grad_out, vector * kLanes, left);
        if constexpr (Rule::kStates > 1) d_after[1] = S::load(own.d_c + place);
        for (int part = 0; part < Rule::kStates; ++part) past[part] = Vec{};
        if (!shape_.mixes) return;
        for (int part = 0; part < Rule::kStates; ++part) {
            const T rate = zoneout_.rate[part];
            if (rate == T{}) continue;
            const Vec d = d_after[part];
            if (zoneout_.is_random) {
                const auto kept = keep<T>(turn.keys[part], vector * kLanes, zoneout_.threshold[part]);
                past[part] = S::select(kept, d, Vec{}), d_after[part] = S::select(kept, Vec{}, d);
            } else {
                past[part] = rate * d, d_after[part] = (T{1} - rate) * d;
            }
        }
    }

    // The loop holds what it reads in locals, as forward's does.
    template <bool kPlain> void turn_units(const Own &own, const Turn &turn, Part blocks) {
        const Turn held = turn;
        const Rule rule = rule_;
        const std::size_t H = shape_.units, unit_blocks = shape_.unit_blocks, sum_stride = own.room * kWide;
        const std::size_t end = blocks.end * 2 < shape_.vectors ? blocks.end * 2 : shape_.vectors;
        const int kept = shape_.kept, kept_by_rule = shape_.kept_by_rule, n_sums = kPlain ? Rule::kSums : shape_.sums.count;
        const bool has_norm = !kPlain && shape_.has_norm, norms_cell = has_norm && call_.gain_cell, passes = passes_;
        T *const d_h = own.d_h + held.state, *const d_c = own.d_c + held.state;
        T *const cell = own.cell, *const d_slope = own.d_slope;
        for (std::size_t vector = blocks.begin * 2; vector < end; ++vector) {
            const std::size_t unit = vector * kLanes, left = H - unit < kLanes ? H - unit : kLanes;
            const std::size_t place = vector / 2 * held.stride + vector % 2 * kLanes;
            Vec d_after[2], past[2]{}, saved[Rule::kSaved], before[2]{}, d_sums[Rule::kSums], d_before[2]{};
            if constexpr (kPlain) {
                d_after[0] = S::load(d_h + place) + units_at(held.grad_out, unit, left);
                if constexpr (Rule::kStates > 1) d_after[1] = S::load(d_c + place);
            } else {
                split(own, turn, vector, left, d_after, past);
            }
            const T *const from = held.saved + vector * kept * kLanes;
            if (held.is_followed) {  // ask now for what the same row's next step will read
                for (int s = 0; s < kept; ++s) __builtin_prefetch(from + held.saved_ahead + s * kLanes, 0, 2);
                if (held.grad_out) __builtin_prefetch(held.grad_out + held.grad_ahead + unit, 0, 2);
            }
            for (int s = 0; s < Rule::kSaved - (Rule::kStates > 1); ++s)
                saved[s] = kept_by_rule ? S::load(from + s * kLanes) : units_at(held.out, unit, left);
            if constexpr (Rule::kPassesState) before[0] = units_at(held.h, unit, left);
            if constexpr (Rule::kStates > 1)
                before[1] = held.c_is_saved ? S::load(held.c + (vector * kept + Rule::kSaved - 1) * kLanes) : units_at(held.c, unit, left);
            if constexpr (Rule::kStates > 1) {
                if (norms_cell)  // turn_cell left tanh of the normalised c, and the gradient that reaches c through it
                    Rule::to_gates(saved, before, d_after[0] * S::load(cell + unit),
                                   d_after[1] + S::load(cell + unit_blocks * kWide + unit), d_sums, d_before);
                else
                    rule.backward(saved, before, d_after, d_sums, d_before);
            } else {
                rule.backward(saved, before, d_after, d_sums, d_before);
            }
            if constexpr (Rule::kLearnsSlope) S::store(d_slope, S::load(d_slope) + d_after[0] * rule.phi.derivative_by_slope(saved[0]));
            if (passes) S::store(d_h + place, d_before[0] + past[0]);
            if constexpr (Rule::kStates > 1) S::store(d_c + place, d_before[1] + past[1]);
            T *const to = held.d_sums + vector / 2 * sum_stride + vector % 2 * kLanes;
            for (int sum = 0; sum < n_sums; ++sum) {
                Vec d = d_sums[has_norm ? sum_of_rule(sum) : sum];
                if (has_norm) {
                    T *const gain = own.d_norm.gain(sum) + unit, *const shift = own.d_norm.shift(sum) + unit;
                    S::store(gain, S::load(gain) + d * S::load(from + (kept_by_rule + sum) * kLanes));
                    S::store(shift, S::load(shift) + d);
                    d *= S::load(norm_.gain(sum) + unit);
                }
                S::store(to + sum * unit_blocks * sum_stride, d);
            }
        }
    }
    int sum_of_rule(int sum) const {
        const auto [reads, gate] = shape_.sums.list[sum];
        return Rule::kSums > Rule::kGates && gate == Rule::kGates - 1 && reads == kInput ? gate + 1 : gate;
    }

    // Through the norm of c: tanh of it, and the gradient that reaches c, into own.cell.
    void turn_cell(const Own &own, const Turn &turn) {
        if constexpr (Rule::kStates > 1) {
            const std::size_t width = shape_.unit_blocks * kWide;
            const int row = shape_.sums.count;
            T *const t = own.cell, *const d = own.cell + width;
            each_vector<T>(1, shape_.unit_blocks, kWide, shape_.units, [&](std::size_t at, std::size_t, std::size_t vector, std::size_t lanes) {
                const T *const saved = turn.saved + vector * shape_.kept * kLanes;
                const Vec i = S::load(saved), f = S::load(saved + kLanes), g = S::load(saved + 2 * kLanes);
                S::store(d + at, f * c_before(turn, vector, lanes) + i * g);
            });
            const auto [mean, scale] = moments(d, kWide, shape_.unit_blocks, 1, shape_.units);
            T *const normed = t;
            each_vector<T>(1, shape_.unit_blocks, kWide, shape_.units, [&](std::size_t at, std::size_t, std::size_t vector, std::size_t lanes) {
                const Vec c = (S::load(d + at) - mean) * scale, gain = S::load(norm_.gain(row) + at);
                const Vec tanh_c = Tanh<T>{}(gain * c + S::load(norm_.shift(row) + at));
                Vec d_after[2], past[2];
                split(own, turn, vector, lanes, d_after, past);
                const Vec o = S::load(turn.saved + (vector * shape_.kept + 3) * kLanes);
                const Vec d_normed = d_after[0] * o * (T{1} - tanh_c * tanh_c);
                S::store(own.d_norm.gain(row) + at, S::load(own.d_norm.gain(row) + at) + d_normed * c);
                S::store(own.d_norm.shift(row) + at, S::load(own.d_norm.shift(row) + at) + d_normed);
                S::store(d + at, first_lanes<T>(d_normed * gain, lanes));
                S::store(normed + at, c);
            });
            normalise_back(d, scale, kWide, shape_.unit_blocks, 1, shape_.units,
                           [&](std::size_t, std::size_t vector) { return S::load(normed + vector * kLanes); });
            each_vector<T>(1, shape_.unit_blocks, kWide, shape_.units, [&](std::size_t at, auto...) {
                S::store(t + at, Tanh<T>{}(S::load(norm_.gain(row) + at) * S::load(normed + at) + S::load(norm_.shift(row) + at)));
            });
        }
    }
    void turn_norm(const Own &own, const Turn &turn) {
        for (int first = 0, group = 0; first < shape_.sums.count; ++group) {
            const int count = normed_together<Rule>(first);
            const T scale = turn.saved[shape_.vectors * shape_.kept * kLanes + group];
            normalise_back(turn.d_sums + first * shape_.unit_blocks * own.room * kWide, scale, own.room * kWide, shape_.unit_blocks, count,
                           shape_.units, [&](std::size_t sum, std::size_t vector) {
                               return S::load(turn.saved + (vector * shape_.kept + shape_.kept_by_rule + first + sum) * kLanes);
                           });
            first += count;
        }
    }

    // The product has come to row i's state before the step: through the mask, and not past a reset.
    void arrive(const Own &own, const Rows &rows, Part blocks, const Step &now, std::size_t i) const {
        const std::size_t row = rows.order[i], stride = rows.count * kWide;
        const bool anew = starts_anew(call_, row, rows.lengths[i], now.t);
        if (!anew && !own.d_recurrent) return;
        for (std::size_t vector = blocks.begin * 2; vector < blocks.end * 2 && vector < shape_.vectors; ++vector) {
            const std::size_t unit = vector * kLanes, left = shape_.units - unit < kLanes ? shape_.units - unit : kLanes;
            const std::size_t place = vector / 2 * stride + i * kWide + vector % 2 * kLanes;
            if (anew) {
                S::store(own.d_h + place, Vec{});
                if constexpr (Rule::kStates > 1) S::store(own.d_c + place, Vec{});
            } else {
                const Vec product = S::load(own.d_recurrent + place) * units_at(call_.mask + row * shape_.units, unit, left);
                S::store(own.d_h + place, passes_ ? S::load(own.d_h + place) + product : product);
            }
        }
    }

    // The products over all rows of steps that are filled: gradients of the weights, and of x.
    void add_up(Own &own, Part blocks, int member, std::size_t filled, bool adds) {
        const std::size_t block_rows = own.room * kWide, H = shape_.units;
        if (to_.w_ih)
            for (int sum = 0; sum < shape_.sums.count; ++sum) {
                const Reads reads = shape_.sums.list[sum].reads;
                const std::size_t panel = sum * shape_.unit_blocks + blocks.begin;
                Product<T> product{};
                product.n_pieces = 1;
                product.pieces[0] = {own.left, left_stride(), own.d_sums + panel * block_rows, block_rows, 1, 1, filled};
                product.result = own.d_weights + panel * left_width_ * kWide;
                product.result_stride = left_width_ * kWide;
                product.adds = adds;
                multiply<T, true>(product, reads == kInput ? H : 0, reads == kState ? H + 1 : left_width_, 0, blocks.end - blocks.begin);
            }
        if (!to_.grad_x.data) return;
        const Part mine = plan_.splits_units ? part_of(shape_.input_blocks, member, plan_.members) : Part{0, shape_.input_blocks};
        Product<T> product{};
        for (int sum = 0, depth = 0; sum < shape_.sums.count;) {  // runs of sums that read the input
            if (shape_.sums.list[sum].reads == kState) { ++sum; continue; }
            int run = 1;
            while (sum + run < shape_.sums.count && shape_.sums.list[sum + run].reads != kState) ++run;
            product.pieces[product.n_pieces++] = {own.d_sums + sum * shape_.unit_blocks * block_rows, block_rows,
                                                  input_panels_ + mine.begin * panel_ + depth * H * kWide, panel_,
                                                  static_cast<std::size_t>(run), shape_.unit_blocks, H - (shape_.unit_blocks - 1) * kWide};
            depth += run, sum += run;
        }
        product.result = own.d_x + mine.begin * block_rows;
        product.result_stride = block_rows;
        multiply(product, 0, filled, 0, mine.end - mine.begin);
        for (std::size_t k = 0; k < filled; ++k)
            from_blocks(own.d_x + k * kWide, block_rows, at(to_.grad_x, own.places[k].t, own.places[k].row), shape_.inputs, mine.begin, mine.end);
    }

    void end(const Own &own, const Rows &rows, Part blocks) const {
        const std::size_t stride = rows.count * kWide, H = shape_.units;
        for (std::size_t i = 0; i < rows.count; ++i) {
            const std::size_t row = rows.order[i];
            if (to_.grad_h0) from_blocks(own.d_h + i * kWide, stride, to_.grad_h0 + row * H, H, blocks.begin, blocks.end);
            if (to_.grad_c0) from_blocks(own.d_c + i * kWide, stride, to_.grad_c0 + row * H, H, blocks.begin, blocks.end);
        }
    }

    // The members' sums into the gradients of the weights, each member some panels.
    void collect(int member) {
        const std::size_t H = shape_.units, blocks = shape_.unit_blocks;
        const Part mine = part_of(shape_.sums.count * blocks, member, plan_.members);
        for (std::size_t panel = mine.begin; panel < mine.end; ++panel) {
            const auto [reads, gate] = shape_.sums.list[panel / blocks];
            const std::size_t unit = panel % blocks * kWide, present = H - unit < kWide ? H - unit : kWide, row = gate * H + unit;
            const std::size_t first = reads == kInput ? H : 0, last = reads == kState ? H + 1 : left_width_;
            T *const sums = own_[0].d_weights + panel * left_width_ * kWide;
            for (int other = 1; other < plan_.members && !plan_.splits_units; ++other) {
                const T *const more = own_[other].d_weights + panel * left_width_ * kWide;
                for (std::size_t k = first * kWide; k < last * kWide; k += kLanes) S::store(sums + k, S::load(sums + k) + S::load(more + k));
            }
            if (reads != kInput) spread(sums, H, present, to_.w_hh + row * H);
            if (reads != kState) spread(sums + (H + 1) * kWide, shape_.inputs, present, to_.w_ih + row * shape_.inputs);
            if (shape_.has_norm || !to_.b_ih) continue;
            if (reads != kInput) copy_padded(sums + H * kWide, present, to_.b_hh + row, present);
            if (reads != kState) copy_padded(sums + H * kWide, present, to_.b_ih + row, present);
        }
        if (member > 0) return;
        if (to_.slope) {
            *to_.slope = T{};
            for (int each = 0; each < plan_.members; ++each) *to_.slope += total<T>(S::load(own_[each].d_slope));
        }
        if (shape_.has_norm) collect_norm();
    }
    // `depth` rows of a panel into the first columns of rows of a weight.
    static void spread(const T *panel, std::size_t depth, std::size_t present, T *weight) {
        constexpr std::size_t kStretch = 64 / sizeof(T);
        for (std::size_t k0 = 0; k0 < depth; k0 += kStretch)
            for (std::size_t c = 0; c < present; ++c)
                for (std::size_t k = k0; k < k0 + kStretch && k < depth; ++k) weight[c * depth + k] = panel[k * kWide + c];
    }
    void collect_norm() const {
        const std::size_t H = shape_.units;
        for (int sum = 0; sum <= shape_.sums.count; ++sum) {
            const bool is_cell = sum == shape_.sums.count;
            const auto [reads, gate] = shape_.sums.list[is_cell ? 0 : sum];
            T *const gain = is_cell ? to_.gain_cell : (reads == kInput ? to_.gain_ih : to_.gain_hh) + gate * H;
            T *const shift = is_cell ? to_.bias_cell : !to_.b_ih ? nullptr : (reads == kInput ? to_.b_ih : to_.b_hh) + gate * H;
            for (std::size_t u = 0; u < H; ++u) {
                T gains{}, shifts{};
                for (int each = 0; each < plan_.members; ++each) {
                    gains += own_[each].d_norm.gain(sum)[u];
                    shifts += own_[each].d_norm.shift(sum)[u];
                }
                if (gain) gain[u] = gains;
                if (shift) shift[u] = shifts;
                if (shift && !is_cell && reads == kBoth) to_.b_ih[u] = shifts;  // the plain RNN's two biases
            }
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
